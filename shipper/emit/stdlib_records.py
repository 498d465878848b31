"""Records of the standard library's loggers (Celery's, SQLAlchemy's, …) as events like all the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from shipper.emit.output import Output, complain
from shipper.emit.plain import text

SERVICE = "neuroflow"
# Task loggers hang below this one, whatever their names are.
CELERY_TASKS = "celery.task"
_OWN_KEYS = {"event", "level", "@timestamp", "service", "exception", "stack"}
_RECORD_KEYS = {*vars(logging.makeLogRecord({})), "message", "asctime"}


class RecordHandler(logging.Handler):
    """Hands every record to the output that is in force at that moment.

    Args:
        output: tells which that is; None while there is none.
    """

    def __init__(self, output: Callable[[], Output | None]) -> None:
        super().__init__()
        self._output = output

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit, without the handler's lock: a signal handler that logs could wait for it for ever."""
        wanted = self.filter(record)
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event.  Never raises."""
        try:
            output = self._output()
            if output is not None and not _too_quiet(record, output):
                output.write(event_of(record))
        except Exception as error:  # noqa: BLE001 - a log line must not stop the work it tells of
            complain(error, text(record.msg))


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record as an event: its logger as component, ``extra`` as keys, context, exception as text."""
    event: dict[str, Any] = {"component": record.name}
    for key, value in vars(record).items():
        if key not in _RECORD_KEYS:
            event[f"{key}_" if key in _OWN_KEYS else key] = value
    event["event"] = _message(record)
    event = dict(structlog.contextvars.merge_contextvars(None, "", event))
    event["level"] = record.levelname.lower()
    event["@timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
    event["service"] = SERVICE
    if exception := _exception(record):
        event["exception"] = exception
    if record.stack_info:
        event["stack"] = record.stack_info
    return event


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that don't fit, or can't be shown
        return f"{text(record.msg)} {text(record.args)}"


def _exception(record: logging.LogRecord) -> str | None:
    if not record.exc_info:
        return record.exc_text  # of a record that was made in another process
    if record.exc_info[0] is None:  # exc_info=True where there was no exception
        return None
    try:
        return logging.Formatter().formatException(record.exc_info)
    except Exception:  # noqa: BLE001 - tracebacks that came through a pickle are imitations
        return text(record.exc_info[1])


def _too_quiet(record: logging.LogRecord, output: Output) -> bool:
    """Levels go by logger names; Celery's task loggers inherit another's, so theirs is looked up here."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger and logger.level == logging.NOTSET and logger.parent:
        logger = logger.parent
    return logger is not None and logger.name == CELERY_TASKS and record.levelno < output.levels.of(record.name)
