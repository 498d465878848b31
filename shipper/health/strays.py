"""What others would write to standard error, as lines of the sidecar's log.

Warnings of Python, messages of libraries and errors that nobody caught would be no JSON there, and nothing would
redact them.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from types import TracebackType
from typing import TextIO

from shipper.telemetry import Throttle, log

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def adopt() -> None:
    """Log all that from now on; for the process of the sidecar, after ``configure_log``."""
    throttle = Throttle()

    def warn(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001 - as the standard library calls it
        line: str | None = None,  # noqa: ARG001 - as above
    ) -> None:
        where = f"{filename.rpartition('/')[2]}:{lineno}"
        throttle.say(f"{category.__name__} {where}", f"{category.__name__}: {message} ({where})")

    warnings.showwarning = warn
    logging.lastResort = _Relay(throttle)
    sys.excepthook = lambda kind, error, traceback: _report("the sidecar ends", (kind, error, traceback))
    threading.excepthook = _ended
    sys.unraisablehook = _ignored


class _Relay(logging.Handler):
    """Logs what loggers without a handler of their own say."""

    def __init__(self, throttle: Throttle) -> None:
        super().__init__(logging.WARNING)
        self._throttle = throttle

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, with the name of its logger."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that don't fit must not end the caller
            message = str(record.msg)
        self._throttle.say(f"{record.name} {record.msg}", f"{record.name}: {message}")


def _ended(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not issubclass(given.exc_type, SystemExit):
        name = given.thread.name if given.thread else "unknown"
        _report(f"thread {name} ended", (given.exc_type, given.exc_value, given.exc_traceback))


def _ignored(given: sys.UnraisableHookArgs) -> None:
    if given.exc_value is not None:
        _report("an error is ignored", (given.exc_type, given.exc_value, given.exc_traceback))


def _report(what: str, error: _ExcInfo) -> None:
    log.critical("%s: an error that nothing expects (%s); please report it", what, error[0].__name__, exc_info=error)
