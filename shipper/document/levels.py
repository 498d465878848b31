"""Spellings of log levels → ECS's ``log.level``."""

from __future__ import annotations

import re
from collections.abc import Mapping

SPELLINGS: Mapping[str, str] = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    "warn": "warning",
    "fatal": "critical",
    "exception": "error",
    "err": "error",
    "severe": "error",
    "crit": "critical",
    "alert": "critical",
    "emerg": "critical",
    "emergency": "critical",
    "panic": "critical",
    "information": "info",
    "informational": "info",
    "debu": "debug",
    "erro": "error",
    "fata": "critical",
}
_COUNTED = re.compile(r"(debug|info|warn|error)[+-][0-9]{1,3}")
LEVELS = tuple(dict.fromkeys(SPELLINGS.values()))
"""The levels, least severe first."""


def level_of(text: str) -> str:
    """The level that a lower-case word means; unknown words are returned unchanged.

    Go's ``slog`` writes levels in between as a sum: ``error+2``.
    """
    found = _COUNTED.fullmatch(text)
    return SPELLINGS.get(found[1] if found else text, text)
