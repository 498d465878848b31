from __future__ import annotations

from typing import Any

import pytest

from shipper.parse import audit


@pytest.mark.parametrize(
    ("details", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'"{\\"a\\": 1}"', {"a": 1}),
        (b'"null"', None),
        (b"null", None),
        (b'"text"', "text"),
        (b'""', ""),
        (b'"{\\"a\\": NaN, \\"b\\": \\"\\\\ud800\\"}"', {"a": None, "b": "\ufffd"}),
        (b'"{\\"a\\": 123456789012345678901}"', {"a": "123456789012345678901"}),
    ],
)  # fmt: skip
def test_details_in_all_their_shapes(details: bytes, value: Any) -> None:
    """Details are an object, JSON text, null or plain text, and always valid strict JSON."""
    record = audit.parse(b'{"entity_type": "session", "action": "created", "details": %s}' % details)
    assert {"entity_type": "session", "action": "created", "details": value} == record


@pytest.mark.parametrize(
    "line",
    [
        b'{"entity_type": "session"}', b'{"action": "created"}', b'{"entity_type": null, "action": "created"}',
        b'{"entity_type": "session", "action": null}', b'["entity_type", "action"]', b'{"entity_type": "sess',
    ],
)  # fmt: skip
def test_what_is_no_entry(line: bytes) -> None:
    """A line without kind or action is no audit record."""
    assert audit.parse(line) is None


def test_an_event_stays_an_event() -> None:
    """An application's event in the file is parsed as an event."""
    assert audit.parse(b'{"event": "a.b"}') == {"event": "a.b"}
