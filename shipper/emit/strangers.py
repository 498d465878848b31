"""Calls methods of the objects that an application logs: they may raise anything, and they may log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FAILURES = (Exception, asyncio.CancelledError, GeneratorExit)
"""What such a method may raise without stopping a log call.

A cancelled task's result raises CancelledError, which is not an Exception.  Inside of a log call neither this nor
GeneratorExit can come from outside, because nothing is awaited there and nothing yielded.  KeyboardInterrupt,
SystemExit and the like can: signal handlers raise them to end the application, so they pass through.
"""
# Nesting of objects that log while they are shown.  Each call may show several such objects, so without a limit the
# lines double with every level.
_MAX_DEPTH = 4


class _Depth(threading.local):
    now = 0


_depth = _Depth()


def guarded(method: Callable[..., T], *given: Any) -> T:
    """Call a method that may log, and so call this function again.

    Raises:
        RecursionError: it did so ``_MAX_DEPTH`` deep.
        BaseException: what the method raises.
    """
    if _depth.now >= _MAX_DEPTH:
        raise RecursionError("an object logs while it is shown, again and again")
    _depth.now += 1
    try:
        return method(*given)
    finally:
        _depth.now -= 1
