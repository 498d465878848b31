from __future__ import annotations

from typing import Any

import pytest

from shipper import taxonomy


@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("workflow.started", {"type": ["start"]}),
        ("pipeline.start", {"type": ["start"]}),
        ("workflow.completed", {"type": ["end"], "outcome": "success"}),
        ("adapter.voxelops_complete", {"type": ["end"], "outcome": "success"}),
        ("task.succeeded", {"type": ["end"], "outcome": "success"}),
        ("workflow.failed", {"type": ["end", "error"], "outcome": "failure"}),
        ("workflow.master.error", {"type": ["end", "error"], "outcome": "failure"}),
        ("pipeline.timeout", {"type": ["end", "error"], "outcome": "failure"}),
        ("pipeline.queued", {}),
        ("discovery.session_found", {}),
        ("workflow.stage.bids.started", {"type": ["start"]}),
        ("metrics.workflow_completed", {"kind": "metric"}),
    ],
)
def test_names_of_the_taxonomy(event: str, more: dict[str, Any]) -> None:
    """An event's name is the action, and its last part gives kind, type and outcome."""
    assert {"kind": "event", "category": ["process"], "type": ["info"], "action": event, **more} == (
        taxonomy.event_fields(event)
    )


@pytest.mark.parametrize(
    "event",
    [
        "", "completed", "one. completed", "a.failed ", "a..b", ".a", "a.", "1.2", "http://a.b", "a.\u00e9",
        "a." + "b" * 126,
    ],
)  # fmt: skip
def test_sentences_are_no_actions(event: str) -> None:
    """A sentence gives neither action nor outcome."""
    assert taxonomy.event_fields(event) == {"kind": "event", "category": ["process"], "type": ["info"]}


def test_long_texts_are_not_remembered() -> None:
    """Long messages are not cached."""
    before = taxonomy._fields.cache_info().currsize
    for number in range(10):
        taxonomy.event_fields(f"{number} " + "x" * 200)
    assert taxonomy._fields.cache_info().currsize <= before + 1


def test_a_run_fails_where_its_document_says_so() -> None:
    """What an event reports of a run and the outcome that ECS gives it agree."""
    failed = {
        name
        for name in {**taxonomy.PIPELINE_VERBS, **taxonomy.TASK_VERBS, **taxonomy.WORKFLOW_VERBS}
        if "failed" in taxonomy.MEANINGS[name]
    }
    assert failed == {name for name in failed if taxonomy.event_fields(name)["outcome"] == "failure"}
    assert {"pipeline.timeout", "task.failed", "workflow.master.error"} <= failed


def test_standard_events_are_part_of_the_taxonomy() -> None:
    """Each standard event is an action; those that begin or end something report it of a run, session or stage."""
    for event in taxonomy.Event:
        fields = taxonomy.event_fields(event)
        assert event == fields["action"]
        if fields["type"] != ["info"] and not event.startswith("discovery."):
            assert event in taxonomy.MEANINGS or taxonomy.stage_event(event), event
