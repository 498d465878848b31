"""Keys that ``emit`` sets in every event; the application's values under the same names move to other keys."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def set_own(event: MutableMapping[str, Any], key: str, value: str) -> None:
    """Set a key; a different value that the application has there moves to ``key_``."""
    if key in event:
        theirs = event.pop(key)
        # Only texts are compared: with arrays and other objects ``==`` may give anything or raise.
        if not (type(theirs) is str and theirs == value):
            event[free_key(event, key)] = theirs
    event[key] = value


def free_key(event: MutableMapping[str, Any], key: str) -> str:
    """An unused name for the application's value: the key with underscores added."""
    name = f"{key}_"
    while name in event:
        name += "_"
    return name
