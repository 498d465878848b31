from __future__ import annotations

import pytest

from shipper.deliver.batch import Batch, Whole
from shipper.deliver.work import Part, parts_of
from shipper.elastic.packed import Packed


def pairs(letters: str) -> list[tuple[bytes, bytes]]:
    """Items and lines."""
    return [(letter.encode(), letter.upper().encode()) for letter in letters]


def batch(letters: str, **ranges: list[tuple[int, int]]) -> Batch:
    """A batch of these items."""
    items, raws = zip(*pairs(letters), strict=True) if letters else ((), ())
    return Batch(Packed(items), Packed(raws), **ranges)  # type: ignore[arg-type] # which of them, the test says


def told(parts: list[Part]) -> list[tuple[list[tuple[bytes, bytes]], float | None]]:
    """What parts hold."""
    return [(list(part.pairs), part.since) for part in parts]


def test_documents_are_told_apart_by_who_may_have_sent_them() -> None:
    """Parts are new documents, and those that this or an earlier run may have sent, which come first."""
    one = batch("abcdefg", maybe_sent=[(0, 2), (5, 6)], reread=[(3, 5)])
    assert [Part(pairs("cg")), Part(pairs("de"), 7.0), Part(pairs("abf"), 1.0)] == parts_of(one, 1.0, 7.0)


def test_there_is_no_part_without_documents() -> None:
    """Blank lines make no part; a batch may consist of one part, which is not unpacked."""
    assert [] == parts_of(batch(""), 1.0, 7.0)
    for one, since in ((batch("ab"), None), (batch("ab", maybe_sent=[(0, 1), (1, 2)]), 1.0)):
        parts = parts_of(one, 1.0, 7.0)
        assert [(pairs("ab"), since)] == told(parts)
        assert isinstance(parts[0].pairs, Whole)
    assert [(pairs("ab"), 7.0)] == told(parts_of(batch("ab", reread=[(0, 2)]), 1.0, 7.0))


def test_a_batch_lacks_no_line() -> None:
    """An item whose line is missing is found before anything is sent."""
    with pytest.raises(ValueError, match="0 lines for 1 items"):
        parts_of(Batch(Packed([b"a"])), 1.0, 7.0)


def test_documents_of_a_whole_batch_are_found_by_place() -> None:
    """One of them, or a half, as of a list."""
    whole = Whole(batch("abcd"))
    assert (4, pairs("c")[0], pairs("ab")) == (len(whole), whole[2], whole[:2])
