from __future__ import annotations

import pytest

from shipper.parse import format_prefixes, text_formats
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
        (b"[2026-11-23 12:41:11,027: INFO/] x", True),
        (b"[2026-11-23 12:41:11: INFO/MainProcess] x", False),
        (b"[2026-11-23 12:41:11,027: Info/MainProcess] x", False),
        (b"[tasks]", False),
        (b"", False),
    ],
)
def test_what_begins_a_record(line: bytes, *, is_one: bool) -> None:
    """Only the whole prefix starts a record."""
    assert is_one is format_prefixes.begins(line)


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        ("received", {"action": "task.received"}),
        ("succeeded in 0.42s: {'a': 1}", {"action": "task.succeeded", "outcome": "success", "duration": 0.42}),
        ("succeeded in 1e-05s: None", {"action": "task.succeeded", "outcome": "success", "duration": 1e-05}),
        ("succeeded in 1.2.3s: None", {"action": "task.succeeded", "outcome": "success", "duration_text": "1.2.3"}),
        ("retry: Retry in 30s: OSError('is: no such files: x')",
         {"action": "task.retried", "error_type": "OSError", "error": "is: no such files: x"}),
        ("retry: Retry at 2026-11-23 12:42:00+00:00: ValueError('x')",
         {"action": "task.retried", "error_type": "ValueError", "error": "x"}),
        ("retry: Retry in 5s", {"action": "task.retried"}),
        ('raised unexpected: TypeError("can\'t")',
         {"action": "task.failed", "outcome": "failure", "error_type": "TypeError", "error": "can't"}),
        ("raised expected: app.Bad('a\\nb\\\\',)",
         {"action": "task.failed", "outcome": "failure", "error_type": "app.Bad", "error": "a\nb\\"}),
        ("raised unexpected: KeyError('a', 'b')",
         {"action": "task.failed", "outcome": "failure", "error_type": "KeyError", "error": "'a', 'b'"}),
        ("raised unexpected: odd", {"action": "task.failed", "outcome": "failure", "error": "odd"}),
        ("reject requeue=False: x", {"action": "task.rejected", "outcome": "failure", "error": "x"}),
        ("ignored", {"action": "task.ignored"}),
        ("INTERNAL ERROR: OSError(2, 'no')",
         {"action": "task.failed", "outcome": "failure", "error_type": "OSError", "error": "2, 'no'"}),
        ("succeeded before the worker was lost: X()", {}),
    ],
)  # fmt: skip
def test_the_life_of_a_task(rest: str, more: Record) -> None:
    """A task's line has its name, its id and its state, with duration or error."""
    line = of_task(rest)
    assert {**TASK, "event": line.removeprefix(HEAD), **more} == text_formats.parse(line)


def test_the_applications_json_decides() -> None:
    """Level and time are those of the inner line; the prefix adds the process."""
    line = HEAD + '{"event": "a.b", "level": "debug", "timestamp": "2026-11-23T10:41:11.000001Z"}'
    assert text_formats.parse(line) == {
        "event": "a.b", "level": "debug", "timestamp": "2026-11-23T10:41:11.000001Z", "process_name": "MainProcess",
    }  # fmt: skip


def test_the_prefix_fills_in_what_the_inner_line_lacks() -> None:
    """Missing time or level come from the prefix; an inner ``@timestamp`` counts as time."""
    assert text_formats.parse(HEAD + '{"event": "a.b"}') == {**BASE, "event": "a.b"}
    assert text_formats.parse(HEAD + '{"event": "a.b", "@timestamp": "t", "level": "info"}') == {
        "event": "a.b", "@timestamp": "t", "level": "info", "process_name": "MainProcess",
    }  # fmt: skip


def test_a_console_line_inside() -> None:
    """A console line of unconfigured structlog, with colours, is parsed."""
    line = HEAD + "\x1b[2m2026-11-23 12:42:04\x1b[0m [\x1b[32mwarning  \x1b[0m] scan.started   path=/x"
    assert text_formats.parse(line) == {
        "event": "scan.started", "level": "warning", "timestamp": "2026-11-23 12:42:04", "path": "/x",
        "process_name": "MainProcess",
    }  # fmt: skip


