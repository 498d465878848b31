"""Documents of many new runs from templates: the same that each run's facts make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Shipper
from shipper.document.ecs import Documents
from shipper.document.fact_templates import FactTemplate, SomeFacts, fact_template
from shipper.parse.dispatch import parse
from shipper.runs import writer as module
from shipper.runs.document import run_document
from shipper.runs.facts import decoded, facts_of
from shipper.runs.gathered import Gathered
from shipper.runs.kept import kept
from shipper.runs.templates import RunTemplates
from shipper.runs.writer import RunDocuments
from tests.decoded_facts import facts_in
from tests.unit.blocks import block_of
from tests.unit.runs.run_index import PLACE, Index, writer

SETTINGS = Shipper(host_name="h", timezone="UTC")


class Log:
    """Turns lines into facts, from templates and the usual way; of so many lines at once and one more."""

    def __init__(self, at_once: int = 2) -> None:
        self.at_once = at_once
        self.documents = Documents(SETTINGS, "1", facts_of=facts_of)
        self.usual: list[SomeFacts] = []

    def facts(self, records: Iterable[dict[str, Any]]) -> list[SomeFacts]:
        """Facts of lines, those of known shapes from templates; each kind of line gets a shape."""
        shapes = self.documents.shapes
        assert shapes is not None
        shapes.sampled = shapes.sightings = 1
        lines = [json.dumps(record).encode() for record in records]
        self.usual += facts_of(Documents(SETTINGS, "1").of(parse(block_of(lines, read_at_ns=10**18))))
        found: list[SomeFacts] = []
        for number, line in enumerate(lines):
            shapes.learn(line, orjson.loads(line))
            made = self.documents.with_templates(parse(block_of([line], read_at_ns=10**18), shapes))
            if self.at_once == number % (self.at_once + 1):
                found += self.documents.take_facts()
            found += facts_of(document for document in made if type(document) is dict)
        return found + self.documents.take_facts()

    def expected(self) -> dict[str, Any]:
        """The documents that all facts so far make."""
        return {
            identity: {**run_document(identity, facts), **PLACE} for identity, facts in facts_in(self.usual).items()
        }


def write(runs: RunDocuments, facts: list[SomeFacts]) -> None:
    """Write facts until nothing is left."""
    gathered = Gathered(2**20)
    gathered.add(facts)
    for portion in gathered.portions():
        left = portion
        while left:
            written = runs.write(left)
            assert [] == written.refused
            left = written.retry


def event(name: str, run: Any, second: float, **said: Any) -> dict[str, Any]:
    """A line about a pipeline run."""
    minute, second = divmod(second, 60)
    stamp = (
        f"2026-03-{2 + int(minute) // 1440:02d}T{int(minute) // 60 % 24:02d}:{int(minute) % 60:02d}:{second:09.6f}Z"
    )
    return {"event": f"pipeline.{name}", "run_id": run, **said, "level": "info", "timestamp": stamp}


def story(run: Any, second: float, **said: Any) -> list[dict[str, Any]]:
    """A run as most are."""
    return [
        event("queued", run, second, pipeline="qsiprep", subject_id=f"sub-{run}", workflow_run_id=7),
        event("started", run, second + 1, **said),
        event("completed", run, second + 3, duration=round(1.001 + second, 3), **said),
    ]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose documents are made the usual way."""
    runs: list[str] = []

    def noted(identity: str, facts: dict[str, Any]) -> dict[str, Any]:
        runs.append(identity)
        return run_document(identity, facts)

    monkeypatch.setattr(module, "run_document", noted)
    return runs


