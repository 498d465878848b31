from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shipper.runs.document import run_document
from shipper.runs.kept import MAX_FACTS

Facts = dict[str, dict[str, Any]]


def fact(at: int, verb: str, source: str = "events", **said: Any) -> Facts:
    """A fact at a second of the day."""
    clock = f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}"
    told = {**said, "verb": verb, "source": source, "at": f"2026-03-02T{clock}.000000Z"}
    return {f"2026-03-02T{clock}000000000 {verb} {abs(hash(tuple(map(str, told.items())))):016x}": told}


def run(*facts: Facts, identity: str = "pipeline_run:4") -> dict[str, Any]:
    """The document without its facts and service."""
    document = run_document(identity, {key: value for some in facts for key, value in some.items()})
    del document["facts"]
    assert {"name": "neuroflow"} == document.pop("service")
    return document


def at(second: int) -> str:
    """A second of the day."""
    return f"2026-03-02T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000000Z"


def test_a_run_that_ended_well() -> None:
    """Times of all its events, its ids and its duration."""
    assert {
        "kind": "pipeline_run",
        "status": "completed",
        "@timestamp": at(10),
        "created_at": at(10),
        "queued_at": at(10),
        "started_at": at(20),
        "completed_at": at(80),
        "updated_at": at(80),
        "duration_seconds": 60.0,
        "event": {"duration": 60 * 10**9},
        "neuroflow": {"run_id": "4", "pipeline": "qsiprep", "subject_id": "7"},
    } == run(fact(10, "queued", pipeline="qsiprep", subject_id="7"), fact(20, "started"), fact(80, "completed"))


def test_a_run_under_way() -> None:
    """Queued, then running; nothing else is known."""
    assert ("queued", at(10)) == ((found := run(fact(10, "queued")))["status"], found["queued_at"])
    assert ("running", at(20)) == ((found := run(fact(20, "started")))["status"], found["started_at"])
    assert "queued_at" not in found


def test_a_run_that_failed() -> None:
    """Reason and exit code; a duration in the line counts before the difference of times."""
    found = run(fact(20, "started"), fact(30, "failed", error="Memory limit", exit_code=137, duration=9 * 10**9))
    assert ("failed", {"message": "Memory limit"}, 137, 9.0) == (
        found["status"], found["error"], found["exit_code"], found["duration_seconds"],
    )  # fmt: skip
    assert "completed_at" not in found


def test_both_trails_of_one_run() -> None:
    """The audit trail reports the same at another time: the first time counts, and the details of both."""
    found = run(
        fact(10, "created", "audit", pipeline="mriqc", attempt=1),
        fact(11, "queued", pipeline="mriqc", workflow_run_id="3"),
        fact(20, "started", "audit"),
        fact(21, "started"),
        fact(50, "failed", "audit", exit_code=1),
        fact(51, "failed", error="why"),
    )
    assert (at(11), at(20), at(50), 1, {"message": "why"}) == (
        found["queued_at"], found["started_at"], found["failed_at"], found["exit_code"], found["error"],
    )  # fmt: skip
    assert {"run_id": "4", "pipeline": "mriqc", "workflow_run_id": "3"} == found["neuroflow"]


def test_the_newest_attempt_counts() -> None:
    """A run that failed and starts again is running; nothing of its failure is left."""
    first = [fact(10, "queued", pipeline="p"), fact(20, "started"), fact(30, "failed", error="e")]
    again = run(*first, fact(40, "started"))
    assert ("running", at(40)) == (again["status"], again["started_at"])
    assert not {"failed_at", "error", "completed_at"} & set(again)
    done = run(*first, fact(40, "started"), fact(100, "completed"))
    assert ("completed", 60.0) == (done["status"], done["duration_seconds"])
    scheduled = run(*first, fact(35, "requeued", attempt=2))
    assert ("queued", 2) == (scheduled["status"], scheduled["attempt"])


