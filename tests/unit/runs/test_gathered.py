from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Shipper
from shipper.document.ecs import Documents
from shipper.document.fact_templates import EncodedFact
from shipper.runs.facts import RunFacts, facts_of
from shipper.runs.gathered import Gathered
from shipper.runs.kept import kept
from tests.decoded_facts import facts_in
from tests.unit.blocks import records_of


def told(*records: dict[str, Any]) -> list[EncodedFact]:
    """The facts of events, one a second unless they have a time."""
    lines = [
        json.dumps({"timestamp": f"2026-03-02T10:00:{number % 60:02d}.{number:06d}Z", **record}).encode()
        for number, record in enumerate(records)
    ]
    return facts_of(Documents(Shipper(host_name="h", timezone="UTC"), "0").of(records_of(lines, read_at_ns=10**18)))


def of_stage(run: int, stage: str = "a", verb: str = "completed", **said: Any) -> dict[str, Any]:
    """An event of a stage."""
    return {"event": f"stage.{verb}", "workflow_run_id": run, "stage": stage, **said}


def started(run: int, **said: Any) -> dict[str, Any]:
    """An event that none of its kind replaces."""
    return {"event": "pipeline.started", "run_id": run, **said}


some_events = st.lists(
    st.one_of(
        st.builds(started, st.integers(1, 2)),
        st.builds(
            of_stage, st.integers(1, 2), st.sampled_from("ab"), st.sampled_from(["started", "completed", "failed"])
        ),
        st.builds(
            lambda at, seconds, error: of_stage(
                1, "a", "failed", timestamp=f"2026-03-02T10:00:{at:02d}Z", duration=seconds, error=error
            ),
            st.integers(0, 9), st.integers(0, 2), st.sampled_from(["", "e" * 1000, "f" * 3000]),
        ),
    ),
    max_size=40,
)  # fmt: skip


@given(some_events, st.randoms())
def test_what_is_left_out_changes_no_document(events: list[dict[str, Any]], chance: Any) -> None:
    """For each run the kept facts equal those of all facts, in any order and any repetition."""
    facts = told(*events)
    shuffled = [*facts, *facts[::3]]
    chance.shuffle(shuffled)
    gathered = Gathered(2**20)
    for fact in shuffled:
        gathered.add([fact])
    found = {identity: facts for portion in portions_of(gathered) for identity, facts in portion.items()}
    wanted = facts_in(facts)
    assert found.keys() == wanted.keys()
    for identity, some in found.items():
        assert list(kept(wanted[identity]).items()) == list(kept(some).items())


def portions_of(gathered: Gathered) -> list[RunFacts]:
    """All portions, decoded."""
    return [
        {identity: json.loads(cast("bytes", some)) for identity, some in one.items()} for one in gathered.portions()
    ]


def test_it_is_said_when_there_are_enough() -> None:
    """Facts that stay make it full; those that replace others don't."""
    gathered, added = Gathered(20_000), 0
    while not gathered.full:
        gathered.add(told(started(added)))
        added += 1
    assert 10 < added < 100
    (found,) = portions_of(gathered)
    assert added == len(found)
    assert not gathered.full
    assert [] == list(gathered.portions())
    for number in range(1000):
        gathered.add(told(of_stage(1, duration=number, timestamp=f"2026-03-02T10:00:00.{number:06d}Z")))
    assert not gathered.full
    ((facts,),) = [portion.values() for portion in portions_of(gathered)]
    assert [998 * 10**9, 999 * 10**9] == [fact["duration"] for fact in facts.values()]


def test_many_facts_come_in_portions() -> None:
    """All of one run in the same, so that it is written once."""
    gathered = Gathered(2**23)
    for _ in range(2):
        gathered.add(told(*(of_stage(number % 1000, f"{number // 1000:0100d}") for number in range(20_000))))
    portions = portions_of(gathered)
    assert 2 <= len(portions) <= 32
    assert 1000 == sum(map(len, portions)) == len(set().union(*portions))
    assert {20} == {len(facts) for portion in portions for facts in portion.values()}
