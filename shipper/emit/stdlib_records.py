"""Records of the standard library's loggers (Celery, SQLAlchemy, …) → events."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from shipper.emit.celery_signal import current_task
from shipper.emit.chain import ARGUMENTS, SERVICE, interpolated, render
from shipper.emit.exceptions import exception_text
from shipper.emit.output import Output
from shipper.emit.own_keys import free_key, set_own
from shipper.emit.plain import text
from shipper.emit.standard_streams import report_failure
from shipper.emit.strangers import FAILURES, guarded

# The parent of task loggers, whatever their names are.
CELERY_TASKS = "celery.task"
_RECORD_KEYS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
# Attributes that structlog's wrap_for_formatter adds to a record.
_WRAPPING = ("_logger", "_name")


class RecordHandler(logging.Handler):
    """Writes every record to the current output."""

    def __init__(self, output: Callable[[], Output | None]) -> None:
        super().__init__()
        self._output = output

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit without the handler's lock, for which a signal handler that logs might wait for ever."""
        try:
            wanted: Any = self.filter(record)
        except FAILURES as error:  # filters are the application's
            report_failure(error, text(record.msg))
            wanted = True
        if wanted:
            self.emit(wanted if isinstance(wanted, logging.LogRecord) else record)
        return bool(wanted)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event.  Never raises."""
        try:
            output = self._output()
            if output is None:
                return
            if _is_of_task(record):
                if record.levelno < output.levels.of(text(record.name)):
                    return
                for key, value in current_task().items():
                    vars(record).setdefault(key, value)
            output.write(event_of(record))
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, text(record.msg))


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record as an event: logger as component, ``extra`` as keys, context, exception as text.

    A record whose message is an event of structlog becomes that event.
    """
    fields = {key: value for key, value in vars(record).items() if key not in _RECORD_KEYS}
    component, message = text(record.name), None
    wrapped = _wrapped(record)
    if wrapped is not None:
        message, rest = interpolated(wrapped.pop("event"), wrapped.pop(ARGUMENTS, ()))
        if rest:
            wrapped[ARGUMENTS] = rest
        for key in _WRAPPING:
            fields.pop(key, None)
        fields.update(wrapped)
        if type(fields.get("component")) is str:  # the name of structlog's logger
            fields.setdefault("logger", component)
            component = fields.pop("component")
    fields = {**structlog.contextvars.get_contextvars(), **fields}
    event: dict[str, Any] = {"component": component}
    for key, value in fields.items():
        if key != "component":
            event[key] = value
        elif not (type(value) is str and value == component):
            event[free_key(fields, key)] = value
    set_own(event, "event", _message(record) if message is None else text(message))
    set_own(event, "level", text(record.levelname).lower())
    set_own(event, "@timestamp", _moment(record).isoformat(timespec="microseconds"))
    set_own(event, "service", SERVICE)
    if wrapped is not None:
        render(event)
    # A record from another process has the exception as text.
    if exception := exception_text(record.exc_info) if record.exc_info else record.exc_text:
        set_own(event, "exception", text(exception))
    if record.stack_info:
        set_own(event, "stack", text(record.stack_info))
    return event


def _wrapped(record: logging.LogRecord) -> dict[str, Any] | None:
    """The event of structlog in the record's message, an object or its JSON; None if it has none."""
    message: Any = record.msg
    if type(message) is str and message[:1] == "{" and message[-1:] == "}" and not record.args:
        try:
            message = json.loads(message)
        except (ValueError, RecursionError):
            return None
    # Not isinstance, which may run code of the message's class.
    return dict(message) if issubclass(type(message), dict) and "event" in message else None


def _message(record: logging.LogRecord) -> str:
    try:
        if not record.args or "%" in guarded(str, record.msg):
            return text(guarded(record.getMessage))
    except FAILURES:  # arguments that don't fit, or can't be shown
        pass
    return f"{text(record.msg)} {text(record.args)}" if record.args else text(record.msg)


def _moment(record: logging.LogRecord) -> datetime:
    try:
        return datetime.fromtimestamp(record.created, UTC)
    except (TypeError, ValueError, OverflowError, OSError):  # a record without a valid time, built by the application
        return datetime.now(UTC)


def _is_of_task(record: logging.LogRecord) -> bool:
    """Whether the record's logger takes its level from Celery's parent of task loggers."""
    logger: logging.Logger | None = logging.getLogger(text(record.name))
    while logger and logger.level == logging.NOTSET and logger.parent:
        logger = logger.parent
    return logger is not None and logger.name == CELERY_TASKS
