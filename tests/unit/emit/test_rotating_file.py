from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shipper.emit import RotatingFile, Rotation

NEVER = Rotation(max_size_mb=0)


def small(size: int = 100, count: int = 3) -> Rotation:
    """A limit in bytes."""
    return Rotation(max_size_mb=size / 1e6, backup_count=count)


def logs(folder: Path) -> dict[str, bytes]:
    """All generations by name, without the lock file."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def open_files() -> list[str]:
    """The descriptors that this process has open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists them
            found.append(str(fd.readlink()))
    return found


def write_many(path: Path, writer: int, lines: int, rotation: Rotation) -> None:
    """The work of an unrelated process."""
    file = RotatingFile(path, rotation)
    write_into(file, writer, lines)


def write_into(file: RotatingFile, writer: int, lines: int) -> None:
    """Write numbered lines of several lengths."""
    for n in range(lines):
        file.write(f"{writer}:{n}:{'x' * (n % 50)}\n".encode())


class TestTogether:
    LINES = 3000

    def check(self, folder: Path, writers: int) -> None:
        """Every line is in the files exactly once, and complete."""
        content = logs(folder)
        # Whoever waited for the lock in vain, on a busy machine, begins with a line end: an empty line is none.
        lines = [line for text in content.values() for line in text.decode().split("\n")[:-1] if line]
        expected = [f"{w}:{n}:{'x' * (n % 50)}" for w in range(writers) for n in range(self.LINES)]
        assert Counter(lines) == Counter(expected)
        assert all(text.endswith(b"\n") for text in content.values())
        assert len(content) > 20, "nothing was rotated, so nothing was shown"

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_processes_lose_and_tear_nothing(self, tmp_path: Path, method: str) -> None:
        """Unrelated processes rotate the same file: every line is in the files exactly once."""
        context: Any = multiprocessing.get_context(method)
        rotation = small(10_000, 1000)
        writers = [
            context.Process(target=write_many, args=(tmp_path / "a.log", w, self.LINES, rotation)) for w in range(4)
        ]
        for process in writers:
            process.start()
        for process in writers:
            process.join()
        assert [process.exitcode for process in writers] == [0] * 4
        self.check(tmp_path, 4)

    def test_children_that_inherit_the_file(self, tmp_path: Path) -> None:
        """Forked workers use their parent's open file, while the parent's threads write too."""
        context = multiprocessing.get_context("fork")
        file = RotatingFile(tmp_path / "a.log", small(10_000, 1000))
        file.write(b"")
        children = [context.Process(target=write_into, args=(file, w, self.LINES)) for w in range(3)]
        for process in children:
            process.start()
        threads = [threading.Thread(target=write_into, args=(file, w, self.LINES)) for w in (3, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in children:
            process.join()
        assert [process.exitcode for process in children] == [0] * 3
        self.check(tmp_path, 5)


class TestRotation:
    def test_oldest_goes_and_the_rest_shift(self, tmp_path: Path) -> None:
        """With N backups the newest N + 1 files are kept, .1 being the newest of the old."""
        file = RotatingFile(tmp_path / "a.log", small(100, 2))
        for n in range(5):
            file.write(b"%d" % n + b"x" * 98 + b"\n")
        shown = {name: text[:1] for name, text in logs(tmp_path).items()}
        assert shown == {"a.log": b"4", "a.log.1": b"3", "a.log.2": b"2"}

    def test_a_file_may_be_exactly_full(self, tmp_path: Path) -> None:
        """It rotates when a record would go beyond the limit, not when it reaches it."""
        file = RotatingFile(tmp_path / "a.log", small(100))
        file.write(b"x" * 49 + b"\n")
        file.write(b"y" * 49 + b"\n")
        assert list(logs(tmp_path)) == ["a.log"]
        file.write(b"\n")
        assert set(logs(tmp_path)) == {"a.log", "a.log.1"}

    def test_record_beyond_the_limit_is_whole(self, tmp_path: Path) -> None:
        """It gets a file of its own, and an empty file is not rotated for it."""
        file = RotatingFile(tmp_path / "a.log", small(10))
        file.write(b"x" * 1000 + b"\n")
        assert logs(tmp_path) == {"a.log": b"x" * 1000 + b"\n"}

    def test_gap_saves_the_oldest(self, tmp_path: Path) -> None:
        """After a crash between two renames no file is dropped too early."""
        for name in ("a.log", "a.log.2", "a.log.3"):
            (tmp_path / name).write_text(f"{name}\n")
        RotatingFile(tmp_path / "a.log", small(10, 3)).write(b"new line\n")
        assert logs(tmp_path) == {
            "a.log": b"new line\n", "a.log.1": b"a.log\n", "a.log.2": b"a.log.2\n", "a.log.3": b"a.log.3\n",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "rotation", [NEVER, Rotation(max_size_mb=None), Rotation(max_size_mb=0.00001, backup_count=0)]
    )
    def test_never(self, tmp_path: Path, rotation: Rotation) -> None:
        """No size or no backups: one file that only grows."""
        file = RotatingFile(tmp_path / "a.log", rotation)
        for _ in range(100):
            file.write(b"0123456789\n")
        assert logs(tmp_path) == {"a.log": b"0123456789\n" * 100}

    def test_rename_that_fails_loses_no_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that is too long is better than a lost line."""
        file = RotatingFile(tmp_path / "a.log", small(10))
        file.write(b"0123456789\n")

        def refuse(_self: Path, _target: Path) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "replace", refuse)
        file.write(b"second\n")
        assert logs(tmp_path) == {"a.log": b"0123456789\nsecond\n"}

    @pytest.mark.parametrize("refused", [{fcntl.LOCK_SH, fcntl.LOCK_EX}, {fcntl.LOCK_EX}])
    def test_without_locks_it_only_appends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: set[int]
    ) -> None:
        """Rotating without a lock could lose lines of other processes, so it is not done."""
        real = fcntl.flock

        def refuse(fd: int, how: int) -> None:
            if how in refused:
                raise OSError(38, "Function not implemented")
            real(fd, how)

        monkeypatch.setattr(fcntl, "flock", refuse)
        file = RotatingFile(tmp_path / "a.log", small(10))
        file.write(b"0123456789\n")
        file.write(b"second\n")
        assert logs(tmp_path) == {"a.log": b"0123456789\nsecond\n"}

    def test_two_that_find_it_full_rotate_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that waited for the lock during a rotation writes to the new file."""
        file, other = (RotatingFile(tmp_path / "a.log", small(20)) for _ in range(2))
        file.write(b"0123456789012345\n")
        real = fcntl.flock
        waited = False

        def late(fd: int, how: int) -> None:
            nonlocal waited
            if how == fcntl.LOCK_EX and not waited:
                waited = True
                other.write(b"other\n")
            real(fd, how)

        monkeypatch.setattr(fcntl, "flock", late)
        file.write(b"mine\n")
        assert logs(tmp_path) == {"a.log": b"other\nmine\n", "a.log.1": b"0123456789012345\n"}

    def test_deleted_lock_is_replaced(self, tmp_path: Path) -> None:
        """A rotation holds the lock file that has the name now, not a deleted one."""
        file = RotatingFile(tmp_path / "a.log", small(10))
        file.write(b"0123456789\n")
        lock = tmp_path / ".a.log.lock"
        lock.unlink()
        file.write(b"second\n")
        assert lock.exists()
        assert os.fstat(file._lock._fd).st_ino == lock.stat().st_ino
        assert logs(tmp_path) == {"a.log": b"second\n", "a.log.1": b"0123456789\n"}


class TestRotationSettings:
    def test_defaults(self) -> None:
        """Nothing given means 100 megabytes and ten old files."""
        assert Rotation.of(None) == Rotation.of({}) == Rotation(max_size_mb=100, backup_count=10)
        assert Rotation().max_bytes == 100_000_000

    def test_mapping(self) -> None:
        """A configuration's mapping may give fractions of a megabyte."""
        assert Rotation.of({"max_size_mb": 0.5, "backup_count": 2}) == Rotation(0.5, 2)
        assert Rotation(0.5).max_bytes == 500_000

    @pytest.mark.parametrize(
        "wrong",
        [
            {"max_size": 1}, {"max_size_mb": -1},
            {"max_size_mb": float("nan")},
            {"max_size_mb": "100"}, {"max_size_mb": True}, {"backup_count": -1}, {"backup_count": 1.5},
        ],
    )  # fmt: skip
    def test_mistakes_are_named(self, wrong: dict[str, Any]) -> None:
        """The message names the key."""
        with pytest.raises(ValueError, match=f"rotation: {next(iter(wrong))}: "):
            Rotation.of(wrong)


class TestFollowing:
    @pytest.mark.parametrize("rotation", [NEVER, Rotation()])
    def test_renamed_away(self, tmp_path: Path, rotation: Rotation) -> None:
        """After logrotate's rename the next line goes into a new file of the name."""
        file = RotatingFile(tmp_path / "a.log", rotation)
        file.write(b"one\n")
        (tmp_path / "a.log").rename(tmp_path / "a.log-20261123")
        file.write(b"two\n")
        assert logs(tmp_path) == {"a.log-20261123": b"one\n", "a.log": b"two\n"}

    def test_deleted_with_its_folder(self, tmp_path: Path) -> None:
        """File and folder are created again."""
        folder = tmp_path / "x" / "y"
        file = RotatingFile(folder / "a.log", NEVER)
        (folder / "a.log").unlink()
        folder.rmdir()
        file.write(b"two\n")
        assert logs(folder) == {"a.log": b"two\n"}

    def test_truncated(self, tmp_path: Path) -> None:
        """After logrotate's copytruncate writing continues at the start, without a sparse region."""
        file = RotatingFile(tmp_path / "a.log")
        file.write(b"one\n")
        os.truncate(tmp_path / "a.log", 0)
        file.write(b"two\n")
        assert logs(tmp_path) == {"a.log": b"two\n"}

    def test_descriptors_do_not_pile_up(self, tmp_path: Path) -> None:
        """Reopening closes what was open before."""
        file = RotatingFile(tmp_path / "a.log", small(10))
        for _ in range(50):
            file.write(b"0123456789\n")
        assert sorted(name for name in open_files() if str(tmp_path) in name) == [
            f"{tmp_path}/.a.log.lock",
            f"{tmp_path}/a.log",
        ]


class TestWriting:
    def test_short_writes_are_continued(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A write that takes only part of the record is followed by the rest."""
        file = RotatingFile(tmp_path / "a.log")
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
        file.write(b"0123456789\n")
        assert logs(tmp_path) == {"a.log": b"0123456789\n"}

    def test_torn_record_does_not_take_the_next(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a disk filled up in the middle of a record, the next one begins a line."""
        file = RotatingFile(tmp_path / "a.log")
        real = os.write
        calls = iter([3, 0])

        def full(fd: int, data: bytes) -> int:
            if room := next(calls):
                return real(fd, bytes(data)[:room])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            file.write(b"0123456789\n")
        monkeypatch.setattr(os, "write", real)
        file.write(b"next\n")
        assert logs(tmp_path) == {"a.log": b"012\nnext\n"}

    @pytest.mark.parametrize("record", [b"fits\n", b"makes it rotate\n"])
    def test_signal_handler_that_logs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: bytes) -> None:
        """A signal handler during a write neither waits for its locks nor closes its file."""
        file = RotatingFile(tmp_path / "a.log", small(20))
        file.write(b"0123456789\n")
        real = os.write
        inside = False

        def interrupted(fd: int, data: bytes) -> int:
            nonlocal inside
            if not inside:
                inside = True
                signal.raise_signal(signal.SIGUSR1)
            return real(fd, data)

        before = signal.signal(signal.SIGUSR1, lambda *_: file.write(b"logged by the handler\n"))
        try:
            monkeypatch.setattr(os, "write", interrupted)
            file.write(record)
        finally:
            signal.signal(signal.SIGUSR1, before)
        written = b"".join(logs(tmp_path).values()).splitlines(keepends=True)
        assert sorted(written) == sorted([b"0123456789\n", record, b"logged by the handler\n"])

    def test_write_after_close(self, tmp_path: Path) -> None:
        """A thread that still holds a replaced file loses no line, and leaks no descriptor."""
        file = RotatingFile(tmp_path / "a.log", small(1000))
        file.write(b"one\n")
        file.close()
        file.write(b"two\n")
        assert logs(tmp_path) == {"a.log": b"one\ntwo\n"}
        assert not [name for name in open_files() if str(tmp_path) in name]
