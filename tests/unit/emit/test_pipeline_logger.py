from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from shipper.emit import PipelineLogCapture

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
FULL = OSError(28, "No space left on device")


def capture(folder: Path, run_id: int = 456, pipeline: str = "qsiprep") -> PipelineLogCapture:
    """A capture with a fixed clock."""
    return PipelineLogCapture(run_id, pipeline, folder, clock=lambda: NOON)


def content(captured: PipelineLogCapture) -> bytes:
    """The current content of its file."""
    assert captured.log_file is not None
    return captured.log_file.read_bytes()


class TestFile:
    def test_name(self, tmp_path: Path) -> None:
        """Pipeline, run id and UTC time name the file; folders are made."""
        with capture(tmp_path / "pipelines" / "qsiprep") as captured:
            pass
        assert captured.log_file == tmp_path / "pipelines" / "qsiprep" / "qsiprep_456_20261123_120000.log"

    def test_own_clock_is_utc(self, tmp_path: Path) -> None:
        """Without a clock given, the name holds the present time in UTC."""
        before = datetime.now(UTC).replace(microsecond=0)
        with PipelineLogCapture(1, "p", tmp_path) as captured:
            pass
        assert captured.log_file is not None
        stamp = datetime.strptime(captured.log_file.stem, "p_1_%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        assert before <= stamp <= datetime.now(UTC)

    @pytest.mark.parametrize(
        ("out", "err"), [("", ""), ("a\n", ""), ("a", ""), ("", "e\n"), ("a\nb\n", "e\nf"), ("a", "é\r\n")]
    )
    def test_shape(self, tmp_path: Path, out: str, err: str) -> None:
        """All of stdout, then all of stderr: two markers, an empty line between if the output ended its line."""
        with capture(tmp_path) as captured:
            for char in out:
                captured.write_stdout(char)
            captured.write_stdout("")
            for char in err:
                captured.write_stderr(char)
            captured.write_stdout("")
        assert content(captured) == f"=== STDOUT ===\n{out}\n=== STDERR ===\n{err}".encode()

    def test_alternating_streams(self, tmp_path: Path) -> None:
        """Further pieces begin with a marker of their own, on a line of its own."""
        with capture(tmp_path) as captured:
            captured.write_stdout("a\n")
            captured.write_stderr("e")
            captured.write_stdout("b\n")
            captured.write_stderr("f\n")
            captured.write_stderr("g")
        assert content(captured).decode() == (
            "=== STDOUT ===\na\n\n=== STDERR ===\ne\n=== STDOUT (continued) ===\nb\n=== STDERR (continued) ===\nf\ng"
        )
        assert (captured.stdout, captured.stderr) == ("a\nb\n", "ef\ng")

    def test_grows_while_the_pipeline_runs(self, tmp_path: Path) -> None:
        """The file exists from the start, and contains each write at once."""
        with capture(tmp_path) as captured:
            assert content(captured) == b"=== STDOUT ===\n"
            captured.write_stdout("half a li")
            assert content(captured) == b"=== STDOUT ===\nhalf a li"
            captured.write_stderr("e")
            assert content(captured) == b"=== STDOUT ===\nhalf a li\n=== STDERR ===\ne"

    def test_crash_leaves_what_was_written(self, tmp_path: Path) -> None:
        """After a kill the file contains everything that was written."""
        code = (
            "import os, signal, sys; from pathlib import Path; from shipper.emit import PipelineLogCapture\n"
            "with PipelineLogCapture(1, 'p', Path(sys.argv[1])) as captured:\n"
            "    captured.write_stdout('out'); captured.write_stderr('err')\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert run.returncode == -signal.SIGKILL
        (file,) = tmp_path.iterdir()
        assert file.read_bytes() == b"=== STDOUT ===\nout\n=== STDERR ===\nerr"

    def test_same_run_within_a_second(self, tmp_path: Path) -> None:
        """A retry takes the next second's name; nothing is overwritten."""
        for text in ("first", "second", "third"):
            with capture(tmp_path) as captured:
                captured.write_stdout(text)
        texts = {path.name[-10:-4]: path.read_text().splitlines()[1] for path in tmp_path.iterdir()}
        assert texts == {"120000": "first", "120001": "second", "120002": "third"}

    def test_surrogates(self, tmp_path: Path) -> None:
        """Bytes that are not UTF-8 are written as they were; other surrogates become escapes."""
        with capture(tmp_path) as captured:
            captured.write_stdout(b"\xff caf\xc3\xa9 \x80\xfe|".decode("utf-8", "surrogateescape"))
            captured.write_stdout("\ud83d|\udc7f|\udc80|\udd00")
        assert content(captured) == (
            b"=== STDOUT ===\n\xff caf\xc3\xa9 \x80\xfe|\\ud83d|\\udc7f|\x80|\\udd00\n=== STDERR ===\n"
        )
        assert captured.stdout.endswith("\udd00")


class TestUse:
    def test_two_threads(self, tmp_path: Path) -> None:
        """Two pumps lose nothing, and every line stays in the stream it came from."""
        lines = [f"{n}\n" for n in range(2000)]

        def pump(write: object) -> None:
            assert callable(write)
            for line in lines:
                write(line)

        with capture(tmp_path) as captured:
            threads = [
                threading.Thread(target=pump, args=(write,))
                for write in (captured.write_stdout, captured.write_stderr)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        streams: dict[str, list[str]] = {"STDOUT": [], "STDERR": []}
        stream = ""
        for line in content(captured).decode().splitlines():
            if line.startswith("==="):
                stream = line.split()[1]
            elif line:
                streams[stream].append(f"{line}\n")
        assert streams == {"STDOUT": lines, "STDERR": lines}
        assert captured.stdout == captured.stderr == "".join(lines)

    def test_exception_in_the_body(self, tmp_path: Path) -> None:
        """The file is completed, the exception passes."""
        captured = capture(tmp_path)

        def work() -> None:
            with captured:
                captured.write_stdout("so far")
                raise KeyError("pipeline")

        with pytest.raises(KeyError, match="pipeline"):
            work()
        assert content(captured) == b"=== STDOUT ===\nso far\n=== STDERR ===\n"

    def test_outside_of_the_block(self, tmp_path: Path) -> None:
        """Writing before or after the block, and a second use, raise with a message."""
        captured = capture(tmp_path)
        with pytest.raises(ValueError, match="capture of run 456 is not running"):
            captured.write_stdout("x")
        with captured:
            captured.write_stdout("in time")
        with pytest.raises(ValueError, match="capture of run 456 is not running"):
            captured.write_stderr("x")
        with pytest.raises(ValueError, match="used before"), captured:
            pass
        assert (captured.stdout, captured.stderr) == ("in time", "")
        assert content(captured) == b"=== STDOUT ===\nin time\n=== STDERR ===\n"

    def test_name_that_leaves_the_folder(self, tmp_path: Path) -> None:
        """A pipeline's name is part of a file name, not a path."""
        with pytest.raises(ValueError, match=r"'\.\./x' can't be part of a file name"):
            capture(tmp_path, pipeline="../x")

    def test_events(self, tmp_path: Path) -> None:
        """Start and end are logged at debug level."""
        with structlog.testing.capture_logs() as events, capture(tmp_path) as captured:
            pass
        common = {"component": "pipeline_output", "log_level": "debug", "run_id": 456}
        assert events == [
            {**common, "event": "pipeline_log.capture_started", "log_file": str(captured.log_file)},
            {**common, "event": "pipeline_log.capture_completed"},
        ]


class TestFullDisk:
    def test_text_is_kept_until_there_is_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A write that the disk refuses or cuts short does not raise; the next one writes the rest."""
        real = os.write
        room = 0

        def little(fd: int, data: bytes) -> int:
            nonlocal room
            if not room:
                raise FULL
            room -= 1
            return real(fd, data[:2])

        with capture(tmp_path) as captured:
            monkeypatch.setattr(os, "write", little)
            captured.write_stdout("abc")
            assert content(captured) == b"=== STDOUT ===\n"
            room = 1
            captured.write_stdout("def")
            assert content(captured) == b"=== STDOUT ===\nab"
            monkeypatch.setattr(os, "write", real)
            captured.write_stderr("g")
        assert content(captured) == b"=== STDOUT ===\nabcdef\n=== STDERR ===\ng"

    def test_end_tells_what_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If there is no room up to the end, leaving the block raises; the text is still in memory."""

        def full(_fd: int, _data: bytes) -> int:
            raise FULL

        captured = capture(tmp_path)

        def work() -> None:
            with captured:
                monkeypatch.setattr(os, "write", full)
                captured.write_stdout("abc")

        with structlog.testing.capture_logs() as events, pytest.raises(OSError, match="last 19 bytes"):
            work()
        assert events[-1]["event"] == "pipeline_log.incomplete"
        assert captured.stdout == "abc"

    def test_bodys_own_exception_is_not_hidden(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The exception of the pipeline is raised, not that of the file."""

        def full(_fd: int, _data: bytes) -> int:
            raise FULL

        def work() -> None:
            with capture(tmp_path) as captured:
                monkeypatch.setattr(os, "write", full)
                captured.write_stdout("abc")
                raise KeyError("pipeline")

        with structlog.testing.capture_logs(), pytest.raises(KeyError, match="pipeline"):
            work()
