"""Lines that were read and are not shipped yet: which generations hold some back, until when, what is flushed then.

A generation holds back an unfinished line, a record that may go on, the finished updates of a progress bar, or a
first block that may continue the last record of the generation before (``rotation_joins``).  ``parse`` decides which
lines are one record and tells the first line of the open one (``hold``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shipper.tail.block import Block
from shipper.tail.clock import Clock
from shipper.tail.framing import LINE_PATIENCE, RECORD_PATIENCE, Framing
from shipper.tail.generation import Generation
from shipper.tail.rotation_joins import RotationJoins
from shipper.tail.round import Round
from shipper.tail.tracker import Generations

NEVER = float("inf")
# Only so many unacknowledged flush points of one generation are kept.
MAX_FLUSH_POINTS = 64


class Holding:
    """What all generations hold back.

    Args:
        generations: by name.
        active: those that are being read; owned by the caller.
        current: the round of reading that is under way.
        clock: what time it is.
        changed: called with a generation's name when its cursor has to be written.
        framing: how the formats delimit records; without it no record is joined over a rotation.
        joins: the joins that an earlier run had under way, as ``joins`` gave them.
    """

    def __init__(
        self,
        generations: Generations,
        active: Mapping[bytes, Generation],
        current: Round,
        *,
        clock: Clock,
        changed: Callable[[bytes], None],
        framing: Framing | None,
        joins: str,
    ) -> None:
        self._generations = generations
        self._active = active
        self._round = current
        self._clock = clock
        self._changed = changed
        self._joins = RotationJoins(framing, generations.table.find, joins)
        # A superset of those that hold something back, so that ten thousand others need not be asked.
        self._waiting: dict[bytes, Generation] = {}

    def joins(self) -> str:
        """The joins over rotations that are under way, as text for the store: written together with the cursors."""
        return self._joins.text()

    @property
    def some(self) -> bool:
        """Whether a generation holds something back, or did at the last ``take_due``."""
        return bool(self._waiting)

    def watch(self, generation: Generation) -> None:
        """Remember a generation that holds something back."""
        if generation.waiting:
            self._waiting[generation.cursor.id] = generation

    def hold(self, block: Block, index: int, parser_state: str) -> None:
        """Hold back a block's lines from ``index`` on, with the parser state there: their record may go on."""
        generation = self._generations.get(block.origin.generation)
        generation.reader.held.hold(block, index, parser_state)
        self.watch(generation)

    def begin(self, generation: Generation, block: Block) -> Block | None:
        """What to ship of a generation's first block: itself, or the record of the generation before with its lines.

        Returns:
            None while that generation may still give lines, or while the record may go on.
        """
        generations = self._generations.lives(generation.cursor.logical)
        given = self._joins.first(generation, block, generations, self._active, self._round.silent)
        if given is None:
            self._waiting[generation.cursor.id] = generation
            if generation.reader.held.block is not None:
                self._round.retry(generation.cursor.id)  # when the generation before has had its turn
            return None
        self._round.grew = True
        if given.joined is not None:
            self._flush_at(self._generations.get(given.origin.generation), given.offsets[-1])
            for part in given.joined.parts():
                self._flush_at(self._generations.get(part.generation), part.end)
        return given

    def next_due(self, patience: float) -> float:
        """When ``take_due`` has something to give, monotonic seconds; infinite if only growth can tell.

        Args:
            patience: how long to wait for an unterminated line, or to collect a progress bar's updates, seconds.
        """
        waiting = list(self._waiting.values())
        ends = [_silence_ends(one, patience) for one in waiting if self._is_quiet(one)]
        return min(ends + [_updates_end(one, patience) for one in waiting], default=NEVER)

    def take_due(self, patience: float) -> tuple[list[Block], bool]:
        """What was held back long enough: a record that did not go on, a line that did not end, a bar's updates.

        The flush point is noted in the cursor, which has to be written before the blocks are sent: otherwise a crash
        and later lines would make another record of them.

        Args:
            patience: as in ``next_due``.

        Returns:
            The blocks, and whether a record waits for a scan, because its file may have been rotated meanwhile.
        """
        now = self._clock.monotonic()
        self._waiting = {identity: one for identity, one in self._waiting.items() if one.waiting}
        blocks: list[Block | None] = []
        needs_scan = False
        for generation in list(self._waiting.values()):
            quiet = self._is_quiet(generation) and now >= _silence_ends(generation, patience)
            updates = now >= _updates_end(generation, patience) and not self._joins.holds(generation, self._active)
            if not (quiet or updates):
                continue
            if self._joins.may_be_rotated(generation):
                needs_scan = True
                continue
            with_line = (
                quiet and now - generation.reader.grew_at >= patience and not generation.reader.file.unfinished
            )
            blocks.append(self._flush(generation, with_line=with_line, with_updates=updates))
        return [block for block in blocks if block is not None], needs_scan

    def take_all(self) -> list[Block]:
        """Everything that is held back, except a line that is being written just now."""
        blocks = [
            self._flush(one, with_line=not one.is_being_written(), with_updates=True)
            # First blocks that wait for a record come before that record is flushed.
            for one in sorted(self._active.values(), key=self._joins.waits, reverse=True)
            if one.found is None or one.found.compressed or one.position >= one.found.size
        ]
        return [block for block in blocks if block is not None]

    def acknowledged(self, generation: Generation) -> None:
        """The generation's cursor moved."""
        self._joins.settle(generation)

    def _is_quiet(self, generation: Generation) -> bool:
        """Whether only time can tell that nothing more comes to what is held back."""
        # Where its end has not been seen, the rest of the line may be in the file already.
        return generation.waiting and not generation.reader.grew and not self._joins.holds(generation, self._active)

    def _flush(self, generation: Generation, *, with_line: bool, with_updates: bool) -> Block | None:
        found = generation.found
        self._joins.give_up(generation)
        block = generation.reader.finish(
            self._clock.wall_ns(), found.mtime_ns if found else 0, with_line=with_line, with_updates=with_updates
        )
        if block is None:
            return None
        self._flush_at(generation, block.offsets[-1])
        return block if block.offsets[0] else self.begin(generation, block)

    def _flush_at(self, generation: Generation, end: int) -> None:
        cursor = generation.cursor
        cursor.flush_points = tuple(sorted({*cursor.flush_points, end})[-MAX_FLUSH_POINTS:])
        self._changed(cursor.id)


def _silence_ends(generation: Generation, patience: float) -> float:
    """When what is held back goes out if nothing more comes to it, monotonic seconds."""
    reader = generation.reader
    if reader.held.record is not None:
        return reader.grew_at + (LINE_PATIENCE if len(reader.held.record.lines) == 1 else RECORD_PATIENCE)
    return NEVER if reader.file.unfinished else reader.grew_at + patience


def _updates_end(generation: Generation, patience: float) -> float:
    """When the updates of a progress bar go out though the line goes on, monotonic seconds."""
    updated_at = generation.active_reader.updated_at if generation.active_reader is not None else 0.0
    return updated_at + patience if updated_at else NEVER
