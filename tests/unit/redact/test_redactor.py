from __future__ import annotations

import copy
from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.config import Redact
from shipper.redact.redactor import Redactor

KEY = "a key of more than sixteen letters"
ALL = Redact(hash=["subject", "session", "recruitment"], hash_key=KEY)

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"
# Long enough not to be a part of anything else, and with a digit, so that no word is one.
plain = st.text(LETTERS + DIGITS, min_size=8, max_size=24).map("9{}q".format)
odd = st.text(LETTERS + DIGITS + "!@#$%^*+/~_-.:", min_size=8, max_size=24).map("9{}q".format)
spaced = st.text(LETTERS + DIGITS + " !@#$%^&*()+,;:./<>{}[]|~", min_size=8, max_size=24).map("9{}q".format)

BARE = [
    "password={} user=bob", "retry with password={}, user=bob", "GET /api?a=1&access_token={}&b=2 HTTP/1.1",
    "GET /api?token={}", "password: {}", "  PGPASSWORD={} psql -h db", "docker run -e DB_PASSWORD={} image",
    "cmd --token {} --verbose", "cmd --api-key={} --verbose", "curl -H 'Authorization: Bearer {}' http://es:9200",
    "Authorization: Basic {} sent", "authorization=Token {} sent", "X-Api-Key: {}", "got Bearer {} from the header",
    "Task neuroflow.x[1] succeeded in 0.4s: {{'password': '{}'}}",
    "  File \"x.py\", line 3\n    connect(password='{}', host=h)\nValueError: no", "│ secret = '{}' │",
    "\x1b[36mpassword\x1b[0m=\x1b[35m{}\x1b[0m \x1b[36mx\x1b[0m=1", "key=api_token value={} x=1",
    "environ['SECRET_KEY'] = '{}'", "client_secret = {}", "<password>{}</password>", "Set-Cookie: sid={}; Path=/",
]  # fmt: skip
QUOTED = [
    "password='{}' x=1", 'password: "{}"', '{{"a": 1, "password": "{}", "b": 2}}', '{{"password":"{}","b":2}}',
    '{{"event": "x", "password": "{}', "{{'token': '{}', 'b': 2}}",
    "kwargs={{'credentials': {{'user': 'u', 'x': '{}'}}}} n=2",
    '{{"details": "{{\\"password\\": \\"{}\\", \\"b\\": 2}}", "c": 3}}',
    '{{"a": "{{\\"b\\": \\"{{\\\\\\"secret\\\\\\": \\\\\\"{}\\\\\\"}}\\"}}"}}', "['run', '--token', '{}', '--x']",
    "[(b'authorization', b'Bearer {}'), (b'a', b'b')]", '{{"passwords": ["a", "{}"], "b": 1}}',
    '{{"key": "api_token", "value": "{}", "event": "adapter.override_default"}}', "Wrong token '{}' given",
]  # fmt: skip
URLS = [
    "postgresql://neuro:{}@db:5432/neuroflow",
    "can't connect to redis://:{}@cache:6379/0: refused",
    "url='amqp://u:{}@mq' x=1",
    '{{"url":"mysql+pymysql://u:{}@db/x?charset=utf8","b":"c@d"}}',
    '{{"url":"http:\\/\\/u:{}@host\\/x"}}',
]
IDS = [
    "sub-{}_ses-01.log", "/data/bids/sub-{}/anat/sub-{}_T1w.nii.gz", "%2Fdata%2Fsub-{}%2F", "participant={} x=1",
    "participant_id='{}' x=1", '{{"subject": "{}", "a": 1}}', "{{'participant_id': 'sub-{}'}}",
    '{{"x": "{{\\"subject_id\\": \\"{}\\"}}"}}', "run --participant-label {} {}x --work /tmp",
    "participants=['{}', '{}y'] n=2", "Subject {} registered", "Processing participant {}: started",
    "\x1b[36mparticipant\x1b[0m=\x1b[35m{}\x1b[0m", "line\\nsub-{}\\nparticipant={}\\n",
    "/logs/qsiprep/{}_ses-02.log", "/derivatives/participants/{}/x",
    '{{"entity_type": "subject", "entity_id": "{}"}}', '{{"event": "x", "participants": ["{}',
]  # fmt: skip


