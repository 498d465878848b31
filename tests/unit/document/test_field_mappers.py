from __future__ import annotations

from typing import Any

import pytest

from shipper.document.field_mappers import MAPPERS

BARE = {"kind": "event", "category": ["process"], "type": ["info"]}


def put(key: str, *values: Any) -> tuple[dict[str, Any], list[bool]]:
    """The document after mapping these values of a key, and whether each was mapped."""
    document: dict[str, Any] = {"event": {}, "log": {}, "neuroflow": {}, "service": {"name": "neuroflow"}}
    answers = [MAPPERS[key](document, value) for value in values]
    return {name: value for name, value in document.items() if value and name != "service"}, answers


@pytest.mark.parametrize(
    ("key", "value", "document"),
    [
        ("logger", "a", {"log": {"logger": "a"}}),
        ("logger", {"a": 1}, {"log": {"logger": '{"a":1}'}}),
        ("duration_seconds", 2, {"event": {"duration": 2_000_000_000}}),
        ("elapsed", "1m", {"event": {"duration": 60_000_000_000}}),
        ("error", "a", {"error": {"message": "a"}}),
        ("error", 5, {"error": {"message": "5"}}),
        ("errors", ["a", {"b": 1}], {"error": {"message": ["a", '{"b":1}']}}),
        ("error_type", "T", {"error": {"type": "T"}}),
        ("exception", "x", {"error": {"stack_trace": "x"}}),
        ("outcome", "failure", {"event": {"outcome": "failure"}}),
        ("action", "said", {"event": {**BARE, "action": "said"}}),
        ("task_id", 7, {"neuroflow": {"task": {"id": "7"}}}),
        ("task_name", "a.b", {"neuroflow": {"task": {"name": "a.b"}}}),
        ("process_name", "p", {"process": {"name": "p"}}),
        ("pid", 17, {"process": {"pid": 17}}),
    ],
)  # fmt: skip
def test_values_at_home(key: str, value: Any, document: dict[str, Any]) -> None:
    """Each is in its ECS field, with the field's type."""
    assert (document, [True]) == put(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("duration_seconds", "soon"), ("duration_seconds", -1), ("error", {"code": 5}), ("errors", []),
        ("exception", ["x"]), ("outcome", "good"), ("outcome", []), ("outcome", {}), ("action", 7), ("success", "x"),
        ("pid", "17"), ("pid", -1), ("pid", 2**31), ("pid", True), ("metrics", [1]), ("metrics", "x"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(key: str, value: Any) -> None:
    """They change nothing, and are reported as not mapped."""
    assert ({}, [False]) == put(key, value)


@pytest.mark.parametrize(
    "key", ["logger", "error", "error_type", "exception", "task_id", "task_name", "process_name"]
)
def test_a_second_value_does_not_replace_the_first(key: str) -> None:
    """The same value again counts as mapped; another one does not."""
    first, _ = put(key, "a")
    assert (first, [True, True, False]) == put(key, "a", "a", "b")


def test_success_is_an_outcome_and_stays_visible() -> None:
    """The value itself is kept in ``extra``."""
    assert ({"event": {"outcome": "failure"}}, [False]) == put("success", *[False])


def test_metrics() -> None:
    """Counts, times and durations have fields; null is omitted."""
    document, at_home = put(
        "metrics",
        {
            "workflow_run_id": 31, "started_at": "2026-11-23T12:44:12+00:00", "completed_at": None,
            "stages_executed": 2, "stage_durations": {"a.b": 1.5, "": 2}, "total_duration_seconds": 3.5,
        },
    )  # fmt: skip
    assert at_home == [True]
    assert document == {
        "event": {"duration": 3_500_000_000},
        "neuroflow": {"workflow_run_id": "31",
         "metrics": {"started_at": "2026-11-23T12:44:12.000000Z", "stages_executed": 2,
         "stage_durations": {"a.b": 1.5, "_": 2}, "total_duration_seconds": 3.5}},
    }  # fmt: skip


def test_metrics_that_do_not_fit_their_fields() -> None:
    """Fractional or huge counts, times without a zone and unknown keys stay for ``extra``."""
    odd = {
        "stages_executed": 2.5, "stages_failed": 2**63, "pipelines_queued": True, "started_at": "2026-11-23 10:00",
        "completed_at": "x", "stage_durations": [1], "total_duration_seconds": "9", "workflow_run_id": {}, "more": 1,
    }  # fmt: skip
    value = dict(odd)
    assert ({}, [False]) == put("metrics", value)
    assert odd == value
