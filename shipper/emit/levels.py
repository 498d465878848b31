"""Which events are loud enough: one level for all, and others for single components."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Chatty libraries; what the caller asks for them wins.
QUIET: Mapping[str, str] = {"celery": "WARNING", "kombu": "WARNING", "sqlalchemy": "WARNING"}


@dataclass(frozen=True)
class Levels:
    """Levels as numbers of the standard library; a component's level holds for its dotted children too.

    Attributes:
        default: of all that has no level of its own.
        components: levels by name.
        lowest: no event below this is wanted by anybody.
    """

    default: int
    components: Mapping[str, int]
    lowest: int = field(init=False)

    def __post_init__(self) -> None:
        # Not a cached property: until Python 3.12 these have a lock, which a fork copies.
        object.__setattr__(self, "lowest", min(self.default, *self.components.values()))

    def of(self, component: str | None) -> int:
        """The level of a component: its own, else that of the nearest dotted prefix, else the common one."""
        name = component or ""
        while name:
            if (level := self.components.get(name)) is not None:
                return level
            name = name.rpartition(".")[0]
        return self.default


def levels(level: str, components: Mapping[str, str] | None) -> Levels:
    """Levels from their names (in any case), over quiet defaults for chatty libraries.

    Raises:
        ValueError: one of the names is no level.
    """
    named = {**QUIET, **(components or {})}
    return Levels(
        default=_number(level, "level"),
        components={name: _number(value, f"components: level of {name}") for name, value in named.items()},
    )


def _number(name: Any, where: str) -> int:
    known = logging.getLevelNamesMapping()
    number = known.get(name.upper()) if isinstance(name, str) else None
    if number is None:
        raise ValueError(f"{where}: {name!r} is not a log level; use one of {', '.join(known)}")
    return number