def fields(message: str, **extra: Any) -> dict[str, Any]:
    """A document as the document room makes it."""
    return {
        "@timestamp": "2026-11-23T12:44:12.042100Z",
        "message": message,
        "event": {"kind": "event", "created": "2026-11-23T12:44:12.042100Z", "dataset": "neuroflow.app"},
        "log": {"offset": 421, "level": "info", "file": {"path": "/logs/neuroflow.log"}},
        "service": {"name": "neuroflow", "environment": "production"},
        "neuroflow": {"generation": "AAAAAAAAAAAA", **({"extra": extra} if extra else {})},
    }


def redacted(document: dict[str, Any], redactor: Redactor | None = None) -> dict[str, Any]:
    """The document after redaction."""
    (redactor or Redactor(ALL)).document(document)
    return document


def everything(document: dict[str, Any]) -> str:
    """Everything in the document as text, also the original line."""
    original = document["neuroflow"].get("original", "")
    return orjson.dumps(document).decode() + b64decode(original).decode("utf-8", "replace")


def never_survives(text: str, *planted: str) -> None:
    """No form of a planted value is in the text, and a second redaction changes nothing."""
    redactor = Redactor(ALL)
    once = redactor.text(text)
    raw = text.encode()
    document = redacted(fields(text, cmd=["a", text], deep={"x": [{"y": text}]}, **{text[:200]: 1}), redactor)
    document = redacted({**document, "neuroflow": {**document["neuroflow"], "original": b64encode(raw).decode()}})
    for one in planted:
        for form in (once, redactor.line(raw + b"\xff").decode("utf-8", "replace"), everything(document)):
            assert one not in form
    assert once == redactor.text(once)
    again = copy.deepcopy(document)
    assert document == redacted(again)


@given(st.sampled_from(BARE + QUOTED), plain)
def test_secrets_never_survive(template: str, secret: str) -> None:
    """In whatever they are planted."""
    text = template.format(secret)
    never_survives(text, secret)
    assert Redactor(Redact()).suspects(text.encode())


@given(st.tuples(st.sampled_from([BARE[0], BARE[5], *BARE[7:9]]), odd) | st.tuples(st.sampled_from(QUOTED), spaced))
def test_odd_secrets_never_survive(case: tuple[str, str]) -> None:
    """In quotes a secret may contain anything, without them all but blanks and quotes."""
    template, secret = case
    never_survives(template.format(secret), secret)


@given(st.sampled_from(URLS), st.text(LETTERS + DIGITS + "!@#$%^*+/~_-.:", min_size=8).map("q{}9".format))
@example(URLS[0], "p@ss/w0rd:#@x")
def test_passwords_in_urls_never_survive(template: str, secret: str) -> None:
    """Also passwords with characters that a URL should not contain; user and scheme stay."""
    text = template.format(secret)
    never_survives(text, secret)
    assert Redactor(Redact()).suspects(text.encode())


@given(st.sampled_from(IDS), st.from_regex(r"[A-Z]{0,3}[0-9]{4,7}", fullmatch=True))
def test_ids_never_survive(template: str, one: str) -> None:
    """In any place; all forms of an id get the same hash."""
    text = template.replace("{}", one).replace("{{", "{").replace("}}", "}")
    never_survives(text, one)
    redactor = Redactor(ALL)
    pseudonym = redactor.text(f"participant={one}").removeprefix("participant=")
    assert pseudonym in redactor.text(text)