def test_a_run_that_nobody_has_queued_yet() -> None:
    """Until it is queued or started it is pending; so is a workflow run."""
    assert "pending" == run(fact(10, "pending", "audit"))["status"]
    assert "queued" == run(fact(10, "pending", "audit"), fact(11, "queued"))["status"]
    workflow = run(fact(10, "pending", "audit"), identity="workflow_run:3")
    assert ("pending", None) == (workflow["status"], workflow.get("started_at"))
    assert "running" == run(fact(10, "pending"), fact(11, "started"), identity="workflow_run:3")["status"]


def test_an_id_that_is_used_again_is_another_run() -> None:
    """Nothing of the old run is left: neither its subject nor its end."""
    old = [fact(10, "queued", pipeline="p", subject_id="1"), fact(20, "started"), fact(30, "completed")]
    found = run(*old, fact(500, "queued", pipeline="q"))
    assert ("queued", at(500), {"run_id": "4", "pipeline": "q"}) == (
        found["status"], found["created_at"], found["neuroflow"],
    )  # fmt: skip


def test_a_workflow_that_was_lost_sight_of() -> None:
    """A second birth a minute later is another run's, whichever facts of its stages are kept."""
    old = [fact(10, "created", "audit"), fact(11, "started")]
    stage, later = fact(20, "stage_completed", stage="a"), fact(2000, "stage_completed", stage="a")
    for stages in ([], [stage], [stage, later]):
        found = run(*old, *stages, fact(1000, "created", "audit"), identity="workflow_run:4")
        assert at(1000) == found["created_at"]
        found = run(*old, *stages, fact(40, "created", "audit"), identity="workflow_run:4")
        assert at(10) == found["created_at"]


def test_a_birth_told_twice_is_one() -> None:
    """The audit record may be written while the run is running."""
    found = run(fact(10, "queued"), fact(11, "started"), fact(12, "created", "audit", pipeline="p"))
    assert ("running", at(10)) == (found["status"], found["queued_at"])


def test_a_callback_ends_only_what_has_no_end() -> None:
    """``callback.success`` reports that the task returned, not that the run succeeded."""
    assert "failed" == run(fact(10, "finished", outcome="failure"), fact(11, "called_back"))["status"]
    assert "completed" == run(fact(10, "started"), fact(11, "called_back"))["status"]


def test_other_ends() -> None:
    """Cancelled and skipped runs are neither completed nor failed."""
    found = run(fact(10, "queued"), fact(20, "cancelled"))
    assert ("cancelled", at(20)) == (found["status"], found["ended_at"])


def test_a_workflow() -> None:
    """Its stages are counted and timed; the one under way is named."""
    facts = [
        fact(10, "started", trigger="scheduled"),
        fact(11, "stage_started", stage="bids"),
        fact(20, "stage_completed", stage="bids", duration=9 * 10**9),
        fact(21, "stage_started", stage="qsiprep"),
    ]
    found = run(*facts, identity="workflow_run:1")
    assert ("running", 1, 0, "qsiprep", {"bids": 9.0}, "scheduled") == (
        found["status"], found["stages_completed"], found["stages_failed"], found["current_stage"],
        found["stage_durations"], found["trigger"],
    )  # fmt: skip
    ended = run(*facts, fact(90, "failed", error="Stage qsiprep failed"), identity="workflow_run:1")
    assert ("failed", 80.0, {"message": "Stage qsiprep failed"}) == (
        ended["status"], ended["duration_seconds"], ended["error"],
    )  # fmt: skip
    assert "current_stage" not in ended


def test_a_workflow_of_which_only_the_metrics_are_known() -> None:
    """Metrics alone give its start and its end."""
    metrics = {
        "started_at": at(10), "completed_at": at(90), "stages_successful": 4, "stages_failed": 0,
        "total_duration_seconds": 80.0, "stage_durations": {"bids": 5.0},
    }  # fmt: skip
    found = run(fact(90, "measured", metrics=metrics), identity="workflow_run:1")
    assert ("completed", at(10), at(90), 4, 80.0) == (
        found["status"], found["started_at"], found["completed_at"], found["stages_completed"],
        found["duration_seconds"],
    )  # fmt: skip


