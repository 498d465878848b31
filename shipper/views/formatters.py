"""The texts of the cells of a table.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from shipper.elastic.answers import number
from shipper.views.hits import Flat

Cell = Callable[[Flat, tzinfo | None], str]
"""Gives the text of a document's cell; the zone is the reader's (None: local)."""


def when(field: str, pattern: str, nothing: str = "") -> Cell:
    """A time in the reader's zone, in this pattern of ``strftime``; a value that is no time, unchanged."""

    def cell(doc: Flat, zone: tzinfo | None) -> str:
        value = doc.get(field)
        if value is None:
            return nothing
        moment = _moment(value, zone)
        return str(value) if moment is None else format(moment, pattern)

    return cell


def hours(field: str) -> Cell:
    """Seconds as ``1h 7m``, a dash for none."""
    return lambda doc, _zone: hours_and_minutes(doc.get(field))


def lasted(field: str) -> Cell:
    """Seconds as ``1h 7m``, ``7m 12s`` or ``12.3s``, by their size; a dash for none."""

    def cell(doc: Flat, _zone: tzinfo | None) -> str:
        duration: Any = doc.get(field)
        if not number(duration):
            return "-" if duration is None else _plain(duration)
        if duration >= 3600:
            return hours_and_minutes(duration)
        minutes, rest = divmod(int(duration), 60)
        return f"{minutes}m {rest}s" if minutes else f"{round(duration, 1):g}s"

    return cell


def seconds(field: str) -> Cell:
    """Nanoseconds as ``12.3s``."""
    return lambda doc, _zone: _seconds(doc[field]) if field in doc else ""


def hours_and_minutes(duration: Any) -> str:
    """Seconds as the application writes them: ``1h 7m``, a dash for none; a value that is no number, unchanged."""
    if not duration:
        return "-"
    if not number(duration):
        return _plain(duration)
    whole, remainder = divmod(int(duration), 3600)
    return f"{whole}h {remainder // 60}m"


def timestamp(doc: Flat, zone: tzinfo | None) -> str:
    """The time of the event to the millisecond, in the reader's zone."""
    written = str(doc.get("@timestamp") or "")
    moment = _moment(written, zone)
    return written if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def message_and_fields(doc: Flat, _zone: tzinfo | None = None) -> str:
    """The message followed by the most useful fields as key=value."""
    message = str(doc.get("message") or "")
    pairs = [f"{name}={_value(doc[field])}" for field, name in _SHOWN_FIELDS.items() if field in doc]
    if "event.duration" in doc:
        pairs.append(f"duration={_seconds(doc['event.duration'])}")
    reason = doc.get("error.message")
    if reason and str(reason) not in message:
        pairs.append(f"error={_value(reason)}")
    pairs += [
        f"{field.removeprefix(_EXTRA)}={_value(value)}" for field, value in doc.items() if field.startswith(_EXTRA)
    ]
    return " ".join([message, *pairs] if message else pairs)


_EXTRA = "neuroflow.extra."
_SHOWN_FIELDS = {
    "neuroflow.workflow_run_id": "workflow_run_id",
    "neuroflow.run_id": "run_id",
    "neuroflow.pipeline": "pipeline",
    "neuroflow.stage": "stage",
    "neuroflow.node": "node",
    "neuroflow.subject_id": "subject_id",
    "neuroflow.session_id": "session_id",
    "neuroflow.task.name": "task",
    "neuroflow.task.id": "task_id",
    "error.type": "error_type",
}


def text(field: str) -> Cell:
    """The value, unchanged."""
    return without_prefix(field, "")


def without_prefix(field: str, prefix: str) -> Cell:
    """The value without a prefix."""
    return lambda doc, _zone: "" if doc.get(field) is None else _plain(doc[field]).removeprefix(prefix)


def _moment(value: Any, zone: tzinfo | None) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(zone)
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_plain(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _value(value: Any) -> str:
    plain = _plain(value)
    if plain and not any(char.isspace() or char in '"=' for char in plain):
        return plain
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'


def _seconds(nanoseconds: Any) -> str:
    try:
        return f"{float(nanoseconds) / 1e9:.12g}s"
    except (TypeError, ValueError):
        return _value(nanoseconds)