@given(st.lists(st.sampled_from([*BARE, *URLS, "a {}", "k2ey{}=x", "api{}key", "https://host:{}", "{}"]), max_size=4),
       plain | st.text(max_size=9), st.sampled_from([["token", "password"], ["s3key"], []]))  # fmt: skip
@example(["key{}: x"], "2", ["key2b"])
def test_what_a_text_is_suspected_of_is_suspected_among_many(
    templates: list[str], inside: str, keys: list[str]
) -> None:
    """Texts that are looked at together, without what only their digits tell apart, hide nothing."""
    redactor = Redactor(Redact(keys=keys))
    texts = [template.replace("{}", inside).encode("utf-8", "replace") for template in templates]
    if any(map(redactor.suspects, texts)):
        assert redactor.suspects_texts(b"\n".join(texts))
    assert not redactor.suspects_texts(b"/data/sub-0001\n/data/sub-0002")


@given(st.text(max_size=200))
@example("unexpected token in JSON at 5; tokens_used=5; sub-process; the subject is closed")
@example("https://host:8080/a?m=x@y image pennlinc/qsiprep:1.1@sha256:ab total_tokens: 7 password=None")
def test_texts_without_suspects_are_unchanged(text: str) -> None:
    """A line that ``suspects`` passes is one that redaction would not change."""
    redactor = Redactor(Redact())
    if not redactor.suspects(text.encode("utf-8", "replace")):
        assert text == redactor.text(text)
    assert redactor.text(redactor.text(text)) == redactor.text(text)
    examples = ("unexpected", "https://host")
    if text.startswith(examples):
        assert text == Redactor(ALL).text(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_line(raw: bytes) -> None:
    """Bytes that are not UTF-8 stay as they are, and nothing raises."""
    redactor = Redactor(ALL)
    once = redactor.line(raw)
    assert once == redactor.line(once)


LINES = [
    b"token" * 20, b"token ", b"token=[", b'token="', b"token='\\", b"://a:", b"://a:b@", b"subject:", b"subject/",
]  # fmt: skip
LINES += [
    b"participants=[", b"sub-0", b"_ses-", b"/a_ses-", b"a1 ", b"a-", b"\\", b"'",
    b"entity_id=entity_type=subject ",
]  # fmt: skip


@pytest.mark.parametrize("piece", LINES, ids=repr)
def test_hostile_lines_come_to_an_end(piece: bytes) -> None:
    """What looks like the beginning of something, tens of thousands of times."""
    assert Redactor(ALL).line(piece * (2**18 // len(piece)))


def test_values_by_key() -> None:
    """Values of any type are replaced as a whole; null, booleans and counts stay."""
    document = redacted(
        fields(
            "m",
            password={"a": ["hunter2"]},
            authToken=7,
            api_key=None,
            has_token=True,
            tokens_used=5,
            nested=[{"X-Api-Key": ["hunter2"]}],
            cmd=["run", "--token", "hunter2", "--x", "y"],
            header=["authorization", "Bearer hunter2"],
        )
    )
    assert {
        "password": "[redacted]", "authToken": "[redacted]", "api_key": None, "has_token": True, "tokens_used": 5,
        "nested": [{"X-Api-Key": "[redacted]"}],
        "cmd": ["run", "--token", "[redacted]", "--x", "y"],
        "header": ["authorization", "[redacted]"],
    } == document["neuroflow"]["extra"]  # fmt: skip


def test_secret_is_found_beside_its_key() -> None:
    """Where one field names another as a secret, and where the line contains the secret twice."""
    document = fields("login with s3cret-phrase failed", field="db_password")
    document["neuroflow"]["audit"] = {
        "entity_type": "x", "entity": "x", "old_value": "s3cret-phrase", "new_value": "n",
    }  # fmt: skip
    document["neuroflow"]["original"] = b64encode(b'{"m": "s3cret-phrase"}\n').decode()
    redacted(document)
    assert "login with [redacted] failed" == document["message"]
    assert ("[redacted]", "[redacted]") == (
        document["neuroflow"]["audit"]["old_value"],
        document["neuroflow"]["audit"]["new_value"],
    )
    assert "s3cret" not in everything(document)


def test_shared_parts_are_left_alone() -> None:
    """Documents of a block share event and file: changed parts are copied."""
    document = fields("m")
    file, event = {"path": "/logs/sub-0421.log"}, {"action": "sub-0421.started"}
    document["log"]["file"], document["event"] = file, event
    redacted(document)
    assert ("/logs/sub-0421.log", "sub-0421.started") == (file["path"], event["action"])
    assert "0421" not in document["log"]["file"]["path"] + document["event"]["action"]


def test_typed_fields_keep_their_shape() -> None:
    """Times, offsets and values that are not text stay, even where an id looks the same."""
    redactor = Redactor(ALL)
    redactor.text("participant=0421 participant=042100")
    document = fields("m")
    before = copy.deepcopy(document)
    assert before == redacted(document, redactor)


def test_ids_are_the_same_everywhere() -> None:
    """With or without prefix, in fields, lists, keys, texts, paths and audit records; so runs can be followed."""
    redactor = Redactor(ALL)
    hexed = redactor.text("participant=0421").removeprefix("participant=")
    document = fields("0421 done", participants=["0421", "sub-0421"], by={"sub-0421": 1}, text="['0421']")
    document["neuroflow"].update(
        subject_id="sub-0421",
        session_id="ses-01",
        audit={"entity_type": "subject", "entity": "subject:0421", "entity_id": "0421", "new_value": "sub-0421"},
    )
    document["log"]["file"]["path"] = "/logs/qsiprep/0421_ses-01.log"
    neuroflow = redacted(document, redactor)["neuroflow"]
    session = neuroflow["session_id"]
    assert (f"{hexed} done", f"sub-{hexed}") == (document["message"], neuroflow["subject_id"])
    assert {"participants": [hexed, f"sub-{hexed}"], "by": {f"sub-{hexed}": 1}, "text": f"['{hexed}']"} == {
        **neuroflow["extra"]
    }
    assert (f"subject:{hexed}", hexed, f"sub-{hexed}") == (
        neuroflow["audit"]["entity"],
        neuroflow["audit"]["entity_id"],
        neuroflow["audit"]["new_value"],
    )
    assert f"/logs/qsiprep/{hexed}_{session}.log" == document["log"]["file"]["path"]


def test_nothing_chosen_nothing_done() -> None:
    """``keys: []`` turns secrets off, ids are off anyway."""
    redactor = Redactor(Redact(keys=[]))
    text = "password=hunter2 participant=0421 postgresql://u:p@h"
    assert (False, False) == (redactor.active, redactor.suspects(text.encode()))
    assert (text, text) == (redactor.text(text), redactor.conceal(text))
    redactor = Redactor(Redact())
    assert (True, "participant=0421") == (redactor.active, redactor.text("participant=0421"))


def test_paths_are_concealed_for_good() -> None:
    """A path has one digest, whatever is learned later, and a digest stays itself."""
    redactor = Redactor(ALL)
    path = "/logs/0421/app.log"
    hidden = redactor.conceal(path)
    redactor.text("participant=0421")
    assert (hidden, hidden) == (redactor.conceal(path), redactor.conceal(hidden))
    assert "0421" not in hidden
    assert redactor.conceal(f"{path}.gz").endswith(".gz")
    assert hidden != Redactor(Redact(hash=["subject"], hash_key=KEY + "!")).conceal(path)


def test_a_line_nested_deeper_than_python_goes_is_redacted_as_text() -> None:
    """Such a line neither ends the sidecar nor keeps its secret."""
    nested = b'{"a":' * 500 + b"1" + b"}" * 500
    line = Redactor(Redact()).line(b'{"password": "hunter2hunter2", "deep": ' + nested + b"}")
    assert b"hunter2" not in line
