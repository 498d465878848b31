"""Audit records: one JSON object per line with the columns of the application's audit table.

Times without a zone are UTC; ``details`` is an object, JSON text or null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from shipper.parse import structlog, voxelops
from shipper.parse.records import Record

_NAIVE = re.compile(r"[0-9-]{10}[ T][0-9:]{8}(?:[.,][0-9]{1,9})?")


def parse(line: bytes, read: Callable[[bytes], Record | None] = structlog.parse) -> Record | None:
    """The audit record or application event in a line, or None."""
    record = read(line)
    if record is None or not is_entry(record):
        return voxelops.adapted(record) if record and ("event" in record or "event_type" in record) else None
    return entry(record)


def entry(record: Record) -> Record:
    """An audit record with its details decoded."""
    details = record.get("details")
    if isinstance(details, str):
        with suppress(ValueError):  # plain text
            record["details"] = structlog.loads(details)
    return record


def exported(record: Record) -> Record:
    """An audit record of ``export audit``, which writes null as an empty string and UTC without a zone."""
    found = {key: None if value == "" else value for key, value in record.items()}
    stamp = found.get("timestamp")
    if isinstance(stamp, str) and _NAIVE.fullmatch(stamp):
        found["timestamp"] = f"{stamp}+00:00"
    return entry(found)


def is_entry(record: Record) -> bool:
    """Whether a record is an audit record."""
    return record.get("entity_type") is not None and record.get("action") is not None
