"""The stages of a workflow run, from its document.  Pure."""

from __future__ import annotations

from typing import Any

from shipper.runs.document import ending, newest_attempt, newest_life
from shipper.runs.facts import Fact
from shipper.runs.kept import kept
from shipper.taxonomy import END_VERBS


def stages_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages in the order of their first facts, each shaped as a document.

    As in the document itself only the newest life counts, and of a stage its newest attempt.  Stages that stand only
    in the metrics come last, by name, with nothing but a duration.

    Args:
        document: of the workflow run, its facts included.

    Returns:
        For each stage ``neuroflow.stage`` and ``status``: completed, failed, running, or unknown where the run is
        over and no end of the stage was reported; and where they are known ``started_at``, ``completed_at`` or
        ``failed_at``, ``duration_seconds``, ``error``.
    """
    by_stage: dict[str, list[Fact]] = {}
    for fact in newest_life("workflow_run", kept(document.get("facts", {})).values()):
        if "stage" in fact:
            plain = {**fact, "verb": fact["verb"].removeprefix("stage_")}
            by_stage.setdefault(fact["stage"], []).append(plain)
    metrics = document.get("neuroflow", {}).get("metrics", {})
    measured: dict[str, float] = metrics.get("stage_durations", {})
    stages = {name: _stage(name, facts, measured.get(name)) for name, facts in by_stage.items()}
    for name in sorted(measured.keys() - by_stage.keys()):
        stages[name] = _stage(name, [], measured[name])
    # A stage without an end gets its status from the end of the run and its metrics.
    failed = sum(stage["status"] == "failed" for stage in stages.values())
    all_failures_known = "stages_failed" in metrics and metrics["stages_failed"] <= failed
    otherwise = "unknown" if document.get("status") in END_VERBS else "running"
    for name, stage in stages.items():
        if not stage["status"]:
            stage["status"] = "completed" if all_failures_known and name in measured else otherwise
    return list(stages.values())


def _stage(name: str, facts: list[Fact], measured: float | None) -> dict[str, Any]:
    start, end, verb = newest_attempt(facts)
    stage = {
        "neuroflow": {"stage": name},
        "status": verb,
        "started_at": start and start.get("at"),
        **ending(verb, start, end),
    }
    if measured is not None and (end is None or "duration" not in end):
        stage["duration_seconds"] = measured
    return {key: value for key, value in stage.items() if value is not None}
