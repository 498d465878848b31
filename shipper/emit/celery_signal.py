"""Celery's logging: a worker leaves the root logger alone once its ``setup_logging`` signal is answered.

What Celery puts around the lines of task loggers is then put into them.
"""

from __future__ import annotations

import sys
from typing import Any


def keep_celery_handlers_off() -> None:
    """Answer Celery's signal, if Celery is installed; from then on no worker replaces our handlers.

    Workers then don't redirect standard output into the log either.
    """
    try:
        from celery import signals  # noqa: PLC0415 - a tenth of a second, and only if the application has it
    except ImportError:
        return
    signals.setup_logging.connect(_answer, weak=False, dispatch_uid="shipper.emit")


def current_task() -> dict[str, str]:
    """Id and name of the task that runs here, as Celery's own log has them on the lines of its task loggers."""
    celery = sys.modules.get("celery")
    task = getattr(celery, "current_task", None)  # a proxy, which is false where there is none
    if not task or not task.request.id:
        return {}
    return {"task_id": task.request.id, "task_name": task.name}


def _answer(**_signal: Any) -> None:
    """Nothing to do: that somebody listens is the answer."""
