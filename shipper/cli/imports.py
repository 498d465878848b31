"""Speeds up the start of commands, most of which is imports."""

from __future__ import annotations

import gc
import os
import sys
from types import ModuleType

# Thresholds of the garbage collector: hardly any object is in a cycle, and the default costs a fifth of the time.
GC_THRESHOLDS = (200_000, 20, 100)
# The client imports each of these that is installed, at up to a tenth of a second, and needs none.
OPTIONAL = ("aiohttp", "httpx", "pyarrow", "requests")
# The client imports its asynchronous half too, which takes half of the import's time.
_ASYNC = ("elasticsearch._async", "elasticsearch._async.client")


def quick_start() -> None:
    """Call this in console scripts before large imports; never in an application's process."""
    for name in OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # marks it as not installed
    if "elasticsearch" not in sys.modules:
        for name in _ASYNC:
            module = ModuleType(name)
            module.__path__, module.AsyncElasticsearch = [], None  # type: ignore[attr-defined] # what the client imports
            sys.modules[name] = module
    gc.set_threshold(*GC_THRESHOLDS)
    # Otherwise pydantic searches the metadata of every installed package for plug-ins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def allow_all_imports() -> None:
    """Allow the imports that ``quick_start`` blocked."""
    for name in OPTIONAL:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
