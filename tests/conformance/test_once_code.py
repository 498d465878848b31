"""The exit code of ``--once`` reports rejected documents, unreadable files and missing directories."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.faked import FakedHarness
from tests.conformance.harness import PATIENCE
from tests.conformance.test_watch_places import without_privilege
from tests.conformance.writers import app_line

LINES = "".join(app_line(f"line {number}") + "\n" for number in range(20_000))
PACKED = gzip.compress(LINES.encode())


def once(harness: FakedHarness) -> subprocess.CompletedProcess[str]:
    """Ship all present lines, as a user whom permissions bind."""
    return subprocess.run(
        [*without_privilege(), *harness.command("--once")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def _no_permission(logs: Path) -> Path:
    path = logs / "neuroflow.log"
    path.write_text("line\n")
    path.chmod(0)
    return path


def _no_listing(logs: Path) -> Path:
    (logs / "celery").mkdir(mode=0o300)
    return logs / "celery"


def _no_entering(logs: Path) -> Path:
    path = logs / "celery" / "worker.log"
    path.parent.mkdir()
    path.write_text("line\n")
    path.parent.chmod(0o600)
    return path


def _directory(logs: Path) -> Path:
    (logs / "neuroflow.log").mkdir()
    return logs / "neuroflow.log"


def _pipe(logs: Path) -> Path:
    os.mkfifo(logs / "worker.log")
    return logs / "worker.log"


def _dangling(logs: Path) -> Path:
    (logs / "neuroflow.log").symlink_to("gone")
    return logs / "neuroflow.log"


def _looping(logs: Path) -> Path:
    (logs / "neuroflow.log").symlink_to("neuroflow.log")
    return logs / "neuroflow.log"


def _dangling_directory(logs: Path) -> Path:
    (logs / "celery").symlink_to("/nowhere/celery")
    return logs / "celery"


def _looping_directory(logs: Path) -> Path:
    (logs / "pipelines").mkdir()
    (logs / "pipelines" / "qsiprep").symlink_to("qsiprep")
    return logs / "pipelines" / "qsiprep"


def _leading_out(logs: Path) -> Path:
    (logs.parent / "shadow.log").write_text("root:$6$secret\n")
    (logs / "pipelines" / "x").mkdir(parents=True)
    (logs / "pipelines" / "x" / "shadow.log").symlink_to(logs.parent / "shadow.log")
    return logs / "pipelines" / "x" / "shadow.log"


def _no_gzip(logs: Path) -> Path:
    (logs / "neuroflow.log.1.gz").write_text("no gzip at all\n")
    return logs / "neuroflow.log.1.gz"


def _damaged(logs: Path) -> Path:
    packed = bytearray(PACKED)
    packed[len(packed) // 2] ^= 0xFF
    (logs / "neuroflow.log.1.gz").write_bytes(packed)
    return logs / "neuroflow.log.1.gz"


TROUBLES = [
    _no_permission,
    _no_listing,
    _no_entering,
    _directory,
    _pipe,
    _dangling,
    _looping,
    _dangling_directory,
    _looping_directory,
    _leading_out,
    _no_gzip,
    _damaged,
]


class TestUnread:
    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_is_named(self, faked: FakedHarness, trouble: Callable[[Path], Path]) -> None:
        """Each run exits 1 and names the path, the other logs are shipped, and after the repair it exits 0."""
        (faked.logs / "workflow.log").write_text("other\n")
        path = trouble(faked.logs)
        for _ in range(2):
            result = once(faked)
            assert 1 == result.returncode, result.stderr
            assert f"not read, or not to the end: {path};" in result.stderr
            assert "Traceback" not in result.stderr
        assert 1 == faked.fake.messages()["other"]
        assert not [message for message in faked.fake.messages() if "secret" in message]
        if path.is_dir() and not path.is_symlink() and trouble is not _directory:
            path.chmod(0o700)
        elif trouble is _directory:
            path.rmdir()
        elif trouble in {_no_permission, _no_entering}:
            path.parent.chmod(0o700)
            path.chmod(0o600)
        else:
            path.unlink()
        result = once(faked)
        assert 0 == result.returncode, result.stderr

    @pytest.mark.parametrize("what", ["missing", "a file", "out of reach"])
    def test_the_log_directory(self, faked: FakedHarness, what: str) -> None:
        """A missing, wrong or closed log directory is named, with exit code 1."""
        faked.logs.rmdir()
        if what == "a file":
            faked.logs.write_text("")
        elif what == "out of reach":
            faked.logs = faked.folder / "closed" / "logs"
            faked.logs.mkdir(parents=True)
            faked.logs.parent.chmod(0)
            faked.configure()
        result = once(faked)
        assert 1 == result.returncode, result.stderr
        assert f"not read, or not to the end: {faked.logs}" in result.stderr
        assert "Traceback" not in result.stderr
        if what == "out of reach":
            faked.logs.parent.chmod(0o700)

    def test_what_is_no_fault(self, faked: FakedHarness) -> None:
        """Patterns without matches, an empty log directory, links to /dev/null and excluded files exit 0."""
        faked.configure(inputs=[{"paths": [f"{faked.folder}/nothing/*.txt", f"{faked.folder}/none"]}], exclude=["w*"])
        (faked.logs / "neuroflow.log").symlink_to("/dev/null")
        (faked.logs / "worker.log").mkdir()
        result = once(faked)
        assert 0 == result.returncode, result.stderr

    def test_many_are_counted(self, faked: FakedHarness) -> None:
        """Twenty files are named, the others counted."""
        (faked.logs / "celery").mkdir()
        for number in range(30):
            (faked.logs / "celery" / f"w{number}.log").symlink_to("gone")
        result = once(faked)
        assert 1 == result.returncode
        assert "and 10 more; the next run" in result.stderr


class TestRefused:
    def test_dead_letters_of_this_run(self, faked: FakedHarness) -> None:
        """New dead letters exit 1, older ones do not; the state is clean."""
        faked.log.write_text("one\ntwo\n")
        faked.fake.decide = lambda _, document: 400 if document["message"] == "one" else 201
        result = once(faked)
        assert 1 == result.returncode, result.stderr
        assert "acknowledged 1, duplicate 0, dead 1" in result.stderr
        assert (
            "1 documents of this run are dead letters: `neuroflow-ship dead-letters list` shows why" in result.stderr
        )
        assert (faked.state / "clean").exists()
        result = once(faked)
        assert 0 == result.returncode, result.stderr

    def test_the_cluster_comes_first(self, faked: FakedHarness) -> None:
        """With unshipped lines the exit code is 3, whatever else happened."""
        faked.configure(shutdown_timeout=1)
        faked.log.write_text("one\n")
        (faked.logs / "worker.log").mkdir()
        faked.fake.down()
        assert 3 == once(faked).returncode

    def test_a_sidecar_that_is_stopped(self, faked: FakedHarness) -> None:
        """A stopped sidecar exits 0, also with dead letters and unreadable logs."""
        faked.log.write_text("one\n")
        (faked.logs / "worker.log").mkdir()
        faked.fake.decide = lambda *_: 400
        sidecar = faked.begin()
        assert sidecar.says("is no regular file")
        assert sidecar.says("one")
        assert 0 == sidecar.stop()
