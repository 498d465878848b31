"""A real gunicorn and a real Celery: threads write while processes are forked, replaced and killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

APPLICATION = "tests.unit.emit.gunicorn_application"
ENDS_A_WAIT = 120
# Celery greets on standard output.
_NUMBERED = re.compile(r"\S+-\d+-\d+ \d+")


def eventually(wanted: Callable[[], bool]) -> bool:
    """Whether it comes true; a bound on hanging."""
    ends = time.monotonic() + ENDS_A_WAIT
    while not wanted():
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def noted(folder: Path) -> dict[str, int]:
    """How much each thread of each process has written so far."""
    return {path.stem: path.stat().st_size for path in folder.glob("*.noted")}


def workers(folder: Path) -> set[int]:
    """Processes that ever were workers and have written."""
    return {int(name.split("-")[1]) for name, count in noted(folder).items() if name[:1] == "w" and count > 20}


def answered(folder: Path) -> int:
    """A request's answer: the process that gave it."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(ENDS_A_WAIT)
        one.connect(os.path.relpath(folder / "socket"))
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: one.recv(4096), b""))
    return int(answer.rpartition(b"\n")[2])


@contextlib.contextmanager
def started(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that writes into the folder; afterwards nothing of it is left, not even a child that hangs."""
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=out,
            stderr=err,
            env={**os.environ, "PYTHONPATH": path, "EMIT_TEST_FOLDER": str(folder)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gunicorn that has loaded the application, with three workers."""
    pytest.importorskip("gunicorn")
    with started(tmp_path, "gunicorn", "-c", f"python:{APPLICATION}", f"{APPLICATION}:app") as process:
        yield process


def test_gunicorn(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Every line of every process is whole and there once, through a killed worker and a reload; nobody hangs."""
    said = tmp_path / "err"
    assert eventually(lambda: len(workers(tmp_path)) >= 3 or server.poll() is not None), said.read_text()
    killed = answered(tmp_path)
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: len(workers(tmp_path)) >= 4), said.read_text()
    server.send_signal(signal.SIGHUP)
    assert eventually(lambda: len(workers(tmp_path)) >= 7), said.read_text()
    assert answered(tmp_path) in workers(tmp_path) - {killed}
    server.send_signal(signal.SIGTERM)
    assert 0 == server.wait(timeout=ENDS_A_WAIT), said.read_text()
    assert 2 * 8 == len(noted(tmp_path))
    each_line_is_there_once(tmp_path, killed)
    assert not re.search(r"WORKER TIMEOUT|Traceback|SIGABRT", said.read_text()), said.read_text()


@pytest.mark.thorough  # Celery alone takes a quarter of a minute to end
def test_celery(tmp_path: Path) -> None:
    """The same for task processes that end after three tasks, and one that is killed behind its task."""
    pytest.importorskip("celery")
    with started(tmp_path, "tests.unit.emit.celery_application") as process:
        assert 0 == process.wait(timeout=ENDS_A_WAIT), (tmp_path / "err").read_text()
    assert 2 + 24 == len(noted(tmp_path))
    assert {15} == {count for name, count in noted(tmp_path).items() if name[:1] == "w"}
    each_line_is_there_once(tmp_path, killed=0)


def each_line_is_there_once(folder: Path, killed: int) -> None:
    """In both logs with their rotations, the audit trail, captured output and standard output.

    A process that is killed may have written one line more than it could note.
    """
    counts = noted(folder)
    for where, texts in {
        "neuroflow.log": logged(folder, "neuroflow.log", "request"),
        "workflow.log": logged(folder, "workflow.log", "stage.completed"),
        "audit": audited(folder),
        "captured": captured(folder),
        "standard output": [line for line in (folder / "out").read_text().splitlines() if _NUMBERED.fullmatch(line)],
    }.items():
        found = Counter(texts)
        assert {1} == set(found.values()), where
        for name, count in counts.items():
            last = f"{name} {count}"
            one_more = found.pop(last, 0)
            assert not one_more or f"-{killed}-" in name, where
            assert [] == [n for n in range(count) if not found.pop(f"{name} {n}", 0)], (where, name)
        assert not found, where
    assert "logging failed" not in (folder / "err").read_text()


def logged(folder: Path, name: str, event: str) -> list[str]:
    """Texts of a log's events, over all its lives."""
    lines = [orjson.loads(line) for path in folder.glob(f"{name}*") for line in path.read_bytes().splitlines()]
    return [line["text"] for line in lines if line["event"] == event]


def audited(folder: Path) -> list[str]:
    """Texts of the audit trail."""
    (file,) = (folder / "audit").iterdir()
    return [orjson.loads(line)["message"] for line in file.read_bytes().splitlines()]


def captured(folder: Path) -> list[str]:
    """Texts of the captured output, which begins and ends with its markers."""
    (file,) = (folder / "captured").iterdir()
    lines = file.read_text().splitlines()
    assert ("=== STDOUT ===", ["", "=== STDERR ==="]) == (lines[0], lines[-2:])
    return lines[1:-2]
