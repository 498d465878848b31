from __future__ import annotations

import json
from typing import Any

import pytest

from shipper.config import Dataset, Format, Shipper
from shipper.document.ecs import Documents
from shipper.runs.facts import UNTIMED, facts_of
from tests.decoded_facts import facts_in
from tests.unit.blocks import records_of

STAMP = "2026-03-02T10:00:00.000000Z"


def documents_of(*records: dict[str, Any], of: Format = "auto", dataset: Dataset = "app") -> list[dict[str, Any]]:
    """The documents of JSON lines, with a timestamp unless they have one."""
    lines = [json.dumps({"timestamp": STAMP, **record}).encode() for record in records]
    return Documents(Shipper(host_name="h", timezone="UTC"), "0").of(
        records_of(lines, of, dataset=dataset, read_at_ns=10**18)
    )


def told(*records: dict[str, Any], of: Format = "auto", dataset: Dataset = "app") -> dict[str, list[dict[str, Any]]]:
    """The facts of each run, without the fields that all have."""
    found = facts_in(facts_of(documents_of(*records, of=of, dataset=dataset)))
    return {
        identity: [{key: value for key, value in fact.items() if key != "at"} for fact in facts.values()]
        for identity, facts in found.items()
    }


def events(verb: str, **said: Any) -> dict[str, Any]:
    """A fact of the event stream."""
    return {**said, "verb": verb, "source": "events"}


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        ({"event": "pipeline.queued", "run_id": 4, "pipeline": "qsiprep", "subject_id": 7, "attempt": 2},
         {"pipeline_run:4": [events("queued", pipeline="qsiprep", subject_id="7", attempt=2)]}),
        ({"event": "pipeline.finished", "run_id": 4, "success": False, "exit_code": 137},
         {"pipeline_run:4": [events("finished", outcome="failure", exit_code=137)]}),
        ({"event": "pipeline.failed", "run_id": 4, "duration": "1.5s", "error": "Memory limit"},
         {"pipeline_run:4": [events("failed", duration=1_500_000_000, error="Memory limit", outcome="failure")]}),
        ({"event": "task.start", "task_id": "u", "pipeline": "p", "participant": "001", "session": "a"},
         {"pipeline_run:u": [events("started", pipeline="p", subject_id="sub-001", session_id="ses-a")],
         "session:sub-001_ses-a": [events("processing", subject_id="sub-001", session_id="ses-a")]}),
        ({"event": "stage.completed", "stage": "bids", "workflow_run_id": 1, "duration": 2},
         {"workflow_run:1": [events("stage_completed", stage="bids", duration=2 * 10**9)]}),
        ({"event": "workflow.stage.qsiprep.started", "workflow_run_id": 1},
         {"workflow_run:1": [events("stage_started", stage="qsiprep")]}),
        ({"event": "workflow.master.completed", "workflow_run_id": 1, "status": "failed", "stages_completed": 3},
         {"workflow_run:1": [events("finished", outcome="failure", stages=3)]}),
        ({"event": "workflow.started", "workflow_run_id": 1, "trigger": "scheduled"},
         {"workflow_run:1": [events("started", trigger="scheduled")]}),
        ({"event": "discovery.session_found", "subject": "sub-001", "session": "ses-01"},
         {"session:sub-001_ses-01": [events("discovered", subject_id="sub-001", session_id="ses-01")]}),
    ],
)  # fmt: skip
def test_events_tell(record: dict[str, Any], facts: dict[str, Any]) -> None:
    """Each event gives its fact to the run that it names."""
    assert facts == told(record)


@pytest.mark.parametrize(
    "record",
    [
        {"event": "pipeline.started", "pipeline": "qsiprep"},
        {"event": "stage.completed", "stage": "bids"},
        {"event": "workflow.completed"},
        {"event": "task.failed", "task_id": "u"},
        {"event": "pipeline.completed", "subject_id": 7, "session_id": 12},
        {"event": "adapter.run", "run_id": 4},
        {"event": "pipeline.started", "run_id": "x" * 600},
        {"event": "pipeline.started", "run_id": "é" * 300},
    ],
)
def test_what_names_no_run_tells_of_none(record: dict[str, Any]) -> None:
    """Other events give no fact, nor do ids that no document can have."""
    assert {} == told(record)


