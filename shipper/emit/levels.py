"""Levels: one for all events, others for single components."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Defaults for verbose libraries.
QUIET: Mapping[str, str] = {"celery": "WARNING", "kombu": "WARNING", "sqlalchemy": "WARNING"}


@dataclass(frozen=True)
class Levels:
    """Levels as numbers of the standard library; a component's level applies to its dotted children, too.

    Attributes:
        default: of components without a level of their own.
        components: levels by name.
        lowest: of all these.
    """

    default: int
    components: Mapping[str, int]
    lowest: int = field(init=False)

    def __post_init__(self) -> None:
        # Not a cached property, which has a lock until Python 3.12: a fork would copy it.
        object.__setattr__(self, "lowest", min(self.default, *self.components.values()))

    def of(self, component: str | None) -> int:
        """The level of a component: its own, else that of the longest dotted prefix, else the default."""
        name = component or ""
        while name:
            if (level := self.components.get(name)) is not None:
                return level
            name = name.rpartition(".")[0]
        return self.default


def levels(level: str, components: Mapping[str, str] | None) -> Levels:
    """Levels from their names, in any case; components add to the defaults for verbose libraries.

    Raises:
        ValueError: a name is not a level.
    """
    named = {**QUIET, **(components or {})}
    return Levels(
        default=_number(level, "level"),
        components={name: _number(value, f"components: level of {name}") for name, value in named.items()},
    )


def _number(name: Any, where: str) -> int:
    numbers = logging.getLevelNamesMapping()
    number = numbers.get(name.upper()) if isinstance(name, str) else None
    if number is None:
        raise ValueError(f"{where}: {name!r} is not a log level; use one of {', '.join(numbers)}")
    return number
