"""Huey consumer lines."""

from __future__ import annotations

from shipper.parse import format_prefixes, text_formats

UUID = "6c83fab3-d064-4ba7-b365-689826337f17"


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
            record["task_id"], record.get("action"), record.get("outcome"), record.get("task_name"),
        )  # fmt: skip


def test_other_lines() -> None:
    """Similar lines are not Huey's."""
    assert not format_prefixes.begins(b"[2026-11-23 12:38:42,361] no level")
    assert not format_prefixes.begins(b"[2026-11-23 12:38:42,361] INFO:hu-ey:1:x")
    assert format_prefixes.begins(b"[2026-11-23 12:38:42,361] INFO:huey:2:x")
