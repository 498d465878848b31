"""Records that a rotation splits: the first lines of a generation continue the last record of the one before.

The record that the earlier generation holds back takes these lines in and becomes one document, under its own id.
Where it ends is stored before it is sent: more may be written to either file before the next start, and what is sent
again has to be the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from shipper.tail.block import Block
from shipper.tail.found_files import Found
from shipper.tail.framing import Framing
from shipper.tail.generation import Generation
from shipper.tail.progress import Span


class _Join(NamedTuple):
    """A joined record under way: where its generation's part ends, the next generation, and where that part ends."""

    end: int
    after: bytes
    upto: int


class _Wait(NamedTuple):
    """A first block that waits until the generation before was read up to an offset, or to its end (None)."""

    after: Generation
    before: Generation
    upto: int | None


class RotationJoins:
    """Finds records that a rotation split, and remembers the joined ones until they are acknowledged.

    Args:
        framing: how the formats delimit records; without it nothing is joined.
        find: gives the generation of a name, if the store remembers it.
        stored: the joins that an earlier run had under way, as ``text`` gave them.
    """

    def __init__(
        self,
        framing: Framing | None,
        find: Callable[[bytes], Generation | None] = lambda _: None,
        stored: str = "",
    ) -> None:
        self._framing = framing
        self._waits: dict[bytes, _Wait] = {}
        self._under_way: dict[bytes, _Join] = {}
        # Offset up to which a generation was read when its file was no longer where the scan had found it.
        self._asked: dict[bytes, int] = {}
        self._expected: dict[bytes, Generation] = {}
        for before, (end, after, upto) in _read(stored).items():
            one, other = find(before), find(after)
            if one is not None and other is not None and one.cursor.offset < end and not other.cursor.offset:
                self._under_way[before] = _Join(end, after, upto)
                self._expected[after] = one
                one.join_at = end

    def text(self) -> str:
        """The joins under way, as text for the store."""
        rows = {key.hex(): (one.end, one.after.hex(), one.upto) for key, one in self._under_way.items()}
        return json.dumps(rows) if rows else ""

    def first(
        self,
        generation: Generation,
        block: Block,
        generations: Iterable[Generation],
        active: Container[bytes],
        silent: Container[bytes],
    ) -> Block | None:
        """What to ship of a generation's first block; None while it waits or nothing is decided yet.

        Args:
            generation: the block's.
            block: the first one of the generation.
            generations: of the same log.
            active: the generations that are being read.
            silent: those of them that have just been read and gave nothing.
        """
        before = self._before(generation, block, generations)
        if before is None or before.cursor.id not in active:
            self._waits.pop(generation.cursor.id, None)
            return block
        upto = self._wait_for(generation, before)
        returned = before.active_reader is not None and before.active_reader.held.block is not None
        if returned or ((upto is None or before.position < upto) and before.cursor.id not in silent):
            generation.reader.held.block = block
            return None
        joined = self._join(before, generation, block)
        if joined is None:
            # All of it continues that record, and more may.
            self._waits[generation.cursor.id] = _Wait(generation, before, 0)
            generation.reader.held.hold(block, 0, block.parser_state)
        return joined

    def _before(self, generation: Generation, block: Block, generations: Iterable[Generation]) -> Generation | None:
        if self._framing is None or generation.reader.held.first_decided:
            return None
        expected = self._expected.get(generation.cursor.id)
        if expected is None and not self._framing.orphan(block.lines[0], block.origin.format):
            return None
        return expected or predecessor(generation, generations)

    def _wait_for(self, generation: Generation, before: Generation) -> int | None:
        wait = self._waits.get(generation.cursor.id)
        if wait is None or wait.before is not before:
            found = before.found
            # A fixed offset: lines that a writer still adds there must not hold up the new file indefinitely.
            upto = found.size if found is not None and not found.compressed else None
            wait = self._waits[generation.cursor.id] = _Wait(generation, before, upto)
        return wait.upto

    def holds(self, generation: Generation, active: Container[bytes]) -> bool:
        """Whether a first block that waits may still continue what this generation holds back."""
        return any(
            wait.before is generation
            and wait.after.active_reader is not None
            and wait.after.active_reader.held.holds_first_line
            and wait.after.cursor.id in active
            for wait in self._waits.values()
        )

    def waits(self, generation: Generation) -> bool:
        """Whether this generation's first block waits for the generation before."""
        return generation.cursor.id in self._waits

    def _join(self, before: Generation, after: Generation, block: Block) -> Block | None:
        """The record that the generation before holds back, with the lines that continue it; the block if none do."""
        parts = self._parts(before)
        count = self._count([part for _, part in parts], after, block)
        if count == len(block.lines) and not block.final:
            return None
        self._forget(after)
        if not count:
            return block
        upto = block.offsets[count]
        joined = Span(
            after.cursor.id, 0, upto, block.checkpoint_hash(upto), block.parser_state, block.origin.restarts
        )
        following = block.after(count) if count < len(block.lines) else None
        for one, part in reversed(parts):
            end = part.offsets[-1]
            self._under_way[one.cursor.id] = _Join(end, joined.generation, joined.end)
            one.reader.held.take_record()
            one.reader.flush_points.join_at = one.join_at = 0
            if one is not parts[0][0]:
                self._forget(one)
                joined = Span(
                    one.cursor.id, 0, end, part.checkpoint_hash(end), part.parser_state, part.origin.restarts, joined
                )
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
            unterminated=block.unterminated and following is None,
            final=True,
            cut={line: length for line, length in cut.items() if line < len(lines)},
            parser_state=held.parser_state,
            read_at_ns=block.read_at_ns,
            modified_ns=block.modified_ns,
            joined=joined,
            following=following,
        )

    def _parts(self, before: Generation) -> list[tuple[Generation, Block]]:
        """The held parts of the record that a generation ends with; of several, if they consist of nothing else."""
        parts: list[tuple[Generation, Block]] = []
        one: Generation | None = before
        while one is not None and (reader := one.active_reader) is not None:
            if reader.held.record is None or reader.in_line:
                break
            parts.insert(0, (one, reader.held.record))
            wait = self._waits.get(one.cursor.id) if reader.held.holds_first_line else None
            one = wait.before if wait is not None else None
        return parts

    def _count(self, parts: list[Block], after: Generation, block: Block) -> int:
        if self._framing is None or not parts:
            return 0
        join = self._under_way.get(parts[-1].origin.generation)
        if after.cursor.id in self._expected and join is not None and block.offsets[-1] == join.upto:
            return len(block.lines)  # as an earlier run sent it
        held = [line for part in parts for line in part.lines]
        return self._framing.continuation(held, block.lines, block.origin.format, parts[0].parser_state)

    def _forget(self, after: Generation) -> None:
        """Its first block is decided."""
        after.reader.held.first_decided = True
        self._waits.pop(after.cursor.id, None)
        self._expected.pop(after.cursor.id, None)

    def may_be_rotated(self, generation: Generation) -> bool:
        """Whether a record may go on in a file that no scan has found yet; True only once for an offset."""
        identity, reader, found = generation.cursor.id, generation.active_reader, generation.found
        if reader is None or reader.held.record is None or self._asked.get(identity) == reader.position:
            return False
        if found is not None and _is_as_found(found, reader.position):
            return False
        self._asked[identity] = reader.position
        return True

    def give_up(self, before: Generation) -> None:
        """Join nothing to what this generation holds back: it is flushed as it is."""
        self._asked.pop(before.cursor.id, None)
        if before.join_at:
            before.join_at = 0
            self._under_way.pop(before.cursor.id, None)

    def settle(self, generation: Generation) -> None:
        """The generation's cursor moved: forget a join that it moved over."""
        join = self._under_way.get(generation.cursor.id)
        if join is not None and generation.cursor.offset >= join.end:
            del self._under_way[generation.cursor.id]


