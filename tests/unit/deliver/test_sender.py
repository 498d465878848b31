from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from elastic_transport import ConnectionTimeout, TransportError

from shipper.config import Elasticsearch as Settings
from shipper.deliver.batch import Batch
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.replay import send_letters
from shipper.deliver.retries import Retries
from shipper.deliver.sender import NOT_ACCEPTED, NOT_INSTALLED, Sender
from shipper.document.fact_templates import SomeFacts
from shipper.document.ids import generation_text
from shipper.elastic.bulk_request import verdicts_of
from shipper.elastic.client import connect
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.elastic.packed import Packed
from shipper.runs.actions import Written
from shipper.runs.facts import WaitingFacts
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.tail.state.checkpoint import NOTHING
from shipper.telemetry import Counters

FOREVER = float("inf")


def batch(*names: str, size: int = 0) -> Batch:
    """Documents of these ids, one span over all of them."""
    items = [
        orjson.dumps({"create": {"_index": "logs-x-y", "_id": name}})
        + b"\n"
        + orjson.dumps({"n": name, "x": "x" * size})
        + b"\n"
        for name in names
    ]
    return Batch(
        Packed(items, compressed=True), Packed([name.encode() for name in names]),
        [Span(b"g", 0, len(names), NOTHING, "")], datasets=Counter(app=len(items)),
    )  # fmt: skip


class Desk:
    """A sender with all its parts; its back-off takes no time by default."""

    def __init__(self, cluster: Any, root: Path) -> None:
        self.cluster = cluster
        settings = Settings(hosts=[cluster.url], request_timeout=0.3)
        self.client = connect(settings)
        self.counters = Counters()
        self.letters = DeadLetters(root, lambda: "now")
        self.wake = threading.Event()
        self.restored = 0
        self.can_restore = True
        self.waits: list[int] = []
        self.wait = 0.0
        self.broken_invariants: list[dict[str, int]] = []
        self.begun = 0
        self.sender = Sender(
            self.client, settings, in_flight=2, dead_letters=self.letters, counters=self.counters,
            dedupe=Dedupe(self.client, pytest.fail, request_timeout=0.3), restore=self.restore,
            runs=RunDocuments(self.client, "neuroflow-runs-test", lambda: None),
            wake=self.wake, retries=Retries(self.wait_for),
        )  # fmt: skip

    def restore(self) -> bool:
        self.restored += 1
        return self.can_restore

    def wait_for(self, attempt: int) -> float:
        """Record the attempt and check the counters; gives seconds."""
        self.waits.append(attempt)
        self.check()
        return self.wait

    def check(self) -> None:
        """Record counters that do not add up."""
        now = self.counters.snapshot()
        sum_of = now["acknowledged"] + now["duplicate"] + now["dead"] + now["in_flight"]
        if not now["read"] == sum_of == self.begun or now["in_flight"] < 0:
            self.broken_invariants.append(now)

    def submit(self, *batches: Batch) -> None:
        for one in batches:
            self.begun += len(one.items)
            self.counters.begin(len(one.items), dataset="app", lines=len(one.items), size=one.size)
            assert self.sender.offer(one)

    def finish(self) -> list[Span]:
        """Wait until no request is in flight; gives the settled spans."""
        spans: list[Span] = []
        deadline = time.monotonic() + 20
        while not self.sender.idle and time.monotonic() < deadline:
            self.wake.wait(0.05)
            self.wake.clear()
            spans += self.sender.acknowledged()
            self.check()
        assert self.sender.idle
        assert [] == self.broken_invariants
        return spans

    def counted(self) -> tuple[int, int, int, int]:
        """Acknowledged, duplicate, dead, in flight."""
        now = self.counters.snapshot()
        return now["acknowledged"], now["duplicate"], now["dead"], now["in_flight"]


@pytest.fixture
def desk(cluster: Any, tmp_path: Path) -> Iterator[Desk]:
    """A sender to the fake cluster."""
    desk = Desk(cluster, tmp_path)
    yield desk
    desk.sender.stop(0.0)
    for thread in desk.sender._threads:
        thread.join(10)
    desk.client.close()


