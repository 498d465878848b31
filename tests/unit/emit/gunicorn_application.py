"""An application, and its configuration, for a gunicorn that preloads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from shipper.emit import get_logger
from tests.unit.emit.all_writers import FOLDER, begin, capture

# What gunicorn is told; it reads these names, and those of the functions below.
bind = f"unix:{FOLDER}/socket"
workers = 3
preload_app = True
graceful_timeout = 30

endings: list[Callable[[], None]] = []


def when_ready(_server: Any) -> None:
    """The master is about to fork its workers: its own threads write while it does."""
    capture.__enter__()
    endings.append(begin("master"))


def post_fork(_server: Any, _worker: Any) -> None:
    """A worker begins."""
    endings[:] = [begin("worker")]


def worker_exit(_server: Any, _worker: Any) -> None:
    """A worker ends."""
    endings.pop()()


def on_exit(_server: Any) -> None:
    """The master ends, behind its workers."""
    endings.pop()()
    capture.__exit__(None, None, None)


def app(_environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say which process answers."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    get_logger("web").info("answered", pid=os.getpid())
    return [str(os.getpid()).encode()]
