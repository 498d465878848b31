from __future__ import annotations

from shipper.deliver.batch import Batch
from shipper.deliver.work import Part, parts_of


def pairs(letters: str) -> list[tuple[bytes, bytes]]:
    """Items and lines."""
    return [(letter.encode(), letter.upper().encode()) for letter in letters]


def batch(letters: str, **ranges: list[tuple[int, int]]) -> Batch:
    """A batch of these items."""
    items, raws = zip(*pairs(letters), strict=True) if letters else ((), ())
    return Batch(list(items), list(raws), **ranges)  # type: ignore[arg-type] # which of them, the test says


def test_documents_are_told_apart_by_who_may_have_sent_them() -> None:
    """Parts are new documents, and those that this or an earlier run may have sent, which come first."""
    one = batch("abcdefg", maybe_sent=[(0, 2), (5, 6)], reread=[(3, 5)])
    assert [Part(pairs("cg")), Part(pairs("de"), 7.0), Part(pairs("abf"), 1.0)] == parts_of(one, 1.0, 7.0)


def test_there_is_no_part_without_documents() -> None:
    """Blank lines make no part; a batch may consist of one part."""
    assert [] == parts_of(batch(""), 1.0, 7.0)
    assert [Part(pairs("ab"))] == parts_of(batch("ab"), 1.0, 7.0)
    assert [Part(pairs("ab"), 1.0)] == parts_of(batch("ab", maybe_sent=[(0, 2)]), 1.0, 7.0)
