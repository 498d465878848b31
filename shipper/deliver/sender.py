"""Threads that deliver batches, several at once, and hand back the spans whose documents are all settled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.deliver.backlog import Backlog
from shipper.deliver.batch import Batch
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.delivery import Delivery
from shipper.deliver.rejections import Rejections
from shipper.deliver.retries import AbandonedError, Retries
from shipper.deliver.set_aside import SetAside
from shipper.deliver.template_gate import TemplateGate
from shipper.deliver.work import Work
from shipper.elastic.outcomes import Failure
from shipper.runs.schedule import RunWriter
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.telemetry import Counters

NOT_INSTALLED = "the index templates are not installed yet; see the sidecar's log"
NOT_ACCEPTED = "the cluster does not accept documents; see the sidecar's log"
# Seconds, beside ten times the timeout: a request that takes longer will never end.
MAX_REQUEST = 600.0


class Sender:
    """A few threads, each with one request under way.

    Args:
        client: of the cluster.
        settings: for messages.
        in_flight: number of threads.
        dead_letters: takes documents that Elasticsearch rejects permanently.
        counters: count every outcome.
        dedupe: looks up documents that may have been sent before.
        runs: takes the facts of runs, once the documents that tell them are delivered.
        restore: puts the index templates or checks them; False: the cluster could not be asked.
        wake: set whenever outcomes are ready.
        retries: how long to wait between attempts.
    """

    def __init__(
        self,
        client: Elasticsearch,
        settings: Settings,
        *,
        in_flight: int,
        dead_letters: DeadLetters,
        counters: Counters,
        dedupe: Dedupe,
        runs: RunDocuments,
        restore: Callable[[], bool],
        wake: threading.Event,
        retries: Retries | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._templates = TemplateGate(restore)
        self._delivery = Delivery(
            client,
            settings,
            dead_letters=dead_letters,
            counters=counters,
            dedupe=dedupe,
            templates=self._templates,
            retries=self._retries,
        )
        self._run_writer = RunWriter(
            runs,
            settings,
            settle=self._settle_spans,
            retry=self._retry_runs,
            recovered=self._retries.recovered,
            rested=wake.set,
            say=self._retries.warn,
            counters=counters,
        )
        self._wake = wake
        # One more may wait, so that a thread that has its answer finds the next batch ready.
        self._backlog: Backlog[Work] = Backlog(in_flight + 1, max_postponed=in_flight + 1)
        self._done: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        # Bytes of what is under way, by object.
        self._sizes: dict[int, int] = {}
        self._aside = SetAside()
        self.broken = self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"bulk-{number}", daemon=True) for number in range(in_flight)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def failing(self) -> bool:
        """Whether some documents can't be delivered at the moment."""
        return self._retries.failing

    def trouble(self) -> str | None:
        """Why no documents are delivered, as far as is known without asking the cluster; None if they are."""
        if self._retries.failing or self.broken:
            return f"{NOT_ACCEPTED}: {self._retries.reason}" if self._retries.reason else NOT_ACCEPTED
        return None if self._templates.was_open else NOT_INSTALLED

    def hung(self) -> str | None:
        """Which thread has ended or hangs, which only a restart mends; None if none."""
        if not self._stopping:
            ended = [thread.name for thread in self._threads if not thread.is_alive()]
            ended += ["runs"] * self._run_writer.ended
            if ended:
                return f"threads that send have ended: {', '.join(ended)}"
        limit = MAX_REQUEST + 10 * self._delivery.settings.request_timeout
        if (longest := self._delivery.requests.longest) > limit:
            return f"a request to Elasticsearch has had no end for {longest:.0f} s"
        return None

    def connection(self) -> tuple[Elasticsearch, Settings, Callable[[], bool]]:
        """The client and settings in use, and a function that tells whether the templates are there."""
        return self._delivery.client, self._delivery.settings, self._templates.is_open

    @property
    def rejections(self) -> Rejections:
        """The documents that were rejected, until somebody takes their numbers."""
        return self._delivery.rejections

    def prepare(self, stopping: threading.Event) -> None:
        """Put the templates; waits for a slow cluster some seconds at most, and not during a stop."""
        self._templates.prepare(stopping)

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; False: there is no room, and reading has to wait."""
        work = Work(batch)
        self._sizes[id(work)] = batch.size  # first: a thread may finish it at once
        if self._backlog.offer(work):
            return True
        del self._sizes[id(work)]
        return False

    def acknowledged(self) -> list[Span]:
        """The spans that were settled since the last call."""
        spans: list[Span] = []
        while not self._done.empty():
            spans += self._done.get()
        return spans

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, run documents included."""
        return not self.sending and self._run_writer.idle and self._done.empty()

    @property
    def sending(self) -> bool:
        """Whether documents are under way."""
        return not self._backlog.empty

    @property
    def queued_bytes(self) -> int:
        """Size of the documents under way; any thread may ask."""
        return sum(list(self._sizes.values()))

    @property
    def waits(self) -> bool:
        """Whether documents wait for the end of an older request."""
        return self._backlog.waits

    def hurry(self) -> None:
        """Write run documents now, because no batch follows for the time being."""
        self._run_writer.hurry()

    @property
    def gave_up(self) -> bool:
        """Whether a stop has ended the retries of some documents."""
        return self._retries.gave_up

    def hasten(self, deadline: float) -> None:
        """Before ``stop``: end the waits between attempts, and from now on retry only while something answers."""
        self._retries.stop(deadline)

    def stop(self, deadline: float) -> None:
        """Take no more batches; stop retrying at ``deadline`` (monotonic seconds), at once where nothing answers."""
        self._stopping = True
        self._retries.stop(deadline)
        self._backlog.stop(deadline)
        self._run_writer.stop()

    def reconnect(
        self, client: Elasticsearch, settings: Settings, runs: RunDocuments, restore: Callable[[], bool]
    ) -> None:
        """Send waiting and later documents to another cluster, or with another key.

        Args:
            client: of the cluster from now on.
            settings: for messages.
            runs: takes the facts of runs there.
            restore: puts the templates there.
        """
        self._templates.reconnect(restore)  # first: nothing is sent there before its templates are known to be there
        self._delivery.reconnect(client, settings)
        self._run_writer.reconnect(runs, settings)
        self._retries.restart()

    def _run(self) -> None:
        while (work := self._backlog.take()) is not None:
            failures = 0
            try:
                if not self._delivery.deliver(work):
                    self._backlog.postpone(work, work.due)
                    continue
                self._run_writer.add(work.batch.facts, work.batch.spans, work.batch.size)
                self._aside.delivered()
            except AbandonedError:
                pass
            except Exception as error:  # noqa: BLE001 - a bug must neither end the thread nor silence other batches
                failures = self._aside.take(work.batch, error)
                self.broken = self._aside.full
            if failures:
                self._retries.pause_after_bug(failures)
            self._sizes.pop(id(work), None)
            self._backlog.finish(work)
            del work  # frees its memory while the thread waits for the next one
            self._wake.set()

    def _settle_spans(self, spans: list[Span]) -> None:
        self._done.put(spans)

    def _retry_runs(self, failure: Failure, attempt: int) -> bool:
        """Wait until run documents are tried again; False when a stop has ended that."""
        try:
            self._delivery.retry(failure, attempt)
        except AbandonedError:
            return False
        return True
