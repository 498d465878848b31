"""When facts are written, by a clock that the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from elastic_transport import ConnectionTimeout

from shipper.config import Elasticsearch as Settings
from shipper.document.fact_templates import SameStory, SomeFacts, fact_template
from shipper.elastic.outcomes import Failure, Outcome, Verdict
from shipper.runs import schedule
from shipper.runs.actions import Written
from shipper.runs.facts import WaitingFacts
from shipper.runs.schedule import MAX_INTERVAL, MIN_INTERVAL, RunWriter
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.tail.state.checkpoint import NOTHING
from shipper.telemetry import Counters
from tests.decoded_facts import facts_in


def span(number: int) -> Span:
    """A distinct span."""
    return Span(b"g", number, number + 1, NOTHING, "")


def facts(number: int, size: int = 10) -> list[SomeFacts]:
    """A fact of a run."""
    return [(f"pipeline_run:{number}", None, b'"k":{"verb":"started","error":"%b"}' % (b"e" * size))]


class Desk:
    """A writer, the runs that it writes to, and its callbacks.

    Attributes:
        now: what the clock says.
        asked: the ids that were written, by request.
        answer: what a request gets.
        settled: the spans whose facts are written.
        failures: why attempts failed.
        rests: whether the writer was idle when it told that a writing is over.
        again: whether another attempt is to be made.
    """

    index = "neuroflow-runs-test"

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[list[str]] = []
        self.answer: Callable[[WaitingFacts], Written] = lambda _: Written()
        self.settled: list[Span] = []
        self.failures: list[Failure] = []
        self.rests: list[bool] = []
        self.again = True
        self.said: list[str] = []
        self.writer = RunWriter(
            cast("RunDocuments", self), Settings(hosts=["http://127.0.0.1:1"]), settle=self.settled.extend,
            retry=self.retry, recovered=lambda: None, rested=lambda: self.rests.append(self.writer.idle),
            say=lambda _, text: self.said.append(text), counters=Counters(),
            clock=lambda: self.now,
        )  # fmt: skip

    def write(self, some: WaitingFacts) -> Written:
        self.asked.append(sorted(some))
        return self.answer(some)

    def retry(self, failure: Failure, attempt: int) -> bool:
        assert len(self.failures) + 1 == attempt
        self.failures.append(failure)
        return self.again

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the writer check it."""
        self.now += seconds
        with self.writer._changed:
            self.writer._changed.notify_all()

    def wait_for(self, what: Callable[[], Any]) -> None:
        patience = time.monotonic() + 20
        while not what() and time.monotonic() < patience:
            time.sleep(0.005)
        assert what()

    def nothing_happens(self, asked: int) -> None:
        """Check that no more than so many requests were sent, though there was time for more."""
        time.sleep(0.05)
        assert asked == len(self.asked)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A writer that has written nothing yet."""
    desk = Desk()
    yield desk
    desk.again = False
    desk.writer.stop()
    desk.wait_for(lambda: desk.writer._thread is None)


def test_at_once_when_quiet_and_together_when_not(desk: Desk) -> None:
    """The first facts are written at once; those of the next second together, and then their spans settle."""
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    assert [span(1)] == desk.settled
    for number in (2, 3):
        desk.writer.add(facts(number), [span(number)], 100)
    desk.nothing_happens(1)
    assert not desk.writer.idle
    desk.pass_time(MIN_INTERVAL)
    desk.wait_for(lambda: desk.writer.idle)
    assert [["pipeline_run:1"], ["pipeline_run:2", "pipeline_run:3"]] == desk.asked
    assert [span(1), span(2), span(3)] == desk.settled


@pytest.mark.parametrize("well", [True, False])
def test_whoever_waits_until_it_is_idle_is_told(desk: Desk, well: bool) -> None:
    """When a writing is over, however it ended; the spans are settled before, and nothing is being written then."""
    settled: list[int] = []
    rested = desk.writer._rested
    desk.writer._rested = lambda: (settled.append(len(desk.settled)), rested())  # type: ignore[assignment,func-returns-value]
    if not well:
        desk.answer = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.rests)
    assert ([True], [1 if well else 0]) == (desk.rests, settled)


def new_runs(first: int, count: int) -> list[SomeFacts]:
    """Facts of pipeline runs that were made from a template."""
    template = fact_template("pipeline_run", "started", ('{"verb":"started","source":"events","at":"', 'Z"}'), (0,))
    identities = "\n".join([f"pipeline_run:{first + number}" for number in range(count)])
    return [SameStory((template,), identities.encode(), b"\n".join([b"2026-03-02T10:00:00.000000"] * count))]


@pytest.mark.parametrize("well", [True, False])
def test_many_new_runs_are_written_early(desk: Desk, monkeypatch: pytest.MonkeyPatch, well: bool) -> None:
    """Not so other facts of their batches; spans are settled when these are written, too, if both went well."""
    monkeypatch.setattr(schedule, "MAX_PENDING_BYTES", 3 * 2000)
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add([*facts(2), *new_runs(10, 2)], [span(2)], 100)
    desk.nothing_happens(1)
    if not well:
        desk.answer = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    desk.writer.add(new_runs(20, 2), [span(3)], 100)
    desk.wait_for(lambda: 2 == len(desk.asked) == len(desk.rests))
    assert ["pipeline_run:10", "pipeline_run:11", "pipeline_run:20", "pipeline_run:21"] == desk.asked[1]
    assert [span(1)] == desk.settled
    desk.answer = lambda _: Written()
    desk.writer.add(facts(3), [span(4)], 100)
    desk.pass_time(MIN_INTERVAL)
    desk.wait_for(lambda: desk.writer.idle)
    assert ["pipeline_run:2", "pipeline_run:3"] == desk.asked[2]
    assert ([span(1), span(2), span(3), span(4)] if well else [span(1), span(4)]) == desk.settled


def test_new_runs_alone_settle_their_spans(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else waits, a write of many new runs is a whole one."""
    monkeypatch.setattr(schedule, "MAX_PENDING_BYTES", 3 * 2000)
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add(new_runs(10, 5), [span(2)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    assert [span(1), span(2)] == desk.settled


def test_a_batch_without_facts_waits_for_nothing(desk: Desk) -> None:
    """Its spans are settled at once, also while others wait."""
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add(facts(2), [span(2)], 100)
    desk.writer.add([], [span(3)], 100)
    assert [span(1), span(3)] == desk.settled


def test_not_more_is_written_than_a_part_of_what_is_sent(desk: Desk) -> None:
    """After a large write the next one waits until enough documents were sent, or for a few seconds."""
    desk.answer = lambda _: Written(sent=10**8)
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add(facts(2), [span(2)], 10**6)
    desk.pass_time(MIN_INTERVAL)
    desk.nothing_happens(1)
    desk.writer.add([], [], 4 * 10**9)
    desk.pass_time(0)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add(facts(3), [span(3)], 100)
    desk.pass_time(MAX_INTERVAL - 0.1)
    desk.nothing_happens(2)
    desk.pass_time(0.1)
    desk.wait_for(lambda: desk.writer.idle)
    assert 3 == len(desk.asked)


@pytest.mark.parametrize("way", ["hurry", "stop"])
def test_at_once_when_nothing_more_comes(desk: Desk, way: str) -> None:
    """After ``hurry`` or ``stop`` facts are written before the second is over."""
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.writer.add(facts(2), [span(2)], 100)
    desk.nothing_happens(1)
    getattr(desk.writer, way)()
    desk.wait_for(lambda: desk.writer.idle)
    assert [span(1), span(2)] == desk.settled
    if way == "stop":
        desk.writer.add(facts(3), [span(3)], 100)
        desk.wait_for(lambda: desk.writer.idle)
        assert 3 == len(desk.asked)


def waits_until(gate: threading.Event, desk: Desk, number: int) -> None:
    """The write of this run's facts waits until the gate opens."""
    late = threading.Thread(target=desk.writer.add, args=(facts(number), [span(number)], 100))
    late.start()
    late.join(0.05)
    assert late.is_alive()
    gate.set()
    late.join(20)
    assert not late.is_alive()


def test_whoever_brings_too_much_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While facts can't be written, the waiting ones take bounded memory; a stop releases all that wait."""
    monkeypatch.setattr(schedule, "MAX_PENDING_BYTES", 5000)
    gate = threading.Event()
    desk.answer = lambda some: Written() if gate.wait(20) else Written(some)
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.asked)
    desk.writer.add(facts(2, size=6000), [span(2)], 100)
    waits_until(gate, desk, 3)
    desk.writer.hurry()
    desk.wait_for(lambda: desk.writer.idle)
    assert [["pipeline_run:1"], ["pipeline_run:2"], ["pipeline_run:3"]] == desk.asked


def test_nothing_more_is_taken_while_it_fails(desk: Desk) -> None:
    """The reader waits, too: else all lines since the last cursor would be sent again after a crash."""
    gate = threading.Event()
    answers: Iterator[Written | Exception] = iter(
        [ConnectionTimeout("slow"), Written({**facts_in(facts(1))}, Verdict(Outcome.RETRY, 429, "busy", "later"))]
    )

    def answer(_: WaitingFacts) -> Written:
        one = next(answers, None)
        if one is None:
            gate.wait(20)
            return Written()
        if isinstance(one, Exception):
            raise one
        return one

    desk.answer = answer
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: len(desk.asked) == 3)
    waits_until(gate, desk, 2)
    assert [(False, "ConnectionTimeout"), (True, "runs")] == [(one.answered, one.kind) for one in desk.failures]


def test_given_up_nothing_is_settled(desk: Desk) -> None:
    """The spans are not settled: the lines are read again at the next start."""
    desk.again = False
    desk.answer = lambda some: Written(some, Verdict(Outcome.RETRY, 503, "away", "later"))
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    assert ([], 1) == (desk.settled, len(desk.failures))


def test_a_bug_is_said_and_costs_what_it_met(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The lines are read again at the next start; later facts are written."""

    def bug(_: WaitingFacts) -> Written:
        raise KeyError("get")

    desk.answer = bug
    desk.writer.add(facts(1), [span(1)], 100)
    desk.wait_for(lambda: desk.writer.idle)
    desk.answer = lambda _: Written()
    desk.writer.add(facts(2), [span(2)], 100)
    desk.pass_time(MIN_INTERVAL)
    desk.wait_for(lambda: desk.writer.idle)
    assert [span(2)] == desk.settled
    assert ["KeyError" in record.message for record in caplog.records] == [True]
