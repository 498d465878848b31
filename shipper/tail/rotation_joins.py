"""Records torn by a rotation: the first lines of one life of a log go on with the last record of the life before.

The record that the life before holds back takes these lines in and is one document, under the name that it has
anyway.  Where it was ended is written down before it is sent, because more may be written to either file before the
next start: what is sent again has to be the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from shipper.config import Format
from shipper.tail.generation import Generation
from shipper.tail.progress import Span
from shipper.tail.scanner import Found
from shipper.tail.splitter import Block, Torn


class Joints(NamedTuple):
    """What the formats say about lines at the beginning of a file.

    ``orphan``: whether a first line begins no record, so that it may go on with one; ``continuation``: how many of
    the second lines go on with the record that the first ones are, given the parser's state before these.
    """

    orphan: Callable[[bytes, Format], bool]
    continuation: Callable[[list[bytes], list[bytes], Format, str], int]


class _Seam(NamedTuple):
    """A joined record under way: the end of its life's part, the next life, and the end of that one's part."""

    end: int
    after: bytes
    upto: int


class _Tie(NamedTuple):
    """A first block that waits for the life before, which is to be read so far, or to its end (None)."""

    after: Generation
    before: Generation
    upto: int | None


class Seams:
    """Finds what was torn, and knows what was joined and is not acknowledged yet.

    Args:
        joints: what the formats say; without it nothing is ever joined.
        generations: by name, as remembered from before.
        written: what an earlier run had under way, as ``written`` gave it.
    """

    def __init__(self, joints: Joints | None, generations: Iterable[Generation] = (), written: str = "") -> None:
        self._joints = joints
        self._ties: dict[bytes, _Tie] = {}
        self._under_way: dict[bytes, _Seam] = {}
        # How far lives were read whose files were no longer where they were found.
        self._asked: dict[bytes, int] = {}
        self._expected: dict[bytes, Generation] = {}
        known = {one.cursor.id: one for one in generations} if written else {}
        for before, (end, after, upto) in _read(written).items():
            one, other = known.get(before), known.get(after)
            if one is not None and other is not None and one.cursor.offset < end and not other.cursor.offset:
                self._under_way[before] = _Seam(end, after, upto)
                self._expected[after] = one
                one.seam = end

    def written(self) -> str:
        """What is under way, as text for the store."""
        rows = {key.hex(): (one.end, one.after.hex(), one.upto) for key, one in self._under_way.items()}
        return json.dumps(rows) if rows else ""

    def first(
        self,
        generation: Generation,
        block: Block,
        lives: Iterable[Generation],
        active: Container[bytes],
        silent: Container[bytes],
    ) -> Block | None:
        """What is to be shipped of a life's first block; None while it waits or nothing is decided yet.

        Args:
            generation: the block's.
            block: that a life begins with.
            lives: of the same log.
            active: the lives that are being read.
            silent: those of them that have just been read and gave nothing.
        """
        before = self._before(generation, block, lives)
        if before is None or before.cursor.id not in active:
            self._ties.pop(generation.cursor.id, None)
            return block
        upto = self._tie(generation, before)
        returned = before.awake is not None and before.awake.returned
        if returned or ((upto is None or before.position < upto) and before.cursor.id not in silent):
            generation.reader.give_back(block)
            return None
        joined = self._join(before, generation, block)
        if joined is None:
            # All of it goes on with that record, and more may.
            self._ties[generation.cursor.id] = _Tie(generation, before, 0)
            generation.reader.hold(block, 0, block.carry)
        return joined

    def _before(self, generation: Generation, block: Block, lives: Iterable[Generation]) -> Generation | None:
        if self._joints is None or generation.reader.begun:
            return None
        expected = self._expected.get(generation.cursor.id)
        if expected is None and not self._joints.orphan(block.lines[0], block.origin.format):
            return None
        return expected or predecessor(generation, lives)

    def _tie(self, generation: Generation, before: Generation) -> int | None:
        tie = self._ties.get(generation.cursor.id)
        if tie is None or tie.before is not before:
            found = before.found
            # A fixed mark: what a writer goes on adding there must not hold up the new file for ever.
            upto = found.size if found is not None and not found.compressed else None
            tie = self._ties[generation.cursor.id] = _Tie(generation, before, upto)
        return tie.upto

    def holds(self, generation: Generation, active: Container[bytes]) -> bool:
        """Whether what this life holds back may still go on with a first block that waits.

        Args:
            generation: the earlier life.
            active: the lives that are being read.
        """
        return any(
            tie.before is generation
            and tie.after.awake is not None
            and tie.after.awake.unbegun
            and tie.after.cursor.id in active
            for tie in self._ties.values()
        )

    def waits(self, generation: Generation) -> bool:
        """Whether this life's first block waits for the life before."""
        return generation.cursor.id in self._ties

    def _join(self, before: Generation, after: Generation, block: Block) -> Block | None:
        """The record that the life before holds back, with the lines that go on with it; without any the block."""
        parts = self._parts(before)
        count = self._count([part for _, part in parts], after, block)
        if count == len(block.lines) and not block.final:
            return None
        self._forget(after)
        if not count:
            return block
        upto = block.offsets[count]
        torn = Span(after.cursor.id, 0, upto, block.anchor(upto), block.carry, block.origin.restarts)
        rest = block.after(count) if count < len(block.lines) else None
        for one, part in reversed(parts):
            end = part.offsets[-1]
            self._under_way[one.cursor.id] = _Seam(end, torn.generation, torn.end)
            one.reader.take_held()
            one.seam = 0
            if one is not parts[0][0]:
                self._forget(one)
                torn = Span(one.cursor.id, 0, end, part.anchor(end), part.carry, part.origin.restarts, torn)
        first, held = parts[0]
        own = len(held.lines)
        lines, cut = held.lines, held.cut
        for part in [*(part for _, part in parts[1:]), block]:
            cut = cut | {line + len(lines): length for line, length in part.cut.items()}
            lines = lines + (part.lines if part is not block else block.lines[:count])
        return Block(
            origin=first.reader.origin,
            lines=lines,
            offsets=held.offsets[:-1] + [held.offsets[-1]] * (len(lines) - own + 1),
            unterminated=block.unterminated and rest is None,
            final=True,
            cut={line: length for line, length in cut.items() if line < len(lines)},
            carry=held.carry,
            read_at_ns=block.read_at_ns,
            modified_ns=block.modified_ns,
            torn=Torn(torn, rest),
        )

    def _parts(self, before: Generation) -> list[tuple[Generation, Block]]:
        """What is held back of the record that a life ends with: of several lives, if it consists of nothing else."""
        parts: list[tuple[Generation, Block]] = []
        one: Generation | None = before
        while one is not None and one.awake is not None and one.awake.held is not None and not one.awake.ragged:
            parts.insert(0, (one, one.awake.held))
            tie = self._ties.get(one.cursor.id) if one.awake.unbegun else None
            one = tie.before if tie is not None else None
        return parts

    def _count(self, parts: list[Block], after: Generation, block: Block) -> int:
        if self._joints is None or not parts:
            return 0
        seam = self._under_way.get(parts[-1].origin.generation)
        if after.cursor.id in self._expected and seam is not None and block.offsets[-1] == seam.upto:
            return len(block.lines)  # as it was sent before
        held = [line for part in parts for line in part.lines]
        return self._joints.continuation(held, block.lines, block.origin.format, parts[0].carry)

    def _forget(self, after: Generation) -> None:
        """Its first block is decided."""
        after.reader.begun = True
        self._ties.pop(after.cursor.id, None)
        self._expected.pop(after.cursor.id, None)

    def may_be_rotated(self, generation: Generation) -> bool:
        """Whether a record may go on in a file that no scan has met yet; said once, for the next scan tells."""
        identity, reader, found = generation.cursor.id, generation.awake, generation.found
        if reader is None or reader.held is None or self._asked.get(identity) == reader.position:
            return False
        if found is not None and _is_as_found(found, reader.position):
            return False
        self._asked[identity] = reader.position
        return True

    def give_up(self, before: Generation) -> None:
        """What this life holds back goes out as it is."""
        self._asked.pop(before.cursor.id, None)
        if before.seam:
            before.seam = 0
            self._under_way.pop(before.cursor.id, None)

    def settle(self, generation: Generation) -> None:
        """The cursor moved: what it moved over is not under way any more."""
        seam = self._under_way.get(generation.cursor.id)
        if seam is not None and generation.cursor.offset >= seam.end:
            del self._under_way[generation.cursor.id]


