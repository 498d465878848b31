"""Huey consumer lines: ``[2026-11-23 12:38:37,542] INFO:huey.consumer:29499:message``; local time, no zone."""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record, with_outcome

_TASK = re.compile(r"(?P<before>Executing )?(?P<name>[A-Za-z_][\w.]*): (?P<id>[0-9a-f-]{36})(?P<after>.*)", re.DOTALL)
_DONE = re.compile(r".* executed in (?P<seconds>\d+(?:\.\d+)?)s", re.DOTALL)
_ABOUT = re.compile(
    r"(?:Unhandled exception in task|Task|Requeueing|Received exit signal,|Added task) "
    r"(?:(?P<name>[A-Za-z_][\w.]*+): )?(?P<id>[0-9a-f-]{36})"
)
# Part of a message → action of the task.
_ACTIONS = (
    ("Unhandled exception in task", "task.failed"),
    ("Requeueing ", "task.retried"),
    (" raised RetryTask", "task.retried"),
    (" timed out after ", "task.timeout"),
    (" did not finish", "task.interrupted"),
    (" was revoked", "task.revoked"),
    (" expired, not executing", "task.expired"),
    (" raised CancelExecution", "task.cancelled"),
    ("Added task ", "task.scheduled"),
)


def record(head: re.Match[str], first: str, below: str) -> Record:
    """The record of a line with this head, and of the lines joined to it."""
    stamp, level, logger, pid = head.group("at", "huey_level", "huey_logger", "huey")
    event, trace = traceback.split(f"{first}\n{below}") if below else (first, None)
    found: Record = {"timestamp": stamp, "level": level, "logger": logger, "pid": int(pid[:18]), "event": event}
    if trace:
        found["exception"] = trace
    if task := _TASK.fullmatch(first):
        found.update(task_name=task["name"], task_id=task["id"])
        if task["before"]:
            found["action"] = "task.started"
        elif done := _DONE.fullmatch(task["after"]):
            found.update(with_outcome("task.succeeded"), duration=float(done["seconds"]))
    elif about := _ABOUT.match(first):
        found["task_id"] = about["id"]
        if about["name"]:
            found["task_name"] = about["name"]
        action = next((action for part, action in _ACTIONS if part in first), None)
        if action:
            found.update(with_outcome(action))
    return found