def audit(entity_type: str, entity_id: int, action: str, **more: Any) -> dict[str, Any]:
    """A row of the audit trail."""
    return {"entity_type": entity_type, "entity_id": entity_id, "action": action, **more}


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        (
            audit(
                "pipeline_run", 5, "created", new_value="mriqc", message="Pipeline mriqc (attempt 2) queued",
                subject_id=1, session_id=3,
            ),
            {
                "pipeline_run:5": [
                    {"verb": "created", "source": "audit", "pipeline": "mriqc", "attempt": 2, "subject_id": "1",
                     "session_id": "3"},
                ]
            },
        ),
        (
            audit(
                "pipeline_run", 5, "status_changed", old_value="running", new_value="FAILED",
                details='{"exit_code": 137, "error_message": "killed"}',
            ),
            {"pipeline_run:5": [{"verb": "failed", "source": "audit", "error": "killed", "exit_code": 137}]},
        ),
        (
            audit("workflow_run", 2, "created", new_value="manual", message="Workflow run started (manual)"),
            {"workflow_run:2": [{"verb": "created", "source": "audit", "trigger": "manual"}]},
        ),
        (
            audit("session", 12, "validated", old_value="discovered", new_value="invalid", subject_id=1),
            {
                "session:12": [
                    {"verb": "status", "source": "audit", "status": "invalid", "subject_id": "1", "session_id": "12"}
                ]
            },
        ),
        (
            audit("session", 12, "created", new_value="ses-01"),
            {
                "session:12": [
                    {"verb": "status", "source": "audit", "status": "discovered", "label": "ses-01",
                     "session_id": "12"},
                ]
            },
        ),
        (
            audit(
                "session", 12, "created", new_value="01", message="Session 01 discovered at /data/dicom/sub-001/01",
            ),
            {
                "session:sub-001_ses-01": [
                    {"verb": "row", "source": "audit", "subject_id": "sub-001", "row": "12"},
                ],
                "session:12": [
                    {"verb": "status", "source": "audit", "status": "discovered", "label": "01", "session_id": "12"},
                ],
            },
        ),
        (audit("subject", 1, "created", new_value="sub-001"), {}),
        (audit("session", 12, "marked_for_rerun"), {}),
        (audit("pipeline_run", 5, "status_changed", new_value="confused"), {}),
        *(
            (
                audit("pipeline_run", 5, "status_changed", old_value=old, new_value=new),
                {"pipeline_run:5": [{"verb": verb, "source": "audit"}]},
            )
            for old, new, verb in (
                (None, "pending", "pending"),
                ("pending", "queued", "queued"),
                (None, "queued", "queued"),
                ("failed", "QUEUED", "requeued"),
                ("running", "queued", "requeued"),
            )
        ),
    ],
)  # fmt: skip
def test_the_audit_trail_tells(record: dict[str, Any], facts: dict[str, Any]) -> None:
    """Records of runs and sessions give facts; subjects have no documents."""
    assert facts == told(record, of="audit", dataset="audit")


def test_what_was_filled_in_is_no_fact() -> None:
    """A line gives the same fact whether or not another was read before it."""
    queued = {"event": "pipeline.queued", "run_id": 4, "pipeline": "p", "subject_id": 7, "workflow_run_id": 1}
    started = {"event": "pipeline.started", "run_id": 4}
    alone = facts_in(facts_of(documents_of(started)))
    both = facts_in(facts_of(documents_of(queued, started)))
    assert set(alone["pipeline_run:4"]) <= set(both["pipeline_run:4"])
    assert 2 == len(both["pipeline_run:4"])