def predecessor(generation: Generation, lives: Iterable[Generation]) -> Generation | None:
    """The life of a log that was written just before this one.

    Of files, the names tell; a life that lost its file (cut off, deleted, moved away) lies behind those that were met
    after it.
    """
    found = generation.found
    if found is None:
        return None
    others = [one for one in lives if one is not generation]
    there = min(
        (one for one in others if one.found is not None and one.age > found.age),
        key=lambda one: one.age,
        default=None,
    )
    lost = max(
        (one for one in others if one.found is None and one.awake is not None and one.age >= found.age),
        key=_begun,
        default=None,
    )
    if there is None or lost is None:
        return there or lost
    return lost if _begun(lost) > _begun(there) else there


def _begun(one: Generation) -> tuple[int, int]:
    """When a life began.  Of those that one scan met their ages then tell, for rotations change these."""
    return one.begun_at, -(one.begun_age or 0)


def _is_as_found(found: Found, position: int) -> bool:
    """Whether a path still names this file, and it is still as long as what was read of it."""
    try:
        stat = os.stat(found.real)  # noqa: PTH116 - surrogates in paths
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == found.key and (found.compressed or stat.st_size >= position)


def _read(written: str) -> dict[bytes, _Seam]:
    try:
        rows = json.loads(written or "{}")
        return {
            bytes.fromhex(key): _Seam(end, bytes.fromhex(after), upto) for key, (end, after, upto) in rows.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
