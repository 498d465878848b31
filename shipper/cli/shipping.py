"""``neuroflow-ship`` without a command: runs the sidecar, or ships once.

A start requests the templates as soon as it has a client, and imports the other modules meanwhile.
"""

from __future__ import annotations

import errno
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from shipper import __version__, memory, telemetry
from shipper.cli.connected import Connected, read_again
from shipper.cli.exit_codes import CLUSTER, INCOMPLETE, OK, USAGE
from shipper.cli.failure import Failure
from shipper.cli.first_start import shipped_before
from shipper.cli.host_name import host_warnings
from shipper.cli.imports import GC_THRESHOLDS
from shipper.cli.parts import absence_of, dead_letters_of, run_documents_of, templates_of
from shipper.config import Config
from shipper.health.own_log import configure_log
from shipper.tail.found_files import shown
from shipper.tail.state.store import CursorStore, StateError
from shipper.telemetry import Counters, Gauges, log

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.deliver.sender import Sender
    from shipper.health.server import Health
    from shipper.redact.redactor import Redactor
    from shipper.reload import Reload
    from shipper.sidecar.sidecar import Sidecar

# Seconds that --once waits at its end for the thorough check of the templates.
CHECK_PATIENCE = 5.0
# The final message names at most so many unread files; each was logged before.
MAX_NAMED = 20


class Signals:
    """Queues signals from the start of the process until a sidecar can take them.

    A handler may interrupt the main thread while it holds a lock that the sidecar's methods need: so a thread calls
    them, and the queue between is re-entrant.
    """

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._note) for number in numbers}

    def _note(self, number: int, _frame: object) -> None:
        self._arrived.put(number)

    @contextmanager
    def forwarded_to(self, sidecar: Sidecar, load: Callable[[], Reload | None] | None) -> Iterator[None]:
        """Forward queued and new signals to the sidecar; without ``load``, SIGHUP does nothing."""

        def forward() -> None:
            while (number := self._arrived.get()) is not None:
                if number != signal.SIGHUP:
                    sidecar.stop()
                elif load is not None:
                    sidecar.reload(load)

        threading.Thread(target=forward, name="signals", daemon=True).start()
        try:
            yield
        finally:
            self.restore()
            self._arrived.put(None)

    def restore(self) -> None:
        """Restore the former signal handlers."""
        while self._before:
            signal.signal(*self._before.popitem())


def ship_logs(config: Config, *, once: bool, setup: bool) -> int:
    """Ship until a signal, or once; gives the exit code."""
    from shipper.redact.redactor import Redactor

    # A sending thread that has its answer should not wait five milliseconds for the reading thread.
    sys.setswitchinterval(0.001)
    counters = Counters()
    current = Connected(config, counters)
    redactor = Redactor(config.shipper.redact)
    configure_log(redactor.text, config.shipper.log_format)
    # Before and after the sidecar runs, SIGHUP must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        store = CursorStore(config.shipper.state_dir, telemetry.error, redactor.conceal)
    except StateError as error:
        raise Failure(str(error), USAGE) from None
    redactor.recall(store.known())
    complete = False
    signals = Signals()
    try:
        code, complete = _run_with(current, store, counters, redactor, signals, once=once, setup=setup)
    finally:
        signals.restore()
        store.close(clean=complete)
    return code


