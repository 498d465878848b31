"""The standard library's text lines: ``2026-11-23 12:44:12,289 - celery.worker - WARNING - message``."""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record


def record(head: re.Match[str], first: str, below: str) -> Record:
    """The record of a line with this head (``basicConfig``'s format), and of the lines joined to it."""
    stamp, logger, level = head.group("stamp", "stdlib_logger", "stdlib")
    said, trace = traceback.split(f"{first}\n{below}") if below else (first, None)
    found: Record = {"timestamp": stamp, "logger": logger, "level": level, "event": said}
    if trace:
        found["exception"] = trace
    return found
