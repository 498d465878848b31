from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from structlog.contextvars import bind_contextvars, get_contextvars

from shipper.emit import WorkflowLogContext


class TestWorkflowLogContext:
    def test_only_none_is_left_out(self) -> None:
        """Zero and the empty text are values."""
        with WorkflowLogContext(workflow_run_id=0, stage="", pipeline=None, session_id="ses-01", subject_id=0):
            assert get_contextvars() == {"workflow_run_id": 0, "stage": "", "session_id": "ses-01", "subject_id": 0}
        assert get_contextvars() == {}

    def test_gives_a_logger(self) -> None:
        """The with statement's target can log."""
        with WorkflowLogContext(stage="x") as log:
            assert callable(log.info)

    def test_nested_restores_the_outer_values(self) -> None:
        """After the block, what was bound before is bound again, whoever bound it."""
        bind_contextvars(pipeline="bound before")
        with WorkflowLogContext(workflow_run_id=1, stage="a"):
            with WorkflowLogContext(stage="b", pipeline="p"):
                assert get_contextvars() == {"workflow_run_id": 1, "stage": "b", "pipeline": "p"}
            assert get_contextvars() == {"workflow_run_id": 1, "stage": "a", "pipeline": "bound before"}
        assert get_contextvars() == {"pipeline": "bound before"}

    def test_exceptions_restore_too(self) -> None:
        """An exception passes, and the context is removed."""

        def work() -> None:
            with WorkflowLogContext(stage="inner"):
                raise KeyError

        with WorkflowLogContext(stage="outer"):
            with pytest.raises(KeyError):
                work()
            assert get_contextvars() == {"stage": "outer"}

    def test_one_instance_entered_twice(self) -> None:
        """Each exit of a re-entered context leaves one level."""
        context = WorkflowLogContext(stage="a")
        with context:
            with context:
                pass
            assert get_contextvars() == {"stage": "a"}
        assert get_contextvars() == {}

    def test_threads_do_not_share(self) -> None:
        """A thread starts without context, and one instance may be entered in many."""
        context = WorkflowLogContext(stage="a")
        inside, outside = threading.Event(), threading.Event()
        seen: list[dict[str, Any]] = []

        def work() -> None:
            seen.append(get_contextvars())
            with context:
                inside.set()
                outside.wait()
            seen.append(get_contextvars())

        with context:
            thread = threading.Thread(target=work)
            thread.start()
            inside.wait()
        assert get_contextvars() == {}
        outside.set()
        thread.join()
        assert seen == [{}, {}]

    def test_tasks_do_not_share(self) -> None:
        """An asyncio task inherits a copy; what it binds and leaves does not reach others."""

        async def work(number: int, barrier: asyncio.Barrier) -> dict[str, Any]:
            with WorkflowLogContext(session_id=number):
                await barrier.wait()
                found = get_contextvars()
            assert get_contextvars() == {"stage": "a"}
            return found

        async def main() -> list[dict[str, Any]]:
            barrier = asyncio.Barrier(3)
            with WorkflowLogContext(stage="a"):
                return list(await asyncio.gather(*(work(n, barrier) for n in range(3))))

        assert asyncio.run(main()) == [{"stage": "a", "session_id": n} for n in range(3)]

    def test_left_in_another_context_than_entered(self) -> None:
        """Generators may be closed in another context; the values are unbound there, and nothing is raised."""
        context = WorkflowLogContext(stage="a")
        context.__enter__()
        copied = contextvars.copy_context()
        copied.run(context.__exit__, None, None, None)
        assert copied.run(get_contextvars) == {}
        assert get_contextvars() == {"stage": "a"}
