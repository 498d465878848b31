"""Rejected documents are counted by data stream and reason."""

from __future__ import annotations

from shipper.deliver.rejections import MAX_REASONS, OTHERS, Rejection, Rejections
from shipper.elastic.outcomes import Outcome, Verdict


def dead(stream: str, kind: str) -> tuple[bytes, bytes, Verdict]:
    """A rejected document."""
    item = b'{"create":{"_index":"%b","_id":"a"}}\n{"message":"secret"}\n' % stream.encode()
    return item, b"secret", Verdict(Outcome.DEAD, 400, kind, "failed to parse 'secret'")


def test_they_are_counted_until_they_are_taken() -> None:
    """Numbers by stream and reason, since the last look, without the reason's text."""
    rejections = Rejections()
    rejections.add([dead("a", "parsing"), dead("b", "parsing")])
    rejections.add([dead("a", "parsing"), dead("a", "other")])
    assert {
        Rejection("a", "400 parsing"): 2,
        Rejection("b", "400 parsing"): 1,
        Rejection("a", "400 other"): 1,
    } == rejections.take()
    assert {} == rejections.take()


def test_memory_is_bounded() -> None:
    """More reasons than are kept apart count together."""
    rejections = Rejections()
    rejections.add([dead("a", str(number)) for number in range(MAX_REASONS + 5)])
    rejections.add([dead("a", "0")])
    taken = rejections.take()
    assert (MAX_REASONS + 1, 5, 2) == (len(taken), taken[OTHERS], taken[Rejection("a", "400 0")])
