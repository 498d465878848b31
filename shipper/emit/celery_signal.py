"""Celery's logging: a worker leaves the root logger alone once its ``setup_logging`` signal is answered."""

from __future__ import annotations

from typing import Any


def keep_celery_off() -> None:
    """Answer Celery's signal, if Celery is installed; from then on no worker replaces our handlers.

    Workers then don't redirect standard output into the log either.
    """
    try:
        from celery import signals  # noqa: PLC0415 - a tenth of a second, and only if the application has it
    except ImportError:
        return
    signals.setup_logging.connect(_answer, weak=False, dispatch_uid="shipper.emit")


def _answer(**_signal: Any) -> None:
    """Nothing to do: that somebody listens is the answer."""
