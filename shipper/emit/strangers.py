"""Methods of the objects that an application logs: they may raise anything, and they may log."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FAILURES = (Exception, CancelledError, GeneratorExit)
"""What such a method may raise without stopping a log call.

A cancelled task's result raises CancelledError, which is no Exception.  Inside of a log call neither this nor
GeneratorExit can come from outside, because nothing is awaited there and nothing yielded.  KeyboardInterrupt,
SystemExit and the like can: signal handlers raise them, and they go through, so that the application ends.
"""
# An object that logs while it is shown, with an object that logs while it is shown, …: so many are followed.  Each
# call may show several, so without an end the lines double with every level.
_MAX_DEPTH = 4


class _Depth(threading.local):
    now = 0


_depth = _Depth()


def asked(method: Callable[..., T], *given: Any) -> T:
    """What a method gives that may log, and so come here again.

    Raises:
        RecursionError: it came here again and again.
        BaseException: what the method raises.
    """
    if _depth.now >= _MAX_DEPTH:
        raise RecursionError("an object logs while it is shown, again and again")
    _depth.now += 1
    try:
        return method(*given)
    finally:
        _depth.now -= 1
