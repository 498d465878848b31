"""Cursors that the store holds and gives when somebody asks for them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.tail.fingerprint import FINGERPRINT_BYTES
from shipper.tail.generation import Generation
from shipper.tail.generation_table import GenerationTable
from shipper.tail.state.checkpoint import Checkpoint, Hash
from shipper.tail.state.path_hashing import plain
from shipper.tail.state.rows import Cursor, LastSeen
from shipper.tail.state.store import CursorStore


def cursor(number: int, log: str = "/logs/app.log", *, inode: int = 7, head: bytes = b"h") -> Cursor:
    """A cursor of a log; later ones were seen later."""
    return Cursor(
        id=bytes([number]) * 9,
        logical=log,
        first_line=b"f" * 16,
        ordinal=number,
        file=LastSeen(log, 3, inode, 5000, 10**18 + number),
        fingerprint=Hash(FINGERPRINT_BYTES, head),
        checkpoint=Checkpoint(5000, Hash(256, b"c"), "", b"samples"),
        seen_at=float(number),
        waiting_at=2.0,
        passed_over=9,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CursorStore]:
    """An empty store."""
    store = CursorStore(tmp_path / "state", lambda _: None)
    yield store
    store.close()


def reopened(store: CursorStore) -> CursorStore:
    """The same store in the next run."""
    store.close()
    return CursorStore(store.path.parent, pytest.fail)


def table_of(store: CursorStore) -> GenerationTable:
    """The generations of a run that begins now."""
    return GenerationTable(plain, store.dormant, lambda one: Generation(one, keep=1, open_view=pytest.fail))


def names(generations: list[Generation]) -> list[int]:
    """The numbers of these generations."""
    return [one.cursor.ordinal for one in generations]


def test_cursors_are_found_by_what_a_file_is_known_by(store: CursorStore) -> None:
    """By name, log, file and first kilobyte, each with all that is kept of it, in the order they were seen in."""
    store.save(
        [cursor(3), replace(cursor(4), seen_at=0.0), cursor(2), cursor(5, "/logs/other.log", inode=8, head=b"o")]
    )
    store = reopened(store)
    dormant = store.dormant
    assert 4 == dormant.count
    assert [cursor(2), cursor(3), replace(cursor(4), seen_at=0.0)] == dormant.of_log("/logs/app.log")
    assert [2, 3, 4] == [one.ordinal for one in dormant.in_file(3, 7)]
    assert [2, 3] == [one.ordinal for one in dormant.that_begin(Hash(FINGERPRINT_BYTES, b"h"), 2)]
    assert [cursor(5, "/logs/other.log", inode=8, head=b"o")] == dormant.named(bytes([5]) * 9)
    assert {2, 3, 4, 5} == {one.ordinal for one in dormant.passed_over()}
    assert {bytes([4]) * 9, bytes([2]) * 9} == set(dormant.not_seen_since(3.0))
    assert [] == dormant.of_log("/logs/none.log") + dormant.in_file(3, 9) + dormant.named(b"n" * 9)
    store.close()


def test_what_is_kept_beside_a_row_can_change(store: CursorStore) -> None:
    """What waited, and what was passed over, waits no more after the cursor was read from the store and saved."""
    store.save([cursor(1)])
    store = reopened(store)
    (found,) = store.dormant.of_log("/logs/app.log")
    store.save([replace(found, waiting_at=0.0, passed_over=0)])
    store = reopened(store)
    assert [replace(cursor(1), waiting_at=0.0, passed_over=0)] == store.load()
    store.close()


def test_a_deleted_store_is_written_again_with_what_only_it_held(store: CursorStore) -> None:
    """Its descriptor still gives the rows that nobody has asked for; those that were are as they are now."""
    store.save([cursor(1), cursor(2), cursor(3, "/logs/other.log")])
    store.close()
    said: list[str] = []
    store = CursorStore(store.path.parent, said.append)
    (first, _) = store.dormant.of_log("/logs/app.log")
    shutil.rmtree(store.path.parent)
    assert not store.present()
    store.restore([replace(first, checkpoint=Checkpoint(6000, Hash(256, b"d"), ""))])
    assert store.present()
    assert not store.dormant.lost
    assert [cursor(3, "/logs/other.log")] == store.dormant.of_log("/logs/other.log")
    store = reopened(store)
    assert [6000, 5000, 5000] == [one.offset for one in store.load()]
    assert cursor(2) in store.load()
    store.close()


def test_a_row_that_is_damaged_meanwhile_counts_as_lost(store: CursorStore) -> None:
    """It is not used, and the store is to be replaced; what begins anew may have been sent before."""
    store.save([cursor(1)])
    store = reopened(store)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("UPDATE generation SET offset = 1")
        other.commit()
    assert [] == store.dormant.of_log("/logs/app.log")
    assert store.dormant.lost
    assert not store.present()
    assert table_of(store).lost_some
    store.close()


def test_a_start_takes_nothing_into_memory(store: CursorStore) -> None:
    """What is asked for is there with all of its log; the others only count."""
    store.save([cursor(1), cursor(2), cursor(3, "/logs/other.log", inode=8, head=b"o")])
    store = reopened(store)
    table = table_of(store)
    assert (3, []) == (len(table), list(table))
    found = table.in_file((3, 7))
    assert found is not None
    assert (2, 3, [1, 2]) == (found.cursor.ordinal, len(table), names(list(table)))
    table.scanned = True
    assert table.in_file((3, 8)) is None, "a file that came back is not at home"
    lost = table.lost((3, 8))
    assert lost is not None
    assert ("/logs/other.log", 3) == (lost.cursor.logical, len(list(table)))
    assert table.find(bytes([1]) * 9) is next(iter(table))
    assert [1, 2] == names(table.of("/logs/app.log"))
    store.close()


def test_a_beginning_that_many_share_tells_nothing(store: CursorStore) -> None:
    """Of generations that begin alike only so many are taken into memory as show that they are too many."""
    store.save([cursor(number, f"/logs/{number}.log", inode=number) for number in range(1, 40)])
    store = reopened(store)
    table = table_of(store)
    head = Hash(FINGERPRINT_BYTES, b"h")
    assert 9 == len(table._that_begin(head))
    assert 9 == len(list(table))
    assert 39 == len(table)
    store.close()


def test_generations_of_long_gone_files_are_forgotten(store: CursorStore) -> None:
    """Whether or not somebody has asked for them."""
    store.save([cursor(1), cursor(2, "/logs/other.log"), cursor(9, "/logs/new.log")])
    store = reopened(store)
    table = table_of(store)
    assert [1] == names(table.of("/logs/app.log"))
    assert {bytes([1]) * 9, bytes([2]) * 9} == set(table.forgotten(5.0))
    store.close()
