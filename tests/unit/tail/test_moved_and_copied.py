"""The sidecar recognises renamed logs and copies of logs under any name, however short they are."""

from __future__ import annotations

import bz2
import gzip
import logging
import logging.handlers
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.tail.file_content import FileView
from tests.unit.shipped import Shipped, app, celery, each, numbers, printed

WHEN = pytest.mark.parametrize("when", ["running", "stopped"])
# Below and above the kilobyte by which a file's beginning is known.
FEW, MANY = 5, 200


def meanwhile(shipped: Shipped, when: str, happens: Callable[[], object]) -> None:
    """Do something while the sidecar runs, or while it is stopped."""
    if when == "stopped":
        shipped.stop()
    happens()
    if when == "stopped":
        shipped.start()


@WHEN
@pytest.mark.parametrize("count", [1, FEW, MANY])
@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pipelines/fmriprep/7.log", "pipelines/archive/7.log"),
        ("pipelines/fmriprep/7.log", "pipelines/fmriprep/done_7.log"),
        ("celery/worker.log", "celery/retired.log"),
        ("fmriprep/sub-01_ses-02.log", "done/sub-01_ses-02.log"),
        ("audit/audit_2026_10.jsonl", "audit/audit_old.jsonl"),
        ("neuroflow.log", "celery/neuroflow.log"),
        ("pipelines/fmriprep/7.log", "pipelines/fmriprep/7.log.done"),
    ],
)
def test_a_moved_log(shipped: Shipped, old: str, new: str, more: int, count: int, when: str) -> None:
    """A renamed log is read on from its position."""
    make = printed if "pipelines" in old else celery
    shipped.path(old).write_text(make(0, count))
    assert each(count) == numbers(shipped.ship())

    def move() -> None:
        shipped.path(old).rename(shipped.path(new))
        with shipped.path(new).open("a") as file:
            file.write(make(count, more))

    meanwhile(shipped, when, move)
    assert each(count + more) == numbers(shipped.ship())
    shipped.restart()
    assert each(count + more) == numbers(shipped.ship())


@WHEN
@pytest.mark.parametrize("count", [1, FEW, MANY])
def test_a_renamed_folder(shipped: Shipped, count: int, when: str) -> None:
    """All logs of a renamed folder keep their positions, one with an open writer included."""
    for number in range(5):
        shipped.path(f"pipelines/fmriprep/{number}.log").write_text(printed(number * 1000, count))
    expected = numbers(shipped.ship())
    open_still = shipped.path("pipelines/fmriprep/0.log").open("a")
    with open_still:
        meanwhile(shipped, when, lambda: (shipped.logs / "pipelines/fmriprep").rename(shipped.logs / "pipelines/old"))
        open_still.write(printed(500, 2))
    expected.update([500, 501])
    assert expected == numbers(shipped.ship())
    meanwhile(shipped, when, lambda: (shipped.logs / "pipelines").rename(shipped.logs / "elsewhere"))
    assert expected == numbers(shipped.ship())
    meanwhile(shipped, when, lambda: (shipped.logs / "elsewhere").rename(shipped.logs / "pipelines"))
    assert expected == numbers(shipped.ship())


def test_a_renamed_log_directory(tmp_path: Path) -> None:
    """With the old state a renamed log directory adds no copies."""
    shipped = Shipped(tmp_path)
    shipped.path("neuroflow.log").write_text(app(0, 3))
    shipped.path("pipelines/fmriprep/7.log").write_text(printed(10, 3))
    expected = numbers(shipped.ship())
    shipped.stop()
    shipped.logs = shipped.logs.rename(tmp_path / "logs2")
    shipped.start()
    assert expected == numbers(shipped.ship())
    shipped.stop()


@WHEN
@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_move_that_a_scan_half_saw(shipped: Shipped, count: int, when: str) -> None:
    """A file that one scan misses is recognised in a later one."""
    old, new, aside = shipped.path("celery/a.log"), shipped.path("celery/b.log"), shipped.root / "aside"
    old.write_text(celery(0, count))
    shipped.ship()
    old.rename(aside)
    shipped.ship()
    meanwhile(shipped, when, lambda: aside.rename(new))
    assert each(count) == numbers(shipped.ship())


def give_inode(old: Path, new: Path, text: str) -> None:
    """Delete a file and create another with its inode, if the file system reuses it."""
    inode = old.stat().st_ino
    old.unlink()
    kept: list[Path] = []
    new.write_text(text)
    while new.stat().st_ino != inode and len(kept) < 500:
        kept.append(new.rename(new.with_name(f"other{len(kept)}")))
        new.write_text(text)
    for path in kept:
        path.unlink()


