"""Audit records, one JSON object a line, with the columns of the application's audit table.

Times are UTC where they name no zone; ``details`` may be an object, JSON text or null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from shipper.parse import structlog, voxelops
from shipper.parse.records import Record

_NAIVE = re.compile(r"[0-9-]{10}[ T][0-9:]{8}(?:[.,][0-9]{1,9})?")


def parse(line: bytes, read: Callable[[bytes], Record | None] = structlog.parse) -> Record | None:
    """The audit record of a line, or None; an event of the application that strayed in stays one."""
    record = read(line)
    if record is None or not is_entry(record):
        return voxelops.adapted(record) if record and ("event" in record or "event_type" in record) else None
    return entry(record)


def entry(record: Record) -> Record:
    """An audit record with its details as what they are."""
    details = record.get("details")
    if isinstance(details, str):
        with suppress(ValueError):  # a text then
            record["details"] = structlog.loads(details)
    return record


def exported(record: Record) -> Record:
    """The same from ``export audit``, which writes nothing for null and no zone for UTC.

    It can be printed into any file, where a stamp without a zone would be taken for local time.
    """
    found = {key: None if value == "" else value for key, value in record.items()}
    stamp = found.get("timestamp")
    if isinstance(stamp, str) and _NAIVE.fullmatch(stamp):
        found["timestamp"] = f"{stamp}+00:00"
    return entry(found)


def is_entry(record: Record) -> bool:
    """Whether a record says what happened to which kind of thing."""
    return record.get("entity_type") is not None and record.get("action") is not None
