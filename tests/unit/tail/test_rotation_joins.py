"""Which life of a log lies before which, and what is remembered of records that are being joined."""

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


def life(name: bytes, age: int, scan: int = 1, *, lost: bool = False, awake: bool = True) -> Generation:
    """A life of a log, in a file of this age or, ``lost``, last seen in one."""
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
    """Lines that a life begins with."""
    offsets = [sum(len(line) + 1 for line in lines[:at]) for at in range(len(lines) + 1)]
    return Block(Origin(generation.cursor.id, "/x", "/x", "auto", "app"), list(lines), offsets, final=final)


NEW = life(b"new", 0, 9)


@pytest.mark.parametrize(
    ("lives", "nearest"),
    [
        ([], None),
        ([life(b"2", 2), life(b"1", 1), life(b"3", 3)], b"1"),
        ([life(b"1", 1, awake=False)], b"1"),
        ([life(b"lost", 0, lost=True)], b"lost"),  # cut off where the new one is now
        ([life(b"lost", 0, awake=False, lost=True)], None),  # nothing of it is in memory
        ([life(b"1", 1, 2), life(b"lost", 0, 3, lost=True)], b"lost"),
        ([life(b"1", 1, 5), life(b"lost", 0, 3, lost=True)], b"1"),  # deleted, then another was begun and renamed
        ([life(b"1", 1, 1), life(b"lost", 0, 1, lost=True)], b"lost"),
        ([life(b"1", 1, 1), life(b"lost", 4, 1, lost=True)], b"1"),  # the end of the chain was deleted
    ],
)
def test_the_life_before(lives: list[Generation], nearest: bytes | None) -> None:
    """The youngest of the older ones, be it in a file or only in memory."""
    found = predecessor(NEW, [NEW, *lives])
    assert nearest == (found and found.cursor.id)


def test_nothing_lies_before_the_oldest_or_what_has_no_file() -> None:
    """Only a file's name tells where in the chain it stands."""
    assert predecessor(life(b"9", 9), [life(b"1", 1)]) is None
    assert predecessor(life(b"lost", 0, lost=True), [life(b"1", 1)]) is None


def test_what_is_under_way_is_known_to_the_next_run() -> None:
    """Where the parts end is the same as before, as long as neither is acknowledged."""
    before, after = life(b"\1", 1), life(b"\2", 0)
    before.reader.held.hold(block(before, b"head"), 0, "")
    joins = RotationJoins(FRAMING)
    joined = joins.first(after, block(after, b" one", b"two"), [before, after], {b"\1", b"\2"}, {b"\1"})
    assert joined is not None
    assert joined.joined is not None
    assert ([b"head", b" one"], [0, 5, 5]) == (joined.lines, joined.offsets)
    assert ([b"two"], 5) == (joined.following and joined.following.lines, joined.joined.end)
    again = [life(b"\1", 1), life(b"\2", 0)]
    assert joins.text() == RotationJoins(FRAMING, again, joins.text()).text()
    assert [5, 0] == [one.join_at for one in again]
    again[0].cursor.checkpoint = Checkpoint(5)
    assert "" == RotationJoins(FRAMING, again, joins.text()).text()


@pytest.mark.parametrize("written", ["", "{", "[]", "3", '{"zz": 1}', '{"01": [1, "02"]}', '{"01": [1, 2, 3]}'])
def test_a_damaged_memory_is_none(written: str) -> None:
    """It costs a record that is torn at worst."""
    assert "" == RotationJoins(FRAMING, [life(b"\1", 1)], written).text()


def test_the_anchor_of_the_end_knows_only_its_own_lines(tmp_path: Path) -> None:
    """The next life's lines are no bytes of this file."""
    before, after = life(b"\1", 1), life(b"\2", 0)
    own = block(before, b"head", b" own")
    before.reader.held.hold(own, 0, "")
    joins = RotationJoins(FRAMING)
    joined = joins.first(after, block(after, b" one", final=True), [before, after], {b"\1"}, {b"\1"})
    assert joined is not None
    path = tmp_path / "x"
    path.write_bytes(b"head\n own\n")
    assert own.checkpoint_hash(10) == joined.checkpoint_hash(10)
    assert 10 == joined.checkpoint_hash(10).length
