"""Wires the stations: reads, parses, makes documents, delivers; back-pressure, signals, drain.

One thread reads and makes documents, a few send; nothing flows back but outcomes.  The log files are the queue:
when the cluster is slow, ``submit`` waits and the reading stops.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shipper import __version__
from shipper.config import Config
from shipper.deliver.batch import Batch, Packer
from shipper.deliver.bulk import Sender
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.tail.cursors import CursorStore, StateError, counters_of
from shipper.tail.discover import Scanner, Source, builtin_sources
from shipper.tail.generations import Generation, Generations
from shipper.tail.lines import KEEP_FACTOR, Block
from shipper.tail.progress import Progress
from shipper.tail.reader import MovedError, RewrittenError
from shipper.telemetry import Counters, log

# A record that may go on is held back no longer than this, seconds.
RECORD_PATIENCE = 1.0
# After a hint, changes of this long are looked at together, seconds.
HINT_PAUSE = 0.1
# Handles are kept for files that grew within this time, seconds; a sleeping log costs none.
HANDLE_PATIENCE = 30.0
# How often --once looks again when files are renamed under it.
MOST_RESCANS = 10
# What is remembered of a generation whose file is gone is forgotten after this long, seconds.
MEMORY = 90 * 86400.0
# Longer than any log.
MOST_BYTES = 2**62


@dataclass(slots=True)
class Clock:
    """The clocks that the sidecar reads: monotonic seconds, wall clock nanoseconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns


def sources_of(config: Config) -> list[Source]:
    """The built-in inputs and those that the configuration adds."""
    extra = [Source(path, one.format, one.dataset) for one in config.shipper.inputs for path in one.paths]
    return extra + builtin_sources(config.log_dir)


