"""Spellings of log levels → ECS's ``log.level``."""

from __future__ import annotations

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
}
LEVELS = tuple(dict.fromkeys(SPELLINGS.values()))
"""The levels, least severe first."""


def level_of(text: str) -> str:
    """The level that a lower-case word means; unknown words are returned unchanged."""
    return SPELLINGS.get(text, text)
