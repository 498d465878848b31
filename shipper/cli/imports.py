"""What makes a program of ours start sooner: its imports are what a start waits for longest."""

from __future__ import annotations

import gc
import os
import sys

# Dicts come and go without cycles: looking for some every few hundred objects costs a fifth of the time.
RARELY = (200_000, 20, 100)
# The cluster's client imports whichever of these is installed, at up to a tenth of a second each, and needs none.
OPTIONAL = ("aiohttp", "httpx", "pyarrow", "requests")


def quick_start() -> None:
    """To be called by a console script before anything large is imported; an application's process is left alone."""
    for name in OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # how Python is told that there is none
    gc.set_threshold(*RARELY)
    # Else pydantic looks for plug-ins of its own in the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def with_everything() -> None:
    """For a command that uses libraries which ``quick_start`` hid."""
    for name in OPTIONAL:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
