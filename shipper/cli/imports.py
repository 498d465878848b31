"""Speeds up the start of commands, most of which is imports; what is not imported takes no memory either."""

from __future__ import annotations

import gc
import logging
import os
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

# Thresholds of the garbage collector: hardly any object is in a cycle, and the default costs a fifth of the time.
GC_THRESHOLDS = (200_000, 20, 100)
# The client imports each of these that is installed, at up to a tenth of a second, and needs none.
OPTIONAL = ("aiohttp", "httpx", "pyarrow", "requests")
# The client imports its asynchronous half too, which takes half of the import's time.
_ASYNC = ("elasticsearch._async", "elasticsearch._async.client")
# Its parts, such as ``client.ml``: forty modules, of which a command uses three.
_PARTS = "elasticsearch._sync.client"
_lock = Lock()


class _Deferred(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        """The module itself."""
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return import_module(self.__name__)


class _DeferredPart(_Deferred):
    """Stands for a module with a part of the client."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(_Part, self, name)


class _Part:
    """Stands for a part of one client."""

    def __init__(self, module: _Deferred, name: str, client: Any) -> None:
        self._module, self._name, self._client = module, name, client

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._module.real(), self._name)(self._client), name)


def quick_start() -> None:
    """Call this in console scripts before large imports; never in an application's process."""
    for name in OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # marks it as not installed
    if "elasticsearch" not in sys.modules:
        for name in _ASYNC:
            module = ModuleType(name)
            module.__path__, module.AsyncElasticsearch = [], None  # type: ignore[attr-defined] # what the client imports
            sys.modules[name] = module
        _defer_parts()
    if "asyncio" not in sys.modules:
        # What the client uses of it are an exception that nothing raises, and types.
        sys.modules["asyncio"] = module = _Deferred("asyncio")
        module.CancelledError = type("CancelledError", (BaseException,), {})  # type: ignore[attr-defined] # as above
        # Otherwise the first message imports it, to name its task (3.12).
        logging.logAsyncioTasks = False  # type: ignore[attr-defined] # as above
    gc.set_threshold(*GC_THRESHOLDS)
    # Otherwise pydantic searches the metadata of every installed package for plug-ins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def _defer_parts() -> None:
    """Import each part of the client when it is used."""
    spec = find_spec("elasticsearch")
    for root in (spec and spec.submodule_search_locations) or ():
        for path in Path(root, *_PARTS.split(".")[1:]).glob("[!_]*.py"):
            if path.stem != "utils":
                name = f"{_PARTS}.{path.stem}"
                sys.modules[name] = _DeferredPart(name)


def allow_all_imports() -> None:
    """Allow the imports that ``quick_start`` blocked."""
    for name in OPTIONAL:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
