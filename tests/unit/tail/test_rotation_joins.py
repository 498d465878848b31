"""Which generation precedes which, and how joined records are stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.tail.block import Block, Origin
from shipper.tail.file_content import FileView
from shipper.tail.found_files import Found, Source
from shipper.tail.framing import Framing
from shipper.tail.generation import Generation, Met
from shipper.tail.rotation_joins import RotationJoins, predecessor
from shipper.tail.state.checkpoint import NOTHING, Checkpoint
from shipper.tail.state.rows import Cursor, LastSeen

FRAMING = Framing(
    orphan=lambda line, _: line.startswith(b" "),
    continuation=lambda _, lines, *__: next((at for at, line in enumerate(lines) if line[:1] != b" "), len(lines)),
)


def generation_of(name: bytes, age: int, scan: int = 1, *, lost: bool = False, awake: bool = True) -> Generation:
    """A generation in a file of this age or, ``lost``, without a file."""
    one = Generation(
        Cursor(name, "/x.log", b"", 0, LastSeen(f"/x.log.{age}", 1, age, 9), NOTHING), keep=100, open_view=FileView
    )
    one.met = Met(scan)
    source = Source("/x.log", "auto", "app")
    one.moves_into(Found(f"/x.log.{age}", "/x.log", source, 1, age, 9, 0, age, False, f"/x.log.{age}"))  # noqa: FBT003
    if awake:
        assert one.reader.position == 0
    if lost:
        one.loses_file()
    return one


def block(generation: Generation, *lines: bytes, final: bool = False) -> Block:
    """The first lines of a generation."""
    offsets = [sum(len(line) + 1 for line in lines[:at]) for at in range(len(lines) + 1)]
    return Block(Origin(generation.cursor.id, "/x", "/x", "auto", "app"), list(lines), offsets, final=final)


NEW = generation_of(b"new", 0, 9)


@pytest.mark.parametrize(
    ("lives", "nearest"),
    [
        ([], None),
        ([generation_of(b"2", 2), generation_of(b"1", 1), generation_of(b"3", 3)], b"1"),
        ([generation_of(b"1", 1, awake=False)], b"1"),
        ([generation_of(b"lost", 0, lost=True)], b"lost"),  # cut off where the new one is now
        ([generation_of(b"lost", 0, awake=False, lost=True)], None),  # nothing of it is in memory
        ([generation_of(b"1", 1, 2), generation_of(b"lost", 0, 3, lost=True)], b"lost"),
        ([generation_of(b"1", 1, 5), generation_of(b"lost", 0, 3, lost=True)], b"1"),  # deleted, another renamed
        ([generation_of(b"1", 1, 1), generation_of(b"lost", 0, 1, lost=True)], b"lost"),
        ([generation_of(b"1", 1, 1), generation_of(b"lost", 4, 1, lost=True)], b"1"),  # the oldest was deleted
    ],
)
def test_the_generation_before(lives: list[Generation], nearest: bytes | None) -> None:
    """The youngest of the older generations, with or without a file."""
    found = predecessor(NEW, [NEW, *lives])
    assert nearest == (found and found.cursor.id)


def test_nothing_lies_before_the_oldest_or_what_has_no_file() -> None:
    """Without a file's name the place in the chain is unknown."""
    assert predecessor(generation_of(b"9", 9), [generation_of(b"1", 1)]) is None
    assert predecessor(generation_of(b"lost", 0, lost=True), [generation_of(b"1", 1)]) is None


def test_what_is_under_way_is_known_to_the_next_run() -> None:
    """Until both parts are acknowledged, the next run joins them at the same place."""
    before, after = generation_of(b"\1", 1), generation_of(b"\2", 0)
    before.reader.held.hold(block(before, b"head"), 0, "")
    joins = RotationJoins(FRAMING)
    joined = joins.first(after, block(after, b" one", b"two"), [before, after], {b"\1", b"\2"}, {b"\1"})
    assert joined is not None
    assert joined.joined is not None
    assert ([b"head", b" one"], [0, 5, 5]) == (joined.lines, joined.offsets)
    assert ([b"two"], 5) == (joined.following and joined.following.lines, joined.joined.end)
    again = [generation_of(b"\1", 1), generation_of(b"\2", 0)]
    known = {one.cursor.id: one for one in again}
    assert joins.text() == RotationJoins(FRAMING, known.get, joins.text()).text()
    assert [5, 0] == [one.join_at for one in again]
    again[0].cursor.checkpoint = Checkpoint(5)
    assert "" == RotationJoins(FRAMING, known.get, joins.text()).text()


@pytest.mark.parametrize("written", ["", "{", "[]", "3", '{"zz": 1}', '{"01": [1, "02"]}', '{"01": [1, 2, 3]}'])
def test_a_damaged_memory_is_none(written: str) -> None:
    """Invalid stored joins are ignored."""
    assert "" == RotationJoins(FRAMING, {b"\1": generation_of(b"\1", 1)}.get, written).text()


def test_the_checkpoint_hash_at_the_end_covers_own_lines_only(tmp_path: Path) -> None:
    """The next generation's lines do not count."""
    before, after = generation_of(b"\1", 1), generation_of(b"\2", 0)
    own = block(before, b"head", b" own")
    before.reader.held.hold(own, 0, "")
    joins = RotationJoins(FRAMING)
    joined = joins.first(after, block(after, b" one", final=True), [before, after], {b"\1"}, {b"\1"})
    assert joined is not None
    path = tmp_path / "x"
    path.write_bytes(b"head\n own\n")
    assert own.checkpoint_hash(10) == joined.checkpoint_hash(10)
    assert 10 == joined.checkpoint_hash(10).length
