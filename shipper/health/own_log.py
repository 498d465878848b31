"""The sidecar's own log: lines for people on a terminal, elsewhere JSON as the application writes it.

So it can be shipped like the application's log, in which it is a component of its own.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

from shipper.credentials import credential_mask
from shipper.printable import printable
from shipper.telemetry import log

LogFormat = Literal["auto", "json", "console"]
_Clean = Callable[[str, logging.LogRecord], str]
_OWN_WORDS = "own_words"
OWN_WORDS = {_OWN_WORDS: True}
"""``extra`` of a message that quotes no log: in ``password: is empty`` the rules for logs would redact ``is``."""
# By the least severe level that has it (syslog(3)).
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def configure_log(redact: Callable[[str], str] = str, form: LogFormat = "console") -> None:
    """Configure the sidecar's own log: on standard error, times in UTC, without credentials.

    Args:
        redact: removes secrets and ids.
        form: of the lines; ``auto`` is ``console`` on a terminal and else ``json``.
    """
    stream = sys.stderr

    def clean(text: str, record: logging.LogRecord) -> str:
        return credential_mask.text(text if hasattr(record, _OWN_WORDS) else redact(text))

    if form == "auto":
        form = "console" if stream.isatty() else "json"
    formatter = _Json(clean) if form == "json" else _Console(clean)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Prefixed(formatter) if is_journal(stream, os.environ) else formatter)
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def writes_json() -> bool:
    """Whether what goes to standard error now are the log's lines of JSON."""
    return any(
        isinstance(handler, logging.StreamHandler)
        and handler.stream is sys.stderr
        and getattr(handler.formatter, "json", False)
        for handler in log.handlers
    )


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a stream goes to systemd's journal, which takes a line's priority from its first characters."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):  # no file, as in tests
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Console(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self, clean: _Clean) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        # A message is one line, whatever the names in it contain.
        return printable(self._clean(super().format(record), record), lines=bool(record.exc_info))


class _Json(logging.Formatter):
    json = True

    def __init__(self, clean: _Clean) -> None:
        super().__init__()
        with _without_rich():
            from shipper.emit.plain import json_line  # noqa: PLC0415 - structlog is slow; a terminal needs none
            from shipper.emit.stdlib_records import event_of  # noqa: PLC0415 - as above
        self._clean = clean
        self._event_of, self._json_line = event_of, json_line

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = self._event_of(record)
        event["service"] = log.name
        event.pop(_OWN_WORDS, None)
        return self._json_line(
            {key: self._clean(value, record) if isinstance(value, str) else value for key, value in event.items()}
        )


class _Prefixed(logging.Formatter):
    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.json = isinstance(formatter, _Json)
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        priority = next((one for level, one in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in self._formatter.format(record).split("\n"))


@contextmanager
def _without_rich() -> Iterator[None]:
    """Hide rich from structlog, which imports it (25 ms) for tracebacks that are not used here."""
    if {"rich", "structlog"} & sys.modules.keys():
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # marks it as not installed
    try:
        yield
    finally:
        del sys.modules["rich"]
