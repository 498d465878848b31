"""One run of the shipper: connects the parts and runs the loop until it is stopped.

One thread reads and creates documents, a few send.  The log files are the queue: while the sender has no room for a
batch, reading stops but scanning continues, so that files that are rotated meanwhile can be read later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from shipper import __version__, memory, telemetry
from shipper.config import Config, Shipper
from shipper.deliver.batch import Packer
from shipper.deliver.one_by_one import LineByLine
from shipper.deliver.sender import Sender
from shipper.document.ecs import Documents
from shipper.document.run_context import RunContext
from shipper.health.systemd import Notifier
from shipper.parse.dispatch import continuation, orphan
from shipper.redact.redactor import Redactor
from shipper.reload import KEPT, Reload
from shipper.runs.facts import facts_of
from shipper.sidecar import drain, once
from shipper.sidecar.measures import measured
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.own_documents import OwnDocuments
from shipper.sidecar.scans import Scans
from shipper.sidecar.shipping import Shipping
from shipper.sidecar.state_saver import StateSaver
from shipper.sidecar.supervision import Supervision
from shipper.tail.clock import Clock
from shipper.tail.first_start import BEGINNING, FirstStart, chosen
from shipper.tail.found_files import Found
from shipper.tail.framing import Framing
from shipper.tail.report import counters_of
from shipper.tail.scanner import Scanner
from shipper.tail.sources import link_targets, sources_of
from shipper.tail.state.store import CursorStore
from shipper.tail.tail import Tail
from shipper.telemetry import Counters, Gauges, log

# The part of shutdown_timeout for reporting the stop; draining has nine tenths.
_OWN_PART = 0.05
# Files that grew are read again after this many seconds, though no event tells that they have grown further.  Events
# come earlier, where there are any.
READ_ON_AFTER = 0.8
# After so many documents memory is returned to the system.
BURST = 2000


class Sidecar:
    """One run of the shipper.

    It calls ``scanned`` after the first scan with whether some log has content, and ``shipped_before`` at a first
    start with the files that would be passed over: whether the cluster has lines of them.
    ``notifier`` tells systemd.
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
        notifier: Notifier | None = None,
        shipped_before: Callable[[list[Found]], bool] = lambda _: False,
    ) -> None:
        settings = config.shipper
        self._settings = settings
        start = chosen(settings.start, once=once)
        self._sender = sender
        self._counters = counters
        self._wake = wake
        self._clock = clock or Clock()
        self._redactor = redactor or Redactor(settings.redact, store.known())
        self._tail = Tail(
            sources_of(config),
            settings.exclude,
            (),
            host=settings.host,
            longest=settings.max_line_bytes,
            warn=telemetry.warning,
            clock=self._clock,
            once=once,
            framing=Framing(orphan, continuation),
            joins=store.fact("seams") or "",
            conceal=self._redactor.conceal,
            looked_at=store.looked_at,
            first_start=self._first_start(store, start, shipped_before),
            link_targets=link_targets(config),
            remembered=store.dormant,
        )
        if settings.start == BEGINNING and (passed_over := self._tail.ship_passed_over()):
            log.info("shipping %d bytes that the first start passed over (shipper.start: beginning)", passed_over)
        runs = RunContext(rows=store.recollected().items())
        documents = Documents(settings, __version__, runs, self._redactor, facts_of)
        self._outbox = Outbox(
            _packer(settings, documents),
            settings.flush_interval,
            sender=sender,
            begin=self._tail.begin,
            clock=self._clock.monotonic,
        )
        self._saver = StateSaver(store, self._tail, runs, counters, self._clock)
        self._scans = Scans(self._tail, store, self._saver, scanned, self._clock.monotonic)
        self._supervision = Supervision(
            notifier or Notifier({}, 0), sender, self._tail, self._redactor.text, self._clock.monotonic
        )
        self.stopping = threading.Event()
        self._abort = False
        self._shipping = Shipping(
            tail=self._tail,
            documents=documents,
            line_by_line=LineByLine(self._clock.monotonic),
            outbox=self._outbox,
            sender=sender,
            counters=counters,
            redactor=self._redactor,
            store=store,
            saver=self._saver,
            wake=wake,
            stopping=self.stopping,
            turned=self._supervision.pulse.beat,
        )
        self._own = OwnDocuments(
            settings,
            documents.common,
            sender=sender,
            tail=self._tail,
            counters=counters,
            redactor=self._redactor,
            clock=self._clock,
        )
        self._trimmed_at = 0
        self._read_on_at = float("inf")
        self._reload: Callable[[], Reload | None] | None = None
        counters.resume(counters_of({"counters": store.fact("counters") or "{}"}), store.fact("totals") or "{}")

    def _first_start(
        self, store: CursorStore, start: str, shipped: Callable[[list[Found]], bool]
    ) -> FirstStart | None:
        """What is passed over: at a first start, and while an earlier one is not finished."""

        def say(text: str, passes_over: bool) -> None:
            level = logging.WARNING if passes_over else logging.INFO
            log.log(level, "first start with %s: %s", self._settings.state_dir, text)

        if (left := store.fact("first_start")) and self._settings.start != BEGINNING:
            return FirstStart.from_text(left)
        return FirstStart(start, self._clock.wall_ns(), shipped, say) if store.fresh else None

    def directories(self) -> list[str]:
        """The directories to watch."""
        return self._tail.directories()

    @property
    def unread(self) -> list[str]:
        """The paths of logs and directories that could not be read, or not to their ends."""
        return self._tail.unread()

    def trouble(self) -> str | None:
        """What hangs or has ended, which only a restart mends; None if nothing.  Any thread may ask."""
        return self._supervision.trouble()

    def measured(self) -> Gauges:
        """What is behind, queued and not read.  Any thread may ask."""
        now, path = self._clock.wall_ns() / 1e9, self._redactor.path
        return measured(self._tail, self._scans, self._outbox, self._sender, path=path, now=now)

    def hint(self, path: str | None) -> None:
        """Something under the watched directories changed; see ``Scans.hint``."""
        self._scans.hint(path)
        self._wake.set()

    def stop(self) -> None:
        """End the run: what was read is delivered and cursors are written; a second call ends it at once."""
        self._abort = self.stopping.is_set()
        self.stopping.set()
        self._wake.set()

    def reload(self, load: Callable[[], Reload | None]) -> None:
        """Use the configuration that ``load`` gives from the next turn on, unless it gives None; positions stay."""
        self._reload = load
        self._wake.set()

    def run_once(self, progress: Callable[[int, int], None] = lambda *_: None) -> bool:
        """Ship everything that is there; gives whether all of it is acknowledged.

        Ends early when nothing is acknowledged for ``shutdown_timeout``; what is left ships next time.
        """
        clock, patience = self._clock.monotonic, self._settings.shutdown_timeout
        once.ship_once(
            self._tail,
            self._scans,
            self._shipping,
            self._outbox,
            self._sender,
            stopping=self.stopping,
            stalled=once.Stall(self._sender, self._outbox, self._counters, patience, clock),
            progress=progress,
        )
        return self.drain()

    def run(self, cover: Callable[[list[str]], bool]) -> bool:
        """Ship until stopped; gives whether everything that was read is acknowledged.

        ``cover`` takes the directories to watch, at every scan; it gives whether they are watched.
        """
        if self._settings.telemetry.documents:
            self._own.begin()
        while not self.stopping.is_set() and not self._sender.broken:
            self._wake.clear()
            if not self.turn(cover) and not self.stopping.is_set():
                self._sleep()
        complete = self.drain()
        self._own.end(0.0 if self._abort else _OWN_PART * self._settings.shutdown_timeout, complete=complete)
        return complete

    def turn(self, cover: Callable[[list[str]], bool]) -> bool:
        """Do what is due now: scan, read, ship, settle; gives whether another turn would find more at once."""
        self._reload_if_asked()
        settings, now = self._settings, self._clock.monotonic()
        patience = settings.partial_line_timeout
        if self._scans.scan_if_due(patience, settings.scan_interval, cover, blocked=self._outbox.blocked):
            self._trim_memory()
        read = self._shipping.read()
        self._read_on_at = now + READ_ON_AFTER if self._tail.grew else float("inf")
        read = read and not self._tail.at_ends
        if not self._outbox.blocked:
            self._shipping.ship_all(self._tail.take_due(patience))
            if self._outbox.filling and now >= self._outbox.flush_due(more=read):
                self._outbox.flush()
        self._shipping.settle()
        self._supervision.turned(scanned=self._scans.done)
        self._own.report_if_due()
        return read

    def drain(self) -> bool:
        """Deliver what was read, within ``shutdown_timeout``, and write the cursors; gives whether all is done."""
        drain.drain(
            self._shipping,
            self._outbox,
            self._sender,
            timeout=self._settings.shutdown_timeout,
            clock=self._clock.monotonic,
            stopping=self.stopping.is_set(),
            aborted=lambda: self._abort,
            turned=self._supervision.stopping,
        )
        self._saver.finish(scanned=self._scans.done)
        self._tail.close()
        # Where documents are indexed but their runs could not be written, the lines are read again.
        return self._tail.settled and self._counters.snapshot()["in_flight"] == 0

    def _trim_memory(self) -> None:
        """After a burst, once the sender is idle, return memory to the system."""
        if (settled := self._counters.settled) - self._trimmed_at > BURST and self._sender.idle:
            self._trimmed_at = settled
            memory.trim()

    def _sleep(self) -> None:
        """Wait for a hint or the next thing that is due; outcomes are settled meanwhile."""
        next_at = min(self._scans.next_at, self._supervision.due, self._own.next_at, self._read_on_at)
        while not self._scans.hinted() and self._wake.wait(max(0.01, self._due(next_at) - self._clock.monotonic())):
            self._wake.clear()
            if self._outbox.blocked or self.stopping.is_set() or self._sender.broken or self._reload is not None:
                return
            self._shipping.settle()
        if self._scans.hinted():
            until = self._clock.monotonic() + self._scans.pause()
            while not self.stopping.is_set() and (now := self._clock.monotonic()) < until:
                self.stopping.wait(max(0.0, min(until, self._supervision.due) - now))
                self._supervision.turned(scanned=self._scans.done)

    def _due(self, next_at: float) -> float:
        """When the next turn is due, ``next_at`` or before, monotonic seconds."""
        if self._outbox.blocked:
            return next_at
        due = min(next_at, self._tail.next_due(self._settings.partial_line_timeout))
        return min(due, self._outbox.flush_due()) if self._outbox.filling else due

    def _reload_if_asked(self) -> None:
        """Switch to another configuration, if one is there and valid."""
        if (load := self._reload) is None:
            return
        self._reload = None
        self._supervision.reloading()
        self._supervision.reloaded(refused=not self._reconfigure(load))

    def _reconfigure(self, load: Callable[[], Reload | None]) -> bool:
        """Switch to another configuration, if it is valid; all that may fail comes before the first change."""
        try:
            new = load()
            if new is None:
                return False
            settings, sources = new.config.shipper, sources_of(new.config)
            scanner = Scanner(
                sources, settings.exclude, telemetry.warning, self._clock.wall_ns,
                link_targets(new.config),
            )  # fmt: skip
            scanner.scan()  # may fail
            documents = Documents(settings, __version__, self._shipping.documents.runs, self._redactor, facts_of)
            packer = _packer(settings, documents)
        except Exception as error:  # noqa: BLE001 - no configuration may end a running process
            log.error("the configuration can't be used (%s: %s); %s", type(error).__name__, error, KEPT)
            return False
        self._outbox.reconfigure(packer, settings.flush_interval)
        new.switch()
        self._scans.next_at = 0.0
        self._settings, self._shipping.documents = settings, documents
        self._own.reconfigure(settings, documents.common)
        longest, patience = settings.max_line_bytes, settings.partial_line_timeout
        self._tail.reconfigure(sources, scanner, host=settings.host, longest=longest, patience=patience)
        return True


def _packer(settings: Shipper, documents: Documents) -> Packer:
    batch = settings.batch
    return Packer(settings.namespace, documents.common, batch.max_bytes, batch.max_events, compress=batch.compress)
