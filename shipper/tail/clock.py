"""The clocks that following files needs, to be replaced by a test's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """The clocks that are read: monotonic seconds, wall clock nanoseconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns
