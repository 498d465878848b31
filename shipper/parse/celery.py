"""Celery worker and beat lines: ``[2026-11-23 12:41:11,027: INFO/MainProcess] message``.

Celery redirects standard output into its log, so an application's own JSON or console line arrives wrapped and
relabelled WARNING: the inner line decides level and time.
"""

from __future__ import annotations

import re

from shipper.parse import console, structlog, traceback
from shipper.parse.records import Record

_LINE = re.compile(
    r"\[(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}): "
    r"(?P<level>[A-Z]+)/(?P<process>[^\]]*)\] ?(?P<message>.*)",
    re.DOTALL,
)
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LIFE = re.compile(
    r"Task (?P<name>\S+?)\[(?P<id>[^\]\s]+)\] "
    r"(?:(?P<received>received)|succeeded in (?P<seconds>[0-9.e+-]+)s: (?P<result>.*)"
    r"|(?P<retried>retry: .*)|raised (?:un)?expected: (?P<raised>.*)|(?P<other>.*))",
    re.DOTALL,
)
_RETRY = re.compile(r"retry: Retry (?:in \S+?s|at .+?): (?P<error>.*)", re.DOTALL)
_IN_TASK = re.compile(rf"(?P<name>[A-Za-z_][\w.]*)\[(?P<id>{_UUID})\]: (?P<message>.*)", re.DOTALL)
_DUE = re.compile(r"Scheduler: Sending due task (?P<entry>\S+) \((?P<name>[^)]+)\)")
_QUOTED = re.compile(r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*\"""", re.DOTALL)
_ERROR_CALL = re.compile(r"(?P<type>[A-Za-z_][\w.]*)\((?P<args>.*)\)", re.DOTALL)


def begins(line: bytes) -> bool:
    """Whether a line begins a Celery record."""
    return line.startswith(b"[") and line[5:6] == b"-" and _LINE.match(line[:200].decode("latin-1")) is not None


def parse(text: str) -> Record | None:
    """The record of a Celery line and the lines joined to it, or None."""
    found = _LINE.fullmatch(text)
    if not found:
        return None
    message = found["message"]
    first, _, below = message.partition("\n")
    record = _unwrapped(first)
    if record is not None:
        console.add_below(record, below)
    else:
        said, trace = traceback.split(message) if below else (message, None)
        record = {"event": said, "level": found["level"], "logger": "celery"}
        if trace:
            record["exception"] = trace
        if life := _LIFE.fullmatch(first):
            _life(record, life)
        elif inside := _IN_TASK.fullmatch(first):
            inner = _unwrapped(inside["message"])
            if inner is not None:
                record = inner
                console.add_below(record, below)
            record.update(task_name=inside["name"], task_id=inside["id"])
        elif due := _DUE.match(first):
            record.update(task_name=due["name"], schedule_entry=due["entry"], action="task.due", logger="celery.beat")
        elif first.startswith("beat: "):
            record["logger"] = "celery.beat"
    if "@timestamp" not in record:
        record.setdefault("timestamp", found["timestamp"])
    record.setdefault("level", found["level"])
    record.setdefault("process_name", found["process"])
    return record


def wraps(line: bytes) -> bool:
    """Whether a Celery line has a whole JSON object behind its prefix."""
    return line.endswith(b"}") and b"] {" in line[:200]


def _unwrapped(message: str) -> Record | None:
    """The application's own record inside the prefix."""
    if message.startswith("{"):
        inner = structlog.parse(message.encode())
        if inner is not None and ("event" in inner or "level" in inner):
            return inner
    elif message[:2] in {"20", "19"} or message.startswith("\x1b"):
        return console.parse(message)
    return None


def _life(record: Record, life: re.Match[str]) -> None:
    """What happened to a task."""
    record.update(task_name=life["name"], task_id=life["id"])
    if life["received"]:
        record["action"] = "task.received"
    elif life["seconds"]:
        record.update(action="task.succeeded", outcome="success")
        try:
            record["duration"] = float(life["seconds"])
        except ValueError:
            record["duration_text"] = life["seconds"]
    elif life["retried"]:
        record["action"] = "task.retried"
        if retry := _RETRY.fullmatch(life["retried"]):
            _error(record, retry["error"])
    elif life["raised"]:
        record.update(action="task.failed", outcome="failure")
        _error(record, life["raised"])


def _error(record: Record, text: str) -> None:
    """The exception's type and message from its ``repr``."""
    call = _ERROR_CALL.fullmatch(text.strip())
    if call is None:
        record["error"] = text
        return
    record["error_type"] = call["type"]
    arguments = call["args"].strip().removesuffix(",")
    record["error"] = console.unquoted(arguments) if _QUOTED.fullmatch(arguments) else arguments
