"""Run documents against a model of the index."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.document.fact_templates import TemplateFacts
from shipper.elastic.outcomes import Outcome
from shipper.runs import writer as module
from shipper.runs.cache import RunCache
from shipper.runs.document import run_document
from shipper.runs.facts import RunFacts
from shipper.runs.writer import RunDocuments
from tests.unit.runs.run_index import PLACE, Index, writer


def fact(second: int, verb: str, **said: Any) -> dict[str, Any]:
    """A fact at a second of the minute, under its key."""
    told = {**said, "verb": verb, "source": "events", "at": f"2026-03-02T10:00:{second:02d}.000000Z"}
    return {f"2026-03-02T10:00:{second:02d}000000000 {verb} {crc32(orjson.dumps(told)):08x}": told}


VERBS = ["created", "started", "stage_started", "stage_completed", "stage_failed", "completed", "failed", "finished"]
portions = st.lists(
    st.tuples(
        st.sampled_from(["workflow_run:1", "workflow_run:2", "pipeline_run:1", "session:1"]),
        st.builds(
            lambda second, verb, stage, said: fact(
                second, verb, **({"stage": stage} if verb.startswith("stage") else {}), **said
            ),
            st.integers(0, 59), st.sampled_from(VERBS), st.sampled_from("abc"),
            st.fixed_dictionaries({}, optional={"duration": st.integers(0, 9), "error": st.sampled_from("xy")}),
        ),
    ),
    max_size=40,
)  # fmt: skip


def united(told: list[tuple[str, dict[str, Any]]]) -> RunFacts:
    """Facts as a batch contains them."""
    facts: RunFacts = {}
    for identity, some in told:
        facts.setdefault(identity, {}).update(some)
    return facts


def expected(told: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The documents that all facts make."""
    return {identity: {**run_document(identity, facts), **PLACE} for identity, facts in united(told).items()}


def write(runs: RunDocuments, facts: Mapping[str, dict[str, Any] | bytes | TemplateFacts]) -> None:
    """Write until nothing is left."""
    for _ in range(20):
        written = runs.write(facts)
        assert [] == written.refused
        facts = written.retry
        if not facts:
            return
    pytest.fail("never written")


def test_a_request_that_is_too_large_is_sent_in_parts() -> None:
    """Requests shrink to what a proxy accepts; only a run that is too large by itself is given up."""
    index = Index()
    index.most_bytes = 3000
    facts = {f"pipeline_run:{number}": fact(number % 60, "started") for number in range(200)}
    facts["pipeline_run:7"] |= fact(8, "failed", error="e" * 4000)
    written = writer(index).write(facts)
    assert ([("pipeline_run:7", 413)], {}) == (
        [(identity, verdict.status) for identity, verdict in written.refused],
        written.retry,
    )
    assert facts.keys() - {"pipeline_run:7"} == index.documents.keys()
    assert 20 < len(index.requests) < 100


@given(portions, st.integers(0, 2**32), st.booleans())
def test_any_writers_in_any_order_come_to_the_same(
    told: list[tuple[str, dict[str, Any]]], seed: int, upserts: bool
) -> None:
    """Repeated, shuffled, in portions, by writers that interrupt each other and lose their caches at times."""
    chance = random.Random(seed)
    index = Index()
    index.upserts = upserts
    writers = [writer(index) for _ in range(3)]
    doubled = [*told, *told]
    chance.shuffle(doubled)
    while doubled:
        many = chance.randrange(1, chance.choice((3, 8, 40)))
        part, doubled = doubled[:many], doubled[many:]
        runs = chance.choice(writers)
        if chance.random() < 0.3:
            runs._cache = RunCache(chance.choice((0, 700, 2000)))
        if chance.random() < 0.5 and doubled:
            other, between = (
                chance.choice([one for one in writers if one is not runs]),
                doubled[: chance.randrange(4)],
            )
            index.between.append(lambda other=other, part=between: write(other, united(part)))  # type: ignore[misc]
        write(runs, united(part))
        while index.between:
            index.between.popleft()()
    assert expected(told) == index.sources()


@given(portions, st.integers(0, 2**32))
def test_an_index_that_is_made_anew_under_way(told: list[tuple[str, dict[str, Any]]], seed: int) -> None:
    """A rebuild writes all earlier facts; writers that continue meanwhile overwrite none of them."""
    chance = random.Random(seed)
    index = Index()
    writers = [writer(index) for _ in range(2)]
    at = chance.randrange(len(told) + 1)
    for number, one in enumerate(told):
        if number == at:
            index.make_anew()
            write(writer(index), united(told[:at]))
        write(chance.choice(writers), united([one]))
    if at < len(told):
        assert expected(told) == index.sources()


