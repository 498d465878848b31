"""``status``: offsets and lag from the state directory and the files."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.tail.clock import Clock
from shipper.tail.found_files import Source
from shipper.tail.progress import Span
from shipper.tail.report import report
from shipper.tail.scanner import Scanner
from shipper.tail.state.store import CursorStore
from shipper.tail.tail import Tail

LINE = b"x" * 99 + b"\n"


class Lab:
    """A log directory, a state directory, a tail, and a simulated clock."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.state = folder / "state"
        self.sources = [Source(f"{self.logs}/*.log", "auto", "app")]
        self.now = 1_000_000.0
        self.start()

    def start(self) -> None:
        self.store = CursorStore(self.state, pytest.fail)
        self.tail = Tail(
            self.sources,
            [],
            self.store.load(),
            host="h",
            longest=10**6,
            warn=pytest.fail,
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
            looked_at=self.store.looked_at,
        )

    def end(self) -> None:
        self.tail.close()
        self.store.close()

    def write(self, lines: int = 1, name: str = "app.log") -> Path:
        path = self.logs / name
        with path.open("ab") as file:
            file.write(LINE * lines)
        return self.touch(path)

    def touch(self, path: Path) -> Path:
        os.utime(path, (self.now, self.now))
        return path

    def look(self, *, acknowledge: bool = False) -> None:
        """Scan, and acknowledge everything or nothing."""
        self.tail.scan(0.0)
        while acknowledge:
            for block in self.tail.blocks():
                self.tail.hold(block, len(block.lines), "")
                end = block.offsets[-1]
                span = Span(block.origin.generation, block.offsets[0], end, block.checkpoint_hash(end), "")
                self.tail.begin(span)
                self.tail.acknowledge([span])
            if not self.tail.grew:
                break
        self.store.save(self.tail.cursors(self.tail.dirty))
        self.tail.dirty.clear()
        self.store.looked(self.tail.looked_at)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def files(self) -> dict[str, dict[str, Any]]:
        found = Scanner(self.sources, [], pytest.fail).scan()
        told = report(self.state, found, self.now, host="h")["files"]
        return {Path(one["path"]).name: one for one in told}

    def lag(self, name: str = "app.log") -> tuple[int, float]:
        """Unacknowledged lines and seconds."""
        file = self.files()[name]
        return file["lag_bytes"] // len(LINE), file["lag_seconds"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The lab."""
    one = Lab(tmp_path)
    yield one
    one.end()


def test_nothing_waits(lab: Lab) -> None:
    """With everything acknowledged there is no lag."""
    lab.write(3)
    lab.look(acknowledge=True)
    lab.pass_time(86_400)
    assert (0, 0.0) == lab.lag()


def test_an_outage_while_the_log_grows(lab: Lab) -> None:
    """The lag is the age of the oldest unacknowledged line."""
    lab.write(3)
    lab.look(acknowledge=True)
    lab.pass_time(3600)
    lab.look()
    for _ in range(30):
        lab.write()
        lab.look()
        lab.pass_time(5)
    assert (30, 150.0) == lab.lag()
    lab.end()
    lab.pass_time(10)
    assert (30, 160.0) == lab.lag(), "killed, it says the same"
    lab.start()
    lab.write()
    lab.look()
    assert (31, 160.0) == lab.lag(), "started again as well"
    lab.look(acknowledge=True)
    assert (0, 0.0) == lab.lag()


def test_behind_and_catching_up(lab: Lab) -> None:
    """With each acknowledgement the oldest line becomes younger."""
    for _ in range(10):
        lab.write()
        lab.look()
        lab.pass_time(5)
    tail = lab.tail
    block = next(tail.blocks())
    assert 50.0 == lab.lag()[1]
    span = Span(block.origin.generation, 0, 300, block.checkpoint_hash(300), "")
    tail.begin(span)
    tail.acknowledge([span])
    lab.store.save(tail.cursors(tail.dirty))
    lines, seconds = lab.lag()
    assert 7 == lines
    assert 35.0 <= seconds <= 40.0


