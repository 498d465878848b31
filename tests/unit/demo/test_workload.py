"""The application that writes logs, run for a second."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shipper.demo import celery_files, plan
from shipper.demo.counting import records_below

COMMAND = [sys.executable, "-m", "shipper.demo.workload"]
CELERY = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: [A-Z]+/(MainProcess|ForkPoolWorker-\d+)\] .")


def _run(log_dir: Path, seed: int) -> None:
    subprocess.run([*COMMAND, "--log-dir", str(log_dir), "--seconds", "1", "--seed", str(seed)], check=True)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run's logs."""
    folder = tmp_path_factory.mktemp("logs")
    _run(folder, 5)
    return folder


def _objects(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_every_kind_of_file_is_there(logs: Path) -> None:
    """All five data streams get something."""
    assert all(records_below(logs).values())
    assert (logs / "celery/beat.log").exists()


def test_logs_are_rotated(logs: Path) -> None:
    """Celery's by rename, the application's by size; nothing is deleted."""
    assert (logs / "celery/worker.log").stat().st_size
    assert (logs / "celery/worker.log.1").stat().st_size
    assert list(logs.glob("neuroflow.log.*"))


def test_the_story_is_the_plan(logs: Path) -> None:
    """Each pipeline run of the plan has its events, and no others."""
    events = Counter(
        (event["event"], event["run_id"])
        for event in _objects(*logs.glob("neuroflow.log*"))
        if event["event"] in {"pipeline.queued", "pipeline.started", "pipeline.completed", "pipeline.failed"}
    )
    expected = []
    for run in (run for workflow in plan.make(5, 1) for run in workflow.runs):
        expected.append(("pipeline.queued", run.run_id))
        if run.end != "queued":
            expected.append(("pipeline.started", run.run_id))
        if run.end in {"completed", "failed"}:
            expected.append((f"pipeline.{run.end}", run.run_id))
    assert events == Counter(expected)


def test_failures_have_tracebacks(logs: Path) -> None:
    """In the application's log as a field, in Celery's as lines without a prefix, and on stderr."""
    failures = [one for one in _objects(*logs.glob("neuroflow.log*")) if one["event"] == "container.failed"]
    assert failures
    assert all("Traceback" in failure["exception"] for failure in failures)
    celery = "".join(path.read_text() for path in logs.glob("celery/worker.log*"))
    assert celery.count("raised unexpected: PipelineError(") == len(failures)
    assert celery.count("\nTraceback (most recent call last):\n") == len(failures)
    (output,) = logs.glob(f"pipelines/*/*_{failures[0]['run_id']}_*.log")
    assert "RuntimeError" in output.read_text().partition("=== STDERR ===\n")[2]


def test_celery_lines_look_like_celerys(logs: Path) -> None:
    """The prefix, the parts of a task's life, and JSON inside the prefix."""
    text = "".join(path.read_text() for path in sorted(logs.glob("celery/*.log*")))
    assert all(CELERY.match(line) for line in text.splitlines() if line.startswith("["))
    assert re.search(r"MainProcess\] Task neuroflow\.workers\.tasks\.run_pipeline\[[0-9a-f-]{36}\] received", text)
    assert re.search(r"ForkPoolWorker-\d\] Task \S+\[\S+\] succeeded in [\d.]+s: \{'success': True", text)
    inner = re.search(r"WARNING/ForkPoolWorker-\d\] (\{.*\})", text)
    assert inner
    assert json.loads(inner[1])["event"] == "container.execute"


def test_one_line_has_no_end(logs: Path) -> None:
    """The run that never ends leaves a line that has not ended either."""
    unfinished = [path for path in logs.glob("pipelines/*/*.log") if not path.read_bytes().endswith(b"\n")]
    (run,) = [run for workflow in plan.make(5, 1) for run in workflow.runs if run.end == "running"]
    assert [path.match(f"*_{run.run_id}_*") for path in unfinished] == [True]


def test_the_same_seed_writes_as_much_again(logs: Path, tmp_path: Path) -> None:
    """Only the clock and beat's ticking differ."""
    _run(tmp_path, 5)
    first, again = records_below(logs), records_below(tmp_path)
    assert first.keys() == again.keys()
    assert {name: first[name] for name in first if name != "celery"} == {
        name: again[name] for name in again if name != "celery"
    }


def _members(group: int) -> list[str]:
    """Processes of the group that are more than zombies."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if int(row[0]) == group and not row[1].startswith("Z")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Its worker processes end with it."""
    process = subprocess.Popen(
        [*COMMAND, "--log-dir", str(tmp_path), "--seconds", "60"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not list(tmp_path.glob("pipelines/*/*.log")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait() == 130
    for _ in range(1000):  # multiprocessing's own helper ends a moment after its parent
        if not _members(process.pid):
            return
        time.sleep(0.02)
    pytest.fail(f"still there: {_members(process.pid)}")


def test_rotation_moves_older_files_up(tmp_path: Path) -> None:
    """The second rotation keeps what the first one set aside."""
    log = tmp_path / "worker.log"
    for text in ("one", "two"):
        log.write_text(text)
        celery_files.rotate(log)
    assert not log.exists()
    assert (tmp_path / "worker.log.1").read_text() == "two"
    assert (tmp_path / "worker.log.2").read_text() == "one"