def test_keys_tell_when_and_what() -> None:
    """To the nanosecond, so that they sort by time; a line without a time counts as the oldest."""
    started = {"event": "pipeline.started", "run_id": 4}
    (timed,) = facts_in(facts_of(documents_of(started)))["pipeline_run:4"]
    (untimed,) = facts_in(facts_of(documents_of({**started, "timestamp": None})))["pipeline_run:4"]
    assert "2026-03-02T10:00:00000000000 started" == timed.rpartition(" ")[0]
    assert f"{UNTIMED} started" == untimed.rpartition(" ")[0]


def test_the_same_from_a_synthetic_source() -> None:
    """Sorted keys, numbers as text, and the shortest form of the timestamp give the same facts."""
    (document,) = documents_of(
        {"event": "metrics.workflow_completed", "metrics": {
            "workflow_run_id": 9, "stages_failed": 1, "stage_durations": {"b": 2, "a": 1.5},
            "started_at": "2026-03-02T09:00:00.120000+00:00",
        }}
    )  # fmt: skip
    again = json.loads(json.dumps(document, sort_keys=True))
    again["neuroflow"]["metrics"]["stage_durations"] = {"a": "1.5", "b": "2"}
    again["neuroflow"]["metrics"]["started_at"] = "2026-03-02T09:00:00.12Z"
    again["@timestamp"] = "2026-03-02T10:00:00Z"
    assert facts_of([document]) == facts_of([again])


def test_facts_are_united_once() -> None:
    """The same fact twice is one."""
    told = facts_of(
        documents_of({"event": "pipeline.started", "run_id": 4}, {"event": "pipeline.started", "run_id": 5})
    )
    assert [1, 1] == [len(facts) for facts in facts_in(told + told).values()]


def test_facts_stay_small() -> None:
    """Long texts are cut, errors at a higher limit; of thousands of stages some are kept."""
    long = "x" * 100_000
    [fact] = told({"event": "pipeline.failed", "run_id": 4, "pipeline": long, "error": long})["pipeline_run:4"]
    assert (1024, 8191) == (len(fact["pipeline"]), len(fact["error"]))
    durations = {f"stage{number}": 1.5 for number in range(5000)} | {long: 2.5}
    record = {"event": "metrics.workflow_completed", "workflow_run_id": 4, "metrics": {"stage_durations": durations}}
    [fact] = told(record)["workflow_run:4"]
    assert 100 == len(fact["metrics"]["stage_durations"])


def test_durations_that_are_none_are_not_told() -> None:
    """Only finite numbers are kept, no text and no object; without any there are no metrics."""
    odd = {"a": "soon", "b": {"c": 1}, "d": "inf", "e": [1], "f": None, "": 2.5}
    record = {"event": "metrics.workflow_completed", "workflow_run_id": 4, "metrics": {"stage_durations": odd}}
    [fact] = told(record)["workflow_run:4"]
    assert {"_": 2.5} == fact["metrics"]["stage_durations"]
    del odd[""]
    [fact] = told(record)["workflow_run:4"]
    assert "metrics" not in fact


def test_metrics_are_told_as_the_index_gives_them_back() -> None:
    """Times and floats are normalised, so that rebuilding from the streams gives the same fact."""
    metrics = {"started_at": "2026-03-02T08:00:00.123456+00:00", "total_duration_seconds": 3600}
    record = {"event": "metrics.workflow_completed", "workflow_run_id": 4, "metrics": metrics}
    live = facts_of(documents := documents_of(record))
    documents[0]["neuroflow"]["metrics"] = {
        "started_at": "2026-03-02T08:00:00.123456Z",
        "total_duration_seconds": 3600.0,
    }
    assert 1 == len(live)
    assert live == facts_of(documents)


def test_no_number_is_no_exit_code() -> None:
    """A fraction, which the index returns as text, is dropped in both cases."""
    [fact] = told({"event": "pipeline.failed", "run_id": 4, "exit_code": 0.5, "attempt": True})["pipeline_run:4"]
    assert not {"exit_code", "attempt"} & fact.keys()