def test_json_that_is_no_event_is_a_message() -> None:
    """Other JSON is the message."""
    assert text_formats.parse(HEAD + '{"a": 1}') == {**BASE, "logger": "celery", "event": '{"a": 1}'}


def test_task_loggers() -> None:
    """Lines of a task's own logger have the task's name and id."""
    assert text_formats.parse(f"{HEAD}app.tasks.run[{ID}]: hello") == {**TASK, "event": f"app.tasks.run[{ID}]: hello"}
    assert text_formats.parse(f'{HEAD}app.tasks.run[{ID}]: {{"event": "a.b"}}') == {
        **BASE,
        "event": "a.b",
        "task_name": "app.tasks.run",
        "task_id": ID,
    }


def test_lines_below() -> None:
    """A traceback becomes the exception; other lines stay in the message, or in ``continuation`` of an inner
    record.
    """
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    found = text_formats.parse(f"{HEAD}first\nsecond\n\n{trace}")
    assert found == {**BASE, "logger": "celery", "event": "first\nsecond", "exception": trace}
    found = text_formats.parse(f'{HEAD}{{"event": "a.b"}}\nbelow\n{trace}')
    assert found == {**BASE, "event": "a.b", "continuation": "below", "exception": trace}


def test_other_ways_to_speak_of_a_task() -> None:
    """Time limits, revoked tasks and lost workers are recognised."""
    task = {**BASE, "logger": "celery", "task_name": "app.tasks.run", "task_id": ID}
    told: list[tuple[str, Record]] = [
        (f"Discarding revoked task: app.tasks.run[{ID}]", {"action": "task.revoked"}),
        (f"Soft time limit (300s) exceeded for app.tasks.run[{ID}]",
         {"action": "task.soft_timeout", "timeout_seconds": 300.0}),
        (f"Hard time limit (0.5s) exceeded for app.tasks.run[{ID}]",
         {"action": "task.timeout", "timeout_seconds": 0.5, "outcome": "failure"}),
        (f"[app.tasks.run({ID})] hello", {}),
    ]  # fmt: skip
    for said, more in told:
        assert {**task, "event": said, **more} == text_formats.parse(HEAD + said)
    lost = text_formats.parse(HEAD + "Task handler raised error: WorkerLostError('exited prematurely')")
    assert lost is not None
    assert ("task.failed", "WorkerLostError", "exited prematurely") == (
        lost["action"],
        lost["error_type"],
        lost["error"],
    )


def test_a_task_that_nobody_knows() -> None:
    """An unregistered task has its name, and its id if Celery shows the headers."""
    said = (
        "Received unregistered task of type 'app.gone'.\nThe message has been ignored and discarded.\n\n"
        "The full contents of the message headers:\n"
        f"{{'lang': 'py', 'task': 'app.gone', 'id': '{ID}', 'root_id': 'other', 'argsrepr': \"'id': 'no'\"}}"
    )
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 'app.gone'"
    assert {
        **BASE,
        "logger": "celery",
        "event": said,
        "exception": trace,
        "action": "task.unregistered",
        "outcome": "failure",
        "task_name": "app.gone",
        "task_id": ID,
    } == text_formats.parse(f"{HEAD}{said}\n{trace}")
    short = text_formats.parse(HEAD + "Received unregistered task of type 'app.gone'.")
    assert short is not None
    assert ("app.gone", False) == (short["task_name"], "task_id" in short)


def test_what_is_printed_past_the_log() -> None:
    """Banners and warnings without a prefix are records."""
    banner = " -------------- celery@node v5.6.2 (x)\n--- ***** -----"
    assert {"event": banner, "level": "info", "logger": "celery"} == text_formats.parse(banner)
    beat = "celery beat v5.6.2 (x) is starting."
    assert {"event": beat, "level": "info", "logger": "celery.beat"} == text_formats.parse(beat)
    warning = "/x/platforms.py:841: SecurityWarning: You're\n  warnings.warn("
    assert {"event": warning, "level": "warning", "logger": "py.warnings"} == text_formats.parse(warning)


def test_other_lines_are_not_celerys() -> None:
    """A line without the prefix is not Celery's."""
    assert not format_prefixes.begins(b"[2026-11-23 12:41:11,027: x] y")
