"""JSON of other loggers → documents: time, level, logger, message and error come from the line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.document.test_ecs import documents_of

AT = "2026-11-25T09:46:40.250000Z"
TRACE = 'Traceback (most recent call last):\n  File "x", line 1, in f\nValueError: bad'
STACKS = [{"exc_type": "ValueError", "exc_value": "bad", "exc_notes": [], "syntax_error": None, "is_cause": False,
           "frames": [{"filename": "x", "lineno": 1, "name": "f"}], "is_group": False, "exceptions": []}]  # fmt: skip
BAD = {"type": "ValueError", "message": "bad", "stack_trace": TRACE}
LOGURU = {
    "text": "2026-11-25 09:46:40.250 | ERROR    | app.mod:f:12 - failed\n" + TRACE + "\n",
    "record": {"elapsed": {"repr": "0:00:00.5", "seconds": 0.5},
     "exception": {"type": "ValueError", "value": "bad", "traceback": True}, "extra": {"run_id": 7},
     "file": {"name": "x.py", "path": "/x.py"}, "function": "f", "level": {"icon": "x", "name": "ERROR", "no": 40},
     "line": 12, "message": "failed", "module": "mod", "name": "app.mod",
     "process": {"id": 77, "name": "MainProcess"}, "thread": {"id": 1, "name": "MainThread"},
     "time": {"repr": "2026-11-25 11:46:40.250000+02:00", "timestamp": 1795600000.25}},
}  # fmt: skip


def said(line: dict[str, Any]) -> tuple[Any, ...]:
    """Time, level, logger, message and error of a line's document, and its unmapped keys."""
    (document,) = documents_of(json.dumps(line).encode())
    assert "parse_failure" not in document.get("tags", ())
    return (
        None if "no_timestamp" in document.get("tags", ()) else document["@timestamp"],
        document["log"].get("level"),
        document["log"].get("logger"),
        document["message"],
        document.get("error"),
        document["neuroflow"].get("extra"),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param({"event": "a", "level": "info", "timestamp": 1795600000.25},
         (AT, "info", None, "a", None, None), id="seconds"),
        pytest.param({"event": "a", "level": "info", "timestamp": 1795600000250},
         (AT, "info", None, "a", None, None), id="ms"),
        pytest.param({"event": "a", "level": "info", "@timestamp": 1795600000250000000},
         (AT, "info", None, "a", None, None), id="ns"),
        pytest.param({"event": "a", "level": "error", "timestamp": 1795600000.25, "exception": STACKS},
         (AT, "error", None, "a", BAD, None), id="dict_tracebacks"),
        pytest.param({"message": "a", "levelname": "WARNING", "asctime": "2026-11-25 11:46:40,250", "name": "app.x",
         "exc_info": TRACE}, (AT, "warning", "app.x", "a", BAD, None), id="python-json-logger"),
        pytest.param({"message": "a", "levelname": "ERROR", "timestamp": "2026-11-25T09:46:40.250+0000",
         "exc_info": TRACE.split("\n")}, (AT, "error", None, "a", BAD, None),
         id="python-json-logger with exc_info as an array"),
        pytest.param({"@timestamp": "2026-11-25T09:46:40.250Z", "log.level": "error", "message": "a",
         "ecs.version": "1.6.0", "log": {"logger": "app", "origin": {"function": "f"}}, "error": BAD,
         "process": {"pid": 7, "name": "M"}},
         (AT, "error", "app", "a", BAD, {"ecs.version": "1.6.0", "log": {"origin": {"function": "f"}}}), id="ecs"),
        pytest.param({"@timestamp": 1795600000.25, "log": {"level": "WARN", "logger": "a.b"}, "message": "a",
         "error.type": "ValueError", "error.message": "bad", "error.stack_trace": TRACE,
         "service.name": "neuroflow"}, (AT, "warning", "a.b", "a", BAD, None), id="ecs, the other way round"),
        pytest.param({"severity": "CRITICAL", "message": "a", "time": "2026-11-25T09:46:40.25Z"},
         (AT, "critical", None, "a", None, None), id="google"),
        pytest.param({"severity": 500, "message": "a", "timestamp": {"seconds": 1795600000, "nanos": 250000000}},
         (AT, "error", None, "a", None, None), id="google, in numbers"),
        pytest.param({"level": 30, "time": 1795600000250, "pid": 1, "hostname": "h", "name": "svc", "msg": "a"},
         (AT, "info", "svc", "a", None, {"hostname": "h"}), id="pino"),
        pytest.param({"level": 50, "time": "2026-11-25T09:46:40.25Z", "pid": 1, "hostname": "h", "name": "svc",
         "msg": "a", "v": 0, "err": {"name": "E", "message": "m", "stack": "E: m\n    at f (x.js:1:2)"}},
         (AT, "error", "svc", "a", {"type": "E", "message": "m", "stack_trace": "E: m\n    at f (x.js:1:2)"},
         {"hostname": "h", "v": 0}), id="bunyan"),
        pytest.param({"version": "1.1", "host": "h", "short_message": "a", "timestamp": 1795600000.25, "level": 3,
         "_x": "y"}, (AT, "error", None, "a", None, {"version": "1.1", "host": "h", "_x": "y"}), id="gelf"),
        pytest.param({"ts": 1795600000.25, "level": "warn", "logger": "z", "msg": "a", "error": "EOF"},
         (AT, "warning", "z", "a", {"message": "EOF"}, None), id="zap"),
        pytest.param({"time": "2026-11-25T10:46:40.25+01:00", "level": "ERROR", "msg": "a", "err": "EOF"},
         (AT, "error", None, "a", {"message": "EOF"}, None), id="slog"),
        pytest.param(LOGURU, (AT, "error", "app.mod", "failed", BAD,
         {"elapsed": {"repr": "0:00:00.5", "seconds": 0.5}, "file": {"name": "x.py", "path": "/x.py"},
         "function": "f", "line": 12, "module": "mod", "thread": {"id": 1, "name": "MainThread"}}), id="loguru"),
        pytest.param({"message": "a", "level": 400, "level_name": "ERROR", "channel": "app",
         "datetime": "2026-11-25T09:46:40.25Z"}, (AT, "error", "app", "a", None, None), id="monolog"),
        pytest.param({"name": "root", "msg": "a %s", "args": ["b"], "levelname": "ERROR", "levelno": 40,
         "message": "a b", "created": 1795600000.25, "msecs": 250.0, "process": 9, "processName": "M",
         "exc_text": TRACE, "exc_info": None},
         (AT, "error", "root", "a b", BAD, {"msg": "a %s", "args": ["b"], "levelno": 40, "msecs": 250.0}),
         id="a record of the standard library"),
        pytest.param({"PRIORITY": "4", "MESSAGE": "a", "__REALTIME_TIMESTAMP": "1795600000250000"},
         (AT, "warning", None, "a", None, None), id="journal"),
        pytest.param({"body": {"stringValue": "a"}, "severityNumber": 17, "timeUnixNano": "1795600000250000000"},
         (AT, "error", None, "a", None, None), id="opentelemetry"),
        pytest.param({"@t": "2026-11-25T09:46:40.25Z", "@m": "a", "@l": "Fatal"},
         (AT, "critical", None, "a", None, None), id="clef"),
        pytest.param({"@timestamp": "2026-11-25T09:46:40.25Z", "message": "a", "logger_name": "c.X",
         "level": "ERROR", "stack_trace": "java.lang.E: x\n\tat a.b(C.java:1)"},
         (AT, "error", "c.X", "a", {"type": "java.lang.E", "message": "x",
         "stack_trace": "java.lang.E: x\n\tat a.b(C.java:1)"}, None), id="logback"),
    ],
)  # fmt: skip
def test_dialects(line: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Each has its time, level, logger, message and error in their fields, and no other value is lost."""
    assert expected == said(line)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ({"level": 10}, "debug"), ({"level": 20.0}, "info"), ({"level": "30"}, "warning"),
        ({"level": 50}, "critical"), ({"level": 3}, "3"), ({"level": 17}, "17"), ({"level": True}, "true"),
        ({"levelno": 40}, "error"), ({"lvl": "eror"}, None), ({"lvl": "ERR"}, "error"), ({"severity": 3}, "error"),
        ({"severity": 7}, "debug"), ({"severity": "high"}, None),
        ({"severity": "Emergency"}, "critical"),
        ({"severity": 3, "level": "info"}, "info"),
        ({"level": 4, "facility": "user"}, "warning"),
        ({"severity_text": "WARN", "severity_number": 9}, "warning"),
        ({"level": 60, "hostname": "h", "pid": 1}, "critical"),
        ({"level": 10, "hostname": "h", "pid": 1}, "trace"),
        ({"log": {"level": "notice"}}, "notice"),
        ({"log": "a text"}, None), ({"levelname": ["x"]}, None),
    ],
)  # fmt: skip
def test_levels_under_other_names_and_in_numbers(level: dict[str, Any], expected: str | None) -> None:
    """A number is mapped to the level that its logger means; unknown values stay as they are."""
    assert expected == said({"event": "a", **level})[1]


@pytest.mark.parametrize(
    "more",
    [
        {"time": 3.5}, {"time": "soon"}, {"severity": "high"}, {"log": "x"}, {"name": "eve"}, {"process": 5},
        {"process": "x"}, {"err": 0.5}, {"exc_info": True}, {"stack_trace": "none"},
        {"record": {"a": 1}, "text": "t"},
        {"message": "m"}, {"msg": "m"}, {"created": 1795600000}, {"service": {"version": 3}},
        {"exception": {"a": 1}}, {"event.duration": "x"}, {"body": "b"}, {"ts": None, "x": 1},
        {"log": {"level": "deep", "x": 1}},
        {"fields": {"message": "x"}},
        {"jsonPayload": {"message": "x"}},
        {"status": "error", "ddsource": "x"},
        {"M": "x", "T": "t", "L": "error"},
        {"t": {"$date": "x"}, "s": "E"},
        {"severityLevel": 3},
        {"Level": "error", "Time": "2026-11-25T09:46:40.250Z"},
        {"message": {"formatted": "x"}},
        {"date": "2026-11-25"},
    ],
)  # fmt: skip
def test_keys_of_the_user_stay_what_they_are(more: dict[str, Any]) -> None:
    """Beside structlog's own keys, the same keys keep the application's meaning."""
    usual = {"event": "a", "level": "info", "timestamp": AT}
    kept = {key: value for key, value in more.items() if value is not None}
    assert (AT, "info", None, "a", None, kept) == said({**usual, **more})


def test_what_an_exceptions_text_does_not_say_is_kept() -> None:
    """Values of local variables are kept beside the error."""
    frames = [{"filename": "x", "lineno": 1, "name": "f", "locals": {"n": "5"}}]
    stacks = [{**STACKS[0], "frames": frames}]
    found = said({"event": "a", "level": "error", "timestamp": AT, "exception": stacks})
    assert (BAD, {"exception": stacks}) == (found[4], {"exception": [{**found[5]["exception"][0], **stacks[0]}]})


def test_a_second_error_overwrites_nothing() -> None:
    """A second, different value is kept."""
    found = said({"event": "a", "level": "error", "timestamp": AT, "error": "said", "exception": STACKS})
    assert {**BAD, "message": "said"} == found[4]
    assert "exception" in found[5]


def test_processes_services_and_users_of_ecs() -> None:
    """Dotted or nested, they are mapped like the application's own."""
    nested = {"process": {"pid": 5, "name": "P"}, "service": {"name": "api", "environment": "test"}, "user.id": "u"}
    dotted = {
        "process.pid": 5, "process.name": "P", "service.name": "api", "service.environment": "test", "user.id": "u",
    }  # fmt: skip
    event = {"event": {"action": "did", "outcome": "failure", "duration": 5}, "message": "m"}
    for line in (nested, dotted):
        (document,) = documents_of(json.dumps({**line, **event}).encode())
        assert {"pid": 5, "name": "P"} == document["process"]
        assert {"name": "api", "environment": "test"} == document["service"]
        assert ("u", "did", "failure", 5) == (
            document["user"]["id"],
            document["event"]["action"],
            document["event"]["outcome"],
            document["event"]["duration"],
        )
        assert "extra" not in document["neuroflow"]


def test_dialects_behind_celerys_prefix() -> None:
    """The inner line decides time and level, too."""
    line = b'[2026-11-23 12:41:11,377: WARNING/X-1] {"message": "m", "levelname": "ERROR", "created": 1795600000.25}'
    (document,) = documents_of(line, of="celery", dataset="celery")
    assert (AT, "error", "m", "X-1") == (
        document["@timestamp"], document["log"]["level"], document["message"], document["process"]["name"],
    )  # fmt: skip