@WHEN
@pytest.mark.parametrize("count", [1, FEW, MANY])
@pytest.mark.parametrize("same", [True, False])
def test_an_inode_that_was_given_away(shipped: Shipped, same: bool, count: int, when: str) -> None:
    """A new file with a deleted file's inode is read from its beginning, also with equal content."""
    old, new = shipped.path("pipelines/fmriprep/7.log"), shipped.path("pipelines/fmriprep/8.log")
    old.write_text(printed(0, count))
    shipped.ship()
    shipped.now += 100
    shipped.ship()  # a file that sleeps is not held open
    text = printed(0, count) if same else printed(1000, count)
    meanwhile(shipped, when, lambda: give_inode(old, new, text + printed(5000, 1)))
    counted = numbers(shipped.ship())
    assert 2 * count + 1 == counted.total()
    assert {2 if same else 1} == {counted[number] for number in range(count)}


COPIES = [
    ("celery/worker.log", "celery/worker-20261127.log", celery),
    ("celery/worker.log", "celery/worker.1.log", celery),
    ("celery/worker.log", "celery/worker_old.log", celery),
    ("celery/worker.log", "celery/worker-20261127-01.log", celery),
    ("celery/worker.log", "celery/worker.2026-11-27_01-00-00.log", celery),
    ("audit/audit_2026_11.jsonl", "audit/audit_2026_11-20261127.jsonl", app),
    ("fmriprep/sub-01_ses-02.log", "fmriprep/sub-01_ses-02-20261127.log", celery),
    ("pipelines/fmriprep/7.log", "pipelines/fmriprep/7-20261127.log", printed),
    ("neuroflow.log", "neuroflow-20261127.log", app),
]


@WHEN
@pytest.mark.parametrize("seen", [True, False], ids=["copy seen", "copy not seen"])
@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize(("log", "copy", "make"), COPIES)
def test_copytruncate_to_a_name_of_a_log(
    shipped: Shipped, log: str, copy: str, make: Callable[[int, int], str], count: int, seen: bool, when: str
) -> None:
    """A copy under an input's name repeats nothing, and its unread rest is shipped after the truncation."""
    path = shipped.path(log)
    path.write_text(make(0, count))
    assert each(count) == numbers(shipped.ship())
    with path.open("a") as file:
        file.write(make(count, 3))

    def happens() -> None:
        shutil.copy(path, shipped.path(copy))
        if seen and when == "running":
            shipped.ship()
        os.truncate(path, 0)

    meanwhile(shipped, when, happens)
    assert each(count + 3) == numbers(shipped.ship())
    with path.open("a") as file:
        file.write(make(count + 3, 4))
    assert each(count + 7) == numbers(shipped.ship())
    shipped.restart()
    assert each(count + 7) == numbers(shipped.ship())


def test_a_chain_of_copies(shipped: Shipped) -> None:
    """With copies that are renamed repeatedly each line is shipped once."""
    path, number = shipped.path("celery/worker.log"), 0
    for turn in range(5):
        with path.open("a") as file:
            file.write(celery(number, 20 + turn))
        number += 20 + turn
        if turn % 2:
            shipped.ship()
        for age in range(4, 0, -1):
            if (old := shipped.path(f"celery/worker.{age}.log")).exists():
                old.rename(shipped.path(f"celery/worker.{age + 1}.log"))
        shutil.copy(path, shipped.path("celery/worker.1.log"))
        shipped.ship()
        os.truncate(path, 0)
        shipped.ship()
    assert each(number) == numbers(shipped.ship())
    shipped.restart()
    assert each(number) == numbers(shipped.ship())


@pytest.mark.parametrize("copy", ["celery/before the upgrade.log", "celery/aaa.log", "celery/worker-2.log"])
def test_a_copy_under_any_name(shipped: Shipped, copy: str) -> None:
    """A copy is recognised by content with timestamps; a copy that grows is a log."""
    shipped.path("celery/worker.log").write_text(celery(0, MANY))
    shipped.ship()
    shutil.copy(shipped.path("celery/worker.log"), shipped.path(copy))
    assert each(MANY) == numbers(shipped.ship())
    with shipped.path("celery/worker.log").open("a") as file:
        file.write(celery(MANY, 2))
    assert each(MANY + 2) == numbers(shipped.ship())
    with shipped.path(copy).open("a") as file:
        file.write(celery(1000, 1))
    assert 1 == numbers(shipped.ship())[1000]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_runs_that_print_the_same(shipped: Shipped, count: int) -> None:
    """Logs of different runs with equal output are shipped each."""
    for run in (7, 8):
        shipped.path(f"pipelines/fmriprep/{run}.log").write_text(printed(0, count))
        shipped.ship()
    shipped.path("pipelines/fmriprep/7_2.log").write_text(printed(0, count))
    assert {3} == set(numbers(shipped.ship()).values())


