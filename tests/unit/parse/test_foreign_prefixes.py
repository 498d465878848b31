"""Text in formats of other programs."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.parse import text_formats

TASK = "a.b[c47fda2d-212d-44c5-9e5b-c59c02b8fe6b]"
STAMP = "2026-11-27 01:02:03,123"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('INFO:     127.0.0.1:4321 - "GET / HTTP/1.1" 200 OK',
         {"level": "INFO", "event": '127.0.0.1:4321 - "GET / HTTP/1.1" 200 OK'}),
        ("ERROR:    Exception in ASGI application", {"level": "ERROR", "event": "Exception in ASGI application"}),
        ("[2026-11-27 01:02:03 +0000] [12] [INFO] Booting worker with pid: 12",
         {"timestamp": "2026-11-27 01:02:03 +0000", "pid": 12, "level": "INFO",
         "event": "Booting worker with pid: 12"}),
        ("2026-11-27 01:02:03.123 | SUCCESS  | a.b:<module>:12 - all | fine",
         {"timestamp": "2026-11-27 01:02:03.123", "level": "SUCCESS", "logger": "a.b", "function": "<module>",
         "lineno": 12, "event": "all | fine"}),
        ('10.0.0.1 - eve [27/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 12 "-" "curl"',
         {"timestamp": "27/Nov/2026:01:02:03 +0000",
         "event": '10.0.0.1 - eve [27/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 12 "-" "curl"'}),
        ("WARNING:app.x:basic", {"level": "WARNING", "logger": "app.x", "event": "basic"}),
        ("[INFO] boxed", {"level": "INFO", "event": "boxed"}),
        ("INFO  2026-11-27 01:02:03,123 first the level",
         {"level": "INFO", "timestamp": STAMP, "event": "first the level"}),
        (f"{STAMP} INFO said", {"timestamp": STAMP, "level": "INFO", "event": "said"}),
        (f"{STAMP};ERROR;gone", {"timestamp": STAMP, "level": "ERROR", "event": "gone"}),
        (f"{STAMP}\tERROR\tgone\tfar", {"timestamp": STAMP, "level": "ERROR", "event": "gone\tfar"}),
        (f"{STAMP}:ERROR:root:gone", {"timestamp": STAMP, "level": "ERROR", "event": "root:gone"}),
        (f"ERROR:{STAMP}:gone", {"timestamp": STAMP, "level": "ERROR", "event": "gone"}),
        (f"{STAMP} INFO/MainProcess [celery.beat] due",
         {"timestamp": STAMP, "level": "INFO", "process_name": "MainProcess", "logger": "celery.beat",
         "event": "due"}),
        (f"{STAMP} [ERROR] app.db: gone",
         {"timestamp": STAMP, "level": "ERROR", "logger": "app.db", "event": "gone"}),
        (f"{STAMP} root ERROR gone", {"timestamp": STAMP, "level": "ERROR", "logger": "root", "event": "gone"}),
        (f"{STAMP} app.x [12] WARNING: w",
         {"timestamp": STAMP, "level": "WARNING", "logger": "app.x", "pid": 12, "event": "w"}),
        ("2026-11-27T01:02:03Z ERROR at last",
         {"timestamp": "2026-11-27T01:02:03Z", "level": "ERROR", "event": "at last"}),
        (f"[{STAMP}] ERROR in app: x", {"timestamp": STAMP, "level": "ERROR", "logger": "app", "event": "x"}),
        (f"[{STAMP}] {{task.py:12}} INFO - x",
         {"timestamp": STAMP, "level": "INFO", "source": "task.py:12", "event": "x"}),
        ("2026/11/27 01:02:03 [error] 12#12: x",
         {"timestamp": "2026/11/27 01:02:03", "level": "error", "event": "12#12: x"}),
        ("[Fri Nov 27 01:02:03 2026] [core:error] x",
         {"timestamp": "Fri Nov 27 01:02:03 2026", "logger": "core", "level": "error", "event": "x"}),
        ("E1127 01:02:03.123456   12 main.go:12] x",
         {"timestamp": "11-27 01:02:03.123456", "level": "error", "pid": 12, "source": "main.go:12",
         "event": "x"}),
        ("2026-11-27 01:02:03 the error is here",
         {"timestamp": "2026-11-27 01:02:03", "event": "the error is here"}),
        (f"{STAMP} a b ERROR x", {"timestamp": STAMP, "event": "a b ERROR x"}),
        ("level=warning msg='so and so' ts=1795600000 n=5",
         {"level": "warning", "msg": "so and so", "ts": 1795600000, "n": 5}),
        ("event='a.b' level='info' run_id=7", {"event": "a.b", "level": "info", "run_id": 7}),
        (f"[{STAMP}] [WARNING]", {"timestamp": STAMP, "level": "WARNING", "event": f"[{STAMP}] [WARNING]"}),
        (f"\x1b[32m{STAMP}\x1b[0m | \x1b[1mINFO    \x1b[0m | a:f:1 - x",
         {"timestamp": STAMP, "level": "INFO", "logger": "a", "function": "f", "lineno": 1, "event": "x"}),
    ],
)  # fmt: skip
def test_prefixes(line: str, expected: dict[str, Any]) -> None:
    """Time, level, logger and process go into their fields; other parts stay in the message."""
    assert expected == text_formats.parse(line)


@pytest.mark.parametrize(
    "line",
    [
        "", "Error: no such file", "info about it", "WARNINGS: 5", "INFOS", "[1] x", "[node] x",
        "12:44 - x - INFO - y", "INFO", "ERRORED: x", "level=5 of 6", "[tasks]", "2026-11-27", '1 2 3 [x] "y"',
        "level=info",
    ],
)  # fmt: skip
def test_other_lines_have_no_prefix(line: str) -> None:
    """A level or a time counts only in a prefix's form and place."""
    assert text_formats.parse(line) is None


