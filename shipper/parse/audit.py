"""Audit records, one JSON object a line, with the columns of the application's audit table.

Times are UTC where they name no zone; ``details`` may be an object, JSON text or null.
"""

from __future__ import annotations

from contextlib import suppress

from shipper.parse import structlog
from shipper.parse.records import Record


def parse(line: bytes) -> Record | None:
    """The audit record of a line, or None; an event of the application that strayed in stays one."""
    record = structlog.parse(line)
    if record is None or not is_entry(record):
        return record if record and "event" in record else None
    details = record.get("details")
    if isinstance(details, str):
        with suppress(ValueError):  # a text then
            record["details"] = structlog.loads(details)
    return record


def is_entry(record: Record) -> bool:
    """Whether a record says what happened to which kind of thing."""
    return record.get("entity_type") is not None and record.get("action") is not None
