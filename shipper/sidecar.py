"""Wires the stations: reads, parses, makes documents, delivers; back-pressure, signals, drain.

One thread reads and makes documents, a few send; nothing flows back but outcomes.  The log files are the queue: as
long as a batch finds no room at the sender nothing more is read, but files are still followed, so that what a
rotation takes away meanwhile can be read afterwards.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable

from shipper import __version__, memory
from shipper.config import Config
from shipper.deliver.batch import Batch, Packer
from shipper.deliver.one_by_one import LineByLine
from shipper.deliver.sender import Sender
from shipper.deliver.serialised import Made
from shipper.document.ecs import Documents
from shipper.document.run_context import RunContext
from shipper.parse.dispatch import continuation, orphan
from shipper.parse.records import Records
from shipper.redact.redactor import Redactor
from shipper.reload import KEPT, Reload
from shipper.tail.report import counters_of
from shipper.tail.rotation_joins import Framing
from shipper.tail.scanner import Scanner
from shipper.tail.sources import sources_of
from shipper.tail.splitter import Block
from shipper.tail.state.store import CursorStore, StateError
from shipper.tail.tail import Clock, Tail
from shipper.telemetry import Counters, log

# After a hint, changes of this long are looked at together, seconds.
HINT_PAUSE = 0.1
# Batches that are not full follow each other no faster than this, seconds: a few lines are no burden to the cluster.
PACE = 0.1
# The drain's part of shutdown_timeout; the rest is for letting go of everything.
DRAIN_PART = 0.9
# So many documents leave memory behind that is worth giving back.
BURST = 2000
# How often --once looks again when files are renamed under it.
MOST_RESCANS = 10


class Sidecar:
    """One run of the shipper.

    Args:
        config: everything that can be set.
        store: the cursors, held by this process.
        sender: takes the batches.
        counters: count the documents.
        wake: set by hints and outcomes.
        clock: what time it is.
        once: ship what there is, and no more.
        redactor: takes out what must not leave the machine; made from the configuration where none is given.
        scanned: told after the first scan, before anything is sent, whether there are logs with something in them.
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
        once: bool = False,
        redactor: Redactor | None = None,
        scanned: Callable[[bool], None] = lambda _: None,
    ) -> None:
        settings = config.shipper
        self._redactor = redactor or Redactor(settings.redact, store.known())
        self._settings = settings
        self._store = store
        self._sender = sender
        self._counters = counters
        self._wake = wake
        self._clock = clock or Clock()
        self._once = once
        self._tail = Tail(
            sources_of(config),
            settings.exclude,
            store.load(),
            host=settings.host,
            longest=settings.max_line_bytes,
            warn=lambda text: log.warning("%s", text),
            clock=self._clock,
            once=once,
            framing=Framing(orphan, continuation),
            joins=store.fact("seams") or "",
            conceal=self._redactor.conceal,
            looked_at=store.looked_at,
        )
        runs = RunContext(rows=store.recollected())
        self._documents = Documents(settings, __version__, runs, self._redactor)
        self._line_by_line = LineByLine(self._clock.monotonic)
        self._packer = self._new_packer()
        self._left: deque[Batch] = deque()
        self._batch_since = self._flushed_at = 0.0
        self._state_trouble = self._store_trouble = ""
        self._last_settled = 0
        self._settled_at = self._clock.monotonic()
        self._hinted = self._scanned = self._hurry = False
        self._touched: deque[str] = deque()
        self._next_scan = self._scan_seconds = 0.0
        self._first_scan = scanned
        self._given_back_at = 0
        self._reload: Callable[[], Reload | None] | None = None
        self.stopping = threading.Event()
        counters.resume(counters_of({"counters": store.fact("counters") or "{}"}))

    def directories(self) -> list[str]:
        """What a watch should cover."""
        return self._tail.directories()

    @property
    def unread(self) -> list[str]:
        """The paths of logs and directories that could not be read, or not to their ends."""
        return self._tail.unread()

    def hint(self, path: str | None) -> None:
        """Something under the watched directories changed.

        Args:
            path: a file that was written to; None when something came, went or was renamed.
        """
        if path is None:
            self._hinted = True
        else:
            self._touched.append(path)
        self._wake.set()

    def stop(self) -> None:
        """Ask the run to end: what was read is delivered, positions are written; asked again, it ends at once."""
        self._hurry = self.stopping.is_set()
        self.stopping.set()
        self._wake.set()

    def reload(self, load: Callable[[], Reload | None]) -> None:
        """Ask for another configuration; positions stay.

        Args:
            load: gives it, or None when it is no good and the old one is kept.
        """
        self._reload = load
        self._wake.set()

    def run_once(self, progress: Callable[[int, int], None] = lambda *_: None) -> bool:
        """Ship everything that is there; gives whether all of it is acknowledged.

        Ends early when nothing is acknowledged for ``shutdown_timeout``; what is left ships next time.

        Args:
            progress: told bytes acknowledged and bytes in all, now and then.
        """
        for _ in range(MOST_RESCANS):
            self._tail.needs_scan = False
            self._scan(patience=0.0)
            while not self.stopping.is_set() and not self._stuck():
                read = self._read()
                progress(*self._tail.progress())
                if self._left:
                    self._wait_for_outcomes()
                elif not read:
                    break
            if not self._tail.needs_scan:
                break  # else a rotation went by while the files were looked at
        if not (self._left or self.stopping.is_set()):
            self._ship_all(self._tail.take_all())
        self._flush()
        while not (self._hand_over() and self._sender.idle) and not self.stopping.is_set() and not self._stuck():
            if not (self._left or self._sender.sending):
                self._sender.hurry()
            self._wait_for_outcomes()
            progress(*self._tail.progress())
        return self.drain()

    def run(self, cover: Callable[[list[str]], bool]) -> bool:
        """Ship until told to stop; gives whether everything that was read is acknowledged.

        Args:
            cover: told the directories to watch, at every scan; gives whether they are watched.
        """
        while not self.stopping.is_set() and not self._sender.broken:
            self._wake.clear()
            if not self.turn(cover) and not self.stopping.is_set():
                self._sleep()
        return self.drain()

    def turn(self, cover: Callable[[list[str]], bool]) -> bool:
        """Do what is due now: scan, read, ship, settle; gives whether another turn would find more at once."""
        if self._reload is not None:
            self._reconfigure()
        settings, now = self._settings, self._clock.monotonic()
        touched = {self._touched.popleft() for _ in range(len(self._touched))}
        if now >= self._next_scan or self._hinted or (touched and not self._tail.is_awake(touched)):
            self._hinted = self._tail.needs_scan = False
            self._scan(settings.partial_line_timeout, sparing=cover(self.directories()), touched=touched)
            self._next_scan = now + settings.scan_interval
            self._give_back()
        read = self._read()
        if not self._left:
            self._ship_all(self._tail.take_due(settings.partial_line_timeout))
            if self._packer.batch.spans and now >= self._flush_due(more=read):
                self._flush()
        self._settle()
        return read

    def _give_back(self) -> None:
        """After a burst, when nothing is under way, its memory goes back to the system."""
        if (settled := self._counters.settled) - self._given_back_at > BURST and self._sender.idle:
            self._given_back_at = settled
            memory.give_back()

    def _sleep(self) -> None:
        """Wait for a hint, an outcome, or the next thing that is due."""
        due = self._next_scan
        if not self._left:
            due = min(due, self._tail.next_due(self._settings.partial_line_timeout))
            if self._packer.batch.spans:
                due = min(due, self._flush_due())
        if not self._hints():
            self._wake.wait(max(0.01, due - self._clock.monotonic()))
        if self._hints():
            # Ten thousand sleeping files beside a busy one: scanning takes a twentieth of the time at most.
            self.stopping.wait(max(HINT_PAUSE, 20 * self._scan_seconds) if self._hinted else HINT_PAUSE)

    def _hints(self) -> bool:
        self._hinted = self._hinted or self._tail.needs_scan
        return self._hinted or bool(self._touched)

    def _scan(self, patience: float, *, sparing: bool = False, touched: Iterable[str] = ()) -> None:
        began = self._clock.monotonic()
        self._tail.scan(patience, sparing=sparing, touched=frozenset(touched))
        self._scan_seconds = self._clock.monotonic() - began
        if not self._scanned:
            self._scanned = True
            self._store.forget(self._tail.forgotten())
            if not self._store.clean:
                self._tail.suspect_sent()
            self._first_scan(self._tail.progress()[1] > 0)
        if self._left:
            self._tail.open_unread()
        self._keep_store()
        self._save()
        self._store.looked(self._tail.looked_at)

    def _read(self) -> bool:
        """A round of reading, as far as the sender has room; gives whether another would find more."""
        if not self._hand_over():
            return False
        for block in self._tail.blocks():
            self._ship(block)
            if self.stopping.is_set() or not self._hand_over():
                break
        self._settle()
        return self._tail.grew and not self._left

    def _ship_all(self, blocks: list[Block]) -> None:
        """Ship what was held back; where it ends is written first."""
        if blocks:
            self._save()
        for block in blocks:
            self._ship(block)

    def _ship(self, block: Block) -> None:
        if block.joined is not None:
            self._save()  # before it is sent, so that after a crash the record ends at the same line
        records, made = self._line_by_line.of(block, self._documents)
        self._tail.hold(block, records.rest, records.carry)
        if records.end == block.offsets[0]:
            return
        if made is None:
            self._flush()  # in the order in which they were read
            self._counters.begin(len(block.lines))
            self._tail.begin(block.span(block.offsets[0], records.end, records.carry))
        else:
            self._pack(block, records, made)
        if block.following is not None:
            self._ship(block.following)

    def _pack(self, block: Block, records: Records, made: Made) -> None:
        if self._redactor.new:
            learned, self._redactor.new = self._redactor.new, set()
            self._store.learn(learned)
        self._counters.begin(len(made.bodies))
        if not self._packer.batch.spans:
            self._batch_since = self._clock.monotonic()
        for batch in self._packer.add(records, made, doubtful=self._tail.is_maybe_sent(block)):
            self._submit(batch)

    def _flush_due(self, *, more: bool = False) -> float:
        """When the batch goes out as it is: soon if nothing is under way and nothing more there, else by its age."""
        old = self._batch_since + self._settings.flush_interval
        return old if more or self._sender.sending else min(old, self._flushed_at + PACE)

    def _flush(self) -> None:
        self._flushed_at = self._clock.monotonic()
        if (batch := self._packer.take()).spans:
            self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        """A batch goes out, behind those that found no room yet."""
        for span in batch.spans:
            self._tail.begin(span)
        self._left.append(batch)
        self._hand_over()

    def _hand_over(self) -> bool:
        """Give the sender what it has room for; answers whether nothing is left over."""
        while self._left and self._sender.offer(self._left[0]):
            self._left.popleft()
        return not self._left

    def _wait_for_outcomes(self) -> None:
        self._wake.wait(0.05)
        self._wake.clear()
        self._settle()

    def _stuck(self) -> bool:
        """Whether nothing has been acknowledged for ``shutdown_timeout`` though something waits for it."""
        now, settled = self._clock.monotonic(), self._counters.settled
        if settled != self._last_settled or (self._sender.idle and not self._left) or self._sender.waits:
            self._last_settled, self._settled_at = settled, now
        return self._sender.broken or now - self._settled_at > self._settings.shutdown_timeout

    def _settle(self) -> None:
        """Move the cursors over what was acknowledged."""
        if spans := self._sender.acknowledged():
            self._tail.acknowledge(spans)
            self._save()

    def _keep_store(self) -> None:
        """Make the state directory anew when it was deleted under way."""
        if self._store.present():
            self._store_trouble = ""
            return
        try:
            self._store.restore(self._tail.all_cursors())
        except StateError as error:
            if str(error) != self._store_trouble:
                self._store_trouble = str(error)
                log.error("%s; shipping goes on, trying again at every scan", error)

    def _save(self) -> None:
        """Write cursors; a full disk does not stop the shipping, it only makes the next start send more again."""
        if not self._tail.dirty:
            return
        try:
            counters = json.dumps(self._counters.settled_only())
            learned = self._documents.runs.changes()
            self._store.save(
                self._tail.cursors(self._tail.dirty), learned, counters=counters, seams=self._tail.joins()
            )
        except StateError as error:
            if str(error) != self._state_trouble:
                self._state_trouble = str(error)
                log.error("%s; shipping goes on, after a restart lines are sent again and recognised", error)
        else:
            self._tail.dirty = set()
            if self._state_trouble:
                log.info("cursors can be written again")
            self._state_trouble = ""

    def _reconfigure(self) -> None:
        """Use another configuration, if one can be made of it; all that may fail comes before anything is changed."""
        load, self._reload = self._reload, None
        try:
            new = load() if load is not None else None
            if new is None:
                return
            settings, sources = new.config.shipper, sources_of(new.config)
            scanner = Scanner(sources, settings.exclude, lambda text: log.warning("%s", text), self._clock.wall_ns)
            scanner.scan()  # here it may fail
            documents = Documents(settings, __version__, self._documents.runs, self._redactor)
        except Exception as error:  # noqa: BLE001 - nothing that a configuration says may end a process that runs
            log.error("the configuration can't be used (%s: %s); %s", type(error).__name__, error, KEPT)
            return
        self._flush()
        new.switch()
        self._next_scan = 0.0
        self._settings, self._documents = settings, documents
        self._packer = self._new_packer()
        longest, patience = settings.max_line_bytes, settings.partial_line_timeout
        self._tail.reconfigure(sources, scanner, host=settings.host, longest=longest, patience=patience)

    def _new_packer(self) -> Packer:
        batch = self._settings.batch
        return Packer(self._settings.namespace, self._documents.common, batch.max_bytes, batch.max_events)

    def drain(self) -> bool:
        """Deliver what was read, wait for the outcomes up to the deadline, write the cursors."""
        deadline = self._clock.monotonic() + DRAIN_PART * self._settings.shutdown_timeout

        def waits() -> bool:
            return self._clock.monotonic() < deadline and not self._hurry

        self._flush()
        if self.stopping.is_set() and not (self._hand_over() and self._sender.idle):
            log.info(
                "stopping: what was read is delivered first, within %g s; told again, it ends at once",
                self._settings.shutdown_timeout,
            )
        while not self._hand_over() and not self._sender.trouble and not self._sender.broken and waits():
            self._wait_for_outcomes()
        self._sender.stop(deadline)
        while not self._sender.idle and waits():
            self._wait_for_outcomes()
        self._settle()
        self._keep_store()
        self._save()
        self._store.certain = self._tail.certain and (self._scanned or self._store.clean)
        self._tail.close()
        # Documents may be indexed whose runs could not be told of: these lines come again.
        return self._tail.settled and self._counters.snapshot()["in_flight"] == 0
