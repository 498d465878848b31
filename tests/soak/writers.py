"""Logs of numbered lines: each grows and rotates in its own way, in its own thread. The writers themselves lose
nothing: rotated files are kept long, and a log is truncated by its own writer, between two writes.

Nothing is lost by the writing itself: files are kept long after their rotation, and a log that is cut is cut by the
one who writes it, between two writes.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# Rotated files that are kept.  At the shortest rotation that is ten minutes: longer than any outage here.
KEPT = 60
ROTATION_SECONDS = (10.0, 40.0)
# Between two appends.
PAUSE_SECONDS = 0.1


class Log(ABC):
    """One log and its sequence of lines: ``name #0``, ``name #1`` and so on.

    Args:
        path: of the file being written.
        rate: lines a second.
        dice: decides when and how.
    """

    def __init__(self, path: Path, rate: float, dice: random.Random) -> None:
        self.path = path
        self.dice = dice
        self.name = path.stem.replace(".", "-")
        self.rotations = 0
        self._rate = rate
        self._numbers: dict[str, int] = {self.name: 0}
        path.parent.mkdir(parents=True, exist_ok=True)

    def written(self) -> dict[str, int]:
        """How many lines each sequence has."""
        return dict(self._numbers)

    def run(self, ended: threading.Event) -> None:
        rotation = self.dice.uniform(*ROTATION_SECONDS)
        while not ended.wait(PAUSE_SECONDS):
            self.append(self.next_lines(self.dice.randint(0, round(2 * self._rate * PAUSE_SECONDS))))
            rotation -= PAUSE_SECONDS
            if rotation < 0 and self.path.exists():
                rotation = self.dice.uniform(*ROTATION_SECONDS)
                self.rotations += 1
                self.rotate()

    def next_lines(self, count: int) -> bytes:
        first = self._numbers[self.name]
        self._numbers[self.name] = first + count
        return b"".join(self.line(f"{self.name} #{number}", number) for number in range(first, first + count))

    def append(self, data: bytes) -> None:
        """Write at the end; some writes are split within a line."""
        middle = self.dice.randrange(len(data)) if data and self.dice.random() < 0.1 else 0
        with self.path.open("ab", buffering=0) as file:
            file.write(data[:middle])
            if middle:
                threading.Event().wait(self.dice.uniform(0, 0.3))
            file.write(data[middle:])

    def line(self, text: str, number: int) -> bytes:
        entry = {"event": text, "level": "info", "timestamp": datetime.now(UTC).isoformat(), "n": number}
        return json.dumps(entry).encode() + b"\n"

    @abstractmethod
    def rotate(self) -> None:
        """Start a new file, in the way of this log."""

    def make_room(self, suffix: str = "") -> Path:
        """Rename the rotated files to the next number; gives the place of the newest."""
        places = [self.path.with_name(f"{self.path.name}.{number}{suffix}") for number in range(1, KEPT + 1)]
        places[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(places), reversed(places[:-1]), strict=False):
            if newer.exists():
                newer.rename(older)
        return places[0]


class Renamed(Log):
    """A rename chain; writers with open handles go on writing to the renamed file."""

    def rotate(self) -> None:
        """Rename, write to the old file for a moment, and start a new one."""
        place = self.make_room()
        with self.path.open("ab", buffering=0) as still_open:
            self.path.rename(place)
            if self.dice.random() < 0.5:
                threading.Event().wait(self.dice.uniform(0, 1))
                still_open.write(self.next_lines(self.dice.randint(1, 20)))


class Truncated(Log):
    """Copied and truncated."""

    def rotate(self) -> None:
        """Copy the file, then truncate the original, which keeps its inode."""
        shutil.copyfile(self.path, self.make_room())
        if self.dice.random() < 0.5:
            threading.Event().wait(self.dice.uniform(0, 1))
        with self.path.open("r+b") as file:
            file.truncate(0)


class Compressed(Log):
    """Renamed, and compressed immediately or a moment later."""

    def rotate(self) -> None:
        """Rename to ``.1``, compress into ``.1.gz``, remove ``.1``."""
        packed = self.make_room(".gz")
        plain = packed.with_suffix("")
        self.path.rename(plain)
        if self.dice.random() < 0.7:
            threading.Event().wait(self.dice.uniform(0, 2))
        with plain.open("rb") as source, gzip.open(packed, "wb") as target:
            shutil.copyfileobj(source, target)
        plain.unlink()


class Celery(Renamed):
    """Celery's prefix; every fiftieth record has a traceback."""

    def line(self, text: str, number: int) -> bytes:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        below = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nKeyError: 7\n'
        level = "INFO" if number % 50 else "ERROR"
        return f"[{stamp}: {level}/ForkPoolWorker-1] {text}\n{'' if number % 50 else below}".encode()


class Pipelines(Log):
    """Logs of pipeline runs: each appears, grows, and may be replaced or overwritten.

    Args:
        shipped: whether so many lines of a run are in the index; a file may not be overwritten before that.
    """

    def __init__(self, folder: Path, rate: float, dice: random.Random, shipped: Callable[[int, int], bool]) -> None:
        super().__init__(folder / "qsiprep.log", rate, dice)
        self._numbers.clear()
        self._shipped = shipped
        self._run = 0

    def run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self._run += 1
            stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
            self.path = self.path.with_name(f"qsiprep_{self._run}_{stamp}.log")
            self.name = f"qsiprep-{self._run}"
            self._numbers[self.name] = 0
            self.append(b"=== STDOUT ===\n")
            for piece in range(steps := self.dice.randint(1, 60)):
                if piece == steps // 2:
                    self.append(b"\n=== STDERR ===\n")
                self.append(self.next_lines(self.dice.randint(0, round(2 * self._rate * PAUSE_SECONDS))))
                if ended.wait(PAUSE_SECONDS):
                    return
            self.dice.choice((lambda _: None, self._replace, self._overwrite))(ended)

    def rotate(self) -> None:
        """Pipeline logs are not rotated."""

    def line(self, text: str, number: int) -> bytes:
        return f"{text}\r\n".encode() if number % 10 == 9 else f"{text}\n".encode()

    def _replace(self, _: threading.Event) -> None:
        """The same content and more, in a new file that takes the name."""
        beside = self.path.with_suffix(".new")
        beside.write_bytes(self.path.read_bytes() + self.next_lines(self.dice.randint(1, 50)))
        beside.replace(self.path)
        self.rotations += 1

    def _overwrite(self, ended: threading.Event) -> None:
        """Other content with the same beginning, in the same file."""
        lines = self.path.read_bytes().count(b"\n")
        for _ in range(100):
            if self._shipped(self._run, lines):
                self.path.write_bytes(b"=== STDOUT ===\n" + self.next_lines(self.dice.randint(1, 50)))
                self.rotations += 1
                return
            if ended.wait(0.3):
                return
