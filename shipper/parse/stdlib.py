"""The standard library's text lines: ``2026-11-23 12:44:12,289 - celery.worker - WARNING - message``."""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record

_LINE = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) - (?P<logger>\S+) - "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL|NOTSET|Level \d+) - (?P<event>.*)",
    re.DOTALL,
)


def parse(text: str) -> Record | None:
    """The record of a line in ``basicConfig``'s format and the lines joined to it, or None."""
    found = _LINE.fullmatch(text)
    if not found:
        return None
    record: Record = found.groupdict()
    record["event"], trace = traceback.split(record["event"])
    if trace:
        record["exception"] = trace
    return record
