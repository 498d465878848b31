"""Celery's logging: a worker does not configure the root logger if its ``setup_logging`` signal has a receiver.

Id and name of the task, which Celery's own format has, are then added to records of task loggers.
"""

from __future__ import annotations

import sys
from typing import Any


def keep_celery_handlers_off() -> None:
    """Connect to Celery's signal, if Celery is installed: workers then keep handlers and don't redirect stdout."""
    try:
        from celery import signals  # noqa: PLC0415 - a tenth of a second, and only if the application has it
    except ImportError:
        return
    signals.setup_logging.connect(_answer, weak=False, dispatch_uid="shipper.emit")


def current_task() -> dict[str, str]:
    """Id and name of the Celery task that runs in this thread; empty if none does."""
    celery = sys.modules.get("celery")
    task = getattr(celery, "current_task", None)  # a proxy, which is false where there is none
    if not task or not task.request.id:
        return {}
    return {"task_id": task.request.id, "task_name": task.name}


def _answer(**_signal: Any) -> None:
    """Do nothing: it is enough that the signal has a receiver."""
