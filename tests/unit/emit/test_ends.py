"""Logs whose last line has no end, because a writer was killed or had no room."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from shipper.emit import AuditLog, RotatingFile, Rotation, get_logger, setup_logging
from shipper.emit.ends import is_torn

NEVER = Rotation(0)


@pytest.mark.parametrize("rotation", [NEVER, Rotation()])
class TestRotatingFile:
    def test_torn_line_of_an_earlier_process(self, tmp_path: Path, rotation: Rotation) -> None:
        """The first record after it begins on a new line; this happens once."""
        log = tmp_path / "a.log"
        log.write_bytes(b'{"event": "whole"}\n{"event": "to')
        file = RotatingFile(log, rotation)
        file.write(b"one\n")
        file.write(b"two\n")
        assert b'{"event": "whole"}\n{"event": "to\none\ntwo\n' == log.read_bytes()

    @pytest.mark.parametrize("before", [b"", b"whole\n", b"\n"])
    def test_no_line_is_added_without_need(self, tmp_path: Path, rotation: Rotation, before: bytes) -> None:
        """An empty file, and one with a complete last line, stay as they are."""
        log = tmp_path / "a.log"
        log.write_bytes(before)
        for n in range(3):
            RotatingFile(log, rotation).write(b"%d\n" % n)
        assert before + b"0\n1\n2\n" == log.read_bytes()

    def test_torn_line_of_a_process_that_is_killed_beside_us(self, tmp_path: Path, rotation: Rotation) -> None:
        """A process that has the file open also ends the line, and so does its child."""
        log = tmp_path / "a.log"
        file = RotatingFile(log, rotation)
        file.write(b"one\n")
        with log.open("ab") as other:
            other.write(b"killed in the mid")
        file.write(b"two\n")
        with log.open("ab") as other:
            other.write(b"again")
        pid = os.fork()
        if not pid:
            file.write(b"three\n")
            os._exit(0)
        assert 0 == os.waitpid(pid, 0)[1]
        assert b"one\nkilled in the mid\ntwo\nagain\nthree\n" == log.read_bytes()

    def test_a_line_that_somebody_is_writing(self, tmp_path: Path, rotation: Rotation) -> None:
        """Processes and threads that write long lines to one file add no blank ones."""
        code = """
import sys
from pathlib import Path
from shipper.emit import RotatingFile, Rotation
for n in range(100):
    RotatingFile(Path(sys.argv[1]), Rotation(float(sys.argv[2]))).write(sys.argv[3].encode() * 50_000 + b"\\n")
"""
        command = [sys.executable, "-c", code, str(tmp_path / "a.log"), str(rotation.max_size_mb)]
        processes = [
            subprocess.Popen([*command, name], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            for name in "abc"
        ]
        assert [0, 0, 0] == [process.wait() for process in processes]
        lines = (tmp_path / "a.log").read_bytes().split(b"\n")
        assert sorted([b"a", b"b", b"c"] * 100) == sorted(line[:1] for line in lines[:-1])
        assert {50_000} == {len(line) for line in lines[:-1]}

    def test_a_file_that_may_only_be_written(
        self, tmp_path: Path, rotation: Rotation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its end can't be read; records are still appended."""
        real = os.open

        def refuse(path: object, flags: int, *mode: int) -> int:
            if str(path).endswith("a.log") and not flags & os.O_WRONLY:
                raise PermissionError(13, "Permission denied")
            return real(str(path), flags, *mode)

        monkeypatch.setattr(os, "open", refuse)
        (tmp_path / "a.log").write_bytes(b"torn")
        RotatingFile(tmp_path / "a.log", rotation).write(b"one\n")
        assert b"tornone\n" == (tmp_path / "a.log").read_bytes()

    def test_a_named_pipe(self, tmp_path: Path, rotation: Rotation) -> None:
        """It is not opened for reading: then a write would wait for ever after its reader has gone."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        read: list[bytes] = []
        thread = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
        thread.start()
        file = RotatingFile(pipe, rotation)
        file.write(b"one\n")
        file.write(b"two\n")
        file.close()
        thread.join()
        assert [b"one\ntwo\n"] == read


class TestRotation:
    def test_a_full_file_with_a_torn_end(self, tmp_path: Path) -> None:
        """The incomplete line stays in the old file, and the new one does not begin with a blank line."""
        log = tmp_path / "a.log"
        log.write_bytes(b"0123456789 torn")
        RotatingFile(log, Rotation(0.00001, 2)).write(b"one\n")
        assert (b"0123456789 torn", b"one\n") == ((tmp_path / "a.log.1").read_bytes(), log.read_bytes())


class TestWriters:
    @pytest.mark.parametrize("name", ["neuroflow.log", "workflow.log"])
    @pytest.mark.parametrize("form", ["json", "console"])
    def test_logs(self, tmp_path: Path, name: str, form: str) -> None:
        """After a restart no event continues the incomplete line, in either file and format."""
        (tmp_path / name).write_bytes(b'{"event": "torn", "n')
        setup_logging(log_dir=tmp_path, format="json" if form == "json" else "console")
        get_logger().info("other")
        get_logger().info("workflow.started", workflow_run_id=1, trigger="manual")
        torn, *lines = (tmp_path / name).read_bytes().splitlines()
        assert b'{"event": "torn", "n' == torn
        assert 1 == len(lines)

    def test_audit_trail(self, tmp_path: Path) -> None:
        """As it was before."""
        audit = AuditLog(tmp_path, clock=lambda: datetime(2026, 11, 23, tzinfo=UTC))
        (tmp_path / "audit").mkdir()
        (tmp_path / "audit" / "audit_2026_11.jsonl").write_bytes(b'{"id": 1, "ent')
        audit.record("session", 1, "created")
        audit.record("session", 2, "created")
        torn, *lines = (tmp_path / "audit" / "audit_2026_11.jsonl").read_bytes().splitlines()
        assert b'{"id": 1, "ent' == torn
        assert [1, 2] == [orjson.loads(line)["entity_id"] for line in lines]


class TestIsTorn:
    def test_a_line_that_is_finished_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a lock the file is checked again before it counts as torn."""
        log = tmp_path / "a.log"
        log.write_bytes(b"in the mid")
        rest = iter([b"dle", b" of it\n"])

        def later(_seconds: float) -> None:
            with log.open("ab") as other:
                other.write(next(rest))

        monkeypatch.setattr("time.sleep", later)
        with log.open("r+b") as file:
            assert not is_torn(file.fileno(), alone=False)
            log.write_bytes(b"in the mid")
            assert is_torn(file.fileno(), alone=True)
