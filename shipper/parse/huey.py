"""Huey consumer lines: ``[2026-11-23 12:38:37,542] INFO:huey.consumer:29499:message``; local time, no zone."""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record

_LINE = re.compile(
    r"\[(?P<timestamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<logger>[\w.]+):(?P<pid>\d+):(?P<message>.*)",
    re.DOTALL,
)
_TASK = re.compile(r"(?P<before>Executing )?(?P<name>[A-Za-z_][\w.]*): (?P<id>[0-9a-f-]{36})(?P<after>.*)", re.DOTALL)
_DONE = re.compile(r".* executed in (?P<seconds>\d+(?:\.\d+)?)s", re.DOTALL)


def begins(line: bytes) -> bool:
    """Whether a line begins a Huey record."""
    return line[24:26] == b"] " and _LINE.match(line[:200].decode("latin-1")) is not None


def parse(text: str) -> Record | None:
    """The record of a Huey line and the lines joined to it, or None."""
    found = _LINE.fullmatch(text)
    if not found:
        return None
    message = found["message"]
    said, trace = traceback.split(message)
    record: Record = {
        "timestamp": found["timestamp"],
        "level": found["level"],
        "logger": found["logger"],
        "pid": int(found["pid"]),
        "event": said,
    }
    if trace:
        record["exception"] = trace
    if task := _TASK.fullmatch(message):
        record.update(task_name=task["name"], task_id=task["id"])
        if task["before"]:
            record["action"] = "task.started"
        elif done := _DONE.fullmatch(task["after"]):
            record.update(action="task.succeeded", outcome="success", duration=float(done["seconds"]))
    return record
