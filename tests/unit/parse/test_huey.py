"""Huey consumer lines."""

from __future__ import annotations

from shipper.parse import huey

UUID = "6c83fab3-d064-4ba7-b365-689826337f17"


def test_consumer_line() -> None:
    """Time, level, logger and process stand before the message."""
    assert {
        "timestamp": "2026-11-23 12:38:37,542",
        "level": "INFO",
        "logger": "huey.consumer",
        "pid": 29499,
        "event": "Scheduler runs every 1 second(s).",
    } == huey.parse("[2026-11-23 12:38:37,542] INFO:huey.consumer:29499:Scheduler runs every 1 second(s).")


def test_task_begins_and_ends() -> None:
    """A task's name, id and duration are told apart from the message, which stays whole."""
    begun = huey.parse(f"[2026-11-23 12:38:42,361] INFO:huey:2:Executing app.run: {UUID} @2026-11-23 12:38:41.8 p=10")
    done = huey.parse(
        f"[2026-11-23 12:38:50,387] INFO:huey:2:app.run: {UUID} @2026-11-23 12:38:41.8 executed in 8.006s"
    )
    assert begun is not None
    assert done is not None
    assert ("app.run", UUID, "task.started") == (begun["task_name"], begun["task_id"], begun["action"])
    assert ("app.run", UUID, "task.succeeded") == (done["task_name"], done["task_id"], done["action"])
    assert ("success", 8.006) == (done["outcome"], done["duration"])
    assert f"app.run: {UUID} @2026-11-23 12:38:41.8 executed in 8.006s" == done["event"]


def test_traceback_below() -> None:
    """The lines of a traceback are the exception, not the message."""
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nKeyError: 5'
    record = huey.parse(f"[2026-11-23 12:38:42,361] ERROR:huey:2:Unhandled exception in task {UUID}.\n{trace}")
    assert record is not None
    assert (f"Unhandled exception in task {UUID}.", trace) == (record["event"], record["exception"])


def test_other_lines() -> None:
    """What only looks like one is none."""
    assert huey.parse("[2026-11-23 12:38:42,361] no level") is None
    assert huey.parse("[2026-11-23 12:38:42,361: INFO/MainProcess] Celery") is None
    assert not huey.begins(b"[2026-11-23 12:38:42,361: INFO/MainProcess] Celery")
    assert huey.begins(b"[2026-11-23 12:38:42,361] INFO:huey:2:x")
