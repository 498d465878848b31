"""Huey consumer lines."""

from __future__ import annotations

from shipper.parse import format_prefixes, text_formats

UUID = "6c83fab3-d064-4ba7-b365-689826337f17"


def test_consumer_line() -> None:
    """Time, level, logger and process come from the prefix."""
    assert {
        "timestamp": "2026-11-23 12:38:37,542",
        "level": "INFO",
        "logger": "huey.consumer",
        "pid": 29499,
        "event": "Scheduler runs every 1 second(s).",
    } == text_formats.parse("[2026-11-23 12:38:37,542] INFO:huey.consumer:29499:Scheduler runs every 1 second(s).")


def test_task_begins_and_ends() -> None:
    """Name, id and duration of a task get fields, and the message stays unchanged."""
    begun = text_formats.parse(
        f"[2026-11-23 12:38:42,361] INFO:huey:2:Executing app.run: {UUID} @2026-11-23 12:38:41.8 p=10"
    )
    done = text_formats.parse(
        f"[2026-11-23 12:38:50,387] INFO:huey:2:app.run: {UUID} @2026-11-23 12:38:41.8 executed in 8.006s"
    )
    assert begun is not None
    assert done is not None
    assert ("app.run", UUID, "task.started") == (begun["task_name"], begun["task_id"], begun["action"])
    assert ("app.run", UUID, "task.succeeded") == (done["task_name"], done["task_id"], done["action"])
    assert ("success", 8.006) == (done["outcome"], done["duration"])
    assert f"app.run: {UUID} @2026-11-23 12:38:41.8 executed in 8.006s" == done["event"]


def test_traceback_below() -> None:
    """A traceback is the exception, not the message."""
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nKeyError: 5'
    record = text_formats.parse(
        f"[2026-11-23 12:38:42,361] ERROR:huey:2:Unhandled exception in task {UUID}.\n{trace}"
    )
    assert record is not None
    assert (f"Unhandled exception in task {UUID}.", trace) == (record["event"], record["exception"])


def test_what_becomes_of_a_task() -> None:
    """Failures, retries and other states name the task in their own forms."""
    for level, said, more in [
        ("ERROR", f"Unhandled exception in task {UUID}.", ("task.failed", "failure", None)),
        ("INFO", f"Requeueing {UUID}, 2 retries", ("task.retried", None, None)),
        ("WARNING", f"Task {UUID} timed out after 5s.", ("task.timeout", "failure", None)),
        ("WARNING", f"Task app.run: {UUID} @x was revoked, not executing", ("task.revoked", None, "app.run")),
        ("WARNING", f"Task {UUID} not run, locked.", (None, None, None)),
    ]:
        record = text_formats.parse(f"[2026-11-23 12:38:42,361] {level}:huey:2:{said}")
        assert record is not None
        assert (UUID, *more) == (
            record["task_id"],
            record.get("action"),
            record.get("outcome"),
            record.get("task_name"),
        )


def test_other_lines() -> None:
    """Similar lines are not Huey's."""
    assert not format_prefixes.begins(b"[2026-11-23 12:38:42,361] no level")
    assert not format_prefixes.begins(b"[2026-11-23 12:38:42,361] INFO:hu-ey:1:x")
    assert format_prefixes.begins(b"[2026-11-23 12:38:42,361] INFO:huey:2:x")
