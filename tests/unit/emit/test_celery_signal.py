from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("celery")

# A real worker with forked task processes; the broker is memory, the results are files.
WORKER = """
import logging, os, signal, sys, threading
from pathlib import Path
from celery import Celery, signals
from celery.utils.log import get_task_logger
from shipper.emit import WorkflowLogContext, get_logger, setup_logging

folder = Path(sys.argv[1])
(folder / "results").mkdir()
app = Celery("app", broker="memory://", backend=f"file://{folder}/results")
early = get_logger("pipeline")
task_log = get_task_logger("app.tasks")
setup_logging(
    log_dir=folder / "logs",
    rotation={"max_size_mb": 0.005, "backup_count": 1000},
    components={"celery": sys.argv[2], "pipeline": "DEBUG"},
)

@app.task(name="app.run")
def run(n):
    print("printed by a task")
    with WorkflowLogContext(workflow_run_id=n):
        early.info("pipeline.started", run_id=n, pid=os.getpid())
        logging.getLogger("app.lib").warning("lib %d", n)
        task_log.info("task log %d", n)
        task_log.debug("too quiet")
    if n == 0:
        raise KeyError("the task failed")
    return n

@signals.worker_ready.connect
def ready(**_):
    def work():
        for result in [run.delay(n) for n in range(40)]:
            result.get(propagate=False, disable_sync_subtasks=False)
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=work, daemon=True).start()

early.info("worker.configured", pid=os.getpid())
app.Worker(pool="prefork", concurrency=2, loglevel="INFO", logfile=str(folder / "celery.log"),
           redirect_stdouts=True).start()
"""


def run_worker(folder: Path, celery_level: str) -> tuple[list[dict[str, Any]], str]:
    """Every event that the worker and its children logged, and what they printed."""
    run = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), celery_level],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,  # only so that a worker that hangs ends
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stderr
    logs = (folder / "logs").glob("neuroflow.log*")
    return [orjson.loads(line) for path in logs for line in path.read_bytes().splitlines()], run.stdout + run.stderr


class TestWorker:
    def test_keeps_to_our_files(self, tmp_path: Path) -> None:
        """A real worker and its forked children log JSON into our rotating files, each event once, nothing else."""
        events, printed = run_worker(tmp_path, "INFO")
        started = [event for event in events if event["event"] == "pipeline.started"]
        (configured,) = [event for event in events if event["event"] == "worker.configured"]
        assert sorted(event["run_id"] for event in started) == list(range(40))
        assert all(event["workflow_run_id"] == event["run_id"] for event in started)
        assert all(event["component"] == "pipeline" for event in started)
        assert configured["pid"] not in {event["pid"] for event in started}, "nothing ran in a forked child"

        lib = [event for event in events if event["component"] == "app.lib"]
        assert sorted(event["event"] for event in lib) == sorted(f"lib {n}" for n in range(40))

        received = [
            event for event in events if event["event"].startswith("Task app.run[") and "received" in event["event"]
        ]
        assert len(received) == 40
        (failed,) = [event for event in events if "raised unexpected" in event["event"]]
        assert failed["component"] == "celery.app.trace"
        assert failed["level"] == "error"
        assert failed["exception"].endswith("KeyError: 'the task failed'\n") or failed["exception"].endswith(
            "KeyError: 'the task failed'"
        )
        assert "printed by a task" in printed, "the worker redirected stdout into the log"
        assert "pipeline.started" not in printed
        assert not (tmp_path / "celery.log").exists(), "the worker set up handlers of its own"
        assert len(list((tmp_path / "logs").glob("neuroflow.log.*"))) > 1, "nothing was rotated"

    @pytest.mark.thorough
    def test_levels_go_by_names(self, tmp_path: Path) -> None:
        """Celery itself is at WARNING, but its task loggers have the common level."""
        events, _ = run_worker(tmp_path, "WARNING")
        loud = {event["component"] for event in events if event["level"] == "info"}
        assert loud == {"pipeline", "app.tasks"}
        assert "too quiet" not in {event["event"] for event in events}
        tasks = [event for event in events if event["component"] == "app.tasks"]
        assert sorted(event["event"] for event in tasks) == sorted(f"task log {n}" for n in range(40))
        assert {"app.run"} == {event["task_name"] for event in tasks}
        assert 40 == len({event["task_id"] for event in tasks})


class TestWithoutCelery:
    def test_import_and_setup(self, tmp_path: Path) -> None:
        """Importing emit does not import Celery, and set-up works without Celery."""
        code = """
import sys
import shipper.emit
assert "celery" not in sys.modules, "imported with emit"
sys.modules["celery"] = None  # what an absent package looks like to an import
shipper.emit.setup_logging(log_dir=sys.argv[1])
shipper.emit.get_logger().info("works")
"""
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert b"works" in (tmp_path / "neuroflow.log").read_bytes()