def items(*statuses: int | dict[str, Any]) -> tuple[int, Any]:
    """An answer with an outcome for each item."""
    inner = [
        one
        if isinstance(one, dict)
        else {"status": one, **({"error": {"type": f"e{one}", "reason": "why"}} if one >= 300 else {})}
        for one in statuses
    ]
    return 200, {"errors": True, "items": [{"create": one} for one in inner]}


def test_body_is_gzip_of_the_documents(desk: Desk) -> None:
    """A large body is compressed, a small one is not; both contain the documents."""
    desk.submit(batch("a", "b", size=5000))
    desk.finish()
    desk.submit(batch("c"))
    desk.finish()
    assert ["gzip", None] == desk.cluster.encodings
    assert {name: name for name in "abc"} == {name: one["n"] for name, one in desk.cluster.documents.items()}


def test_each_item_has_its_own_outcome(desk: Desk) -> None:
    """Retryable items are sent again, duplicates are done, rejected ones become dead letters."""
    desk.cluster.answers.put(items(201, 409, 429, 400, 503, {"status": 201, "failure_store": "used"}))
    desk.cluster.answers.put(items(201, 429))
    desk.submit(batch(*"abcdef"))
    assert 1 == len(desk.finish())
    assert [list("abcdef"), ["c", "e"], ["e"]] == desk.cluster.requests
    assert (3, 1, 2, 0) == desk.counted()
    assert [("d", 400, "e400"), ("f", 201, "failure_store")] == [
        (one.id, one.status, one.kind) for one in desk.letters
    ]
    assert ["d", "f"] == [one.line for one in desk.letters]
    assert (3, [1, 2]) == (desk.counters.snapshot()["retried"], desk.waits)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 401, 403, 408])
def test_whole_request_is_tried_again(desk: Desk, status: int) -> None:
    """After 429, 5xx, 401, 403 and 408 the request is repeated until it succeeds."""
    for _ in range(3):
        desk.cluster.answers.put((status, {"error": {"type": "t", "reason": "r"}}))
    desk.submit(batch("a", "b"))
    assert 1 == len(desk.finish())
    assert [["a", "b"]] * 4 == desk.cluster.requests
    assert (2, 0, 0, 0) == desk.counted()
    assert not desk.sender.failing


@pytest.mark.parametrize(("status", "kind"), [(413, "request_too_large"), (400, "request_refused")])
def test_refused_requests_are_halved(desk: Desk, status: int, kind: str) -> None:
    """A rejected request is split down to the document that causes it; all others are indexed."""

    def decide(ids: list[str]) -> tuple[int, Any]:
        if "bad" in ids:
            return status, {"error": {"type": "t", "reason": "r"}}
        return items(*[201] * len(ids))

    desk.cluster.decide = decide
    desk.submit(batch("a", "b", "bad", "c", "d"))
    assert 1 == len(desk.finish())
    assert (4, 0, 1, 0) == desk.counted()
    assert [("bad", status, kind)] == [(one.id, one.status, one.kind) for one in desk.letters]


def test_a_cluster_that_takes_nothing_blames_nobody(desk: Desk) -> None:
    """A rejected single document waits until another one is accepted, and is dead only then."""

    def decide(ids: list[str]) -> tuple[int, Any]:
        return (400, {"error": {"type": "t", "reason": "r"}}) if "bad" in ids else items(*[201] * len(ids))

    desk.cluster.decide = decide
    desk.wait = 0.01
    desk.submit(batch("bad"))
    for _ in range(5):
        assert desk.cluster.asked.acquire(timeout=10)
    assert (0, 0, 0, 1) == desk.counted()
    assert desk.sender.failing
    desk.submit(batch("a"))
    assert 2 == len(desk.finish())
    assert (1, 0, 1, 0) == desk.counted()
    assert not desk.sender.failing


