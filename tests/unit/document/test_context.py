from __future__ import annotations

from typing import Any

from shipper.document.context import RunContext


def completed(context: RunContext, action: str | None = None, **fields: Any) -> dict[str, Any]:
    """The fields after the context has filled them in."""
    context.complete(fields, action)
    return fields


def test_what_queued_a_run_names_it_for_later_lines() -> None:
    """Pipeline, subject, session and workflow come back for a line that has only the id."""
    context = RunContext()
    said = {"run_id": "1", "pipeline": "p", "subject_id": "s", "session_id": "t", "workflow_run_id": "w"}
    assert said == completed(context, "pipeline.queued", **said)
    assert said == completed(context, "pipeline.completed", run_id="1")


def test_what_is_not_known_is_not_invented() -> None:
    """Another run, or a fact that nobody told, stays unsaid."""
    context = RunContext()
    completed(context, "pipeline.queued", run_id="1", pipeline="p")
    assert completed(context, run_id="1") == {"run_id": "1", "pipeline": "p"}
    assert completed(context, run_id="2") == {"run_id": "2"}


def test_later_lines_add_what_they_know() -> None:
    """Facts of several lines come together; the newest word counts."""
    context = RunContext()
    completed(context, run_id="1", pipeline="p")
    completed(context, run_id="1", subject_id="s")
    assert completed(context, run_id="1", subject_id="t") == {"run_id": "1", "pipeline": "p", "subject_id": "t"}
    assert completed(context, run_id="1") == {"run_id": "1", "pipeline": "p", "subject_id": "t"}


def test_an_id_used_again_inherits_nothing() -> None:
    """Queueing begins a new life."""
    context = RunContext()
    completed(context, "pipeline.queued", run_id="1", pipeline="p", subject_id="s")
    assert completed(context, "pipeline.queued", run_id="1", pipeline="p") == {"run_id": "1", "pipeline": "p"}
    assert completed(context, run_id="1") == {"run_id": "1", "pipeline": "p"}


def test_another_pipeline_with_the_same_id_is_left_alone() -> None:
    """It neither gets nor changes what is known."""
    context = RunContext()
    completed(context, run_id="1", pipeline="p", subject_id="s")
    assert completed(context, run_id="1", pipeline="q") == {"run_id": "1", "pipeline": "q"}
    assert completed(context, run_id="1") == {"run_id": "1", "pipeline": "p", "subject_id": "s"}


def test_the_memory_is_bounded() -> None:
    """The runs heard of first are forgotten first."""
    context = RunContext(most=20)
    for run in range(21):
        completed(context, run_id=str(run), pipeline="p")
    assert completed(context, run_id="2") == {"run_id": "2", "pipeline": "p"}
    assert completed(context, run_id="1") == {"run_id": "1"}
    assert len(context._runs) == 20