class Sidecar:
    """One run of the shipper.

    Args:
        config: everything that can be set.
        store: the cursors, held by this process.
        sender: takes the batches.
        counters: count the documents.
        wake: set by hints and outcomes.
        clock: what time it is.
    """

    def __init__(
        self,
        config: Config,
        *,
        store: CursorStore,
        sender: Sender,
        counters: Counters,
        wake: threading.Event,
        clock: Clock | None = None,
    ) -> None:
        settings = config.shipper
        self._settings = settings
        self._store = store
        self._sender = sender
        self._counters = counters
        self._wake = wake
        self._clock = clock or Clock()
        self._scanner = Scanner(sources_of(config), settings.exclude, lambda text: log.warning("%s", text))
        keep = settings.max_line_bytes * KEEP_FACTOR
        self._generations = Generations(
            store.load(), host=settings.host, keep=keep, warn=lambda text: log.warning("%s", text)
        )
        self._documents = Documents(settings, __version__)
        self._packer = Packer(
            settings.namespace, self._documents.common, settings.batch.max_bytes, settings.batch.max_events
        )
        self._progress = Progress()
        self._active: dict[bytes, Generation] = {}
        self._batch_since = 0.0
        self._state_trouble = ""
        self._last_settled = 0
        self._settled_at = self._clock.monotonic()
        self._hinted = False
        self._scan_seconds = 0.0
        self._once = False
        self._left: list[Batch] = []
        self._scanned = False
        self._doubtful: dict[bytes, int] = {}
        self.stopping = threading.Event()
        counters.resume(counters_of({"counters": store.fact("counters") or "{}"}))

    def directories(self) -> list[str]:
        """What a watch should cover."""
        return self._scanner.directories()

    def hint(self) -> None:
        """Something under the watched directories changed."""
        self._hinted = True
        self._wake.set()

    def stop(self) -> None:
        """Ask the run to end: what was read is delivered, positions are written."""
        self.stopping.set()
        self._wake.set()

    def run_once(self, progress: Callable[[int, int], None] = lambda *_: None) -> bool:
        """Ship everything that is there; gives whether all of it is acknowledged.

        Ends early when nothing is acknowledged for ``shutdown_timeout``; what is left ships next time.

        Args:
            progress: told bytes acknowledged and bytes in all, now and then.
        """
        self._once = True
        for _ in range(MOST_RESCANS):
            self._hinted = False
            self._scan(patience=0.0)
            while not self.stopping.is_set() and not self._left and self._read_all():
                self._settle()
                progress(*self._bytes())
            if not self._hinted:
                break  # else a rotation went by while the files were looked at
        for generation in list(self._active.values()):
            self._finish(generation, with_line=not _is_being_written(generation))
        self._flush()
        while not self._sender.idle and not self.stopping.is_set() and not self._stuck():
            self._wake.wait(0.05)
            self._wake.clear()
            self._settle()
            progress(*self._bytes())
        return self._drain()

    def _bytes(self) -> tuple[int, int]:
        """Bytes acknowledged and bytes in all, of the files that are there."""
        done = total = 0
        for generation in self._active.values():
            size = generation.found.size if generation.found else generation.cursor.offset
            total += max(size, generation.reader.position)
            done += generation.cursor.offset
        return done, total

    def run(self, cover: Callable[[list[str]], None]) -> bool:
        """Ship until told to stop; gives whether everything that was read is acknowledged.

        Args:
            cover: told the directories to watch, at every scan.
        """
        next_scan = 0.0
        while not self.stopping.is_set() and not self._sender.broken:
            self._wake.clear()
            now = self._clock.monotonic()
            if now >= next_scan or self._hinted:
                self._hinted = False
                cover(self.directories())
                self._scan(self._settings.partial_line_timeout)
                next_scan = now + self._settings.scan_interval
            progressed = self._read_all()
            self._finish_the_quiet()
            if self._packer.batch.spans and now - self._batch_since >= self._settings.flush_interval:
                self._flush()
            self._settle()
            if not progressed and not self.stopping.is_set():
                self._sleep(next_scan)
        return self._drain()

    def _sleep(self, next_scan: float) -> None:
        """Wait for a hint, an outcome, or the next thing that is due."""
        now = self._clock.monotonic()
        due = next_scan
        if self._packer.batch.spans:
            due = min(due, self._batch_since + self._settings.flush_interval)
        for generation in self._active.values():
            if generation.reader.waiting:
                due = min(due, self._patience_ends(generation))
        if not self._hinted:
            self._wake.wait(max(0.01, due - now))
        if self._hinted:
            # Ten thousand sleeping files beside a busy one: scanning takes a twentieth of the time at most.
            self.stopping.wait(max(HINT_PAUSE, 20 * self._scan_seconds))

    def _scan(self, patience: float) -> None:
        began = self._clock.monotonic()
        self._generations.observe(self._scanner.scan(), began, patience)
        self._scan_seconds = self._clock.monotonic() - began
        self._hinted = self._hinted or self._generations.outrun
        now = self._clock.wall_ns() / 1e9
        for identity in self._generations.dirty:
            generation = self._generations.get(identity)
            if generation.found is not None:
                generation.cursor.seen_at = now
                self._active[identity] = generation
        if not self._scanned:
            self._scanned = True
            self._begin(now)
        self._save(self._generations.dirty)
        self._generations.dirty = set()

    def _begin(self, now: float) -> None:
        """After the first scan: forget what is long gone, and say how far lines may have been sent before."""
        gone = [one.cursor for one in self._generations if one.found is None]
        self._store.forget(cursor.id for cursor in gone if now - cursor.seen_at > MEMORY)
        if not self._store.clean:
            self._doubtful = {
                one.cursor.id: MOST_BYTES if one.found.compressed else one.found.size
                for one in self._generations
                if one.found is not None
            }

    def _read_all(self) -> bool:
        """One chunk of every file that has more: a huge file does not hold up the small ones."""
        progressed = False
        for identity, generation in list(self._active.items()):
            if self.stopping.is_set():
                break
            reader, found = generation.reader, generation.found
            if self._once and found is not None and not found.compressed and reader.position >= found.size:
                continue  # what is written meanwhile is for the next time, else a busy writer would keep us for ever
            try:
                block = reader.read(self._clock.monotonic(), self._clock.wall_ns(), found.mtime_ns if found else 0)
                if block is not None:
                    self._ship(generation, block)
                if reader.grew:
                    progressed = True
                    continue
            except RewrittenError:
                self._generations.rewritten(generation)
                self._hinted = True
            except MovedError:
                self._hinted = True
                if generation.found is not None:
                    continue
            except OSError as error:
                log.warning("%s: can't be read: %s; trying again when it changes", reader.path, error)
            self._rest(identity, generation)
        return progressed

    def _rest(self, identity: bytes, generation: Generation) -> None:
        """A file that gave nothing new: finished if its place is gone, else asleep until it changes."""
        reader = generation.reader
        if reader.waiting:
            return  # its patience runs out by itself; a file that is gone may turn up as a copy before
        if generation.found is None or self._clock.monotonic() - reader.grew_at > HANDLE_PATIENCE:
            reader.close()
            del self._active[identity]

    def _finish_the_quiet(self) -> None:
        """Ship what was held back long enough: a record that did not go on, a line that did not end."""
        now = self._clock.monotonic()
        for generation in list(self._active.values()):
            if generation.reader.waiting and now >= self._patience_ends(generation):
                quiet = now - generation.reader.grew_at
                self._finish(generation, with_line=quiet >= self._settings.partial_line_timeout)

    def _patience_ends(self, generation: Generation) -> float:
        held = generation.reader.held is not None
        return generation.reader.grew_at + (RECORD_PATIENCE if held else self._settings.partial_line_timeout)

    def _finish(self, generation: Generation, *, with_line: bool) -> None:
        found = generation.found
        block = generation.reader.finish(self._clock.wall_ns(), found.mtime_ns if found else 0, with_line=with_line)
        if block is not None:
            self._ship(generation, block)

    def _ship(self, generation: Generation, block: Block) -> None:
        records = parse(block)
        generation.reader.hold(block, records.rest, records.carry)
        if records.end == block.offsets[0]:
            return
        documents = self._documents.of(records)
        self._counters.begin(len(documents))
        if not self._packer.batch.spans:
            self._batch_since = self._clock.monotonic()
        for batch in self._packer.add(records, documents):
            self._submit(batch)

    def _flush(self) -> None:
        batch = self._packer.take()
        if batch.spans:
            self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        self._take_along(batch)
        if self._left or not self._sender.submit(batch, self._give_up):
            self._left.append(batch)

    def _take_along(self, batch: Batch) -> None:
        """A batch goes out: its spans are under way, and those that an earlier run may have sent are doubtful."""
        for span in batch.spans:
            self._progress.begin(span)
            if span.start < self._doubtful.get(span.generation, 0):
                batch.doubtful = True

    def _give_up(self) -> bool:
        """Asked while waiting for room: outcomes are taken in meanwhile."""
        self._settle()
        return self.stopping.is_set() or (self._once and self._stuck())

    def _stuck(self) -> bool:
        """Whether nothing has been acknowledged for ``shutdown_timeout``."""
        now, settled = self._clock.monotonic(), self._counters.settled
        if settled != self._last_settled:
            self._last_settled, self._settled_at = settled, now
        return self._sender.broken or now - self._settled_at > self._settings.shutdown_timeout

    def _settle(self) -> None:
        """Move the cursors over what was acknowledged."""
        grown = self._progress.acknowledge(self._sender.acknowledged())
        if not grown:
            return
        now = self._clock.wall_ns() / 1e9
        for span in grown:
            generation = self._generations.get(span.generation)
            if span.end > generation.reader.position:
                continue  # it was set back since: what comes again moves the cursor
            cursor = generation.cursor
            cursor.offset, cursor.anchor, cursor.carry, cursor.seen_at = span.end, span.anchor, span.carry, now
        self._save({span.generation for span in grown})

    def _save(self, identities: set[bytes]) -> None:
        """Write cursors; a full disk does not stop the shipping, it only makes the next start send more again."""
        try:
            self._store.save(self._generations.get(identity).cursor for identity in identities)
            self._store.set_fact("counters", json.dumps(self._settled_counters()))
        except StateError as error:
            if str(error) != self._state_trouble:
                self._state_trouble = str(error)
                log.error("%s; shipping goes on, after a restart lines are sent again and recognised", error)
        else:
            self._state_trouble = ""

    def _settled_counters(self) -> dict[str, int]:
        """Counters without what is under way: that is read again after a crash."""
        counters = self._counters.snapshot()
        counters["read"] -= counters.pop("in_flight")
        return counters

    def _drain(self) -> bool:
        """Deliver what was read, wait for the outcomes up to the deadline, write the cursors."""
        deadline = self._clock.monotonic() + self._settings.shutdown_timeout
        batch = self._packer.take()
        if batch.spans:
            self._take_along(batch)
            self._left.append(batch)
        for batch in self._left:
            if not self._sender.submit(batch, lambda: self._sender.trouble or self._clock.monotonic() >= deadline):
                break
        self._sender.stop(deadline)
        while not self._sender.idle and self._clock.monotonic() < deadline:
            self._wake.wait(0.05)
            self._wake.clear()
            self._settle()
        self._settle()
        for generation in self._generations:
            generation.reader.close()
        return self._counters.snapshot()["in_flight"] == 0


def _is_being_written(generation: Generation) -> bool:
    """Whether a file grew since the scan: its unterminated last line is no line yet."""
    found = generation.found
    if found is None or found.compressed:
        return False
    try:
        return generation.reader.open().size(0) != found.size
    except (OSError, MovedError):
        return False
