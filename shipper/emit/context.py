"""Ids for all events of a block: workflow, stage, pipeline, session, subject."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from shipper.emit.bound_logger import unbound

# The blocks that this thread or task is in, innermost last.  Not in the context managers, because several threads or
# tasks may be inside the same one.
_entered: ContextVar[tuple[tuple[object, Mapping[str, Token[Any]]], ...]] = ContextVar("entered", default=())


class WorkflowLogContext:
    """Adds its ids to every event logged inside the ``with`` block, also by standard library loggers.

    Values left at None are not added (0 is an id).  Blocks nest: the inner value applies, and the outer one again
    after the block, also after an exception.  New threads start without context, asyncio tasks with a copy of it.
    """

    def __init__(
        self,
        workflow_run_id: int | None = None,
        stage: str | None = None,
        pipeline: str | None = None,
        session_id: int | str | None = None,
        subject_id: int | str | None = None,
    ) -> None:
        given = {
            "workflow_run_id": workflow_run_id,
            "stage": stage,
            "pipeline": pipeline,
            "session_id": session_id,
            "subject_id": subject_id,
        }
        self.context: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    def __enter__(self) -> FilteringBoundLogger:
        """Bind the context; gives a logger."""
        tokens = structlog.contextvars.bind_contextvars(**self.context)
        _entered.set((*_entered.get(), (self, tokens)))
        return unbound()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore what was bound before."""
        frames = _entered.get()
        mine = next((n for n in reversed(range(len(frames))) if frames[n][0] is self), None)
        if mine is not None:
            _entered.set(frames[:mine] + frames[mine + 1 :])
            with contextlib.suppress(ValueError):  # the tokens belong to the task that this one was copied from
                structlog.contextvars.reset_contextvars(**frames[mine][1])
                return
        structlog.contextvars.unbind_contextvars(*self.context)
