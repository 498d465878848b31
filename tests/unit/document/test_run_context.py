from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.document.run_context import RunContext


def completed(context: RunContext, action: str | None = None, at: str = "10:00:00", **fields: Any) -> dict[str, Any]:
    """The fields after completion; ``at`` is a time of day, or a date and a time of day."""
    day, _, clock = at.rpartition(" ")
    context.complete(fields, action, f"{day or '2026-03-02'}T{clock}.000000Z" if at else "")
    return fields


def filled(context: RunContext, action: str | None = None, at: str = "10:00:00", **fields: Any) -> list[str]:
    """The names of the fields that were added."""
    found: list[str] = completed(context, action, at, **fields).get("context", [])
    return found


def test_what_queued_a_run_names_it_for_later_lines() -> None:
    """A line with only the id gets pipeline, subject, session and workflow, and their names in ``context``."""
    context = RunContext()
    said = {"run_id": "1", "pipeline": "p", "subject_id": "s", "session_id": "t", "workflow_run_id": "w"}
    assert said == completed(context, "pipeline.queued", **said)
    names = ["pipeline", "subject_id", "session_id", "workflow_run_id"]
    assert {**said, "context": names} == completed(context, "pipeline.completed", "10:05:00", run_id="1")


def test_what_is_not_known_is_not_invented() -> None:
    """Another run gets nothing, and unknown fields stay absent."""
    context = RunContext()
    completed(context, "pipeline.queued", run_id="1", pipeline="p")
    assert {"run_id": "1", "pipeline": "p", "context": ["pipeline"]} == completed(context, run_id="1")
    assert {"run_id": "2"} == completed(context, run_id="2")


