"""The standard library's text lines: ``2026-11-23 12:44:12,289 - celery.worker - WARNING - message``."""

from __future__ import annotations

import re

from shipper.parse import celery, traceback
from shipper.parse.format_prefixes import PROCESS
from shipper.parse.records import Record

# Celery configured with this format has the process in place of the logger.
_PROCESS = re.compile(PROCESS)


def record(head: re.Match[str], first: str, below: str) -> Record:
    """The record of a line with this head (``basicConfig``'s format), and of the lines joined to it."""
    stamp, logger, level = head.group("stamp", "stdlib_logger", "stdlib")
    process = _PROCESS.fullmatch(logger)
    found: Record = {"timestamp": stamp, "process_name" if process else "logger": logger, "level": level}
    if (process or first.startswith("Task ")) and (inner := celery.inside(found, first, below)):
        return inner
    event, trace = traceback.split(f"{first}\n{below}") if below else (first, None)
    found["event"] = event
    if trace:
        found["exception"] = trace
    return found
