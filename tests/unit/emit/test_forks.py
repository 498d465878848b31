"""Writers under fork and spawn: no child waits for a lock of its parent's threads, no parent for a child's copy."""

from __future__ import annotations

import contextlib
import fcntl
import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import shipper.emit.logging as emit_logging
from shipper.emit import (
    AuditLog,
    MetricsCollector,
    PipelineLogCapture,
    RotatingFile,
    Rotation,
    get_logger,
    setup_logging,
)
from shipper.emit.forks import closed_in_child
from shipper.emit.standard_streams import StandardStream

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # that is the case
ENDS_A_WAIT = 60


def forked(work: Callable[[], object]) -> int:
    """Exit code of a child that does the work; one that hangs is killed."""
    pid = os.fork()
    if not pid:
        code = 1
        with contextlib.suppress(BaseException):
            signal.alarm(ENDS_A_WAIT)
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Blocked:
    """A function that waits inside until the block ends when a thread of this process calls it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._process = os.getpid()
        self._thread = 0
        self._inside = threading.Event()
        self._free = threading.Event()

    def __call__(self, *args: Any) -> Any:
        """What the function gives."""
        if os.getpid() == self._process and threading.get_ident() == self._thread:
            self._inside.set()
            assert self._free.wait(ENDS_A_WAIT)
        return self._function(*args)

    @contextlib.contextmanager
    def by(self, work: Callable[[], object]) -> Iterator[None]:
        """A thread does the work, and is inside the function during the block."""

        def run() -> None:
            self._thread = threading.get_ident()
            work()

        thread = threading.Thread(target=run)
        thread.start()
        assert self._inside.wait(ENDS_A_WAIT)
        try:
            yield
        finally:
            self._free.set()
            thread.join()


class TestThreadInsideAWriter:
    """A child is forked while a thread of the parent writes: the child can write, too."""

    def test_audit_log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the parent holds the file's lock: a child that records does not wait for its own copy of it."""
        audit = AuditLog(tmp_path)
        blocked = Blocked(os.write)
        monkeypatch.setattr(os, "write", blocked)
        waits, go_on = os.pipe()
        with blocked.by(lambda: audit.record("session", 1, "created")):
            pid = os.fork()
            if not pid:
                signal.alarm(ENDS_A_WAIT)
                os.close(go_on)
                os.read(waits, 1)  # the parent's thread has written meanwhile; the child has lived all the time
                audit.record("session", 2, "created")
                os._exit(0)
        os.close(waits)
        (file,) = (tmp_path / "audit").iterdir()
        with file.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has it: neither the parent nor the child
        audit.record("session", 3, "created")
        os.close(go_on)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert [1, 3, 2] == [orjson.loads(line)["entity_id"] for line in file.read_bytes().splitlines()]

    @pytest.mark.parametrize("max_size_mb", [0, 100])
    def test_rotating_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_size_mb: int) -> None:
        """With and without a lock file."""
        file = RotatingFile(tmp_path / "a.log", Rotation(max_size_mb))
        blocked = Blocked(os.write)
        monkeypatch.setattr(os, "write", blocked)
        with blocked.by(lambda: file.write(b"thread\n")):
            assert 0 == forked(lambda: file.write(b"child\n"))
        assert b"child\nthread\n" == (tmp_path / "a.log").read_bytes()

    def test_pipeline_log_capture(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The thread's text is written once, by the parent; only the parent completes the file."""
        with PipelineLogCapture(1, "x", tmp_path) as capture:
            blocked = Blocked(os.write)
            monkeypatch.setattr(os, "write", blocked)

            def child() -> None:
                capture.write_stdout("child\n")
                capture.__exit__(None, None, None)

            with blocked.by(lambda: capture.write_stdout("thread\n")):
                assert 0 == forked(child)
        assert capture.log_file is not None
        assert "=== STDOUT ===\nchild\nthread\n\n=== STDERR ===\n" == capture.log_file.read_text()

    def test_capture_that_a_child_enters(self, tmp_path: Path) -> None:
        """A capture that the parent created and the child uses is completed by the child."""
        capture = PipelineLogCapture(1, "x", tmp_path)

        def child() -> None:
            with capture:
                capture.write_stderr("child\n")

        assert 0 == forked(child)
        (file,) = tmp_path.iterdir()
        assert "=== STDOUT ===\n\n=== STDERR ===\nchild\n" == file.read_text()

    def test_metrics_collector(self) -> None:
        """The child continues with the counts at the fork."""
        collector = MetricsCollector()
        collector.start_workflow(1)
        collector.record_pipeline(1, success=True)
        blocked = Blocked(lambda: None)

        def count() -> None:
            with collector._mutex:
                blocked()

        def child() -> None:
            collector.record_pipeline(1, success=True)
            metrics = collector.complete_workflow(1)
            assert metrics is not None
            assert 2 == metrics.pipelines_completed

        with blocked.by(count):
            assert 0 == forked(child)

    def test_setup_logging(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A child can set up logging although a thread of the parent was doing so."""
        blocked = Blocked(emit_logging._configure_structlog)
        monkeypatch.setattr(emit_logging, "_configure_structlog", blocked)

        def child() -> None:
            setup_logging(log_dir=tmp_path / "child")
            get_logger().info("child")

        with blocked.by(lambda: setup_logging(log_dir=tmp_path / "parent")):
            assert 0 == forked(child)
        assert b'"child"' in (tmp_path / "child" / "neuroflow.log").read_bytes()

    @pytest.mark.parametrize("who", ["logs", "prints"])
    @pytest.mark.parametrize("name", ["stdout", "stderr"])
    def test_standard_streams(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, who: str) -> None:
        """The thread may be emit's or the application's: Python's own stream has a lock and a buffer, too."""

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                return int(blocked(data))

        raw = Raw(tmp_path / "out", "a")
        blocked = Blocked(super(Raw, raw).write)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
        monkeypatch.setattr(sys, name, stream)
        # What a full disk refuses is said on standard error.
        setup_logging(log_file=None if name == "stdout" else "/dev/full")

        def thread() -> None:
            if who == "logs":
                get_logger().info("thread")
            else:
                stream.write("thread\n")
                stream.flush()

        with blocked.by(thread):
            assert 0 == forked(lambda: [get_logger().info("child", n=n) for n in range(2)])
        monkeypatch.undo()
        stream.close()
        assert ["child", "child", "thread"] == [
            line if line == "thread" else orjson.loads(line[line.index("{") :])["event"]
            for line in (tmp_path / "out").read_text().splitlines()
        ]

    def test_a_stream_whose_lock_seems_to_be_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread may get the id of one that is gone: Python calls its flush reentrant then, and nothing fails."""

        class Reentrant(io.TextIOWrapper):
            locked = True

            def flush(self) -> None:
                if self.locked:
                    raise RuntimeError("reentrant call inside <_io.BufferedWriter>")

        failed: list[object] = []
        monkeypatch.setattr(threading, "excepthook", failed.append)
        file = (tmp_path / "out").open("ab")
        stream = Reentrant(file)
        stdout = StandardStream("stdout")
        with monkeypatch.context() as during:
            during.setattr(sys, "stdout", stream)
            stdout.after_fork_in_child()
            stdout.write(b"line\n")
            assert stream is not sys.stdout
            assert [] == failed
        assert b"line\n" == (tmp_path / "out").read_bytes()
        stream.locked = False
        stream.close()


class TestBusyThreads:
    """Two threads write while children are forked, one after the other; every child writes and ends."""

    CHILDREN = 20

    def check(self, write: Callable[[int], object]) -> None:
        """No child hangs, and no call of the parent's fails."""
        stop = threading.Event()
        failed: list[BaseException] = []

        def busy() -> None:
            try:
                while not stop.is_set():
                    write(0)
                    time.sleep(0)
            except BaseException as error:  # noqa: BLE001 - told to the test
                failed.append(error)

        threads = [threading.Thread(target=busy) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            codes = [forked(lambda n=n: write(n)) for n in range(1, self.CHILDREN + 1)]  # type: ignore[misc]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [0] * self.CHILDREN == codes
        assert [] == failed

    def test_audit_log(self, tmp_path: Path) -> None:
        """Every child's record is in the file once and complete, without blank lines."""
        audit = AuditLog(tmp_path)
        self.check(lambda n: audit.record("session", n, "created"))
        (file,) = (tmp_path / "audit").iterdir()
        ids = [orjson.loads(line)["entity_id"] for line in file.read_bytes().splitlines()]
        assert list(range(1, self.CHILDREN + 1)) == sorted(filter(None, ids))

    def test_rotating_file(self, tmp_path: Path) -> None:
        """Every child's line is in the files once."""
        file = RotatingFile(tmp_path / "a.log", Rotation(0.01, 10_000))
        self.check(lambda n: file.write(b"%d %s\n" % (n, b"x" * 50)))
        lines = [line for path in tmp_path.glob("a.log*") for line in path.read_bytes().splitlines()]
        assert list(range(1, self.CHILDREN + 1)) == sorted(filter(None, (int(line.split()[0]) for line in lines)))

    def test_pipeline_log_capture(self, tmp_path: Path) -> None:
        """Every child's line is in the file once."""
        with PipelineLogCapture(1, "x", tmp_path) as capture:
            self.check(lambda n: capture.write_stdout(f"{n}\n"))
        assert capture.log_file is not None
        lines = [line for line in capture.log_file.read_text().splitlines() if line.isdecimal()]
        assert list(range(1, self.CHILDREN + 1)) == sorted(filter(None, map(int, lines)))

    def test_metrics_collector(self) -> None:
        """Counting goes on."""
        collector = MetricsCollector()
        collector.start_workflow(1)
        self.check(lambda _: collector.record_stage(1, "a", success=True, duration_seconds=1, tasks_queued=1))

    @pytest.mark.parametrize("prints", [False, True])
    def test_standard_output(self, prints: bool) -> None:
        """Every child's line is printed once, also where the application's threads print."""
        code = """
import sys
from tests.unit.emit.test_forks import TestBusyThreads
from shipper.emit import *
setup_logging()
def write(n):
    if n or not int(sys.argv[1]):
        get_logger().info("x", n=n)
    else:
        sys.stdout.write("{}\\n")
        sys.stdout.flush()
TestBusyThreads().check(write)
"""
        run = subprocess.run(
            [sys.executable, "-c", code, str(int(prints))],
            check=False,
            capture_output=True,
            timeout=ENDS_A_WAIT * self.CHILDREN,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (0, b"") == (run.returncode, run.stderr)
        numbers = [orjson.loads(line).get("n") for line in run.stdout.splitlines()]
        assert list(range(1, self.CHILDREN + 1)) == sorted(filter(None, numbers))


def spawned(logger: Any, audit: AuditLog, folder: Path) -> None:
    """What a spawned process does with its argument."""
    logger.info("before set-up")
    setup_logging(log_dir=folder)
    logger.info("after set-up", n=1)
    audit.record("session", 1, "created")


class TestSpawn:
    def test_loggers_and_trails_can_be_sent(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Loggers and trails go to a spawned process; before it sets logging up, lines go to its standard output."""
        setup_logging(log_dir=tmp_path / "parent")
        context = multiprocessing.get_context("spawn")
        logger = get_logger("x").bind(key=1)
        process = context.Process(target=spawned, args=(logger, AuditLog(tmp_path), tmp_path / "child"))
        process.start()
        process.join()
        assert 0 == process.exitcode
        assert "before set-up" == orjson.loads(capfd.readouterr().out)["event"]
        line = orjson.loads((tmp_path / "child" / "neuroflow.log").read_bytes())
        assert ("x", 1, "after set-up") == (line["component"], line["key"], line["event"])
        assert 1 == len(list((tmp_path / "audit").iterdir()))

    def test_a_logger_that_was_bound_is_the_same_behind_a_pickle(self, tmp_path: Path) -> None:
        """It writes where everybody writes."""
        setup_logging(log_dir=tmp_path)
        pickle.loads(pickle.dumps(get_logger("x").bind(key=1))).info("y")
        assert "y" == orjson.loads((tmp_path / "neuroflow.log").read_bytes())["event"]


class TestServers:
    def test_a_master_that_forks_workers_again_and_again(self, tmp_path: Path) -> None:
        """As gunicorn with a preloaded application: workers, one of them killed and replaced, share the files."""
        setup_logging(log_dir=tmp_path, rotation=Rotation(0.005, 1000))
        audit = AuditLog(tmp_path)

        def worker(n: int, *, killed: bool) -> int:
            pid = os.fork()
            if not pid:
                signal.alarm(ENDS_A_WAIT)
                for line in range(50):
                    get_logger("worker").info("request", worker=n, line=line)
                    audit.record("session", n * 50 + line, "created")
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
                os._exit(0)
            return pid

        pids = [worker(n, killed=n == 1) for n in range(3)]
        get_logger("master").info("booted")
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        replacement = worker(3, killed=False)
        get_logger("master").info("replaced")
        codes.append(os.waitstatus_to_exitcode(os.waitpid(replacement, 0)[1]))
        assert [0, -signal.SIGKILL, 0, 0] == codes
        lines = [
            orjson.loads(line) for path in tmp_path.glob("neuroflow.log*") for line in path.read_bytes().splitlines()
        ]
        requests = sorted((line["worker"], line["line"]) for line in lines if line["event"] == "request")
        assert [(n, line) for n in range(4) for line in range(50)] == requests
        assert 202 == len(lines)
        (trail,) = (tmp_path / "audit").iterdir()
        assert list(range(200)) == sorted(orjson.loads(line)["entity_id"] for line in trail.read_bytes().splitlines())

    def test_a_daemon_that_closes_everything(self, tmp_path: Path) -> None:
        """A daemon closes all descriptors: a line goes to the log, not to the file that got its number."""
        file = RotatingFile(tmp_path / "a.log")
        file.write(b"one\n")

        def child() -> None:
            file.write(b"two\n")
            os.closerange(3, 256)
            files = [os.open(tmp_path / f"stranger{n}", os.O_RDWR | os.O_CREAT) for n in range(20)]
            assert files
            file.write(b"three\n")
            file.write(b"four\n")

        assert 0 == forked(child)
        assert b"one\ntwo\nthree\nfour\n" == (tmp_path / "a.log").read_bytes()
        assert {b""} == {path.read_bytes() for path in tmp_path.glob("stranger*")}


class TestLocksOfStrangers:
    """Another process holds a lock all the time: one that was stopped, a backup, a tool."""

    @pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
    def test_lines_are_written_all_the_same(self, tmp_path: Path, how: int) -> None:
        """The file does not rotate, and not every line waits."""
        file = RotatingFile(tmp_path / "a.log", Rotation(0.00001, 3))
        file.write(b"0123456789\n")
        with (tmp_path / ".a.log.lock").open() as lock:
            fcntl.flock(lock, how)
            for n in range(100):
                file.write(b"%d\n" % n)
        assert b"0123456789\n" + b"".join(b"%d\n" % n for n in range(100)) == (tmp_path / "a.log").read_bytes()

    def test_audit_record(self, tmp_path: Path) -> None:
        """It is appended, whole."""
        audit = AuditLog(tmp_path)
        audit.record("session", 1, "created")
        (file,) = (tmp_path / "audit").iterdir()
        with file.open() as other:
            fcntl.flock(other, fcntl.LOCK_SH)
            audit.record("session", 2, "created")
        assert [1, 2] == [orjson.loads(line)["entity_id"] for line in file.read_bytes().splitlines()]


class TestSignalHandlers:
    """A handler runs on top of what its thread is doing, with that thread's locks held."""

    @pytest.fixture
    def interrupted(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], object]], None]]:
        """Makes the next write be interrupted by a handler that does the work."""
        before = signal.getsignal(signal.SIGUSR1)

        def arrange(work: Callable[[], object]) -> None:
            real = os.write

            def write(fd: int, data: bytes) -> int:
                monkeypatch.setattr(os, "write", real)
                signal.raise_signal(signal.SIGUSR1)
                return real(fd, data)

            signal.signal(signal.SIGUSR1, lambda *_: work())
            monkeypatch.setattr(os, "write", write)

        yield arrange
        signal.signal(signal.SIGUSR1, before)

    def test_pipeline_log_capture(self, tmp_path: Path, interrupted: Callable[[Callable[[], object]], None]) -> None:
        """What the handler writes comes behind, under its stream's marker."""
        with PipelineLogCapture(1, "x", tmp_path) as capture:
            interrupted(lambda: capture.write_stderr("handler\n"))
            capture.write_stdout("thread\n")
            capture.write_stdout("more\n")
        assert capture.log_file is not None
        assert (
            "=== STDOUT ===\nthread\n\n=== STDERR ===\nhandler\n=== STDOUT (continued) ===\nmore\n"
            == capture.log_file.read_text()
        )

    def test_audit_log(self, tmp_path: Path, interrupted: Callable[[Callable[[], object]], None]) -> None:
        """Both records are in the trail."""
        audit = AuditLog(tmp_path)
        interrupted(lambda: audit.record("session", 2, "created"))
        audit.record("session", 1, "created")
        (file,) = (tmp_path / "audit").iterdir()
        assert [1, 2] == sorted(orjson.loads(line)["entity_id"] for line in file.read_bytes().splitlines())


class TestDescriptors:
    def test_what_is_open_for_a_moment(self, tmp_path: Path) -> None:
        """A child closes its copy; after the block the descriptor is no longer tracked."""
        fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)

        def child() -> None:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)

        with closed_in_child(fd):
            assert 0 == forked(child)
        assert 0 == forked(lambda: os.fstat(fd))
        os.close(fd)
