"""``neuroflow-logs tasks`` shows the tasks of Celery workers that log through ``shipper.emit``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.testnode.node import Node
from tests.conformance.harness import Harness

pytest.importorskip("celery")

# A real worker with forked task processes; the broker is memory, the results are files.
WORKER = """
import json, os, signal, sys, threading, time
from pathlib import Path
from celery import Celery, signals
from celery.exceptions import Ignore
from shipper.emit import get_logger, setup_logging

folder, form, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(folder / "results").mkdir()
app = Celery("app", broker="memory://", backend=f"file://{folder}/results")
log = get_logger("pipeline")

def set_up():
    setup_logging(log_dir=folder / "logs", format=form, components={"celery": "INFO"})

set_up()
if when == "in children too":
    signals.worker_process_init.connect(lambda **_: set_up(), weak=False)

@app.task(name="app.good")
def good(n):
    log.info("working", n=n)
    return {"n": n, "text": "two\\nlines and words=[x]"}

@app.task(name="app.bad")
def bad():
    raise ValueError("no 'space' left")

@app.task(name="app.again", bind=True, max_retries=1, default_retry_delay=0)
def again(self):
    try:
        raise KeyError("not yet")
    except KeyError as error:
        raise self.retry(exc=error)

@app.task(name="app.ignored", bind=True)
def ignored(self):
    raise Ignore()

@app.task(name="app.slow", soft_time_limit=1)
def slow():
    time.sleep(60)

@signals.worker_ready.connect
def ready(**_):
    def work():
        revoked = good.apply_async((0,), countdown=2)
        app.control.revoke(revoked.id)
        ids = {"revoked": revoked.id}
        for name, result in [
            ("good", good.delay(1)), ("bad", bad.delay()), ("slow", slow.delay()),
        ]:
            ids[name] = result.id
            result.get(propagate=False, disable_sync_subtasks=False)
        # Neither has a result to wait for: the broker is memory, and a child's retry ends in the child's.
        ids["ignored"], ids["again"] = ignored.delay().id, again.delay().id
        said = folder / "logs" / "neuroflow.log"
        while not all(part in said.read_text() for part in ("Discarding revoked", "] ignored", "] retry: ")):
            time.sleep(0.1)
        (folder / "ids.json").write_text(json.dumps(ids))
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=work, daemon=True).start()

app.Worker(pool="prefork", concurrency=2, loglevel="INFO", redirect_stdouts=True).start()
"""


@pytest.fixture(
    scope="module",
    params=["json", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("console", "in children too"))],
)
def worked(request: pytest.FixtureRequest, node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The shipped logs of a worker; gives the harness and the ids of the tasks."""
    folder = tmp_path_factory.mktemp("celery")
    harness = Harness(folder, node.url, f"t{uuid.uuid4().hex[:10]}")
    form = "console" if request.param == "console" else "json"
    run = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), form, request.param],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,  # only so that a worker that hangs ends
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert 0 == run.returncode, run.stderr
    assert [] == list(Path(harness.logs).glob("celery/*"))
    done = harness.once()
    assert 0 == done.returncode, done.stderr
    yield harness, json.loads((folder / "ids.json").read_text())
    harness.close()


def rows(harness: Harness, *options: str) -> list[dict[str, Any]]:
    """The rows of ``neuroflow-logs tasks``."""
    run = harness.ask("tasks", "--format", "json", *options, module="shipper.cli.logs")
    assert 0 == run.returncode, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


class TestTasks:
    @pytest.mark.parametrize(
        ("task", "states"),
        [
            ("good", ["task.received", "task.succeeded"]),
            ("bad", ["task.received", "task.failed"]),
            ("again", ["task.received", "task.retried"]),
            ("slow", ["task.received", "task.soft_timeout", "task.failed"]),
            ("ignored", ["task.received", "task.ignored"]),
            ("revoked", ["task.received", "task.revoked"]),
        ],
    )
    def test_life(self, worked: tuple[Harness, dict[str, str]], task: str, states: list[str]) -> None:
        """Each state of a task stands under its id and name."""
        harness, ids = worked
        name = "app.good" if task == "revoked" else f"app.{task}"
        found = rows(harness, "--task-id", ids[task])
        assert sorted(states) == sorted(row["event.action"] for row in found)
        assert {name} == {row["neuroflow.task.name"] for row in found}
        assert {ids[task]} == {row["neuroflow.task.id"] for row in found}

    def test_runtime(self, worked: tuple[Harness, dict[str, str]]) -> None:
        """The line of success has the runtime; no other line has one."""
        harness, _ = worked
        timed = [row for row in rows(harness) if row.get("event.duration") is not None]
        assert {"task.succeeded"} == {row["event.action"] for row in timed}
        assert {"app.good"} == {row["neuroflow.task.name"] for row in timed}
        assert all(0 <= row["event.duration"] < 300 * 10**9 for row in timed)

    def test_error(self, worked: tuple[Harness, dict[str, str]]) -> None:
        """A failed task has its error, as from a log of Celery's own."""
        harness, ids = worked
        [failed] = [row for row in rows(harness, "--task-id", ids["bad"]) if row["event.action"] == "task.failed"]
        assert "no 'space' left" == failed["error.message"]

    def test_the_screen(self, worked: tuple[Harness, dict[str, str]]) -> None:
        """The table has rows and no hint about missing data."""
        harness, ids = worked
        run = harness.ask("tasks", module="shipper.cli.logs")
        assert (0, "") == (run.returncode, run.stderr)
        assert ids["good"] in run.stdout
