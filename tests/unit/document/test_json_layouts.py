"""JSON of loggers that nest what they say, or name it in their own way → documents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.document.test_dialects import AT, TRACE, said

ISO = "2026-11-25T09:46:40.250Z"
JAVA = "a.X: no scan\n\tat a.b(X.java:1)"
NODE = "Error: no scan\n    at f (x.js:1:1)"
OF_JAVA = {"type": "a.X", "message": "no scan", "stack_trace": JAVA}
STACK = {"exc_type": "ValueError", "exc_value": "bad", "frames": [], "is_cause": False, "syntax_error": None}

LINES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "zap, development": (
        {"L": "ERROR", "T": ISO, "C": "x.go:1", "M": "boom", "N": "lg", "S": "main.f\n\t/x.go:1"},
        (AT, "error", "lg", "boom", {"stack_trace": "main.f\n\t/x.go:1"}, {"caller": "x.go:1"}),
    ),
    "winston": (
        {"level": "error", "message": "boom", "timestamp": ISO, "stack": NODE, "label": "svc"},
        (AT, "error", None, "boom", {"type": "Error", "message": "no scan", "stack_trace": NODE}, {"label": "svc"}),
    ),
    "log4j2": (
        {"instant": {"epochSecond": 1795600000, "nanoOfSecond": 250000000}, "level": "ERROR", "loggerName": "a.b",
         "message": "boom", "thrown": {"name": "a.X", "message": "no scan", "extendedStackTrace": JAVA}},
        (AT, "error", "a.b", "boom", OF_JAVA, None),
    ),
    "log4j2, compact": (
        {"timeMillis": 1795600000250, "level": "WARN", "loggerName": "a.b", "message": "boom"},
        (AT, "warning", "a.b", "boom", None, None),
    ),
    "logstash": (
        {"@timestamp": ISO, "message": "boom", "logger_name": "a.b", "level": "ERROR", "stack_trace": JAVA},
        (AT, "error", "a.b", "boom", OF_JAVA, None),
    ),
    "logstash, its first format": (
        {"@fields": {"levelname": "ERROR", "name": "a.b"}, "@message": "boom", "@timestamp": ISO},
        (AT, "error", "a.b", "boom", None, None),
    ),
    "Google, text": (
        {"textPayload": "boom", "severity": "ERROR", "timestamp": ISO, "logName": "l"},
        (AT, "error", None, "boom", None, {"logName": "l"}),
    ),
    "Google, an object": (
        {"jsonPayload": {"message": "boom", "x": 1}, "severity": "ERROR", "timestamp": ISO},
        (AT, "error", None, "boom", None, {"jsonPayload": {"x": 1}}),
    ),
    "Google, seconds and nanoseconds apart": (
        {"severity": "ERROR", "timestampSeconds": 1795600000, "timestampNanos": 250000000, "message": "boom"},
        (AT, "error", None, "boom", None, None),
    ),
    "Datadog": (
        {"date": 1795600000250, "status": "error", "message": "boom", "ddsource": "python",
         "logger": {"name": "a.b", "thread_name": "t"}, "error": {"kind": "E", "message": "m", "stack": "s"}},
        (AT, "error", "a.b", "boom", {"type": "E", "message": "m", "stack_trace": "s"},
         {"ddsource": "python", "logger.thread_name": "t"}),
    ),
    "Datadog, with a trace": (
        {"timestamp": ISO, "status": "warn", "message": "boom", "dd.trace_id": "1"},
        (AT, "warning", None, "boom", None, {"dd.trace_id": "1"}),
    ),
    "Lambda": (
        {"timestamp": ISO, "level": "ERROR", "message": "boom", "errorMessage": "bad", "errorType": "ValueError",
         "stackTrace": ['  File "x", line 1, in f\n    g()\n']},
        (AT, "error", None, "boom",
         {"type": "ValueError", "message": "bad", "stack_trace": '  File "x", line 1, in f\n    g()'}, None),
    ),
    "Lambda, in Node": (
        {"timestamp": ISO, "level": "ERROR",
         "message": {"errorType": "Error", "errorMessage": "no scan", "stackTrace": ["Error: no scan", "    at f"]}},
        (AT, "error", None, "no scan",
         {"type": "Error", "message": "no scan", "stack_trace": "Error: no scan\n    at f"}, None),
    ),
    "Application Insights": (
        {"timeStamp": ISO, "severityLevel": 3, "message": "boom"}, (AT, "error", None, "boom", None, None),
    ),
    "Serilog": (
        {"Timestamp": ISO, "Level": "Error", "MessageTemplate": "boom {x}", "RenderedMessage": "boom 1",
         "Exception": "a.X: no scan\n   at f"},
        (AT, "error", None, "boom 1",
         {"type": "a.X", "message": "no scan", "stack_trace": "a.X: no scan\n   at f"},
         {"MessageTemplate": "boom {x}"}),
    ),
    "Serilog, compact": (
        {"@t": ISO, "@mt": "boom", "@l": "Error", "@x": "a.X: no scan\n   at f"},
        (AT, "error", None, "boom",
         {"type": "a.X", "message": "no scan", "stack_trace": "a.X: no scan\n   at f"}, None),
    ),
    ".NET": (
        {"Timestamp": ISO, "LogLevel": "Error", "Category": "a.b", "Message": "boom", "EventId": 0},
        (AT, "error", "a.b", "boom", None, {"EventId": 0}),
    ),
    "slog": ({"time": ISO, "level": "ERROR+2", "msg": "boom"}, (AT, "error", None, "boom", None, None)),
    "Rust's tracing": (
        {"timestamp": ISO, "level": "ERROR", "fields": {"message": "boom", "x": 1}, "target": "a::b"},
        (AT, "error", "a::b", "boom", None, {"fields": {"x": 1}}),
    ),
    "Rust's slog": ({"ts": ISO, "level": "ERRO", "msg": "boom"}, (AT, "error", None, "boom", None, None)),
    "nginx": (
        {"time_local": "[25/Nov/2026:09:46:40 +0000]", "message": "boom", "status": 500},
        ("2026-11-25T09:46:40.000000Z", None, None, "boom", None, {"status": 500}),
    ),
    "aiologger": (
        {"logged_at": ISO, "level": "ERROR", "msg": "boom", "exc_info": TRACE.split("\n")},
        (AT, "error", None, "boom", {"type": "ValueError", "message": "bad", "stack_trace": TRACE}, None),
    ),
    "json-logging": (
        {"written_at": ISO, "msg": "boom", "logger": "a.b", "level": "ERROR"},
        (AT, "error", "a.b", "boom", None, None),
    ),
    "twisted": (
        {"log_time": 1795600000.25, "log_level": "error", "log_format": "boom", "log_namespace": "a.b"},
        (AT, "error", "a.b", "boom", None, None),
    ),
    "eliot": (
        {"timestamp": 1795600000.25, "task_uuid": "u", "message_type": "boom"},
        (AT, None, None, "boom", None, {"task_uuid": "u"}),
    ),
    "Sentry": (
        {"timestamp": ISO, "level": "error", "message": {"formatted": "boom"}},
        (AT, "error", None, "boom", None, None),
    ),
    "Airflow": (
        {"timestamp": ISO, "level": "error", "event": "boom", "logger": "task", "error_detail": [STACK]},
        (AT, "error", "task", "boom",
         {"type": "ValueError", "message": "bad", "stack_trace": "ValueError: bad"}, None),
    ),
    "MongoDB": (
        {"t": {"$date": ISO}, "s": "E", "c": "NETWORK", "id": 1, "msg": "boom"},
        (AT, "error", "NETWORK", "boom", None, {"id": 1}),
    ),
    "Elasticsearch": (
        {"timestamp": "2026-11-25T09:46:40,250Z", "level": "ERROR", "component": "o.e.X", "message": "boom",
         "stacktrace": ["a.X: no scan", "at a.b"]},
        (AT, "error", "o.e.X", "boom",
         {"type": "a.X", "message": "no scan\nat a.b", "stack_trace": "a.X: no scan\nat a.b"}, None),
    ),
    "hclog": (
        {"@level": "error", "@message": "boom", "@module": "a.b", "@timestamp": ISO},
        (AT, "error", "a.b", "boom", None, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_what_a_logger_nests_has_its_place(name: str) -> None:
    """Time, level, logger, message and error are found where the logger puts them; other keys stay."""
    line, expected = LINES[name]
    assert expected == said(line)


@pytest.mark.parametrize(
    "line",
    [
        {"message": "x", "fields": [1], "jsonPayload": 1, "@fields": "x", "instant": {"epochSecond": "x"}},
        {"message": "x", "timestampSeconds": None, "thrown": 3, "M": 1, "t": {"$date": 1, "x": 2},
         "logger": {"a": 1}},
        {"message": {"a": 1}, "severityLevel": 77, "record": 1, "ddsource": "x", "status": 200},
        {"message": "x", "t": {"$date": ["x"]}, "s": "E"},
        {"message": "x", "instant": {"epochSecond": 10**30, "nanoOfSecond": 1}},
        {"message": "x", "timestampSeconds": "9" * 400},
    ],
)  # fmt: skip
def test_odd_values_harm_nothing(line: dict[str, Any]) -> None:
    """Where a value can't be what its key says, all of it is kept."""
    at, level, _, message, error, extra = said(line)
    assert (None, None) == (at, level)
    assert message
    assert extra or error
