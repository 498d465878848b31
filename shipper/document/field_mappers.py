"""Which keys of a log line map to ECS fields, and how.  Pure.

Every function takes the document and the value, and gives whether it mapped the whole value; if not, the value goes
to ``neuroflow.extra``, so a value of an unexpected type is kept and never rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from shipper.document import durations
from shipper.document.levels import level_of
from shipper.document.unmapped import as_text, sanitized
from shipper.parse import exceptions, traceback
from shipper.parse.timestamps import Zone, to_utc
from shipper.taxonomy import event_fields

Document = dict[str, Any]

IDS = {
    "workflow_run_id": "workflow_run_id",
    "run_id": "run_id",
    "pipeline_run_id": "run_id",
    "pipeline": "pipeline",
    "pipeline_name": "pipeline",
    "stage": "stage",
    "output_node": "node",
}
"""Key of a log line → key under ``neuroflow``: identifiers, as text.  Names of people are in ``bids_labels``."""

_COUNTS = frozenset(
    {
        "stages_executed",
        "stages_successful",
        "stages_failed",
        "pipelines_queued",
        "pipelines_completed",
        "pipelines_failed",
    }
)
_FAILED_STATUSES = frozenset({"failed", "failure", "error"})
_UTC = Zone("UTC")
# Stack frames of other languages: "at f (x.js:1:2)", "goroutine 1 [running]:", "main.go:12".
_STACK = re.compile(r"^\s*at |^  File \"|^goroutine [0-9]|\.go:[0-9]", re.MULTILINE)


def put_component(document: Document, value: Any) -> bool:
    """The logger's name; a second, different one is not mapped."""
    logger = as_text(value)
    return bool(document["log"].setdefault("logger", logger) == logger)


def put_service(document: Document, value: Any) -> bool:
    """The service's name, as text or in an object like ECS's."""
    if type(value) is dict:
        for key in ("name", "environment"):
            if type(value.get(key)) is str:
                document["service"] = {**document["service"], key: value.pop(key)}
        return not value
    if type(value) is not str:
        return False
    if value != document["service"]["name"]:
        document["service"] = {**document["service"], "name": value}
    return True


def _environment(document: Document, value: Any) -> bool:
    return type(value) is str and put_service(document, {"environment": value})


def put_duration(document: Document, value: Any) -> bool:
    """A duration in any spelling; a second one is not mapped."""
    nanoseconds = durations.nanoseconds(value)
    if nanoseconds is None or "duration" in document["event"]:
        return False
    document["event"] = {**document["event"], "duration": nanoseconds}
    return True


def _error(document: Document, value: Any) -> bool:
    if type(value) is dict:
        return _raised(document, value)
    if value == []:
        return False
    message = [as_text(item) for item in value] if type(value) is list else as_text(value)
    return bool(document.setdefault("error", {}).setdefault("message", message) == message)


def _exception(document: Document, value: Any) -> bool:
    if type(value) is not str:
        return _raised(document, value)
    return bool(document.setdefault("error", {}).setdefault("stack_trace", value) == value)


def _raised(document: Document, value: Any) -> bool:
    """An exception as an object or a list; also kept unchanged if its traceback does not contain all of it."""
    found = exceptions.of(value)
    if found is None:
        return False
    error = document.setdefault("error", {})
    raised = {"type": found.type, "message": found.message, "stack_trace": found.stack_trace}
    same = [error.setdefault(key, text) == text for key, text in raised.items() if text]
    return found.whole and all(same)


def _err(document: Document, value: Any) -> bool:
    """The error, as loggers of Go and Node.js name it."""
    return type(value) in {str, dict} and _error(document, value)


def _error_type(document: Document, value: Any) -> bool:
    kind = as_text(value)
    return bool(document.setdefault("error", {}).setdefault("type", kind) == kind)


def _trace(document: Document, value: Any) -> bool:
    """A traceback as text or as a list of lines; other values with this key are not mapped."""
    if type(value) is list and value and all(type(line) is str for line in value):
        value = "\n".join(line.rstrip("\n") for line in value)
    if type(value) is str and not traceback.split(value)[1] and not _STACK.search(value):
        return False
    return _exception(document, value)


def _success(document: Document, value: Any) -> bool:
    if type(value) is bool:
        document["event"] = {**document["event"], "outcome": "success" if value else "failure"}
    return False  # the value itself goes to ``extra``


def _status(document: Document, value: Any) -> bool:
    """A status of failure changes the outcome of ``workflow.completed``, which reports only that it ended."""
    if type(value) is str and document["event"].get("outcome") == "success" and value.lower() in _FAILED_STATUSES:
        document["event"] = {**document["event"], "outcome": "failure", "type": ["end", "error"]}
    return False  # the value itself goes to ``extra``


def _action(document: Document, value: Any) -> bool:
    """The action, if the message is none; kind, type and outcome follow from it."""
    if type(value) is not str or "action" in document["event"]:
        return False
    document["event"] = {**document["event"], **event_fields(value), "action": value}
    return True


