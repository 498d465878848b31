"""Exceptions and stacks as text."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

from shipper.emit.plain import text
from shipper.emit.strangers import FAILURES, guarded

_OURS = ("structlog", "shipper.emit")


def exception_text(given: Any) -> str | None:
    """The traceback of an exception, of a tuple from ``sys.exc_info``, or, for True, of the one being handled.

    Gives None if there is none.  Never raises.
    """
    info: Any = (None, None, None)
    try:
        info = _exc_info(given)
        if info[0] is None:
            return None
        return guarded(logging.Formatter().formatException, info)
    except FAILURES:  # tracebacks that came through a pickle are imitations; others fail by themselves
        return None if info[1] is None else text(info[1])


def stack_text() -> str:
    """The stack of the caller that logs, without frames of structlog and ``emit``."""
    frame = sys._getframe()  # noqa: SLF001 - the only way to start in the middle of the stack
    while frame.f_back and str(frame.f_globals.get("__name__", "")).startswith(_OURS):
        frame = frame.f_back
    return "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")


def _exc_info(given: Any) -> Any:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if isinstance(given, tuple) and len(given) == 3:
        return given
    return sys.exc_info() if given is True or given == 1 else (None, None, None)