def test_the_count_of_stages_is_the_greatest_that_is_told() -> None:
    """Stages without a workflow id count by the number in the workflow's end."""
    found = run(
        fact(1, "started"), fact(2, "stage_completed", stage="a"), fact(3, "finished", outcome="success", stages=5),
        identity="workflow_run:1",
    )  # fmt: skip
    assert ("completed", 5) == (found["status"], found["stages_completed"])


def test_sessions() -> None:
    """The last reported status; for session names, the outcome of their last run."""
    row = {"session_id": "12", "subject_id": "1"}
    found = run(
        fact(1, "status", "audit", status="discovered", label="ses-01", **row),
        fact(2, "status", "audit", status="completed", **row),
        identity="session:12",
    )
    assert ("completed", at(2), "ses-01", row) == (
        found["status"], found["completed_at"], found["label"], found["neuroflow"],
    )  # fmt: skip
    name = {"session_id": "ses-a", "subject_id": "sub-1"}
    facts = [
        fact(1, "discovered", **name),
        fact(2, "processing", **name),
        fact(3, "finished", outcome="failure", **name),
    ]
    found = run(*facts, identity="session:sub-1_ses-a")
    assert ("failed", at(3), "ses-a") == (found["status"], found["failed_at"], found["label"])


def test_a_session_with_a_row_is_counted_once() -> None:
    """The document of a session's name contains the row."""
    name = {"session_id": "ses-01", "subject_id": "sub-1"}
    facts = [fact(1, "discovered", **name), fact(2, "row", "audit", subject_id="sub-1", row="12")]
    found = run(*facts, identity="session:sub-1_ses-01")
    assert ("session_name", "12", "discovered", name) == (
        found["kind"], found["row"], found["status"], found["neuroflow"],
    )  # fmt: skip


VERBS = ["created", "queued", "started", "completed", "failed", "finished", "requeued", "called_back", "cancelled"]
many = st.lists(
    st.builds(
        lambda second, verb, source, said: fact(second, verb, source, **said),
        st.integers(0, 400), st.sampled_from(VERBS), st.sampled_from(["events", "audit"]),
        st.fixed_dictionaries({}, optional={
            "pipeline": st.sampled_from("pq"), "duration": st.integers(0, 10**11),
            "outcome": st.sampled_from(["success", "failure"]), "error": st.sampled_from(["a", "b"]),
            "stages": st.integers(0, 5),
        }),
    ),
    max_size=25,
)  # fmt: skip


@given(many, st.randoms(), st.sampled_from(["pipeline_run:4", "workflow_run:4"]))
def test_the_order_in_which_facts_come_is_nothing(facts: list[Facts], chance: Any, identity: str) -> None:
    """Facts in any order, repeated and in two portions, give the same document."""
    whole = run_document(identity, {key: value for some in facts for key, value in some.items()})
    shuffled = [*facts, *facts]
    chance.shuffle(shuffled)
    half = run_document(identity, {key: value for some in shuffled[: len(facts)] for key, value in some.items()})
    rest = {key: value for some in shuffled[len(facts) :] for key, value in some.items()}
    assert whole == run_document(identity, {**half["facts"], **rest})


def test_the_newest_facts_are_kept() -> None:
    """The document of a run with endless events has a maximal size."""
    facts = {key: value for second in range(300) for key, value in fact(second, "started").items()}
    document = run_document("pipeline_run:4", facts)
    assert MAX_FACTS == len(document["facts"])
    assert at(299) == document["updated_at"]


def test_a_duration_that_nothing_can_take_is_left_out() -> None:
    """A number in the metrics that is no duration does not cost the document."""
    for seconds in (1e308, -1.0, 2.0**63):
        document = run(fact(9, "measured", metrics={"total_duration_seconds": seconds}), identity="workflow_run:4")
        assert "duration_seconds" not in document
        assert "event" not in document


def test_stages_of_any_name_are_tamed() -> None:
    """Names of stages are keys in the document, where some would be rejected."""
    odd = fact(9, "stage_completed", stage="a\0b", duration=10**9)
    assert {"a\u2400b": 1.0} == run(odd, identity="workflow_run:4")["stage_durations"]
