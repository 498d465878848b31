"""Audit records, one JSON object a line, with the columns of the application's audit table.

Times are UTC where they name no zone; ``details`` may be an object, JSON text or null.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from shipper.parse import structlog, voxelops
from shipper.parse.records import Record


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
    """The same from ``export audit``, which writes nothing for null."""
    return entry({key: None if value == "" else value for key, value in record.items()})


def is_entry(record: Record) -> bool:
    """Whether a record says what happened to which kind of thing."""
    return record.get("entity_type") is not None and record.get("action") is not None
