"""A Celery worker whose task processes use all writers, each for a few tasks; one of them is killed in a task."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Any

from celery import Celery, signals

from tests.unit.emit.all_writers import FOLDER, begin, capture, work

TASKS, LINES = 24, 15
KILLED = 7
app = Celery("app", broker="memory://")


@app.task(name="app.use")  # type: ignore[untyped-decorator] # celery has no types
def use(number: int) -> None:
    """Write some lines."""
    work(f"worker-{os.getpid()}-{number}", lambda line: line < LINES)
    if number == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)


@signals.worker_ready.connect  # type: ignore[untyped-decorator] # as above
def ready(**_: Any) -> None:
    """Send the tasks, and end the worker when all have written."""

    def send() -> None:
        for number in range(TASKS):
            use.delay(number)
        ends = time.monotonic() + 90
        while time.monotonic() < ends and TASKS > sum(
            LINES == path.stat().st_size for path in FOLDER.glob("worker-*.noted")
        ):
            time.sleep(0.1)
        # Cold: a warm shutdown waits for the task of the killed process, at times for ever.
        os.kill(os.getpid(), signal.SIGQUIT)

    threading.Thread(target=send, daemon=True).start()


if __name__ == "__main__":
    with capture:
        end = begin("master")
        with contextlib.suppress(SystemExit):
            app.Worker(
                pool="prefork", concurrency=3, loglevel="INFO", redirect_stdouts=False, max_tasks_per_child=3
            ).start()
        end()
