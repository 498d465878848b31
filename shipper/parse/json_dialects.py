"""Map JSON of other loggers to structlog's keys: message, time, level, logger.  Pure.

Supported: ECS logging (dotted or nested), python-json-logger and dumps of the standard library's records, pino and
bunyan, zap and Go's slog, GELF, Logback, Monolog, Serilog and .NET, OpenTelemetry, Google's and the journal's keys;
``json_layouts`` flattens nested ones.  A key is renamed only where its value fits the new name; nothing is dropped.
"""

from __future__ import annotations

from typing import Any

from shipper.parse import foreign_timestamps, json_layouts
from shipper.parse.records import Record
from shipper.parse.timestamps import Zone, to_utc

_MESSAGES = (
    "message", "msg", "@message", "short_message", "MESSAGE", "body", "@m", "@mt",
    "Message", "RenderedMessage", "MessageTemplate", "textPayload", "log_text", "log_format", "message_type",
)  # fmt: skip
_TIMES = (
    "@timestamp", "timestamp", "time", "ts", "asctime", "datetime", "@t", "timeUnixNano", "observedTimeUnixNano",
    "__REALTIME_TIMESTAMP", "timeMillis", "Timestamp", "timeStamp", "Time", "written_at", "logged_at", "log_time",
    "time_iso8601", "time_local", "utcTime", "date",
)  # fmt: skip
_LEVELS = (
    "level", "levelname", "log.level", "level_name", "loglevel", "log_level", "lvl", "severity", "severity_text",
    "severityText", "@l", "levelno", "PRIORITY", "severity_number", "severityNumber",
    "@level", "Level", "LogLevel",
)  # fmt: skip
_LOGGERS = (
    "log.logger", "logger_name", "loggerName", "channel", "@module", "Category", "SourceContext", "log_namespace",
    "name",
)  # fmt: skip
# Keys that show that ``name`` is a logger.
_OF_LOGGERS = frozenset({"levelname", "levelno", "hostname", "lvl", "severity", "asctime"})
MARKS = frozenset({*_MESSAGES, *_TIMES, *_LEVELS, "log", "ecs.version"}) | json_layouts.KEYS
"""A record with none of these keys is in no dialect."""
_OF_FOUR = ("trace", "debug", "info", "warning", "error", "critical")
_SYSLOG = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_PYTHON = {1: "debug", 2: "info", 3: "warning", 4: "error", 5: "critical", 6: "critical"}
_NODE = {1: "trace", 2: "debug", 3: "info", 4: "warning", 5: "error", 6: "critical"}
_WORDS = frozenset({
    "trace", "verbose", "debug", "info", "information", "informational", "notice", "success", "warn", "warning",
    "err", "erro", "error", "severe", "exception", "crit", "critical", "alert", "emerg", "emergency", "panic",
    "fatal", "notset", "default", "debu", "fata",
})  # fmt: skip
_UTC = Zone("UTC")


def is_event(record: Record) -> bool:
    """Whether an object is a log line: a message, and a level or time."""
    if "event" in record or "level" in record or "@timestamp" in record or "timestamp" in record:
        return True
    return not MARKS.isdisjoint(record) and is_whole(record)


def is_whole(record: Record) -> bool:
    """Whether an object has a message, and also a level or time."""
    says = "event" in record or any(_text(record.get(key)) is not None for key in _MESSAGES)
    return says and (
        any(record.get(key) is not None for key in _LEVELS)
        or any(_is_time(record.get(key)) for key in _TIMES)
        or isinstance(record.get("log"), dict)
    )


def event_of(record: Record) -> Any:
    """Remove and return the message of a record without a text ``event``; flattens nested layouts first."""
    event = record.pop("event", None)
    if MARKS.isdisjoint(record):
        return event
    json_layouts.flatten(record)
    if "event" in record:  # loguru's
        return record.pop("event")
    found = next((key for key in _MESSAGES if _text(record.get(key)) is not None), None)
    if isinstance(event, dict) and found:  # ECS
        for key, value in event.items():
            record.setdefault(f"event.{key}", value)
        event = None
    if event is not None or found is None:
        return event
    _name_logger(record)
    return _text(record.pop(found))


