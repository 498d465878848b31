"""Structured logging of the application: structlog's and the standard library's events, in the same files.

Whoever calls ``setup_logging`` decides for the process.  Loggers hold no configuration of their own, so those
obtained before, or between two calls, follow the call that came last.
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
    """Configure logging for this process; called again, it replaces the earlier configuration.

    Without files, lines go to standard output.  With ``log_dir``, events named ``workflow.…`` and ``stage.…``
    go to its ``workflow.log``, all others to its ``neuroflow.log``, and nothing to standard output.
    ``log_file`` takes the place of ``neuroflow.log``; alone, it gets everything.  A Celery worker started
    afterwards keeps to this too: its task processes write into the same files.

    Args:
        level: what is logged at all, by name.
        format: ``json`` (one object a line) or ``console`` (for people; coloured only on a terminal).
        log_file: the file for everything that does not go to ``workflow.log``.
        log_dir: the folder of both files; missing folders are created.
        rotation: when the files start again (``max_size_mb``, ``backup_count``); 100 MB and 10 unless given.
        components: levels of single components (structlog's ``component``, or the names of standard library
            loggers) and of their dotted children, louder or quieter than ``level``; celery, kombu and
            sqlalchemy are at WARNING unless given.

    Raises:
        ValueError: a level, the format or the rotation is unknown.
        OSError: a file can't be opened.  In both cases the earlier configuration stays in force.
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
    """A logger whose events carry ``name`` as ``component``; may be obtained before ``setup_logging``."""
    # Initial values, not bind(): that would fix the configuration of this moment.
    return unbound(component=name) if name else unbound()


def add_workflow_context(
    logger: Any,  # noqa: ARG001 - a structlog processor
    method_name: str,  # noqa: ARG001 - the same
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add, as a structlog processor, the time (UTC, microseconds) as ``@timestamp``, and the service.

    What the event has under these names already is kept, as ``@timestamp_`` and ``service_``.
    """
    stamp(event_dict)
    return event_dict


class _NamedLogger:
    """What ``structlog.get_logger("name")`` wraps: it remembers the name, which structlog itself drops."""

    def __init__(self, name: object = None) -> None:
        self.name = name

    def __getattr__(self, method: str) -> Any:
        # Only reached if somebody configures other processors after us: then lines are printed, as usual.
        return getattr(structlog.PrintLogger(), method)


class _State(Forkable):
    """What is in force in this process, and the levels that it found, to be put back when it is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = CHAIN
        self._mutex = threading.RLock()
        self._handler = RecordHandler(lambda: self.chain.output)
        self._earlier_levels: dict[str | None, int] = {}  # by name of standard library logger; None is the root

    def replace(self, output: Output) -> None:
        """Put the output in force, then give the earlier one's files back: no event falls in between."""
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
        """Undo ``replace`` for the standard library; structlog's events then go to standard output."""
        with self._mutex:
            logging.getLogger().removeHandler(self._handler)
            self._restore()
            earlier, self.chain.output = self.chain.output, None
            if earlier is not None:
                earlier.close()

    def after_fork_in_child(self) -> None:
        """The thread that was setting up does not exist here."""
        self._mutex = threading.RLock()

    def _restore(self) -> None:
        while self._earlier_levels:
            name, level = self._earlier_levels.popitem()  # last in, first out
            logging.getLogger(name).setLevel(level)


def _configure_structlog() -> None:
    # In place, as structlog's own capture_logs does: loggers bound earlier hold this very list.
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
    # Below celery.task hang loggers of any name: it lets all through, and the handler decides by their names.
    by_name: dict[str | None, int] = {None: wanted.default}
    by_name.update(wanted.components)
    by_name[CELERY_TASKS] = wanted.lowest
    return by_name


_state = _State()
