"""An old log directory is not shipped whole at the first start unless that is wanted (``shipper.start``)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.tail import first_start, report
from shipper.tail.file_content import FileView
from shipper.tail.first_start import FirstStart
from shipper.tail.found_files import Found, Source
from tests.unit.shipped import Shipped, app, celery, numbers, printed

DAY = 86400
NOW = 2_000_000_000.0
# Below and above the kilobyte by which a file's beginning is known.
COUNTS = pytest.mark.parametrize("count", [2, 200])


def between(first: int, end: int) -> Counter[int]:
    """Every number of this range once."""
    return Counter(range(first, end))


class Old(Shipped):
    """A log directory that existed before the first sidecar; files are as old as ``write`` makes them."""

    def __init__(self, root: Path) -> None:
        self.logs = root / "logs"
        self.logs.mkdir()
        self.root = root

    def begin(self, start: str | None, *, once: bool = False) -> None:
        options = {} if start is None else {"start": start}
        Shipped.__init__(self, self.root, **options)
        if once:
            self.stop()
            shutil.rmtree(self.root / "state")
            self.start(once=True)

    def start(self, **options: object) -> None:
        self.now = max(self.now, NOW)
        super().start(**options)  # type: ignore[arg-type]

    def write(self, name: str, text: str | bytes, days: float = 0) -> Path:
        """Append to a file, and date its last change back."""
        path = self.path(name)
        with path.open("ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))
        return path

    def numbers(self) -> Counter[int]:
        return numbers(self.ship())


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    """A log directory without a sidecar yet."""
    one = Old(tmp_path)
    yield one
    one.stop()


def test_by_default_what_did_not_change_for_a_week_is_passed_over(old: Old) -> None:
    """A sidecar ships files that changed within seven days, rotated and compressed ones alike, and no others."""
    old.write("neuroflow.log.2.gz", gzip.compress(app(0, 50).encode()), days=8)
    old.write("neuroflow.log.1", app(50, 50), days=6)
    old.write("neuroflow.log", app(100, 50))
    old.write("celery/worker.log", celery(1000, 50), days=30)
    old.begin(None)
    assert between(50, 150) == old.numbers()
    old.write("celery/worker.log", celery(1050, 3))
    assert between(50, 150) + between(1050, 1053) == old.numbers()


@pytest.mark.parametrize("once", [True, False])
def test_beginning_ships_everything(old: Old, once: bool) -> None:
    """``beginning`` passes nothing over; neither does ``--once`` unless ``start`` is set."""
    old.write("neuroflow.log.1", app(0, 50), days=4000)
    old.write("neuroflow.log", app(50, 50), days=30)
    old.begin(None if once else "beginning", once=once)
    assert between(0, 100) == old.numbers()


@COUNTS
@pytest.mark.parametrize("restart", ["no", "stop", "kill"])
def test_end_ships_what_comes_after(old: Old, count: int, restart: str) -> None:
    """With ``end`` only lines written after the first start are shipped, and all lines of logs that appear later."""
    old.write("neuroflow.log.1", app(0, count))
    old.write("neuroflow.log", app(count, count))
    old.write("pipelines/fmriprep/7.log", printed(1000, count))
    old.begin("end")
    assert not old.numbers()
    if restart == "stop":
        old.restart()
    elif restart == "kill":
        old.kill()
    old.write("neuroflow.log", app(2 * count, 5))
    old.write("pipelines/fmriprep/8.log", printed(2000, 5), days=400)
    assert between(2 * count, 2 * count + 5) + between(2000, 2005) == old.numbers()


def test_end_begins_with_the_line_that_is_being_written(old: Old) -> None:
    """A line that the first start finds unfinished is shipped whole when it is finished."""
    text = app(0, 31)
    half = len(text) - 40
    old.write("neuroflow.log", text[:half])
    old.write("celery/worker.log", celery(500, 1)[:30])
    old.begin("end")
    old.sidecar.turn(lambda _: False)
    old.write("neuroflow.log", text[half:] + app(31, 2))
    old.write("celery/worker.log", celery(500, 1)[30:])
    assert between(30, 33) + between(500, 501) == old.numbers()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_end_of_utf_16(old: Old, encoding: str) -> None:
    """The end of a log in UTF-16 is behind its last whole line, not at a byte that looks like one."""
    mark = "\ufeff".encode(encoding)
    # U+0A0A has both bytes of a line feed in either order.
    old.write("celery/worker.log", mark + f"{celery(0, 30)}ਊ".encode(encoding))
    old.begin("end")
    old.sidecar.turn(lambda _: False)
    old.write("celery/worker.log", f" rest\n{celery(30, 2)}".encode(encoding))
    messages = old.ship()
    assert ["ਊ rest"] == [one for one in messages if not one.startswith("n")]
    assert between(30, 32) == numbers(Counter({one: times for one, times in messages.items() if one[0] == "n"}))


def rename(log: Path) -> None:
    """Rotate by renaming."""
    log.rename(f"{log}.1")


def copytruncate(log: Path) -> None:
    """Rotate by copying."""
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)


def packed(log: Path) -> None:
    """Rotate by renaming, and compress."""
    Path(f"{log}.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()


@COUNTS
@pytest.mark.parametrize("start", ["end", "1h"])
@pytest.mark.parametrize("how", [rename, copytruncate, packed])
@pytest.mark.parametrize("when", ["running", "stopped", "killed"])
def test_rotation_of_a_log_that_was_passed_over(old: Old, count: int, start: str, how: object, when: str) -> None:
    """A rotation ships nothing of what was passed over, and passes nothing over that came after."""
    old.write("neuroflow.log", app(0, count), days=1)
    old.begin(start)
    assert not old.numbers()
    log = old.write("neuroflow.log", app(count, 20))
    if when == "stopped":
        old.stop()
    how(log)  # type: ignore[operator]
    old.write("neuroflow.log", app(count + 20, 20))
    if when == "stopped":
        old.start()
    elif when == "killed":
        old.kill()
    assert between(count, count + 40) == old.numbers()
    old.restart()
    assert between(count, count + 40) == old.numbers()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_compressed_file_that_was_passed_over(old: Old, pack: object) -> None:
    """A compressed file stays passed over when it is renamed, and when it is unpacked."""
    content = app(0, 300).encode()
    path = old.write("neuroflow.log.3.gz", pack(content), days=9)  # type: ignore[operator]
    old.begin("7d")
    assert not old.numbers()
    path = path.rename(old.path("neuroflow.log.4.gz"))
    old.restart()
    assert not old.numbers()
    path.unlink()
    old.write("neuroflow.log.4", content)
    assert not old.numbers()


def test_a_log_that_begins_like_one_that_was_passed_over(old: Old) -> None:
    """Another log with the same beginning is shipped whole, also when the first is gone."""
    header = celery(0, 40)
    path = old.write("celery/worker.log", header + celery(40, 10), days=9)
    old.begin("7d")
    assert not old.numbers()
    path.unlink()
    old.ship()
    old.write("celery/worker.log", header + celery(500, 3))
    assert between(0, 40) + between(500, 503) == old.numbers()


@pytest.mark.parametrize("start", ["end", "7d"])
@pytest.mark.parametrize("restart", [True, False])
def test_a_directory_that_is_mounted_late(old: Old, start: str, restart: bool) -> None:
    """Where the first scans find no logs, what is old when they turn up is passed over, and nothing that is new."""
    old.begin(start)
    assert not old.numbers()
    if restart:
        old.restart()
        old.ship()
    old.write("neuroflow.log.1", app(0, 9), days=900)
    old.write("celery/worker.log", celery(100, 9))
    assert between(100, 109) == old.numbers()
    old.write("neuroflow.log.2", app(200, 9), days=900)  # later still, it is no old directory
    assert between(100, 109) + between(200, 209) == old.numbers()
    old.restart()
    assert between(100, 109) + between(200, 209) == old.numbers()


@pytest.mark.parametrize(
    "harm", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"x")]
)
def test_a_damaged_store_is_no_first_start(old: Old, harm: object) -> None:
    """Where the cursor store is deleted, emptied or damaged, all logs are read again, whatever ``start`` says."""
    old.write("neuroflow.log", app(0, 30), days=30)
    old.begin("beginning")
    old.ship()
    old.stop()
    harm(old.root / "state/cursors.sqlite")  # type: ignore[operator]
    old.start(start="end")
    old.ship()
    assert 30 == old.counters.snapshot()["read"]


def test_a_deleted_state_directory_is_a_first_start(old: Old) -> None:
    """Without any trace of an earlier run the question comes again: ``end`` passes over what is there."""
    old.write("neuroflow.log", app(0, 30))
    old.begin("end")
    old.write("neuroflow.log", app(30, 3))
    old.stop()
    shutil.rmtree(old.root / "state")
    old.start()
    old.ship()
    assert 0 == old.counters.snapshot()["read"]


@COUNTS
def test_what_was_passed_over_can_be_shipped_later(old: Old, count: int) -> None:
    """``beginning`` at a later start ships what was passed over, and nothing twice, also after a rollover."""
    old.write("neuroflow.log", app(0, count))
    old.write("celery/worker.log.1.gz", gzip.compress(celery(1000, count).encode()))
    old.begin("end")
    old.ship()
    old.write("neuroflow.log", app(count, 5))
    assert between(count, count + 5) == old.numbers()
    old.stop()
    old.stream.backing.append({})
    old.start(start="beginning")
    assert between(0, count + 5) + between(1000, 1000 + count) == old.numbers()
    old.restart()
    assert between(0, count + 5) + between(1000, 1000 + count) == old.numbers()


def test_a_later_value_of_start_changes_nothing(old: Old) -> None:
    """Another value than ``beginning`` at a later start neither ships nor passes over anything."""
    old.write("neuroflow.log", app(0, 30), days=30)
    old.begin("7d")
    old.ship()
    old.stop()
    old.write("neuroflow.log", app(30, 5), days=20)
    old.start(start="end")
    assert between(30, 35) == old.numbers()


def test_the_first_start_says_what_it_does(old: Old, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells how much is shipped, how much is passed over, and which key changes that."""
    caplog.set_level("INFO")
    old.write("neuroflow.log", app(0, 10), days=30)
    old.write("celery/worker.log", celery(0, 10), days=2)
    old.begin("7d")
    old.ship()
    size = len(app(0, 10))
    (said,) = [record.getMessage() for record in caplog.records if "first start" in record.getMessage()]
    assert f"passes over {size / 1024:.1f} KiB of 1 log that did not change in the last 7d" in said
    assert "set shipper.start: beginning and start again" in said
    assert f"ships {len(celery(0, 10))} bytes of 1 log, the oldest last changed on 2033-05-16" in said
    caplog.clear()
    old.restart()
    old.ship()
    assert not [record for record in caplog.records if "first start" in record.getMessage()]