def test_a_new_run_is_one_write_and_a_known_one_is_not_read() -> None:
    """Facts that are known already send no request."""
    index = Index()
    runs = writer(index)
    write(runs, {"pipeline_run:1": fact(1, "queued")})
    write(runs, {"pipeline_run:1": fact(2, "started")})
    write(runs, {"pipeline_run:1": fact(2, "started")})
    write(runs, {"pipeline_run:1": fact(3, "completed")})
    assert [["create"], ["index"], ["index"]] == index.requests
    write(writer(index), {"pipeline_run:1": fact(3, "completed")})
    assert [["create"], ["update"]] == index.requests[3:]
    assert 2 == index.documents["pipeline_run:1"][1]
    assert "completed" == index.sources()["pipeline_run:1"]["status"]


def test_facts_that_change_nothing_are_not_written() -> None:
    """An old end of a stage, which newer ones have replaced, is dropped before it is sent."""
    index = Index()
    runs = writer(index)
    for second in (10, 20, 30):
        write(runs, {"workflow_run:1": fact(second, "stage_completed", stage="a")})
    assert 3 == len(index.requests)
    write(runs, {"workflow_run:1": fact(5, "stage_completed", stage="a")})
    assert 3 == len(index.requests)


def test_facts_that_are_dropped_on_the_way_are_not_waited_for() -> None:
    """Of many events of one stage few are sent, also to a run that exists already."""
    index = Index()
    write(writer(index), {"workflow_run:1": fact(1, "started")})
    told = [("workflow_run:1", fact(second, "stage_completed", stage="a")) for second in range(2, 50)]
    write(writer(index), united(told))
    assert expected([("workflow_run:1", fact(1, "started")), *told]) == index.sources()
    assert 3 == len(index.sources()["workflow_run:1"]["facts"])


def test_answers_are_bounded() -> None:
    """Runs with many facts are asked for a few at a time, small ones many at a time."""
    index = Index()
    large = {f"workflow_run:{run}": united_errors(run) for run in range(100)}
    write(writer(index), large)
    asked = index.requests
    del asked[:]
    runs = writer(index)
    runs._mostly_new = False
    write(runs, {identity: fact(59, "started") for identity in large})
    updates = [one.count("update") for one in asked]
    assert 100 == sum(updates)
    assert max(updates) * 200 <= 2 * module._MAX_FACTS_ANSWERED


def united_errors(run: int) -> dict[str, Any]:
    """As many long facts as are kept."""
    facts: dict[str, Any] = {}
    for second in range(24):
        facts |= fact(second, "failed", error=f"{run} {second} " + "e" * 8100)
    return facts


def test_a_run_that_nothing_can_be_made_of_holds_up_no_other() -> None:
    """It is reported, and the others are written."""
    index = Index()
    odd = {"2026-03-02T10:00:00000000000 queued x": {"verb": "queued", "source": "events", "duration": {}, "at": 5}}
    broken = {**odd, **fact(9, "completed", duration="long")}
    written = writer(index).write({"pipeline_run:1": broken, "pipeline_run:2": fact(1, "queued")})
    assert ({}, ["pipeline_run:1"]) == (written.retry, [identity for identity, _ in written.refused])
    assert ["pipeline_run:2"] == list(index.documents)


@pytest.mark.parametrize("missing", ["get", "_seq_no", "_primary_term", "result", "status"])
@pytest.mark.parametrize("instead", [None, "text", [], {}, {"_source": {"facts": {"k": 1, "l": {"verb": 2}}}}])
def test_strange_answers_end_nothing(missing: str, instead: Any) -> None:
    """A part that is missing or of another type: the write is repeated, with the same result in the end."""
    index = Index()
    told = [("pipeline_run:1", fact(1, "queued")), ("pipeline_run:1", fact(3, "completed"))]
    write(writer(index), united(told))

    def bend(item: dict[str, Any]) -> dict[str, Any]:
        bent = {key: value for key, value in item.items() if key != missing}
        return bent if instead is None else {**bent, missing: instead}

    index.bend = bend
    runs = writer(index)
    facts = united([("pipeline_run:1", fact(2, "started")), ("pipeline_run:2", fact(2, "started"))])
    told += [("pipeline_run:1", fact(2, "started")), ("pipeline_run:2", fact(2, "started"))]
    for _ in range(3):
        runs.write(json.loads(json.dumps(facts)))
    index.bend = lambda item: item
    write(runs, facts)
    assert expected(told) == index.sources()


def test_an_answer_that_gives_no_document_is_tried_again() -> None:
    """With the reason; no fact is lost."""
    index = Index()
    index.bend = lambda item: {key: value for key, value in item.items() if key not in {"get", "result"}}
    facts = {"pipeline_run:1": fact(1, "queued")}
    runs = writer(index)
    runs._mostly_new = False
    written = runs.write(facts)
    assert facts == written.retry
    assert written.why is not None
    assert (Outcome.RETRY, "no_document") == (written.why.outcome, written.why.kind)
