"""Structured logging of the application: structlog's and the standard library's events in the same files.

``setup_logging`` configures the process.  Loggers contain no configuration, so those obtained before it, or between
two calls, follow the last call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from shipper.emit.bound_logger import BoundLogger, unbound
from shipper.emit.celery_signal import keep_celery_handlers_off
from shipper.emit.chain import CHAIN, stamp
from shipper.emit.context import WorkflowLogContext
from shipper.emit.forks import Forkable
from shipper.emit.levels import Levels, levels
from shipper.emit.output import Format, Output
from shipper.emit.rotating_file import Rotation
from shipper.emit.stdlib_records import CELERY_TASKS, RecordHandler

__all__ = ["WorkflowLogContext", "add_workflow_context", "get_logger", "setup_logging"]


def setup_logging(
    level: str = "INFO",
    format: Format = "json",  # noqa: A002 - the name is the contract
    log_file: Path | str | None = None,
    log_dir: Path | str | None = None,
    *,
    rotation: Rotation | Mapping[str, Any] | None = None,
    components: Mapping[str, str] | None = None,
) -> None:
    """Configure logging for this process; a further call replaces the configuration.

    Without files, lines go to standard output.  With ``log_dir``, events named ``workflow.…`` and ``stage.…``
    go to its ``workflow.log``, all others to its ``neuroflow.log``, and nothing to standard output.
    ``log_file`` replaces ``neuroflow.log``; without ``log_dir`` it gets all events.  Celery workers started
    afterwards use the same configuration: their task processes write to the same files.

    Args:
        level: the lowest level that is logged, by name.
        format: ``json`` (one object a line) or ``console`` (for people; coloured only on a terminal).
        log_file: the file for everything that does not go to ``workflow.log``.
        log_dir: the folder of both files; missing folders are created.
        rotation: when the files are rotated (``max_size_mb``, ``backup_count``); 100 MB and 10 unless given.
        components: levels of single components (structlog's ``component``, or names of standard library loggers)
            and of their dotted children, above or below ``level``; celery, kombu and sqlalchemy are at WARNING
            unless given.

    Raises:
        ValueError: a level, the format or the rotation is unknown.
        OSError: a file can't be opened.  In both cases the earlier configuration stays.
    """
    output = Output(
        levels(level, components),
        format,
        Path(log_file) if log_file else None,
        Path(log_dir) if log_dir else None,
        Rotation.of(rotation),
    )
    _state.replace(output)
    keep_celery_handlers_off()


def get_logger(name: str | None = None) -> FilteringBoundLogger:
    """A logger whose events have ``name`` as ``component``; may be obtained before ``setup_logging``."""
    # Initial values, not bind(), which would fix the current configuration.
    return unbound(component=name) if name else unbound()


def add_workflow_context(
    logger: Any,  # noqa: ARG001 - a structlog processor
    method_name: str,  # noqa: ARG001 - the same
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add, as a structlog processor, the time (UTC, microseconds) as ``@timestamp``, and the service.

    Values that the event has under these names move to ``@timestamp_`` and ``service_``.
    """
    stamp(event_dict)
    return event_dict


class _NamedLogger:
    """Keeps the name of ``structlog.get_logger("name")``, which structlog's own loggers drop."""

    def __init__(self, name: object = None) -> None:
        self.name = name

    def __getattr__(self, method: str) -> Any:
        # Called only if other processors are configured after ``setup_logging``: then structlog prints lines.
        return getattr(structlog.PrintLogger(), method)


class _State(Forkable):
    """The configuration of this process, and the standard library's levels from before it, to be restored."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = CHAIN
        self._mutex = threading.RLock()
        self._handler = RecordHandler(lambda: self.chain.output)
        self._earlier_levels: dict[str | None, int] = {}  # by name of standard library logger; None is the root

    def replace(self, output: Output) -> None:
        """Switch to an output, then close the earlier one, so that no event is lost in between."""
        with self._mutex:
            earlier, self.chain.output = self.chain.output, output
            self._restore()
            for name, level in _stdlib_levels(output.levels).items():
                logger = logging.getLogger(name)
                self._earlier_levels[name] = logger.level
                logger.setLevel(level)
            logging.getLogger().addHandler(self._handler)
            _configure_structlog()
            if earlier is not None:
                earlier.close()

    def remove(self) -> None:
        """Undo ``replace`` for the standard library; structlog's events go to standard output from then on."""
        with self._mutex:
            logging.getLogger().removeHandler(self._handler)
            self._restore()
            earlier, self.chain.output = self.chain.output, None
            if earlier is not None:
                earlier.close()

    def after_fork_in_child(self) -> None:
        """The thread that held the lock does not exist here."""
        self._mutex = threading.RLock()

    def _restore(self) -> None:
        while self._earlier_levels:
            name, level = self._earlier_levels.popitem()  # last in, first out
            logging.getLogger(name).setLevel(level)


def _configure_structlog() -> None:
    # In place, like structlog's capture_logs: loggers bound earlier refer to this list.
    processors = structlog.get_config()["processors"]
    if isinstance(processors, list):
        processors[:] = [_state.chain]
    else:
        processors = [_state.chain]
    structlog.configure(
        processors=processors,
        # Levels are looked up per event: components differ, and loggers outlive configurations.
        wrapper_class=BoundLogger,
        context_class=dict,
        logger_factory=_NamedLogger,
        cache_logger_on_first_use=False,
    )


def _stdlib_levels(wanted: Levels) -> dict[str | None, int]:
    # Loggers below celery.task have any name: this one passes all records, and the handler filters by their names.
    by_name: dict[str | None, int] = {None: wanted.default}
    by_name.update(wanted.components)
    by_name[CELERY_TASKS] = wanted.lowest
    return by_name


_state = _State()