def test_status_tells_what_was_passed_over(old: Old) -> None:
    """The report of the state directory has the bytes of each file that were passed over, also after a restart."""
    log = old.write("neuroflow.log", app(0, 10))
    old.begin("end")
    old.ship()
    size = log.stat().st_size
    old.write("neuroflow.log", app(10, 1))
    old.ship()
    old.restart()
    old.ship()
    files = old.sidecar._tail._scanner.scan()
    (told,) = report.report(old.root / "state", files, old.now, host="h")["files"]
    assert (size, log.stat().st_size, 0) == (told["passed_over"], told["offset"], told["lag_bytes"])


@pytest.mark.parametrize("shipped", [True, False])
def test_logs_that_were_shipped_before(tmp_path: Path, shipped: bool) -> None:
    """Where the cluster has lines of a log that would be passed over, the state was lost: nothing is passed over."""
    files = [Found("/l/a.log", "/l/a.log", Source("/l/*", "auto", "app"), 1, 2, 30, 0, 0, compressed=False, real="")]
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    first = FirstStart("7d", int(NOW * 1e9), lambda concerned: concerned == files and shipped)
    first.begin_scan([*files, files[0]._replace(inode=3, mtime_ns=int(NOW * 1e9))])
    with closing(FileView(str(path), compressed=False)) as view:
        assert (0 if shipped else 30) == first.passed_over(files[0], view)