def test_no_sidecar_runs(lab: Lab) -> None:
    """Without a running sidecar the lag counts from the file's last change."""
    lab.write()
    lab.look(acknowledge=True)
    lab.pass_time(100)
    lab.look()
    lab.end()
    lab.pass_time(50)
    lab.write(2)
    lab.pass_time(25)
    assert (2, 75.0) == lab.lag()
    lab.write(1, "new.log")
    os.utime(lab.logs / "new.log", (lab.now - 90, lab.now - 90))
    assert (1, 90.0) == lab.lag("new.log"), "older than the last look: it was moved there"


def test_a_log_that_no_sidecar_knows(lab: Lab) -> None:
    """New files are listed, and renamed ones under their new name."""
    lab.write(3)
    lab.look(acknowledge=True)
    lab.end()
    lab.pass_time(10)
    lab.write(1)
    (lab.logs / "app.log").rename(lab.logs / "app.log.1")
    lab.write(2)
    files = lab.files()
    assert ["app.log", "app.log.1"] == sorted(files)
    assert (300, 400, 100) == tuple(files["app.log.1"][key] for key in ("offset", "size", "lag_bytes"))
    assert (0, 200, 200) == tuple(files["app.log"][key] for key in ("offset", "size", "lag_bytes"))


def test_copies_do_not_wait(lab: Lab) -> None:
    """A copy, and a compressed log, have no unacknowledged lines."""
    path = lab.logs / "app.log"
    path.write_bytes(b"".join(b"%099d\n" % number for number in range(50)))
    lab.touch(path)
    lab.look(acknowledge=True)
    lab.pass_time(5)
    (lab.logs / "app.log.1").write_bytes(path.read_bytes())
    lab.look()
    lab.look()
    assert {"app.log": 0} == {name: file["lag_bytes"] for name, file in lab.files().items()}
    lab.end()
    (lab.logs / "app.log.1").unlink()
    (lab.logs / "app.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    file = lab.files()["app.log.1.gz"]
    assert (5000, 5000, 0) == tuple(file[key] for key in ("offset", "size", "lag_bytes"))


@pytest.mark.parametrize("members", [1, 3])
def test_compressed_files(lab: Lab, members: int) -> None:
    """Bytes are those of the content; the lag is the file's age, and none at its end."""
    path = lab.logs / "app.log.1.gz"
    path.write_bytes(b"".join(gzip.compress(b"%d" % number + LINE * 5) for number in range(members)))
    lab.touch(path)
    lab.pass_time(20)
    lab.look()
    file = lab.files()[path.name]
    size = members * 501
    assert (0, size, size, 20.0) == tuple(file[key] for key in ("offset", "size", "lag_bytes", "lag_seconds"))
    lab.end()
    lab.start()
    lab.pass_time(10)
    assert 30.0 == lab.lag(path.name)[1]
    lab.look(acknowledge=True)
    lab.pass_time(10)
    file = lab.files()[path.name]
    assert (size, size, 0, 0.0) == tuple(file[key] for key in ("offset", "size", "lag_bytes", "lag_seconds"))


def test_what_a_crash_left_is_no_line(lab: Lab) -> None:
    """NULs at the end of a log cause no lag; a line behind them does."""
    path = lab.write(3)
    lab.look(acknowledge=True)
    with path.open("ab") as file:
        file.truncate(2**30)
    with path.open("r+b") as file:
        file.seek(2**20)
        file.write(bytes(2**16))
    lab.touch(path)
    lab.look()
    lab.pass_time(10)
    assert (0, 0.0) == lab.lag()
    lab.write()
    assert 0 < lab.lag()[0]


def test_a_store_of_the_version_before(lab: Lab) -> None:
    """A store without times is read."""
    lab.write(2)
    lab.look()
    lab.store._db.execute("DROP TABLE waiting")
    lab.pass_time(5)
    assert 2 == lab.lag()[0]
