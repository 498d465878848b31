"""Follows the log files: files in, blocks out, cursors kept.

Every file that has more gives one chunk in its turn; unfinished records are held back for a while; acknowledged
spans move the cursors.  Has no thread and never blocks.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from shipper.tail.block import Block
from shipper.tail.clock import Clock
from shipper.tail.first_start import FirstStart
from shipper.tail.found_files import Source
from shipper.tail.framing import Framing
from shipper.tail.generation import MAX_BYTES, Generation
from shipper.tail.generation_table import Remembered
from shipper.tail.handles import Handles, limit
from shipper.tail.holding import Holding
from shipper.tail.lag import Lag, lags
from shipper.tail.log_file import DamagedError, MovedError
from shipper.tail.progress import Progress, Span
from shipper.tail.read_errors import ReadErrors
from shipper.tail.reader import RewrittenError
from shipper.tail.round import Round
from shipper.tail.scanner import Scanner
from shipper.tail.splitter import KEEP_FACTOR
from shipper.tail.state.checkpoint import START
from shipper.tail.state.lock import same_file
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.store import Cursor
from shipper.tail.tracker import Generations

# A file stays open for this long after it grew last, also when its name is gone, seconds.
HANDLE_PATIENCE = 30.0
# A generation whose file is gone is forgotten after this long, seconds.
MEMORY = 90 * 86400.0
# Errors of opening a path that was renamed since the scan.
_RENAMED = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


class Tail:
    """Follows the files of the inputs.

    Attributes:
        dirty: generations whose cursors changed since they were saved last; the caller empties it.
        needs_scan: whether a file was renamed meanwhile, so that another scan should follow soon.

    Args:
        sources: the inputs.
        exclude: patterns of names or paths that are passed over.
        cursors: of the store.
        host: name of this machine in generation names.
        longest: line kept whole in a document, bytes.
        warn: called with a sentence for the sidecar's log.
        clock: what time it is.
        once: leave what is written after the first scan to the next run.
        framing: how the formats delimit records; without it no record is joined over a rotation.
        joins: the joins over rotations that an earlier run had under way, as ``joins`` gave them.
        conceal: what stands for a path in the cursors.
        looked_at: when an earlier run last scanned, seconds since the epoch; 0 for never.
        link_targets: where links may lead, beside the directories of their inputs.
        first_start: what is passed over of the files of the first scan; None for nothing.
        remembered: the cursors that the store holds, to be taken from there when they are needed, beside ``cursors``.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        exclude: Sequence[str],
        cursors: Iterable[Cursor],
        *,
        host: str,
        longest: int,
        warn: Callable[[str], None],
        clock: Clock,
        once: bool = False,
        framing: Framing | None = None,
        joins: str = "",
        conceal: Conceal = plain,
        looked_at: float = 0.0,
        link_targets: Sequence[str] = (),
        first_start: FirstStart | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self._clock = clock
        self._once = once
        self._ranks = {source: rank for rank, source in enumerate(sources)}
        self._scanner = Scanner(sources, exclude, warn, clock.wall_ns, link_targets)
        self._generations = Generations(
            cursors,
            host=host,
            keep=longest * KEEP_FACTOR,
            warn=warn,
            conceal=conceal,
            framing=framing,
            first_start=first_start,
            remembered=remembered,
        )
        self._generations.looked_at = looked_at
        self._active: dict[bytes, Generation] = {}
        self.dirty: set[bytes] = set()
        self._round = Round()
        self._holding = Holding(
            self._generations,
            self._active,
            self._round,
            clock=clock,
            changed=self.dirty.add,
            framing=framing,
            joins=joins,
        )
        self._handles = Handles(limit())
        self._first_start = first_start
        self._progress = Progress()
        self._read_errors = ReadErrors(warn)
        self._patience = 0.0
        self.needs_scan = False

    @property
    def grew(self) -> bool:
        """Whether the last round gave anything new."""
        return self._round.grew

    @property
    def at_ends(self) -> bool:
        """Whether the last round read all that it found to its ends, and nothing is held back until more is read."""
        return self._round.at_ends and not self._round.turns and not self._holding.some

    @property
    def looked_at(self) -> float:
        """When the last scan began, of this run or an earlier one, seconds since the epoch; 0 for none."""
        return self._generations.looked_at

    def directories(self) -> list[str]:
        """The directories to watch."""
        return self._scanner.directories()

    def scan(self, patience: float, *, sparing: bool = False, touched: AbstractSet[str] = frozenset()) -> None:
        """Find new files, and where the known ones are now.

        Args:
            patience: how long to wait for the end of a first line, seconds.
            sparing: check idle files in every second scan only.
            touched: paths that are checked in any case.
        """
        generations, began, self._patience = self._generations, self._clock.wall_ns() / 1e9, patience
        generations.observe(self._scanner.scan(sparing=sparing, touched=touched), self._clock.monotonic(), patience)
        generations.looked_at = began
        self.needs_scan = self.needs_scan or generations.access.renamed_meanwhile
        now = self._clock.wall_ns() / 1e9
        # First inputs and oldest files first: they name the runs that later lines refer to.
        for generation in sorted(map(generations.get, generations.dirty), key=self._turn_of):
            identity = generation.cursor.id
            if generation.found is not None:
                generation.cursor.seen_at = now
                self._active[identity] = generation
            elif generation.active_reader is not None and not generation.active_reader.file.gone:
                self._active[identity] = generation  # a link has another target now; the old one is still there
        self.dirty |= generations.dirty
        generations.dirty.clear()

    def _turn_of(self, generation: Generation) -> tuple[int, int]:
        found = generation.found
        return (self._ranks.get(found.source, 0), -found.age) if found is not None else (0, 0)

    def reconfigure(
        self, sources: Sequence[Source], scanner: Scanner, *, host: str, longest: int, patience: float
    ) -> None:
        """Use other inputs and limits: positions stay, files that no input matches any more are closed."""
        self._generations.reconfigure(host, longest * KEEP_FACTOR)
        before = {identity: one.found for identity, one in self._active.items() if one.found is not None}
        self._ranks = {source: rank for rank, source in enumerate(sources)}
        self._scanner = scanner
        self.scan(patience)
        for identity, found in before.items():
            if self._active[identity].found is None and same_file(Path(found.path), found.key):
                self._release(self._active[identity])  # excluded now; a deleted file is read on

    def suspect_sent(self) -> None:
        """Treat all that is there as maybe sent, by an earlier run that did not end cleanly."""
        for generation in self._generations:
            if generation.found is not None:
                generation.maybe_sent = MAX_BYTES if generation.found.compressed else generation.found.size

    def first_start(self) -> str:
        """What is left of the first start, as text for the store: written together with the cursors."""
        return self._first_start.text if self._first_start is not None else ""

    def ship_passed_over(self) -> int:
        """Read from their beginning what the first start passed over, before the first scan; gives the bytes."""
        total = 0
        for generation in self._generations.table.passed_over():
            total += generation.cursor.passed_over
            generation.restart(START)
            self.dirty.add(generation.cursor.id)
        return total

    @property
    def certain(self) -> bool:
        """Whether nothing that an earlier run may have sent is still unread, so that this end may count as clean."""
        return all(
            one.active_reader is None if one.found.compressed else one.cursor.offset >= one.maybe_sent
            for one in self._generations
            if one.maybe_sent and one.found is not None
        )

    @property
    def settled(self) -> bool:
        """Whether everything that was read is acknowledged."""
        return self._progress.settled

    def unread(self) -> list[str]:
        """The paths of logs and directories that could not be read, or not to their ends."""
        return sorted(self._scanner.unread | self._generations.access.refused.keys() | self._read_errors.paths)

    def not_read(self) -> dict[str, str]:
        """Why logs and directories are not read, or not to their ends, by path; as ``status`` lists them.

        This has what ``unread`` has, and what is probably no log (a pipe or a directory beside logs).
        """
        access = self._generations.access
        return {**self._scanner.omitted, **access.empty, **access.refused, **self._read_errors.reasons}

    def lags(self) -> Iterator[Lag]:
        """The logs that have something unacknowledged, as of the last scan; any thread may ask.

        Those are followed, or have something under way: the others cost nothing.
        """
        under_way = map(self._generations.get, self._progress.generations)
        return lags({id(one): one for one in [*under_way, *list(self._active.values())]}.values())

    @property
    def logs(self) -> int:
        """How many files the last scan found for what is remembered."""
        return sum(one.found is not None for one in self._generations)

    @property
    def known(self) -> int:
        """How many generations are remembered."""
        return len(self._generations)

    def forgotten(self) -> list[bytes]:
        """Generations whose files have been gone for longer than ``MEMORY``."""
        return self._generations.table.forgotten(self._clock.wall_ns() / 1e9 - MEMORY)

    def is_awake(self, paths: AbstractSet[str]) -> bool:
        """Whether all these files are being followed, so that reading is enough and no scan is needed."""
        return paths <= {generation.cursor.file.path for generation in self._active.values()}

    def blocks(self) -> Iterator[Block]:
        """One chunk of every file that has more, so that a huge file does not hold up the small ones.

        If the caller stops early, the next call continues the round with the files whose turn did not come.
        """
        if not self._round.turns:
            self._round.begin(self._active)
        while self._round.turns:
            generation = self._active.get(self._round.turns.popleft())
            block = self._read(generation) if generation is not None else None
            if block is not None and generation is not None and not block.offsets[0]:
                block = self._holding.begin(generation, block)
            if block is not None:
                yield block

    def _read(self, generation: Generation) -> Block | None:
        reader, found, identity = generation.reader, generation.found, generation.cursor.id
        if reader.held.block is not None:
            return reader.read(0.0, 0, 0)
        if self._once and found is not None and not found.compressed and reader.position >= found.size:
            self._round.silent.add(identity)
            return None  # left to the next run: a busy writer would never let this one end
        if self._handles.crowded(generation):
            self._round.grew, self._round.at_ends = True, False  # it is read when others are done
            return None
        try:
            modified = found.mtime_ns if found else 0
            block = reader.read(self._clock.monotonic(), self._clock.wall_ns(), modified)
            self._handles.used(generation)
            self._read_errors.judge(identity, reader, self._clock.wall_ns() - modified > self._patience * 10**9)
            self._holding.watch(generation)
            if reader.grew:
                self._round.grew = True
                self._round.at_ends = self._round.at_ends and reader.at_end
                return block
            self._round.silent.add(identity)
        except RewrittenError:
            self._generations.rewritten(generation)
            self.needs_scan = True
        except MovedError:
            self.needs_scan = True
            self._read_errors.add(identity, reader.file.path)
            if generation.found is not None:
                return None
        except DamagedError as error:
            self._round.silent.add(identity)
            self._read_errors.add(identity, reader.file.path, str(error))
        except OSError as error:
            reader.file.close()
            if error.errno in {errno.EMFILE, errno.ENFILE} and self._handles.fewer():
                self._round.turns.append(identity)
                return None
            self._round.silent.add(identity)
            self.needs_scan = self.needs_scan or error.errno in _RENAMED
            self._read_errors.add(
                identity, reader.file.path, f"can't be read: {error.strerror}; trying again, nothing is lost"
            )
            return None
        self._close_if_idle(generation)
        return None

    def _close_if_idle(self, generation: Generation) -> None:
        """Close a file that gave nothing new, if nothing more can come or it did not grow for a while."""
        reader, found = generation.reader, generation.found
        if reader.waiting:
            return  # flushed in time; a file that is gone may be found as a copy before that
        quiet = self._clock.monotonic() - reader.grew_at > HANDLE_PATIENCE
        lately = self._clock.wall_ns() - HANDLE_PATIENCE * 1e9
        if found is None:
            # A process that has it open may go on writing to it.
            if quiet or self._once or (reader.file.gone and reader.file.view is None):
                self._release(generation)
        elif quiet or reader.file.complete or (reader.position == found.size and found.mtime_ns < lately):
            self._release(generation)

    def _release(self, generation: Generation) -> None:
        generation.close()
        del self._active[generation.cursor.id]
        generation.go_idle()

    def open_unread(self) -> None:
        """Open files with unread content, so that they can be read even if they are deleted during an outage."""
        for generation in list(self._active.values()):
            reader, found = generation.reader, generation.found
            if reader.file.view is not None or found is None or reader.position == found.size:
                continue
            try:
                reader.open()
            except (OSError, MovedError):
                continue
            self._handles.used(generation)

    def hold(self, block: Block, index: int, parser_state: str) -> None:
        """Hold back a block's lines from ``index`` on, with the parser state there: their record may go on."""
        self._holding.hold(block, index, parser_state)

    def next_due(self, patience: float) -> float:
        """When ``take_due`` has something to give, monotonic seconds: see ``Holding``."""
        return self._holding.next_due(patience)

    def take_due(self, patience: float) -> list[Block]:
        """What was held back long enough; write the cursors before it is sent: see ``Holding``."""
        blocks, needs_scan = self._holding.take_due(patience)
        self.needs_scan = self.needs_scan or needs_scan
        return blocks

    def take_all(self) -> list[Block]:
        """Everything that is held back, except a line that is being written just now."""
        return self._holding.take_all()

    def joins(self) -> str:
        """The joins over rotations that are under way, as text for the store: written together with the cursors."""
        return self._holding.joins()

    def is_maybe_sent(self, block: Block) -> bool:
        """Whether an earlier run may have sent some of a block's lines."""
        return block.offsets[0] < self._generations.get(block.origin.generation).maybe_sent

    def begin(self, span: Span) -> None:
        """A span is on its way."""
        self._progress.begin(span)

    def acknowledge(self, spans: Iterable[Span]) -> None:
        """Move the cursors over what was acknowledged."""
        now = self._clock.wall_ns() / 1e9
        for span in self._progress.acknowledge(spans):
            generation = self._generations.get(span.generation)
            if span.restarts != generation.restarts:
                continue  # it was set back since: the lines that are read again move the cursor
            generation.acknowledge(span, now)
            if span.generation not in self._active:
                generation.go_idle()
            self._holding.acknowledged(generation)
            self.dirty.add(span.generation)

    def cursors(self, identities: Iterable[bytes]) -> Iterator[Cursor]:
        """The cursors of these generations."""
        return (self._generations.get(identity).cursor for identity in identities)

    def all_cursors(self) -> Iterator[Cursor]:
        """Every cursor there is."""
        return (generation.cursor for generation in self._generations)

    def progress(self) -> tuple[int, int]:
        """Bytes acknowledged and bytes in all, of the files that are followed."""
        done = total = 0
        for generation in self._active.values():
            size = generation.found.size if generation.found else generation.cursor.offset
            total += max(size, generation.position)
            done += generation.cursor.offset
        return done, total

    def close(self) -> None:
        """Close every file."""
        for generation in self._generations:
            generation.close()
