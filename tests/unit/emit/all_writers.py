"""What a server's processes do in these tests: threads that use all writers, and note what they have written.

The folder is named by ``EMIT_TEST_FOLDER``.  Lines are numbered by thread; a thread of a process that is killed may
have written one line more than it noted.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from shipper.emit import AuditLog, MetricsCollector, PipelineLogCapture, Rotation, get_logger, setup_logging
from shipper.emit.standard_streams import STDOUT

FOLDER = Path(os.environ["EMIT_TEST_FOLDER"])
setup_logging(log_dir=FOLDER, rotation=Rotation(0.05, 10_000))
audit = AuditLog(FOLDER)
capture = PipelineLogCapture(1, "shared", FOLDER / "captured")
collector = MetricsCollector()
collector.start_workflow(1)


def work(name: str, goes_on: Callable[[int], bool]) -> None:
    """Use every writer, again and again.

    Args:
        name: of the thread.
        goes_on: asked with the number of the next line.
    """
    log = get_logger("web")
    noted = os.open(FOLDER / f"{name}.noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    number = 0
    while goes_on(number):
        text = f"{name} {number}"
        log.info("request", text=text)
        log.info("stage.completed", text=text)
        audit.record("session", number, "created", message=text)
        capture.write_stdout(f"{text}\n")
        STDOUT.write(f"{text}\n".encode())
        collector.record_pipeline(1, success=True)
        os.write(noted, b".")
        number += 1
        # The master's threads write while it forks.
        time.sleep(0 if name.startswith("master") else 0.005)
    os.close(noted)


def begin(who: str) -> Callable[[], None]:
    """Start two threads that work; gives what ends them."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=work, args=(f"{who}-{os.getpid()}-{n}", lambda _: not ended.is_set()), daemon=True)
        for n in range(2)
    ]
    for thread in threads:
        thread.start()

    def end() -> None:
        ended.set()
        for thread in threads:
            thread.join()

    return end