def _run_with(
    current: Connected,
    store: CursorStore,
    counters: Counters,
    redactor: Redactor,
    signals: Signals,
    *,
    once: bool,
    setup: bool,
) -> tuple[int, bool]:
    """Gives the exit code, and whether every document that was read has an outcome."""
    config, client = current.config, current.client
    from shipper.cli.templates import begun

    templates = templates_of(client, config, setup=setup)
    restore = begun(templates.restore)
    from shipper.cli.progress import progress_bar
    from shipper.deliver.dedupe import Dedupe
    from shipper.deliver.sender import Sender
    from shipper.elastic.client import where
    from shipper.health.systemd import Notifier
    from shipper.sidecar.sidecar import Sidecar

    wake = threading.Event()
    sender = Sender(
        client,
        config.elasticsearch,
        in_flight=config.shipper.batch.in_flight,
        dead_letters=dead_letters_of(config, redactor),
        counters=counters,
        dedupe=Dedupe(client, telemetry.warning, request_timeout=config.elasticsearch.request_timeout),
        runs=run_documents_of(client, config),
        restore=restore,
        wake=wake,
    )
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    memory.map_large_blocks()
    host_warning = host_warnings(config, store)

    def scanned(logs: bool) -> None:
        for sentence in host_warning(logs):
            log.warning("%s", sentence)

    sidecar = Sidecar(
        config, store=store, sender=sender, counters=counters, wake=wake, once=once, redactor=redactor,
        scanned=scanned, notifier=None if once else Notifier(os.environ, os.getpid()),
        shipped_before=shipped_before(client, config, redactor),
    )  # fmt: skip
    before = counters.snapshot()
    unread: set[str] = set()
    health = _health(config, counters, sidecar, sender)
    with signals.forwarded_to(sidecar, None if once else lambda: read_again(current, sender, setup=setup)):
        sender.prepare(sidecar.stopping)
        if once:
            absent = absence_of(config.log_dir, "no such directory")
            if absent is not None:
                log.warning("%s: %s; there is nothing to ship from it", config.log_dir, absent)
            with progress_bar() as progress:
                complete = sidecar.run_once(progress)
            unread.update(sidecar.unread)
            if absence_of(config.log_dir, "") is not None:
                unread.add(str(config.log_dir))
        else:
            log.info("shipping %s to %s", config.log_dir, where(config.elasticsearch))
            absent = absence_of(config.log_dir, "no such directory yet")
            if absent is not None:
                log.warning("%s: %s; waiting for it", config.log_dir, absent)
            from shipper.tail.watcher import Watch

            watch = Watch(sidecar.hint, config.shipper.watch, telemetry.warning)
            try:
                complete = sidecar.run(watch.cover)
            finally:
                watch.stop()
    if health is not None:
        health.shutdown()
    if once and not sidecar.stopping.is_set():
        templates.finish(CHECK_PATIENCE)
    if complete:
        _refresh(current.client, current.config)
    code = _report(before, counters.snapshot(), complete=complete)
    # Only --once counts dead letters and unread files as failure; a sidecar logged them when they occurred.
    return (_report_incomplete(before, counters.snapshot(), sorted(unread)) if once and complete else code), complete


def _refresh(client: Elasticsearch, config: Config) -> None:
    """Refresh, so that a search finds everything at once; without the privilege it does a second later."""
    from elastic_transport import ApiError, TransportError

    from shipper.elastic.names import run_index

    with suppress(ApiError, TransportError):
        names = f"logs-neuroflow.*-{config.shipper.namespace},{run_index(config.shipper.namespace)}"
        client.options(request_timeout=10).indices.refresh(
            index=names, ignore_unavailable=True, allow_no_indices=True
        )


def _report(before: dict[str, int], after: dict[str, int], *, complete: bool) -> int:
    this_run = {name: after[name] - before[name] for name in after}
    log.info(
        "read %(read)d, acknowledged %(acknowledged)d, duplicate %(duplicate)d, dead %(dead)d, "
        "in flight %(in_flight)d",
        this_run,
    )
    if complete:
        return OK
    if after["in_flight"]:
        log.error(
            "%d documents are not acknowledged; their lines are sent again at the next start", after["in_flight"]
        )
    else:
        log.error("run documents are not up to date; their lines are sent again at the next start")
    return CLUSTER


def _report_incomplete(before: dict[str, int], after: dict[str, int], unread: list[str]) -> int:
    """Log what was rejected or could not be read; gives the exit code."""
    dead = after["dead"] - before["dead"]
    if dead:
        log.error("%d documents of this run are dead letters: `neuroflow-ship dead-letters list` shows why", dead)
    if unread:
        more = f" and {len(unread) - MAX_NAMED} more" if len(unread) > MAX_NAMED else ""
        log.error(
            "not read, or not to the end: %s%s; the next run that can read them ships the rest",
            ", ".join(map(shown, unread[:MAX_NAMED])),
            more,
        )
    return INCOMPLETE if dead or unread else OK


def _health(config: Config, counters: Counters, sidecar: Sidecar, sender: Sender) -> Health | None:
    listen = config.shipper.telemetry.listen
    if listen is None:
        return None
    from shipper.cli.readiness import readiness_of
    from shipper.deliver.letter_count import LetterCount
    from shipper.health.metrics import Metrics
    from shipper.health.server import Health

    ready, dead_letters = readiness_of(sender), LetterCount(config.shipper.state_dir)

    def gauges() -> Gauges:
        return sidecar.measured()._replace(dead_letters=dead_letters(), ready=ready.known() is None)

    metrics = Metrics(counters, gauges, __version__)
    try:
        health = Health(listen, metrics=metrics.page, alive=sidecar.trouble, ready=ready)
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            why = "another process listens there already (another sidecar?); stop it or choose another port"
        raise Failure(f"{config.path}: shipper.telemetry.listen: {listen}: {why}", USAGE) from None
    health.start()
    return health