def test_templates_are_looked_after_while_sending(desk: Desk) -> None:
    """Templates are checked periodically, and a failed check does not stop sending."""
    desk.submit(batch("a"))
    desk.finish()
    assert 1 == desk.restored
    desk.submit(batch("b"))
    desk.finish()
    assert 1 == desk.restored
    desk.sender._templates._check_at = 0.0
    desk.can_restore = False
    desk.submit(batch("c"))
    desk.finish()
    assert (2, (3, 0, 0, 0)) == (desk.restored, desk.counted())


def test_preparing_waits_for_no_silent_cluster(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start goes on after a bounded wait; documents still wait for the templates."""
    monkeypatch.setattr("shipper.deliver.template_gate.PREPARE_PATIENCE", 0.01)
    gate = threading.Event()
    desk.sender._templates._restore = lambda: gate.wait(20)
    desk.sender.prepare(threading.Event())
    desk.submit(batch("a"))
    assert not desk.cluster.asked.acquire(timeout=0.2)
    gate.set()
    assert 1 == len(desk.finish())


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Start an answer and close the connection."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    handler.close_connection = True


def silence(handler: BaseHTTPRequestHandler) -> None:
    """Send nothing until the client closes the connection."""
    handler.connection.settimeout(10)
    with suppress(OSError):
        handler.connection.recv(1)
    handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [
        cut, silence, (200, "<html>a proxy</html>"),
        (200, {"items": [{"create": {"status": 201}}]}),
        (200, {"items": "none"}), (200, ["no object"]), items({}, {}),
    ],
    ids=["cut", "silence", "html", "too few", "no list", "no object", "no statuses"],
)  # fmt: skip
def test_no_answer_is_no_outcome(desk: Desk, answer: Any) -> None:
    """After an invalid answer the documents are sent again."""
    desk.cluster.answers.put(answer)
    desk.submit(batch("a", "b"))
    assert 1 == len(desk.finish())
    assert [["a", "b"], ["a", "b"]] == desk.cluster.requests
    assert (2, 0, 0, 0) == desk.counted()
    assert not desk.sender.broken


def test_missing_template_is_put_back(desk: Desk) -> None:
    """A missing template is put again before its documents."""
    desk.cluster.answers.put(
        items({"status": 404, "error": {"type": "index_not_found_exception", "reason": "no stream"}})
    )
    desk.submit(batch("a"))
    desk.finish()
    assert (2, (1, 0, 0, 0)) == (desk.restored, desk.counted())


class Noticed(threading.Event):
    """An event that records that a thread waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.awaited.set()
        return super().wait(timeout)


def test_stop_wakes_a_long_pause(desk: Desk) -> None:
    """A stop ends the back-off, and the request is tried once more."""
    desk.wait = 3600.0
    desk.sender._retries._nudge = pause = Noticed()
    desk.cluster.answers.put((503, {"error": "busy"}))
    desk.submit(batch("a"))
    assert pause.awaited.wait(10)
    desk.sender.stop(FOREVER)
    assert 1 == len(desk.finish())
    assert (1, 0, 0, 0) == desk.counted()


def test_stop_gives_up_at_the_deadline(desk: Desk) -> None:
    """Documents without an outcome stay in flight: their cursor does not move, and the next start sends them."""
    desk.wait = 3600.0
    desk.cluster.decide = lambda _: (503, {"error": "busy"})
    desk.submit(batch("a"))
    assert desk.cluster.asked.acquire(timeout=10)
    desk.sender.stop(0.0)
    assert [] == desk.finish()
    assert (0, 0, 0, 1) == desk.counted()


def test_slow_cluster_stops_the_reading(desk: Desk) -> None:
    """With all requests in flight and one batch waiting, further batches are refused without blocking."""
    gate = threading.Event()

    def decide(ids: list[str]) -> tuple[int, Any]:
        gate.wait(10)
        return items(*[201] * len(ids))

    desk.cluster.decide = decide
    desk.sender._delivery.client = desk.client.options(request_timeout=30)
    desk.submit(batch("a"), batch("b"), batch("c"))
    assert not desk.sender.offer(batch("d"))
    gate.set()
    assert 3 == len(desk.finish())


def test_dead_letters_that_cannot_be_written_are_not_dead(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is full the batch waits."""
    append: Callable[..., None] = desk.letters.append
    refused = 2

    def full(dead: Any) -> None:
        nonlocal refused
        refused -= 1
        if refused >= 0:
            raise OSError(28, "No space left on device")
        append(dead)

    monkeypatch.setattr(desk.letters, "append", full)
    desk.cluster.answers.put(items(400))
    desk.submit(batch("a"))
    assert 1 == len(desk.finish())
    assert ((0, 0, 1, 0), 1) == (desk.counted(), desk.letters.count())


def test_bug_in_a_batch_does_not_end_the_thread(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a batch is logged with its span, nothing of it is acknowledged, and other batches go on."""
    desk.counters.begin(1, dataset="app", lines=1, size=1)
    desk.begun += 1
    document = {"log": {"file": {"path": "/l"}}, "neuroflow": {"generation": generation_text(b"g")}}
    item = b'{"create":{}}\n' + orjson.dumps(document) + b"\n"
    with caplog.at_level("ERROR"):
        assert desk.sender.offer(Batch(Packed([item]), Packed(), [Span(b"g", 0, 1, NOTHING, "")]))
        assert [] == desk.finish()
    assert not desk.sender.broken
    assert not desk.sender.failing
    assert "/l, bytes 0 to 1" in caplog.text
    desk.submit(batch("b"), batch("c"), batch("d"))
    assert 3 == len(desk.finish())
    assert (3, 0, 0, 1) == desk.counted()


def test_bug_in_every_batch_slows_down_and_ends_the_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each faulty batch waits longer; after a number of them the run ends."""
    monkeypatch.setattr("shipper.deliver.set_aside.MAX_BATCHES", 4)
    for at in range(4):
        assert not desk.sender.broken
        desk.counters.begin(1, dataset="app", lines=1, size=1)
        desk.begun += 1
        assert desk.sender.offer(Batch(Packed([b"a"]), Packed(), [Span(b"g", at, at + 1, NOTHING, "")]))
        assert [] == desk.finish()
    assert desk.sender.broken
    assert [1, 2, 3, 4] == desk.waits


def test_good_batch_between_bad_ones_ends_their_row(desk: Desk) -> None:
    """A good batch resets the wait."""
    for name in "abc":
        desk.counters.begin(1, dataset="app", lines=1, size=1)
        desk.begun += 1
        assert desk.sender.offer(Batch(Packed([b"a"]), Packed(), [Span(b"g", 0, 1, NOTHING, "")]))
        assert [] == desk.finish()
        desk.submit(batch(name))
        assert 1 == len(desk.finish())
    assert [1, 1, 1] == desk.waits


def test_letters_are_sent_like_documents(desk: Desk) -> None:
    """A replay sends letters as the sender sends documents."""
    desk.cluster.answers.put(items(400))
    desk.submit(batch("a"))
    desk.finish()
    dedupe = Dedupe(desk.client, pytest.fail, request_timeout=30)
    (verdict,) = send_letters(desk.client, dedupe, list(desk.letters), pytest.fail)
    assert Outcome.ACKNOWLEDGED is verdict.outcome
    assert ["a"] == desk.cluster.requests[-1]


def test_letters_wait_for_an_older_request(desk: Desk) -> None:
    """A running request of an earlier replay is waited for; its documents are not sent again."""
    desk.cluster.answers.put(items(400, 400))
    desk.submit(batch("a", "b"))
    desk.finish()
    desk.cluster.tasks = ["requests[2], indices[logs-x-y]"]
    waits: list[float] = []
    said: list[str] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 20:
            desk.cluster.tasks, desk.cluster.found = [], ["a"]

    dedupe = Dedupe(desk.client, pytest.fail, request_timeout=30)
    verdicts = send_letters(desk.client, dedupe, list(desk.letters), said.append, sleep)
    assert [Outcome.DUPLICATE, Outcome.ACKNOWLEDGED] == [one.outcome for one in verdicts]
    assert ["b"] == desk.cluster.requests[-1]
    assert (20, 1) == (len(waits), len(said))


def maybe_sent(*names: str) -> Batch:
    """A batch of which all but the first document are maybe sent."""
    one = batch(*names)
    one.maybe_sent = [(1, len(names))]
    return one


def test_what_an_older_request_may_bring_waits(desk: Desk) -> None:
    """Only its documents wait; the rest of the batch and other batches are sent."""
    desk.cluster.tasks = ["requests[2], indices[logs-x-y]"]
    desk.submit(maybe_sent("a", "b", "c"), batch("d"))
    while desk.counted() != (2, 0, 0, 2):
        desk.wake.wait(0.05)
    assert desk.sender.waits
    assert not desk.sender.idle
    desk.cluster.tasks, desk.cluster.found = [], ["b"]
    assert 2 == len(desk.finish())
    assert (3, 1, 0, 0) == desk.counted()
    assert [["a"], ["c"], ["d"]] == sorted(desk.cluster.requests)
    assert not desk.sender.waits


def test_a_stop_gives_up_what_waits(desk: Desk) -> None:
    """Waiting documents stay in flight, and the next start looks them up again."""
    desk.cluster.tasks = ["requests[2], indices[logs-x-y]"]
    desk.submit(maybe_sent("a", "b"))
    while desk.counted() != (1, 0, 0, 1):
        desk.wake.wait(0.05)
    desk.sender.stop(time.monotonic())
    assert [] == desk.finish()
    assert (1, 0, 0, 1) == desk.counted()


def test_answers_must_speak_of_every_item() -> None:
    """An item without a status is retried; an answer with another number of items is invalid."""
    answer = {"items": [{"create": None}, {}, None, {"create": {"status": 201}}]}
    assert [Outcome.RETRY] * 3 + [Outcome.ACKNOWLEDGED] == [one.outcome for one in verdicts_of(answer, 4)]
    with pytest.raises(TransportError, match="a proxy in between"):
        verdicts_of(answer, 5)


def test_nothing_is_sent_before_the_templates_are_there(desk: Desk) -> None:
    """Without an answer about templates no document is sent; a stop ends the wait."""
    desk.can_restore = False
    desk.wait = 3600.0
    desk.submit(batch("a"))
    assert not desk.cluster.asked.acquire(timeout=0.2)
    desk.sender.stop(0.0)
    assert [] == desk.finish()
    assert (0, 0, 0, 1) == desk.counted()


class Runs:
    """Stands in for the run documents; each attempt gets a prepared answer."""

    index = "neuroflow-runs-test"

    def __init__(self, *answers: Written | Exception) -> None:
        self.answers = deque(answers)
        self.asked: list[WaitingFacts] = []

    def write(self, facts: WaitingFacts) -> Written:
        """The next answer; afterwards success."""
        self.asked.append(facts)
        answer = self.answers.popleft() if self.answers else Written({}, None, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


FACTS: WaitingFacts = {"pipeline_run:1": b'{"k":{"verb":"started"}}'}
TOLD: list[SomeFacts] = [("pipeline_run:1", None, b'"k":{"verb":"started"}')]


def told(desk: Desk, runs: Runs) -> list[Span]:
    """Deliver a batch with a fact of a run."""
    desk.sender._run_writer._runs = cast("RunDocuments", runs)
    one = batch("a")
    one.facts = TOLD
    desk.submit(one)
    return desk.finish()


def test_blank_lines_are_settled_without_a_request(desk: Desk) -> None:
    """A span without documents is acknowledged, and its thread goes on."""
    blank = Batch(spans=[Span(b"g", 0, 7, NOTHING, "")])
    desk.submit(blank)
    assert blank.spans == desk.finish()
    desk.submit(batch("a"))
    desk.finish()
    assert (1, 0, 0, 0) == desk.counted()
    assert 1 == len(desk.cluster.requests)


def test_cursors_move_when_the_runs_are_told_of(desk: Desk) -> None:
    """A span is settled after its facts are written; only failed facts are written again."""
    runs = Runs(ConnectionTimeout("slow"), Written(FACTS, Verdict(Outcome.RETRY, 429, "busy", "later"), []))
    assert 1 == len(told(desk, runs))
    assert [FACTS] * 3 == runs.asked
    assert [1, 2] == desk.waits


@pytest.mark.parametrize(
    "answer",
    [
        Written(FACTS, Verdict(Outcome.UNAUTHORIZED, 403, "security_exception", "no"), []),
        Written({}, None, [("pipeline_run:1", Verdict(Outcome.DEAD, 400, "document_parsing_exception", "no"))]),
    ],
)
def test_logs_go_before_run_documents(desk: Desk, caplog: pytest.LogCaptureFixture, answer: Written) -> None:
    """A missing privilege or a rejection is logged once, and shipping goes on."""
    with caplog.at_level("WARNING"):
        assert 1 == len(told(desk, Runs(answer)))
    assert ["rebuild-runs" in record.message for record in caplog.records] == [True]


def test_a_stop_gives_up_run_documents(desk: Desk) -> None:
    """Lines with unwritten facts are not acknowledged, so the next start reads them again."""
    desk.sender._run_writer._runs = cast("RunDocuments", Runs(*[ConnectionTimeout("slow")] * 99))
    one = batch("a")
    one.facts = TOLD
    desk.wait = 60.0
    desk.submit(one)
    desk.sender.stop(time.monotonic())
    assert [] == desk.finish()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_hung_threads_are_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without an end, and a thread that has ended; not the waits of an outage, nor a stop."""
    monkeypatch.setattr("shipper.deliver.sender.MAX_REQUEST", -3.0)  # ten times the time-out is 3 s
    assert desk.sender.hung() is None
    started, go_on = threading.Event(), threading.Event()

    def wait(*_: Any, **__: Any) -> Any:
        started.set()
        go_on.wait(20)
        raise SystemExit

    monkeypatch.setattr("shipper.deliver.delivery.send", wait)
    desk.submit(batch("a"))
    assert started.wait(20)
    assert "a request to Elasticsearch has had no end for 0 s" == desk.sender.hung()
    go_on.set()
    for thread in desk.sender._threads:
        thread.join(0.5)
    assert "threads that send have ended: bulk-" in (desk.sender.hung() or "")
    desk.sender.stop(0.0)
    assert desk.sender.hung() is None


def test_trouble_is_known_without_asking(desk: Desk) -> None:
    """Missing templates and the reason of the last failure; nothing once documents are delivered."""
    assert NOT_INSTALLED == desk.sender.trouble()
    desk.wait = 20.0
    desk.cluster.answers.put((503, {"error": {"type": "t", "reason": "busy doing nothing"}}))
    desk.submit(batch("a"))
    deadline = time.monotonic() + 20
    while not desk.waits and time.monotonic() < deadline:
        time.sleep(0.01)
    trouble = desk.sender.trouble() or ""
    assert trouble.startswith(NOT_ACCEPTED)
    assert "busy doing nothing" in trouble
    assert desk.sender.queued_bytes > 0
    desk.sender._retries.restart()
    desk.finish()
    assert desk.sender.trouble() is None
    assert 0 == desk.sender.queued_bytes


def test_outcomes_count_by_dataset(desk: Desk) -> None:
    """Of a batch with several datasets each document counts for its own, however it ends."""
    streams = ["app", "audit", "app", "audit", "workflow"]
    some = batch(*"abcde")
    some.items = Packed(
        [
            item.replace(b"logs-x-y", b"logs-neuroflow.%b-y" % stream.encode(), 1)
            for item, stream in zip(some.items, streams, strict=True)
        ]
    )
    some.datasets = Counter(streams)
    desk.cluster.answers.put(items(201, 409, 400, 429, 201))
    desk.submit(some)
    desk.finish()
    assert {
        ("app", "acknowledged"): 1,
        ("app", "dead"): 1,
        ("audit", "duplicate"): 1,
        ("audit", "acknowledged"): 1,
        ("workflow", "acknowledged"): 1,
    } == {one.labels: number for one, number in desk.counters.moment().totals.items() if one.name == "documents"}
