"""Durations in all their spellings → nanoseconds, as ECS wants them.  Pure."""

from __future__ import annotations

import re
from typing import Any

_TEXT = re.compile(
    r"(?:(?P<days>[0-9]+(?:\.[0-9]+)?)\s*d\s*)?(?:(?P<hours>[0-9]+(?:\.[0-9]+)?)\s*h\s*)?"
    r"(?:(?P<minutes>[0-9]+(?:\.[0-9]+)?)\s*m(?:in)?\s*)?(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)\s*s)?"
)
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
MAX_SECONDS = 2**63 // 10**9
"""Longer durations, in nanoseconds, exceed a long."""


def nanoseconds(value: Any) -> int | None:
    """A duration in seconds (int, float), or text such as ``12.3s`` and ``1h 7m``, as nanoseconds; else None."""
    kind = type(value)
    if kind is int or kind is float:
        return round(value * 10**9) if 0 <= value < MAX_SECONDS else None
    if kind is not str:
        return None
    found = _TEXT.fullmatch(value.strip())
    if not found or not any(found.groups()):
        return None
    total = sum(float(part) * _SECONDS[unit] for unit, part in found.groupdict().items() if part)
    return round(total * 10**9) if total < MAX_SECONDS else None
