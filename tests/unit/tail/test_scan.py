"""Which files of a scan have to be looked at again."""

from __future__ import annotations

from shipper.tail.found_files import Found, Source
from shipper.tail.scan import Scan


def found(name: str, size: int = 1) -> Found:
    """A file of which all but name and size is the same."""
    source, inode = Source("*.log", "auto", "app"), sum(name.encode())
    return Found(name, name, source, 1, inode, size, size, 0, compressed=False, real=name)


A, B, C = found("a.log"), found("b.log"), found("c.log")


def test_only_files_that_grew_are_looked_at() -> None:
    """And those that no generation goes on in."""
    longer = found("b.log", 2)
    before = Scan(1, [A, B, C], away={id(C)})
    assert [longer, C] == before.changed([A, longer, C])
    assert [] == Scan(1, [A, B, C]).changed([A, B, C])


def test_all_files_are_looked_at_where_more_than_sizes_changed() -> None:
    """A file that came, went, was renamed or replaced, and a scan that left something undecided."""
    before = Scan(1, [A, B])
    assert before.changed([A]) is None
    assert before.changed([A, B, C]) is None
    assert before.changed([A, B._replace(path="b.log.1")]) is None
    assert before.changed([A, B._replace(inode=7)]) is None
    assert Scan().changed([A]) is None
    assert Scan(1, [A, B], unsettled=True).changed([A, B]) is None