Q, S, P = "pipeline.queued", "pipeline.started", {"pipeline": "p"}
BOTH = {"pipeline": "p", "subject_id": "s"}
# Lines of one run in the order of reading: action, time, own fields; and the names of fields that the last ones get.
LINES: dict[str, tuple[list[tuple[str | None, str, dict[str, str]]], list[list[str]]]] = {
    "fields of several lines are united":
        ([(None, "10:00:00", P), (None, "10:00:00", {"subject_id": "s"}), (None, "10:00:00", {})],
         [["pipeline", "subject_id"]]),
    "a run that is queued again after its start is a new life":
        ([(Q, "10:00:00", BOTH), (S, "10:00:01", {}), (Q, "10:00:02", P), (None, "10:00:03", {})],
         [[], ["pipeline"]]),
    "the database row and the queueing are one birth":
        ([("pipeline_run.created", "10:00:00", BOTH), (Q, "10:00:01", P)], [["subject_id"]]),
    "a start after the end begins another life":
        ([(Q, "10:00:00", BOTH), ("pipeline.failed", "10:01:00", {}), (S, "11:00:00", P), (None, "11:00:01", {})],
         [[], ["pipeline"]]),
    "a retry that was announced is the same run":
        ([(Q, "10:00:00", BOTH), ("pipeline.failed", "10:01:00", {}), ("pipeline.retry_scheduled", "10:01:01", {}),
          (S, "10:05:00", {})], [["pipeline", "subject_id"]]),
    "a subject's database id does not contradict its name":
        ([(Q, "10:00:00", {"pipeline": "p", "subject_id": "12", "workflow_run_id": "7"}),
          (None, "10:00:00", {"subject_id": "sub-001"})], [["pipeline", "workflow_run_id"]]),
    "the birth may be read after a later line":
        ([(S, "10:00:05", P), (Q, "10:00:00", BOTH), (None, "10:00:06", {})], [["pipeline", "subject_id"]]),
    "an earlier line may be of a run before": ([(S, "10:00:00", {"subject_id": "s"}), (None, "09:00:00", {})], [[]]),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_lives_of_a_run(name: str) -> None:
    """A line gets the fields of its own life of the run, and none of another life."""
    lines, expected = LINES[name]
    context = RunContext()
    found = [filled(context, action, at, run_id="1", **own) for action, at, own in lines]
    assert expected == found[-len(expected) :]


def test_another_patient_with_the_same_id_is_another_run() -> None:
    """The lives share no fields, and lines without a contradiction go to the newest."""
    context = RunContext()
    completed(context, run_id="1", pipeline="p", subject_id="sub-1", session_id="ses-1")
    assert [] == filled(context, None, "12:00:00", run_id="1", pipeline="p", subject_id="sub-2")
    found = completed(context, None, "12:00:01", run_id="1")
    assert ("sub-2", None) == (found["subject_id"], found.get("session_id"))


def test_lines_get_what_belongs_to_their_own_time() -> None:
    """An older rotation is read after the newer one: each of two lives has its own lines."""
    context = RunContext()
    completed(context, "pipeline.queued", "2026-03-02 10:00:00", run_id="1", pipeline="p", subject_id="new")
    completed(context, "pipeline.queued", "2026-01-02 10:00:00", run_id="1", pipeline="p", subject_id="old")
    completed(context, "pipeline.completed", "2026-01-02 11:00:00", run_id="1")
    assert "new" == completed(context, None, "2026-03-02 10:00:01", run_id="1")["subject_id"]
    assert "old" == completed(context, None, "2026-01-02 10:30:00", run_id="1")["subject_id"]
    assert [] == filled(context, None, "2026-02-01 10:00:00", run_id="1")
    assert [] == filled(context, None, "2025-12-01 10:00:00", run_id="1")


def test_a_line_belongs_to_the_run_that_was_there_rather_than_to_one_that_may_have_been() -> None:
    """The birth of the later run is unknown; an earlier line belongs to the run of its time."""
    context = RunContext()
    completed(context, "pipeline.queued", "10:00:00", run_id="1", pipeline="p", subject_id="s")
    completed(context, "pipeline.completed", "10:00:05", run_id="1")
    completed(context, "pipeline.started", "12:00:00", run_id="1", pipeline="q")
    assert "p" == completed(context, None, "10:00:03", run_id="1")["pipeline"]


def test_lines_that_are_read_again_change_nothing() -> None:
    """After a crash, lines are read again that the context has learned from."""
    context = RunContext()
    events = [("pipeline.queued", "10:00:00"), ("pipeline.started", "10:00:01"), ("pipeline.completed", "10:00:09")]
    for action, at in events:
        completed(context, action, at, run_id="1", **({"subject_id": "s"} if "queued" in action else {}))
    context = RunContext(rows=[(key, value) for key, value in context.changes() if value])
    assert [[], ["subject_id"], ["subject_id"]] == [
        filled(context, action, at, run_id="1", **({"subject_id": "s"} if "queued" in action else {}))
        for action, at in events
    ]


def test_what_is_known_survives_a_restart() -> None:
    """Runs and tasks are restored from the saved rows."""
    context = RunContext()
    completed(context, "pipeline.queued", run_id="1", pipeline="p", subject_id="s")
    context.complete_task({"task": {"id": "u"}, "run_id": "1", "pipeline": "p"})
    rows = [(key, value) for key, value in context.changes() if value is not None]
    assert [] == context.changes()
    again = RunContext(rows=rows)
    assert ["pipeline", "subject_id"] == filled(again, None, "10:01:00", run_id="1")
    task: dict[str, Any] = {"task": {"id": "u"}}
    again.complete_task(task)
    assert {"task": {"id": "u"}, "run_id": "1", "pipeline": "p", "context": ["run_id", "pipeline"]} == task


def test_a_line_without_a_time_gets_what_is_known_and_teaches_nothing() -> None:
    """A line without a time gets known fields, but begins no life, since it may belong to any."""
    context = RunContext()
    completed(context, None, "", run_id="2", subject_id="s")
    assert {"run_id": "2"} == completed(context, run_id="2")
    completed(context, run_id="1", subject_id="s")
    assert ["subject_id"] == filled(context, None, "", run_id="1")


def test_the_memory_is_bounded() -> None:
    """The oldest runs and their rows are dropped first; all others are there to be saved again."""
    context = RunContext(max_entries=20)
    saved: dict[str, str | None] = {}
    for run in range(21):
        completed(context, run_id=str(run), pipeline="p")
        context.complete_task({"task": {"id": str(run)}, "pipeline": "p"})
        saved |= {} if run == 20 else dict(context.changes())
    assert ["pipeline"] == filled(context, run_id="2")
    assert [] == filled(context, run_id="1")
    assert (19, 19) == (len(context._runs) + len(context._packed), len(context._tasks))
    changes = dict(context.changes())
    assert {"run:0", "run:1", "task:0", "task:1"} == {key for key, value in changes.items() if value is None}
    assert {key: value for key, value in (saved | changes).items() if value is not None} == dict(context.rows())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pipeline.queued", "pipeline.started", "pipeline.completed", "adapter.run"]),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_no_line_gets_the_patient_of_another_life(lines: list[tuple[str, int, bool]]) -> None:
    """Lives of one id, each queued with its subject, read in order: added fields are the right ones."""
    context = RunContext()
    patient, lives, begun = None, 0, False
    for second, (action, _, names) in enumerate(lines):
        at = f"10:{second:02d}:00"
        if action == "pipeline.queued":
            if not begun and patient is not None:
                continue
            lives, begun = lives + 1, False
            patient = f"sub-{lives}"
            completed(context, action, at, run_id="1", subject_id=patient)
            continue
        begun = begun or patient is not None
        said = {"subject_id": patient} if names and patient else {}
        found = completed(context, action, at, run_id="1", **said)
        assert found.get("subject_id") in {None, patient}


def test_long_texts_are_not_remembered() -> None:
    """Long texts in the place of ids are kept neither in memory nor in the state."""
    context, long = RunContext(), "x" * 10_000
    completed(context, "pipeline.queued", run_id=long, pipeline="qsiprep")
    completed(context, "pipeline.queued", run_id="4", pipeline=long)
    context.complete_task({"task": {"id": long}, "run_id": "4"})
    context.complete_task({"task": {"id": "t"}, "run_id": long})
    assert [] == context.changes()
    completed(context, "pipeline.queued", run_id="5", pipeline="qsiprep")
    completed(context, run_id="5", subject_id=long)
    assert [] == filled(context, run_id="5", pipeline="qsiprep", subject_id="sub-1")
    assert 1000 > sum(len(value or "") for _, value in context.changes())


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.sampled_from([None, "pipeline.queued", "pipeline.started", "pipeline.failed", "pipeline.progress"]),
            st.integers(0, 9),
            st.fixed_dictionaries({}, optional={"pipeline": st.sampled_from("pq"), "subject_id": st.just("sub-1")}),
        ),
        max_size=25,
    )
)
def test_what_is_kept_does_not_depend_on_when_it_was_saved(
    lines: list[tuple[int, str | None, int, dict[str, str]]],
) -> None:
    """Texts that were saved are used again only while nothing changed."""
    saved, other = RunContext(max_entries=30), RunContext(max_entries=30)  # three are held as objects
    for run, action, second, own in lines:
        moment = f"2026-03-02T10:00:{second:02d}.000000"
        for context in (saved, other):
            life = context.only_life(str(run))
            if life is None or own or not second or not life.continues(action, moment):
                completed(context, action, f"10:00:{second:02d}" if second else "", run_id=str(run), **own)
        saved.changes()
    assert dict(saved.rows()) == dict(other.rows())