def _outcome(document: Document, value: Any) -> bool:
    if type(value) is not str or value not in {"success", "failure", "unknown"}:
        return False
    document["event"] = {**document["event"], "outcome": value}
    return True


def _task_id(document: Document, value: Any) -> bool:
    task = as_text(value)
    return bool(document["neuroflow"].setdefault("task", {}).setdefault("id", task) == task)


def _task_name(document: Document, value: Any) -> bool:
    task = as_text(value)
    return bool(document["neuroflow"].setdefault("task", {}).setdefault("name", task) == task)


def _process_name(document: Document, value: Any) -> bool:
    process = as_text(value)
    return bool(document.setdefault("process", {}).setdefault("name", process) == process)


def _pid(document: Document, value: Any) -> bool:
    if type(value) is not int or not 0 <= value < 2**31:
        return False
    document.setdefault("process", {})["pid"] = value
    return True


def _process(document: Document, value: Any) -> bool:
    """The process in an object like ECS's."""
    if type(value) is not dict:
        return False
    for key, put in (("name", _process_name), ("pid", _pid)):
        if value.get(key) is not None and type(value[key]) is not dict and put(document, value[key]):
            del value[key]
    return not value


def _log(document: Document, value: Any) -> bool:
    """The logger in an object like ECS's."""
    if type(value) is dict and type(value.get("logger")) is str and put_component(document, value["logger"]):
        del value["logger"]
    return type(value) is dict and not value


def _level(document: Document, value: Any) -> bool:
    """The level again; a different one is not mapped."""
    return type(value) is str and document["log"].get("level") == level_of(value.lower())


def _nanoseconds(document: Document, value: Any) -> bool:
    if type(value) is not int or not 0 <= value < 2**63 or "duration" in document["event"]:
        return False
    document["event"] = {**document["event"], "duration": value}
    return True


def _user_id(document: Document, value: Any) -> bool:
    user = as_text(value)
    return bool(document.setdefault("user", {}).setdefault("id", user) == user)


def _iostream(document: Document, value: Any) -> bool:
    if value not in ("stdout", "stderr"):
        return False
    document["log"]["iostream"] = value
    return True


def _metrics(document: Document, value: Any) -> bool:
    """Metrics: counts have fields of their own, durations of stages are in one flattened field."""
    if type(value) is not dict:
        return False
    metrics: Document = {}
    for key, item in list(value.items()):
        kind = type(item)
        if (
            (key in _COUNTS and kind is int and -(2**63) <= item < 2**63)
            or (key == "total_duration_seconds" and (kind is float or kind is int))
            or item is None
        ):
            if item is not None:
                metrics[key] = item
        elif key in {"started_at", "completed_at"} and kind is str and (moment := _moment(item)):
            metrics[key] = moment
        elif key == "stage_durations" and kind is dict:
            metrics[key] = sanitized(item)
        elif key == "workflow_run_id" and kind is not dict:
            if document["neuroflow"].setdefault("workflow_run_id", as_text(item)) != as_text(item):
                continue
        else:
            continue
        del value[key]  # the rest goes to ``extra``
    if metrics:
        document["neuroflow"]["metrics"] = metrics
    if "total_duration_seconds" in metrics and "duration" not in document["event"]:
        put_duration(document, metrics["total_duration_seconds"])
    return not value


def _moment(text: str) -> str | None:
    """A timestamp with a zone, as UTC; None for others."""
    try:
        moment, assumed = to_utc(text, _UTC)
    except ValueError:
        return None
    return None if assumed else moment


MAPPERS: dict[str, Callable[[Document, Any], bool]] = {
    "logger": put_component,
    "duration_seconds": put_duration,
    "elapsed": put_duration,
    "total_duration": put_duration,
    "error": _error,
    "errors": _error,
    "error_message": _error,
    "error_type": _error_type,
    "exception": _exception,
    "error_traceback": _exception,
    "error.message": _error,
    "error.type": _error_type,
    "error.stack_trace": _exception,
    "exception.message": _error,
    "exception.type": _error_type,
    "exception.stacktrace": _exception,
    "err": _err,
    "exc_info": _trace,
    "exc_text": _trace,
    "stack_trace": _trace,
    "stacktrace": _trace,
    "stackTrace": _trace,
    "stack": _trace,
    "errorMessage": _error,
    "errorType": _error_type,
    "error_detail": _exception,
    "Exception": _exception,
    "@x": _exception,
    "traceback": _trace,
    "log": _log,
    "log.logger": put_component,
    "log.level": _level,
    "process": _process,
    "process.name": _process_name,
    "process.pid": _pid,
    "processName": _process_name,
    "service.name": put_service,
    "service.environment": _environment,
    "event.action": _action,
    "event.outcome": _outcome,
    "event.duration": _nanoseconds,
    "user.id": _user_id,
    "success": _success,
    "status": _status,
    "action": _action,
    "outcome": _outcome,
    "task_id": _task_id,
    "task_name": _task_name,
    "iostream": _iostream,
    "process_name": _process_name,
    "pid": _pid,
    "metrics": _metrics,
}
"""Key of a log line → the function that maps it."""