MOMENTS = st.sampled_from([0, 0.000001, 1, 1.5, 59, 61, 90, 86_400]) | st.floats(0, 100_000).map(
    lambda at: round(at, 6)
)
SAID: dict[str, st.SearchStrategy[Any]] = {
    "pipeline": st.sampled_from(["qsiprep", "qsirecon", ""]),
    "subject_id": st.sampled_from(["sub-01", "01", 12, ""]),
    "session_id": st.sampled_from(["ses-a", "b", 3]),
    "workflow_run_id": st.sampled_from([7, "8"]),
    "duration": st.sampled_from([0, 0.0, 1.5, 1e-9, 0.000000012, 61, 4_000_000, 9_999_999.125, 0.1, 3.3]),
    "error": st.sampled_from(["no space", "", "e" * 600]),
    "attempt": st.sampled_from([1, 2, "3"]),
    "exit_code": st.sampled_from([0, 1, -9]),
    "success": st.booleans(),
    "status": st.sampled_from(["failure", "ok"]),
    "note": st.just("x" * 100),
}
NAMES = [
    "created",
    "queued",
    "started",
    "completed",
    "failed",
    "cancelled",
    "retry_scheduled",
    "finished",
    "progress",
]


@st.composite
def stories(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Portions of lines about runs, most of which have one story with other values."""
    turns = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sets(st.sampled_from(sorted(SAID)))), max_size=5))
    portions: list[list[dict[str, Any]]] = [[], [], []]
    for run in range(draw(st.integers(1, 6))):
        at = draw(MOMENTS)
        for name, keys in turns if draw(st.integers(0, 5)) else draw(st.permutations(turns)):
            line = event(name, run, at, **{key: draw(SAID[key]) for key in sorted(keys)})
            portions[draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))] += [line] * draw(st.sampled_from([1, 1, 1, 2]))
            at += draw(st.sampled_from([1, 1, 2.5, 100, 0, -3]))
    return portions


@given(stories())
def test_both_ways_give_the_same(portions: list[list[dict[str, Any]]]) -> None:
    """Documents from templates are those that all facts make, whichever values, orders and portions they come in."""
    log, index = Log(), Index()
    runs = writer(index)
    for lines in portions:
        write(runs, log.facts(lines))
    assert log.expected() == index.sources()
    # The same again changes nothing.
    requests = len(index.requests)
    write(writer(index), log.facts(line for lines in portions for line in lines))
    assert log.expected() == index.sources()
    assert all({"update"} >= set(kinds) or {"create"} >= set(kinds) for kinds in index.requests[requests:])


@given(stories(), st.integers(0, 5))
def test_facts_wait_in_the_order_of_the_document(portions: list[list[dict[str, Any]]], at_once: int) -> None:
    """Facts that wait with their templates stand in the order in which documents keep them, however they came."""
    log, gathered = Log(at_once), Gathered(2**20)
    for lines in portions:
        gathered.add(log.facts(lines))
    expected = facts_in(log.usual)
    found = {identity: facts for portion in gathered.portions() for identity, facts in portion.items()}
    assert expected == {identity: decoded(facts) for identity, facts in found.items()}
    for identity, facts in found.items():
        if isinstance(facts, tuple):
            assert list(kept(expected[identity])) == list(decoded(facts))


def test_templates_are_used(made: list[str]) -> None:
    """Of many runs with one story only few documents are made the usual way: those that show what differs."""
    log, index = Log(), Index()
    write(writer(index), log.facts(line for run in range(500) for line in story(run, 7.5 * run)))
    assert log.expected() == index.sources()
    assert (500, 2) == (len(index.documents), len(index.requests))
    assert {"completed"} == {source["status"] for source in index.sources().values()}
    assert 5 > len(made)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[1:], lines[0] | {"timestamp": "2026-03-09T10:00:00.000000Z"}],
        lambda lines: [line | {"timestamp": "2026-03-02T10:00:00.000000Z"} for line in lines],
        lambda lines: [lines[0], lines[1], lines[2] | {"timestamp": lines[1]["timestamp"]}],
        lambda lines: [lines[0], lines[1], lines[2] | {"duration": 9_999_999}],
    ],
    ids=["born late", "all at once", "started as it ended", "long"],
)
def test_a_run_that_differs(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """A run whose values decide more than a template shows changes neither its own document nor the others'."""
    log, index = Log(), Index()
    lines = [line for run in range(100) for line in (change(story(run, run)) if run == 50 else story(run, run))]
    write(writer(index), log.facts(lines))
    assert log.expected() == index.sources()


def test_an_end_and_a_start_at_the_same_time() -> None:
    """Facts of one moment are ordered by what happened, whatever the order of another run with the same facts."""
    log, index = Log(), Index()
    lines: list[dict[str, Any]] = []
    for run in range(3):
        lines.append(event("completed", run, 10, pipeline="qsiprep", duration=1.5))
        lines.append(event("started", run, 10 if run == 1 else 11, pipeline="qsiprep"))
    write(writer(index), log.facts(lines))
    assert log.expected() == index.sources()
    assert ["running", "completed", "running"] == [
        index.sources()[f"pipeline_run:{run}"]["status"] for run in range(3)
    ]


def test_times_in_seconds(made: list[str]) -> None:
    """Runs that begin and end within one second, as times without a fraction tell, are made from templates, too."""
    log, index = Log(), Index()
    lines = [
        event(name, run, 10 + run // 20, pipeline="qsiprep", **({"duration": 0.5} if name == "completed" else {}))
        for run in range(100)
        for name in ("completed", "queued", "started")
    ]
    write(writer(index), log.facts(lines))
    assert log.expected() == index.sources()
    assert {"completed"} == {source["status"] for source in index.sources().values()}
    assert 5 > len(made)


def test_a_run_with_many_facts_is_encoded() -> None:
    """A run that is told of again and again waits as JSON, in which equal facts count once."""
    log, gathered = Log(), Gathered(2**20)
    gathered.add(log.facts([event("started", 1, at % 20) for at in range(1000)]))
    ((identity, facts),) = next(gathered.portions()).items()
    assert ("pipeline_run:1", 20) == (identity, len(decoded(facts)))
    assert isinstance(facts, bytes)


def test_facts_with_templates_make_it_full() -> None:
    """They count until they are taken, with what they need while they are written."""
    log, gathered = Log(), Gathered(2**18)
    runs = 0
    while not gathered.full:
        gathered.add(log.facts(story(runs, runs)))
        runs += 1
    assert 50 < runs < 150
    assert runs == sum(map(len, gathered.portions()))
    assert not gathered.full


def test_some_have_a_document_already(made: list[str]) -> None:
    """Runs that another sidecar has written are united with its facts; the others stay created."""
    log, index = Log(), Index()
    earlier = log.facts(line for run in range(0, 100, 7) for line in story(run, run)[:2])
    write(writer(index), earlier)
    made.clear()
    write(writer(index), log.facts(line for run in range(100) for line in story(run, run)))
    assert log.expected() == index.sources()
    assert len(range(0, 100, 7)) * 3 > len(made)


def test_later_facts_cost_one_write() -> None:
    """A run whose first facts came from templates is cached: what comes later is put without a look."""
    log, index = Log(), Index()
    runs = writer(index)
    write(runs, log.facts(line for run in range(20) for line in story(run, run)[:2]))
    write(runs, log.facts(line for run in range(20) for line in story(run, run)))
    assert log.expected() == index.sources()
    assert [["create"] * 20, ["index"] * 20] == index.requests


def test_what_is_too_large_is_sent_in_parts() -> None:
    """Requests made from templates shrink to what a proxy accepts, too."""
    log, index = Log(), Index()
    index.most_bytes = 5000
    write(writer(index), log.facts(line for run in range(100) for line in story(run, run)))
    assert log.expected() == index.sources()
    assert 20 < len(index.requests) < 60


def test_many_stories_in_small_requests() -> None:
    """A request begins no further template once it is full, so that a proxy's limit below one run of each is met."""
    log, index = Log(), Index()
    index.most_bytes = 2500
    names = ["queued", "started", "completed", "failed", "retry_scheduled", "cancelled"]
    lines: list[dict[str, Any]] = []
    for number, (first, then) in enumerate(permutations(names, 2)):
        for run in range(3 * number, 3 * number + 3):
            lines.append(event(first, run, run, pipeline="qsiprep"))
            lines.append(event(then, run, run + 5, subject_id="sub-1"))
    write(writer(index), log.facts(lines))
    assert log.expected() == index.sources()
    assert 90 == len(index.documents)
    assert 30 < len(index.requests) < 90


def test_any_order_of_lines(made: list[str]) -> None:
    """Lines of a run in several files, read in any order, give the same templates."""
    log, index = Log(), Index()
    lines = [line for run in range(100) for line in story(run, run)]
    write(writer(index), log.facts([*lines[2::3], *lines[::3], *lines[1::3]]))
    assert log.expected() == index.sources()
    assert 5 > len(made)


def test_a_bug_in_templates_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs whose template fails are made the usual way."""
    monkeypatch.setattr(RunTemplates, "body", lambda *_: 1 // 0)
    log, index = Log(), Index()
    write(writer(index), log.facts(line for run in range(5) for line in story(run, run)))
    assert log.expected() == index.sources()


def test_values_that_decide() -> None:
    """Facts with a value on which more of the document may depend, or with two births, get no template."""
    at = ('{"outcome":"', '","verb":"finished","source":"events","at":"', 'Z"}')
    odd = fact_template("pipeline_run", "finished", at, (1, 0))
    plain = fact_template("pipeline_run", "started", ('{"verb":"started","source":"events","at":"', 'Z"}'), (0,))
    queued = fact_template("pipeline_run", "queued", ('{"verb":"queued","source":"events","at":"', 'Z"}'), (0,))

    def make(identity: str, facts: dict[str, Any]) -> bytes:
        return orjson.dumps(run_document(identity, facts))

    def has_template(*facts: tuple[FactTemplate, bytes]) -> bool:
        templates, values = zip(*facts, strict=True)
        return RunTemplates(make).body([("pipeline_run:1", (templates, b"\0".join(values)))]) is not None

    early, late = b"2026-03-02T10:00:00.000000", b"2026-03-02T10:00:01.000000"
    assert has_template((plain, early))
    assert has_template((queued, early), (plain, late))
    assert not has_template((plain, early), (odd, late + b"\0success"))
    assert not has_template((plain, early), (queued, late))

    def strange(identity: str, facts: dict[str, Any]) -> bytes:
        """Depends on a value in a way that markers don't show."""
        return orjson.dumps({**run_document(identity, facts), "strange": b"2026" in orjson.dumps(facts)})

    assert RunTemplates(strange).body([("pipeline_run:1", ((plain,), early))]) is None


@pytest.mark.parametrize("count", [30, 500])
@pytest.mark.parametrize("status", [429, 400, None, "201"])
def test_some_are_refused(status: Any, count: int) -> None:
    """An answer that does not confirm every document is judged document by document; in the end all are there."""

    class Reluctant(Index):
        """Refuses every ninth document for the first time."""

        refused = 0

        def _create(self, about: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
            if int(about["_id"].partition(":")[2]) % 9 or self.refused == 4:
                return super()._create(about, said)
            self.refused += 1
            return {"status": status, "_seq_no": 1, "_primary_term": 1, "error": {"type": "t", "reason": "r"}}

    log, index = Log(), Reluctant()
    write(writer(index), log.facts(line for run in range(count) for line in story(run, run)))
    assert log.expected() == index.sources()
    assert 4 == index.refused


def test_what_goes_on_after_many(made: list[str]) -> None:
    """Of many new runs the newest are cached; the others are united with their documents when something follows."""
    log, index = Log(), Index()
    runs = writer(index)
    write(runs, log.facts(line for run in range(500) for line in story(run, 7.5 * run)[:2]))
    made.clear()
    write(runs, log.facts(line for run in (3, 450) for line in story(run, 7.5 * run)[2:]))
    assert log.expected() == index.sources()
    assert [["create"] * 100, ["create"] * 400] == index.requests[:2]
    assert [["create", "index"], ["update"], ["index"]] == [sorted(kinds) for kinds in index.requests[2:]]


def test_an_answer_without_states() -> None:
    """Documents whose answer lacks their state are not cached, so that what follows is united with them."""
    log, index = Log(), Index()
    index.bend = lambda item: {"status": item["status"]} if item["result"] == "created" else item
    runs = writer(index)
    write(runs, log.facts(line for run in range(5) for line in story(run, run)[:2]))
    index.bend = lambda item: item
    write(runs, log.facts(line for run in range(5) for line in story(run, run)))
    assert log.expected() == index.sources()