def predecessor(generation: Generation, generations: Iterable[Generation]) -> Generation | None:
    """The generation of a log that was written just before this one.

    File names order those that have a file.  One that lost its file (truncated, deleted, moved away) comes after
    all that were found before it.
    """
    found = generation.found
    if found is None:
        return None
    others = [one for one in generations if one is not generation]
    there = min(
        (one for one in others if one.found is not None and one.age > found.age),
        key=lambda one: one.age,
        default=None,
    )
    lost = max(
        (one for one in others if one.found is None and one.active_reader is not None and one.age >= found.age),
        key=_begun,
        default=None,
    )
    if there is None or lost is None:
        return there or lost
    return lost if _begun(lost) > _begun(there) else there


def _begun(one: Generation) -> tuple[int, int]:
    """When a generation began; of those that one scan found, by their ages at that time, which rotations change."""
    return one.met.scan, -(one.met.age or 0)


def _is_as_found(found: Found, position: int) -> bool:
    """Whether a path still names this file, and it is still as long as what was read of it."""
    try:
        stat = os.stat(found.real)  # noqa: PTH116 - surrogates in paths
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == found.key and (found.compressed or stat.st_size >= position)


def _read(stored: str) -> dict[bytes, _Join]:
    try:
        rows = json.loads(stored or "{}")
        return {
            bytes.fromhex(key): _Join(end, bytes.fromhex(after), upto) for key, (end, after, upto) in rows.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
