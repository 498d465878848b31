from __future__ import annotations

import pytest

from shipper.parse import celery
from shipper.parse.records import Record

HEAD = "[2026-11-23 12:41:11,027: INFO/MainProcess] "
ID = "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b"
BASE: Record = {"timestamp": "2026-11-23 12:41:11,027", "level": "INFO", "process_name": "MainProcess"}
TASK: Record = {**BASE, "logger": "celery", "task_name": "app.tasks.run", "task_id": ID}


def of_task(rest: str) -> str:
    """A worker's line about a task."""
    return f"{HEAD}Task app.tasks.run[{ID}] {rest}"


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (HEAD.encode() + b"x", True),
        (b"[2026-11-23 12:41:11,027: INFO/MainProcess]", True),
        (b"[2026-11-23 12:41:11,027] INFO:huey:27717:x", False),
        (b"[2026-11-23 12:41:11,027: Info/MainProcess] x", False),
        (b"[tasks]", False),
        (b"", False),
    ],
)
def test_what_begins_a_record(line: bytes, *, is_one: bool) -> None:
    """Only the whole prefix does."""
    assert is_one is celery.begins(line)


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        ("received", {"action": "task.received"}),
        ("succeeded in 0.42s: {'a': 1}", {"action": "task.succeeded", "outcome": "success", "duration": 0.42}),
        ("succeeded in 1e-05s: None", {"action": "task.succeeded", "outcome": "success", "duration": 1e-05}),
        ("succeeded in 1.2.3s: None", {"action": "task.succeeded", "outcome": "success", "duration_text": "1.2.3"}),
        (
            "retry: Retry in 30s: OSError('is: no such files: x')",
            {"action": "task.retried", "error_type": "OSError", "error": "is: no such files: x"},
        ),
        (
            "retry: Retry at 2026-11-23 12:42:00+00:00: ValueError('x')",
            {"action": "task.retried", "error_type": "ValueError", "error": "x"},
        ),
        ("retry: Retry in 5s", {"action": "task.retried"}),
        (
            'raised unexpected: TypeError("can\'t")',
            {"action": "task.failed", "outcome": "failure", "error_type": "TypeError", "error": "can't"},
        ),
        (
            "raised expected: app.Bad('a\\nb\\\\',)",
            {"action": "task.failed", "outcome": "failure", "error_type": "app.Bad", "error": "a\nb\\"},
        ),
        (
            "raised unexpected: KeyError('a', 'b')",
            {"action": "task.failed", "outcome": "failure", "error_type": "KeyError", "error": "'a', 'b'"},
        ),
        ("raised unexpected: odd", {"action": "task.failed", "outcome": "failure", "error": "odd"}),
        ("reject requeue=False: x", {}),
    ],
)
def test_the_life_of_a_task(rest: str, more: Record) -> None:
    """Name, id and what happened, with its duration or its error."""
    line = of_task(rest)
    assert {**TASK, "event": line.removeprefix(HEAD), **more} == celery.parse(line)


def test_the_applications_json_decides() -> None:
    """Level and time are those of the inner line; the prefix adds only the process."""
    line = HEAD + '{"event": "a.b", "level": "debug", "timestamp": "2026-11-23T10:41:11.000001Z"}'
    assert celery.parse(line) == {
        "event": "a.b",
        "level": "debug",
        "timestamp": "2026-11-23T10:41:11.000001Z",
        "process_name": "MainProcess",
    }


def test_the_prefix_fills_in_what_the_inner_line_lacks() -> None:
    """An inner line without time or level gets the prefix's; one with ``@timestamp`` gets no second time."""
    assert celery.parse(HEAD + '{"event": "a.b"}') == {**BASE, "event": "a.b"}
    assert celery.parse(HEAD + '{"event": "a.b", "@timestamp": "t", "level": "info"}') == {
        "event": "a.b",
        "@timestamp": "t",
        "level": "info",
        "process_name": "MainProcess",
    }


def test_a_console_line_inside() -> None:
    """Structlog that nobody configured, with the colours of a terminal."""
    line = HEAD + "\x1b[2m2026-11-23 12:42:04\x1b[0m [\x1b[32mwarning  \x1b[0m] scan.started   path=/x"
    assert celery.parse(line) == {
        "event": "scan.started",
        "level": "warning",
        "timestamp": "2026-11-23 12:42:04",
        "path": "/x",
        "process_name": "MainProcess",
    }


def test_json_that_is_no_event_is_a_message() -> None:
    """A printed object is what the line says."""
    assert celery.parse(HEAD + '{"a": 1}') == {**BASE, "logger": "celery", "event": '{"a": 1}'}


def test_task_loggers() -> None:
    """Lines of a task's own logger belong to the task, whatever they hold."""
    assert celery.parse(f"{HEAD}app.tasks.run[{ID}]: hello") == {**TASK, "event": f"app.tasks.run[{ID}]: hello"}
    assert celery.parse(f'{HEAD}app.tasks.run[{ID}]: {{"event": "a.b"}}') == {
        **BASE,
        "event": "a.b",
        "task_name": "app.tasks.run",
        "task_id": ID,
    }


def test_lines_below() -> None:
    """A traceback is cut off the message; other lines stay in it, or beside an inner record."""
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    found = celery.parse(f"{HEAD}first\nsecond\n\n{trace}")
    assert found == {**BASE, "logger": "celery", "event": "first\nsecond", "exception": trace}
    found = celery.parse(f'{HEAD}{{"event": "a.b"}}\nbelow\n{trace}')
    assert found == {**BASE, "event": "a.b", "continuation": "below", "exception": trace}


def test_beat() -> None:
    """The scheduler's lines have their own logger, and a due task its name."""
    assert celery.parse(HEAD + "beat: Starting...") == {**BASE, "logger": "celery.beat", "event": "beat: Starting..."}
    assert celery.parse(HEAD + "Scheduler: Sending due task hourly (app.tasks.scan)") == {
        **BASE,
        "logger": "celery.beat",
        "event": "Scheduler: Sending due task hourly (app.tasks.scan)",
        "task_name": "app.tasks.scan",
        "schedule_entry": "hourly",
        "action": "task.due",
    }


def test_other_lines_are_not_celerys() -> None:
    """A line without the prefix is none."""
    assert celery.parse("[2026-11-23 12:41:11,027] INFO:huey:1:x") is None
