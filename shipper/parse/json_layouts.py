"""Flatten JSON layouts of loggers that nest their fields or use one-letter keys.  Pure.

loguru's ``serialize``, Rust's ``tracing``, Log4j2, zap's development keys, MongoDB, Datadog, Google Cloud, Lambda's
errors.  Unmapped keys are kept.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.parse import foreign_timestamps, traceback
from shipper.parse.records import Record

_MONGO = {"F": "critical", "E": "error", "W": "warning", "I": "info", "D": "debug"}
_SEVERITIES = ("trace", "info", "warning", "error", "critical")
_OF_ZAP = ("T", "L", "M")
_STATUSES = frozenset({"emergency", "alert", "critical", "error", "warn", "warning", "notice", "info", "debug", "ok"})


def _loguru(record: Record) -> None:
    """``serialize=True``: the record beside its formatted text."""
    fields = record["record"]
    if not isinstance(fields, dict) or not isinstance(record.get("text"), str):
        return
    grade, at = fields.get("level"), fields.get("time")
    if not isinstance(grade, dict) or not isinstance(at, dict) or not isinstance(fields.get("message"), str):
        return
    del record["record"]
    text = record.pop("text")
    trace = traceback.split(text)[1]
    if trace:
        record.setdefault("exception", trace.rstrip("\n"))
        fields.pop("exception", None)
    found: Record = {
        "event": fields.pop("message"),
        "level": grade.get("name"),
        "timestamp": at.get("timestamp") if foreign_timestamps.of_number(at.get("timestamp")) else at.get("repr"),
        "logger": fields.pop("name", None),
    }
    del fields["level"], fields["time"]
    process = fields.pop("process", None)
    if isinstance(process, dict):
        found["pid"], found["process_name"] = process.pop("id", None), process.pop("name", None)
        if process:
            fields["process"] = process
    more = fields.pop("extra", None)
    for part in (found, more if isinstance(more, dict) else {"extra": more}, fields):
        for key, value in part.items():
            record.setdefault(key, value)
            if record[key] is not value and value is not None:
                record[f"record.{key}"] = value


def _tracing(record: Record) -> None:
    """Rust's ``tracing``: the message is one of the fields."""
    fields = record["fields"]
    if isinstance(fields, dict) and isinstance(fields.get("message"), str) and "message" not in record:
        record["message"] = fields.pop("message")
        _rename(record, "target", "logger")
        if not fields:
            del record["fields"]


def _entry(record: Record) -> None:
    """Envelope of Google's logging agents."""
    payload = record["jsonPayload"]
    if isinstance(payload, dict) and "message" not in record and isinstance(payload.get("message"), str):
        record["message"] = payload.pop("message")
        if not payload:
            del record["jsonPayload"]


def _logstash(record: Record) -> None:
    """Logstash v0: fields other than the message are nested in ``@fields``."""
    fields = record["@fields"]
    if isinstance(fields, dict):
        for key in [key for key in fields if key not in record]:
            record[key] = fields.pop(key)
        if not fields:
            del record["@fields"]


def _instant(record: Record) -> None:
    """Log4j2's ``JsonLayout``."""
    at = record["instant"]
    if isinstance(at, dict) and "timestamp" not in record and "time" not in record:
        seconds, nanoseconds = at.get("epochSecond"), at.get("nanoOfSecond", 0)
        if type(seconds) is int and type(nanoseconds) is int and 0 <= nanoseconds < 10**9:
            record["time"] = seconds * 10**9 + nanoseconds
            del record["instant"]


def _seconds_apart(record: Record) -> None:
    seconds, nanoseconds = record["timestampSeconds"], record.get("timestampNanos", 0)
    if str(seconds).isdigit() and str(nanoseconds).isdigit() and "time" not in record:
        record["time"] = int(seconds) * 10**9 + int(nanoseconds)
        del record["timestampSeconds"]
        record.pop("timestampNanos", None)


def _zap(record: Record) -> None:
    """Zap's development configuration."""
    if all(isinstance(record.get(key), str) for key in _OF_ZAP):
        for old, new in (("T", "time"), ("L", "level"), ("M", "message"), ("N", "logger"), ("C", "caller")):
            _rename(record, old, new)
        _rename(record, "S", "stacktrace")


def _mongo(record: Record) -> None:
    at, grade = record["t"], record.get("s")
    if not isinstance(at, dict) or at.keys() != {"$date"} or not isinstance(at["$date"], str):
        return
    if isinstance(grade, str) and grade[:1] in _MONGO:
        record["time"] = record.pop("t")["$date"]
        if "level" not in record:
            record["level"] = _MONGO[grade[:1]]
            del record["s"]
        _rename(record, "c", "logger")


def _datadog(record: Record) -> None:
    status = record.get("status")
    if isinstance(status, str) and status.lower() in _STATUSES and "level" not in record:
        record["level"] = record.pop("status")
        if record["level"].lower() == "ok":
            record["level"] = "info"


def _named_below(record: Record) -> None:
    """A nested ``logger`` object (Datadog, ECS)."""
    logger = record["logger"]
    if isinstance(logger, dict) and isinstance(logger.get("name"), str):
        del record["logger"]
        for key, value in logger.items():
            record.setdefault("logger" if key == "name" else f"logger.{key}", value)


def _azure(record: Record) -> None:
    number = record["severityLevel"]
    if type(number) is int and 0 <= number < len(_SEVERITIES) and "level" not in record:
        record["level"] = _SEVERITIES[record.pop("severityLevel")]


def _message(record: Record) -> None:
    """A message that is an object (Lambda, Sentry)."""
    nested = record["message"]
    if not isinstance(nested, dict):
        return
    for key in ("formatted", "errorMessage", "message", "msg"):
        if isinstance(nested.get(key), str):
            record["message"] = nested[key]
            if key != "errorMessage":
                del nested[key]
            for name, value in nested.items():
                record.setdefault(name if name.startswith(("error", "stack")) else f"message.{name}", value)
            return


_LAYOUTS: dict[str, Callable[[Record], None]] = {
    "record": _loguru,
    "fields": _tracing,
    "jsonPayload": _entry,
    "@fields": _logstash,
    "instant": _instant,
    "timestampSeconds": _seconds_apart,
    "thrown": lambda record: _rename(record, "thrown", "exception"),
    "M": _zap,
    "t": _mongo,
    "ddsource": _datadog,
    "dd.trace_id": _datadog,
    "dd.service": _datadog,
    "logger": _named_below,
    "severityLevel": _azure,
    "message": _message,
}
KEYS = frozenset(_LAYOUTS)
"""A record with none of these keys has none of these layouts."""


def flatten(record: Record) -> None:
    """Rename and flatten nested fields, in place."""
    for key in _LAYOUTS.keys() & record.keys():
        if key in record:
            _LAYOUTS[key](record)


def _rename(record: Record, old: str, new: str) -> None:
    """Rename a key unless the new one exists."""
    if new not in record and old in record:
        record[new] = record.pop(old)
