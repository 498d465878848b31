from __future__ import annotations

from typing import Any

from shipper.runs.document import run_document
from shipper.runs.stages import stages_of

Facts = dict[str, dict[str, Any]]


def at(second: int) -> str:
    """A second of an hour."""
    return f"2026-03-02T10:{second // 60:02d}:{second % 60:02d}.000000Z"


def fact(second: int, verb: str, stage: str | None = None, **said: Any) -> Facts:
    """A fact at a second of the hour."""
    told = {**({"stage": stage} if stage else {}), **said, "verb": verb, "source": "events", "at": at(second)}
    return {f"{at(second)[:19]}000000000 {verb} {stage}": told}


def stages(*facts: Facts) -> list[dict[str, Any]]:
    """The stages of a run with these facts."""
    united = {key: value for some in reversed(facts) for key, value in some.items()}
    return stages_of(run_document("workflow_run:1", united))


def test_stages_in_the_order_of_their_beginning() -> None:
    """Each with its times, its duration, and the reason of its failure."""
    assert [
        {
            "neuroflow": {"stage": "discovery"}, "status": "completed",
            "started_at": at(1), "completed_at": at(9), "duration_seconds": 7.5,
        },
        {
            "neuroflow": {"stage": "bids"}, "status": "failed", "started_at": at(9), "failed_at": at(19),
            "duration_seconds": 10.0, "error": {"message": "timeout", "type": "TimeoutError"},
        },
        {"neuroflow": {"stage": "qsiprep"}, "status": "running", "started_at": at(20)},
    ] == stages(
        fact(0, "started"),
        fact(1, "stage_started", "discovery"),
        fact(9, "stage_completed", "discovery", duration=7_500_000_000),
        fact(9, "stage_started", "bids"),
        fact(19, "stage_failed", "bids", error="timeout", error_type="TimeoutError"),
        fact(20, "stage_started", "qsiprep"),
    )  # fmt: skip


def test_of_a_stage_the_newest_attempt_counts() -> None:
    """It keeps the place of its first fact; an earlier failure is gone."""
    first = [fact(0, "started"), fact(1, "stage_started", "a"), fact(3, "stage_failed", "a", error="e")]
    rest = [fact(4, "stage_started", "b"), fact(6, "stage_started", "a")]
    found = stages(*first, *rest)
    assert [{"neuroflow": {"stage": "a"}, "status": "running", "started_at": at(6)}, "b"] == [
        found[0], found[1]["neuroflow"]["stage"],
    ]  # fmt: skip
    done = stages(*first, *rest, fact(9, "stage_completed", "a"))[0]
    assert {
        "neuroflow": {"stage": "a"}, "status": "completed", "started_at": at(6), "completed_at": at(9),
        "duration_seconds": 3.0,
    } == done  # fmt: skip


def test_a_stage_of_no_time_at_all() -> None:
    """At the same time, the start comes before the end."""
    assert ["completed"] == [
        one["status"] for one in stages(fact(1, "stage_completed", "a"), fact(1, "stage_started", "a"))
    ]


def test_only_the_newest_life_counts() -> None:
    """A run with a reused id has none of the old run's stages."""
    old = [fact(0, "started"), fact(1, "stage_started", "a"), fact(2, "finished", outcome="success")]
    assert ["b"] == [
        one["neuroflow"]["stage"] for one in stages(*old, fact(900, "started"), fact(901, "stage_started", "b"))
    ]


def test_what_only_the_metrics_tell() -> None:
    """They give durations that the ends lack, and stages without events."""
    metrics = {"stages_failed": 1, "stage_durations": {"a": 4.25, "b": 1.0, "d": 2.0, "c": 3.0}}
    told = [
        fact(0, "started"),
        fact(1, "stage_started", "b"), fact(2, "stage_failed", "b", duration=10**9, error="e"),
        fact(2, "stage_started", "a"), fact(7, "stage_completed", "a"),
        fact(8, "measured", metrics=metrics),
    ]  # fmt: skip
    assert [("b", "failed", 1.0), ("a", "completed", 4.25), ("c", "completed", 3.0), ("d", "completed", 2.0)] == [
        (one["neuroflow"]["stage"], one["status"], one["duration_seconds"]) for one in stages(*told)
    ]


def test_where_nobody_says_how_a_stage_ended() -> None:
    """A run that has ended has no running stage; whether the stage succeeded is unknown."""
    told = [fact(0, "started"), fact(1, "stage_started", "a"), fact(9, "failed", error="killed")]
    assert ["unknown"] == [one["status"] for one in stages(*told)]
    metrics = fact(9, "measured", metrics={"stages_failed": 1, "stage_durations": {"a": 8.0}})
    assert ["unknown"] == [one["status"] for one in stages(*told[:2], metrics)]
    metrics = fact(9, "measured", metrics={"stages_failed": 0, "stage_durations": {"a": 8.0}})
    assert ["completed"] == [one["status"] for one in stages(*told[:2], metrics)]


def test_a_run_without_stages() -> None:
    """A document without facts or metrics has no stages."""
    assert [] == stages(fact(0, "started"))
    assert [] == stages_of({"kind": "workflow_run"})
