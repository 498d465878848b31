from __future__ import annotations

import base64
import io
import json
from urllib.parse import quote, quote_plus

import pytest

from shipper.credentials import CredentialMask, credentials_in

PASSWORD = 'pä"ss €/w+rd'
KEY = base64.b64encode(b"an-id:the-inner-key").decode()


@pytest.mark.parametrize(
    ("found", "sections"),
    [
        ({PASSWORD, f"someone:{PASSWORD}"}, {"elasticsearch": {"username": "someone", "password": PASSWORD}}),
        ({f"{KEY}\n"}, {"kibana": {"api_key": f"{KEY}\n"}}),
        ({"sixteen or more of them"}, {"shipper": {"redact": {"hash_key": "sixteen or more of them"}}}),
        ({"p%C3%A4ss", "päss", "u:p%C3%A4ss", "u:päss"}, {"elasticsearch": {"hosts": ["https://u:p%C3%A4ss@h:1"]}}),
        ({"long-token"}, {"kibana": {"url": "https://long-token@h/"}}),
        ({"pa/ss?word", "u:pa/ss?word"}, {"elasticsearch": {"hosts": "https://u:pa/ss?word@h:1"}}),
        ({"123456"}, {"elasticsearch": {"password": 123456}}),
        ({"within"}, {"elasticsearch": {"api_key": [{"id": "within"}, None, True]}}),
        (set(), {"elasticsearch": {"hosts": ["http://h:9200"], "username": "someone"}, "shipper": None}),
        (set(), {"elasticsearch": {"password": "abc"}}),
        (set(), {"elasticsearch": "text", "kibana": []}),
    ],
)  # fmt: skip
def test_credentials_are_found(found: set[str], sections: object) -> None:
    """They are found by key and in addresses, from four characters on."""
    assert found == credentials_in(sections)


@pytest.mark.parametrize(
    "said",
    [
        PASSWORD, repr(PASSWORD), repr(PASSWORD.encode()), json.dumps(PASSWORD), quote(PASSWORD),
        quote_plus(PASSWORD), quote(PASSWORD, safe=""), base64.b64encode(PASSWORD.encode()).decode(), f"x{PASSWORD}x",
        f"Basic {base64.b64encode(f'someone:{PASSWORD}'.encode()).decode()}",
        f"Invalid header value {f'ApiKey {KEY}'.encode()!r}", f"ApiKey {KEY}\n", "the-inner-key",
        "an-id:the-inner-key",
    ],
)  # fmt: skip
def test_they_are_hidden_however_they_are_spelled(said: str) -> None:
    """Text, bytes, JSON, URL, header and the parts of an API key are hidden."""
    known = credentials_in({"elasticsearch": {"username": "someone", "password": PASSWORD, "api_key": f"{KEY}\n"}})
    hidden = CredentialMask().add(known).text(f"before {said} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert "…" in hidden
    assert not [one for one in ("ss €", "w+rd", "w%2Brd", KEY[:8], "inner") if one in hidden]


def test_a_short_one_is_no_part_of_a_word() -> None:
    """A short password is hidden as a whole word only."""
    credential_mask = CredentialMask().add(["elastic"])
    assert "elasticsearch.hosts: u:…@h, '…'" == credential_mask.text("elasticsearch.hosts: u:elastic@h, 'elastic'")


def test_all_that_were_in_use_stay_secret() -> None:
    """Credentials of earlier configurations stay hidden."""
    credential_mask = CredentialMask()
    assert "the old-secret and the new-secret" == credential_mask.text("the old-secret and the new-secret")
    credential_mask.add(["old-secret"]).add(["new-secret"])
    assert "the … and the …" == credential_mask.text("the old-secret and the new-secret")


def test_a_stream_is_silenced() -> None:
    """Text that is written to the stream has no credentials."""
    stream = io.StringIO()
    masked = CredentialMask().add(["a-secret"]).stream(stream)
    print("this is a-secret", file=masked)
    masked.writelines(["and a-secret", "\n"])
    assert "this is …\nand …\n" == stream.getvalue()
    assert stream.isatty() == masked.isatty()
