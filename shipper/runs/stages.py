"""The stages of a workflow run, from its document.  Pure."""

from __future__ import annotations

from typing import Any

from shipper.runs.document import ending, newest_attempt, newest_life
from shipper.runs.facts import Fact
from shipper.runs.kept import kept
from shipper.taxonomy import END_VERBS


def stages_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Its stages, each shaped as a document is, in the order in which they were first spoken of.

    As in the document itself only the newest life counts, and of a stage its newest attempt.  Of what was told of one
    stage again and again only the newest is known (``document.kept``).  Those that only the metrics know come last,
    by name: their durations are all that is told of them.

    Args:
        document: of the workflow run, its facts included.

    Returns:
        For each stage ``neuroflow.stage`` and ``status``: completed, failed, running, or unknown where the run is
        over and the stage's end was not told; and where they are known ``started_at``, ``completed_at`` or
        ``failed_at``, ``duration_seconds``, ``error``.
    """
    told: dict[str, list[Fact]] = {}
    for fact in newest_life("workflow_run", kept(document.get("facts", {})).values()):
        if "stage" in fact:
            plain = {**fact, "verb": fact["verb"].removeprefix("stage_")}
            told.setdefault(fact["stage"], []).append(plain)
    metrics = document.get("neuroflow", {}).get("metrics", {})
    measured: dict[str, float] = metrics.get("stage_durations", {})
    stages = {name: _stage(name, facts, measured.get(name)) for name, facts in told.items()}
    for name in sorted(measured.keys() - told.keys()):
        stages[name] = _stage(name, [], measured[name])
    # A stage of which no end was told: what the run's own end and its metrics say.
    failed = sum(stage["status"] == "failed" for stage in stages.values())
    well = "stages_failed" in metrics and metrics["stages_failed"] <= failed
    for name, stage in stages.items():
        if not stage["status"]:
            over = document.get("status") in END_VERBS
            stage["status"] = "completed" if name in measured and well else "unknown" if over else "running"
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