@pytest.mark.parametrize("start", ["end", "7d"])
@pytest.mark.parametrize("restart", ["no", "stop", "kill"])
def test_many_compressed_files(old: Old, start: str, restart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are passed over one scan after the other, while live logs are shipped, and also after a restart."""
    monkeypatch.setattr(first_start, "MAX_UNPACKED", 1)
    for number in range(1, 9):
        old.write(f"neuroflow.log.{number}.gz", gzip.compress(app(number * 100, 50).encode()), days=9)
    old.begin(start)
    old.sidecar.turn(lambda _: False)
    if restart == "stop":
        old.restart()
    elif restart == "kill":
        old.kill()
    old.write("neuroflow.log", app(0, 5))
    old.now += 0.3
    old.sidecar.turn(lambda _: False)
    assert old.store.fact("first_start")
    old.write("neuroflow.log.9.gz", gzip.compress(app(5, 5).encode()))
    for _ in range(9):
        old.ship()
    assert not old.store.fact("first_start")
    old.restart()
    assert between(0, 10) == old.numbers()


@pytest.mark.parametrize("start", ["end", "7d"])
def test_a_copy_that_is_written_anew(old: Old, start: str) -> None:
    """A file that was only a copy of an old log at the first start is shipped whole when it is another log."""
    old.write("celery/worker.log", celery(0, 30), days=9)
    copy = old.write("celery/worker_old.log", celery(0, 30), days=9)
    old.begin(start)
    assert not old.numbers()
    with copy.open("w") as file:
        file.write(celery(500, 40))
    assert between(500, 540) == old.numbers()