@pytest.mark.parametrize(
    "prefix",
    [
        f"{STAMP} [WARNING] ForkPoolWorker-2: ",
        f"{STAMP} - ForkPoolWorker-2 - WARNING - ",
        f"[{STAMP}][WARNING][ForkPoolWorker-2] ",
        f"[{STAMP} WARNING/ForkPoolWorker-2] ",
        f"WARNING {STAMP} ForkPoolWorker-2: ",
        f"{STAMP} | ForkPoolWorker-2 | WARNING | ",
    ],
)
def test_celery_with_a_format_of_its_own_is_learnt_from_the_line(prefix: str) -> None:
    """Task states and the application's lines are recognised behind any prefix."""
    told = text_formats.parse(f"{prefix}Task {TASK} succeeded in 0.5s: None")
    assert told is not None
    process = {"process_name": "ForkPoolWorker-2"} if "process_name" in told else {}
    assert {
        "timestamp": STAMP, "level": "WARNING", "logger": "celery", "task_name": "a.b", "action": "task.succeeded",
        "task_id": "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b", "outcome": "success", "duration": 0.5,
        "event": f"Task {TASK} succeeded in 0.5s: None", "process_name": "ForkPoolWorker-2",
    } == {**told, **process}  # fmt: skip
    inner = text_formats.parse(prefix + '{"event": "x", "level": "info", "timestamp": "2026-11-27T00:00:00Z"}')
    assert {
        "event": "x", "level": "info", "timestamp": "2026-11-27T00:00:00Z", "process_name": "ForkPoolWorker-2",
    } == inner  # fmt: skip


def test_a_traceback_below_it() -> None:
    """It is the exception of the line's record."""
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    found = text_formats.parse(f"ERROR:    Exception in ASGI application\n{trace}")
    assert {"level": "ERROR", "event": "Exception in ASGI application", "exception": trace} == found


def test_another_loggers_line_behind_celerys_prefix() -> None:
    """Its time and level take precedence, as the application's do."""
    inner = "2026-11-27 00:00:00.123 | ERROR    | a.b:f:12 - failed"
    found = text_formats.parse(f"[2026-11-27 01:02:03,123: WARNING/ForkPoolWorker-2] {inner}")
    assert {
        "timestamp": "2026-11-27 00:00:00.123", "level": "ERROR", "logger": "a.b", "function": "f", "lineno": 12,
        "event": "failed", "process_name": "ForkPoolWorker-2",
    } == found  # fmt: skip