def test_a_log_that_begins_anew_with_the_same_line(shipped: Shipped) -> None:
    """A new log with the first line of a renamed one gets another generation."""
    path = shipped.path("celery/a.log")
    path.write_text(celery(0, 1) + celery(1, 3))
    shipped.ship()
    path.rename(shipped.path("celery/b.log"))
    path.write_text(celery(0, 1) + celery(10, 3))
    counted = numbers(shipped.ship())
    assert 2 == counted[0]
    assert 8 == counted.total()


@WHEN
@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_copy_that_is_packed(shipped: Shipped, count: int, ending: str, when: str) -> None:
    """A copy that is compressed later keeps its generation."""
    packs: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
    pack = packs[ending]
    path, copy = shipped.path("celery/worker.log"), shipped.path("celery/worker-20261127.log")
    path.write_text(celery(0, count))
    shipped.ship()
    shutil.copy(path, copy)
    os.truncate(path, 0)
    with path.open("a") as file:
        file.write(celery(count, 2))
    shipped.ship()

    def squeeze() -> None:
        packed = pack(copy.read_bytes())
        copy.with_name(f"{copy.name}.{ending}").write_bytes(packed)
        if when == "running":
            shipped.ship()
        copy.unlink()

    meanwhile(shipped, when, squeeze)
    assert each(count + 2) == numbers(shipped.ship())
    shipped.restart()
    assert each(count + 2) == numbers(shipped.ship())


@WHEN
@pytest.mark.parametrize("count", [FEW, MANY])
def test_where_paths_are_concealed(tmp_path: Path, count: int, when: str) -> None:
    """With hashed paths, moved and copied files are recognised."""
    shipped = Shipped(tmp_path, redact={"hash": ["subject"], "hash_key": "0123456789abcdef"})
    run, worker = shipped.path("pipelines/fmriprep/7.log"), shipped.path("celery/worker.log")
    run.write_text(printed(0, count))
    worker.write_text(celery(1000, count))
    expected = numbers(shipped.ship())

    def happens() -> None:
        run.rename(shipped.path("pipelines/done/7.log"))
        shutil.copy(worker, shipped.path("celery/worker-20261127.log"))
        os.truncate(worker, 0)

    meanwhile(shipped, when, happens)
    assert expected == numbers(shipped.ship())
    shipped.restart()
    assert expected == numbers(shipped.ship())
    shipped.stop()


def test_what_the_standard_library_rotates(shipped: Shipped) -> None:
    """The standard library's rotation, with a namer that keeps the ending, loses and repeats nothing."""
    path, number = shipped.path("celery/worker.log"), 0
    logger = logging.Logger("rotating")  # noqa: LOG001 - one that nobody else has
    rotating = logging.handlers.RotatingFileHandler(path, maxBytes=900, backupCount=50)
    rotating.namer = lambda name: name.replace(".log", "", 1) + ".log"
    rotating.setFormatter(logging.Formatter("[2026-11-27 10:00:00,000: INFO/MainProcess] %(message)s"))
    logger.addHandler(rotating)
    for turn in range(12):
        for _ in range(3):
            logger.info("n%05d %s", number, 20 * "-")
            number += 1
        if turn % 3 == 0:
            shipped.ship()
    rotating.close()
    assert each(number) == numbers(shipped.ship())


def test_many_logs_that_begin_alike_are_read_at_once(shipped: Shipped, monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal first kilobytes the number of comparisons stays linear."""
    opened = 0

    class Counting(FileView):
        def __init__(self, path: str | int, *, compressed: bool) -> None:
            nonlocal opened
            opened += 1
            super().__init__(path, compressed=compressed)

    for number in range(200):
        shipped.path(f"celery/{number:03}x.log").write_text(celery(0, 30) + celery(1000 + number, 1))
    generations = shipped.sidecar._tail._generations
    monkeypatch.setattr(generations.access, "_open_view", Counting)
    messages = numbers(shipped.ship())
    assert {1} == {messages[1000 + number] for number in range(200)}
    assert 200 == messages[0]
    assert opened < 200 * 20