def time_of(record: Record) -> Any:
    """Remove and return the time under a key other than structlog's, or None."""
    if MARKS.isdisjoint(record):
        return None
    for key in _TIMES:
        if _is_time(record.get(key)):
            return record.pop(key)
    if ("levelname" in record or "levelno" in record) and foreign_timestamps.of_number(record.get("created")):
        return record.pop("created")
    return None


def level_of(record: Record) -> Any:
    """Remove and return the level under a key other than ``level``, or None."""
    if MARKS.isdisjoint(record):
        return None
    _name_logger(record)
    log = record.get("log")
    if isinstance(log, dict) and _is_word(log.get("level")):
        return log.pop("level")
    for key in _LEVELS:
        if _is_word(record.get(key)):
            return record.pop(key)
    for key in _LEVELS:
        number = _number(record.get(key))
        if number is not None and (word := _word(number, key, record)):
            del record[key]
            return word
    return None


def adapt(record: Record) -> None:
    """Add missing ``event``, ``timestamp`` and ``level`` from other keys, in place."""
    if type(record.get("event")) is not str and (event := event_of(record)) is not None:
        record["event"] = event
    if "timestamp" not in record and "@timestamp" not in record and (moment := time_of(record)) is not None:
        record["timestamp"] = moment
    if record.get("level") is None and (grade := level_of(record)) is not None:
        record["level"] = grade


def stamp(value: Any) -> str | None:
    """A time that is no text of its own: a number since the epoch, or its seconds and nanoseconds apart."""
    if isinstance(value, dict) and "seconds" in value and value.keys() <= {"seconds", "nanos"}:
        seconds, nanoseconds = value["seconds"], value.get("nanos", 0)
        if type(nanoseconds) is int and 0 <= nanoseconds < 10**9 and str(seconds).isdigit():
            return foreign_timestamps.of_number(int(seconds) * 10**9 + nanoseconds)
        return None
    return foreign_timestamps.of_number(value)


def named(value: Any, record: Record) -> Any:
    """A ``level`` as a word, where it is a number that means one; other values as they are."""
    number = _number(value)
    if number is None:
        return value
    if _is_word(record.get("level_name")):  # Monolog counts in its own way
        return record.pop("level_name")
    return _word(number, "level", record) or value


def _text(value: Any) -> str | None:
    if isinstance(value, dict) and value.keys() == {"stringValue"}:  # OpenTelemetry
        value = value["stringValue"]
    return value if isinstance(value, str) else None


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in _WORDS


def _number(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and value.isdigit() and value.isascii() and len(value) <= 3:
        return int(value)
    return value if type(value) is int else None


def _word(number: int, key: str, record: Record) -> str | None:
    """What a number means under this key; None where nobody can say."""
    if key in {"severity_number", "severityNumber"}:  # OpenTelemetry: four of each
        return _OF_FOUR[(number - 1) // 4] if 0 < number < 25 else None
    if 0 <= number <= 7:
        gelf = "host" in record and str(record.get("version")) in {"1.0", "1.1"}
        return _SYSLOG[number] if gelf or key in {"severity", "PRIORITY"} or "facility" in record else None
    if 10 <= number <= 60 and number % 5 == 0:
        return (_NODE if _is_node(record) else _PYTHON)[number // 10]
    if key == "severity" and number in range(100, 900, 100):  # Google's
        return (*_SYSLOG[::-1],)[number // 100 - 1]
    return None


def _is_node(record: Record) -> bool:
    """Whether pino or bunyan wrote it, which count 10 more than Python."""
    return "hostname" in record and "pid" in record and "levelname" not in record


def _name_logger(record: Record) -> None:
    """The logger's name, where a logger calls it otherwise; and the process of a record of the standard library."""
    if "logger" not in record and "component" not in record:
        for key in _LOGGERS:
            if isinstance(record.get(key), str) and (key != "name" or not _OF_LOGGERS.isdisjoint(record)):
                record["logger"] = record.pop(key)
                break
    if type(record.get("process")) is int and "processName" in record and "pid" not in record:
        record["pid"] = record.pop("process")


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        try:
            to_utc(value, _UTC)
        except ValueError:
            return False
        return True
    return value is not None and stamp(value) is not None
