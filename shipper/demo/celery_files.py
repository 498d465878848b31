"""Celery's worker and beat logs, as Celery 5 writes them: local time, process names, tracebacks unprefixed."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

# Celery's own default; process names are MainProcess, ForkPoolWorker-1, …
_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"


def logger(path: Path) -> logging.Logger:
    """A logger that writes only to this file, which several processes may share.

    After a rename (logrotate) each process opens the new file at its next record.
    """
    made = logging.getLogger(f"shipper.demo.{path.stem}")
    if not made.handlers:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter(_FORMAT))
        made.addHandler(handler)
        made.setLevel(logging.INFO)
        made.propagate = False  # the application's own logging must not write these lines a second time
    return made


def rotate(path: Path) -> None:
    """Rename the file to ``.1`` and older ones to the next number; the writers open a new file."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda found: int(found.suffix[1:]), reverse=True)
    for found in older:
        found.rename(path.with_name(f"{path.name}.{int(found.suffix[1:]) + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
