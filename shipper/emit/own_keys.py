"""Keys that the library sets in every event: what the application calls the same is kept beside them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def set_own(event: MutableMapping[str, Any], key: str, value: str) -> None:
    """Set a key of the library's; what the application had there is kept as ``key_``, unless it says the same.

    Args:
        event: what is logged.
        key: of the library.
        value: what it is to be.
    """
    if key in event:
        theirs = event.pop(key)
        # Nothing but texts is compared: arrays and strangers may answer with anything, or raise.
        if not (type(theirs) is str and theirs == value):
            event[free_key(event, key)] = theirs
    event[key] = value


def free_key(event: MutableMapping[str, Any], key: str) -> str:
    """The name under which something else than the library's value is kept."""
    name = f"{key}_"
    while name in event:
        name += "_"
    return name
