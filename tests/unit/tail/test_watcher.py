from __future__ import annotations

import errno
import os
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.tail import watcher as module
from shipper.tail.watcher import Watch


class Stub:
    """An observer that fails on request."""

    def __init__(self, start: OSError | None = None, schedule: OSError | None = None) -> None:
        self.refusal = start, schedule
        self.alive = False
        self.scheduled: list[str] = []
        self.unscheduled: list[str] = []

    def start(self) -> None:
        if self.refusal[0]:
            raise self.refusal[0]
        self.alive = True

    def schedule(self, _: object, path: str, **__: object) -> str:
        if not Path(path).is_dir():
            raise FileNotFoundError(path)
        if self.refusal[1]:
            raise self.refusal[1]
        self.scheduled.append(path)
        return path

    def unschedule(self, watch: str) -> None:
        self.unscheduled.append(watch)

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.alive = False

    def join(self, timeout: float) -> None:
        pass


def test_poll_watches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In poll mode there is no observer."""
    monkeypatch.setattr(module, "Observer", lambda: pytest.fail("an observer"))
    watch = Watch(lambda _: None, "poll", pytest.fail)
    watch.cover([str(tmp_path)])
    watch.stop()


@pytest.mark.parametrize(
    ("number", "limit"),
    [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances"), (errno.EIO, "failed")],
)
@pytest.mark.parametrize("when", ["start", "schedule"])
def test_falls_back_to_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, number: int, limit: str
) -> None:
    """The exceeded limit is named once, and scans go on."""
    stub = Stub(**{when: OSError(number, "refused")})
    monkeypatch.setattr(module, "Observer", lambda: stub)
    said: list[str] = []
    watch = Watch(lambda _: None, "auto", said.append)
    for _ in range(2):
        watch.cover([str(tmp_path)])
    (sentence,) = said
    assert limit in sentence
    assert sentence.endswith("polling every scan_interval instead, nothing is lost")
    assert not stub.alive
    watch.stop()


def test_each_directory_is_watched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subdirectories are covered; missing and replaced directories are watched when they exist."""
    stub = Stub()
    monkeypatch.setattr(module, "Observer", lambda: stub)
    watch = Watch(lambda _: None, "inotify", pytest.fail)
    late, one = tmp_path / "late", tmp_path / "one"
    (one / "below").mkdir(parents=True)
    paths = [str(one), str(one / "below"), str(late)]
    for _ in range(2):
        watch.cover(paths)
    assert [str(one)] == stub.scheduled
    late.mkdir()
    watch.cover(paths)
    assert [str(one), str(late)] == stub.scheduled
    late.rmdir()
    watch.cover(paths)
    assert [str(late)] == stub.unscheduled
    late.mkdir()
    watch.cover(paths)
    assert [str(one), str(late), str(late)] == stub.scheduled
    watch.cover(paths[1:])
    assert [str(late), str(one)] == stub.unscheduled, "what is no input any more"
    assert str(one / "below") == stub.scheduled[-1]
    watch.stop()
    assert not stub.alive


def test_what_may_not_be_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable directory, which the library ignores, counts as watched only when it is."""
    stub = Stub()
    monkeypatch.setattr(module, "Observer", lambda: stub)
    watch = Watch(lambda _: None, "inotify", pytest.fail)
    with monkeypatch.context() as closed:
        closed.setattr(os, "access", lambda *_: False)  # root may read everything
        watch.cover([str(tmp_path)])
        assert [] == stub.scheduled
    watch.cover([str(tmp_path)])
    assert [str(tmp_path)] == stub.scheduled
    watch.stop()


def _make(base: Path) -> None:
    (base / "logs" / "pipelines" / "qsiprep").mkdir(parents=True)


def _link(base: Path) -> None:
    (base / "first" / "pipelines" / "qsiprep").mkdir(parents=True)
    (base / "second" / "pipelines" / "qsiprep").mkdir(parents=True)
    (base / "logs").symlink_to(base / "first")


def _link_below(base: Path) -> None:
    (base / "elsewhere" / "qsiprep").mkdir(parents=True)
    (base / "logs").mkdir()
    (base / "logs" / "pipelines").symlink_to(base / "elsewhere")


def _nothing(_: Path) -> None:
    pass


def _remake(base: Path) -> None:
    shutil.rmtree(base / "logs")
    _make(base)


def _remake_below(base: Path) -> None:
    shutil.rmtree(base / "logs" / "pipelines")
    _make(base)


def _rename(base: Path) -> None:
    (base / "logs").rename(base / "away")
    _make(base)


def _rename_below(base: Path) -> None:
    (base / "logs" / "pipelines" / "qsiprep").rename(base / "away")
    _make_again(base)


def _make_again(base: Path) -> None:
    (base / "logs" / "pipelines" / "qsiprep").mkdir()


def _rename_above(base: Path) -> None:
    base.rename(base.with_name("away"))
    base.mkdir()
    _make(base)


def _point_elsewhere(base: Path) -> None:
    (base / "logs").unlink()
    (base / "logs").symlink_to(base / "second")


def _remake_behind(base: Path) -> None:
    shutil.rmtree(base / "first")
    (base / "first" / "pipelines" / "qsiprep").mkdir(parents=True)


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (_make, _nothing), (_nothing, _make), (_make, _remake), (_make, _remake_below), (_make, _rename),
        (_make, _rename_below), (_make, _rename_above), (_link, _nothing), (_link, _point_elsewhere),
        (_link, _remake_behind), (_link_below, _nothing),
    ],
)  # fmt: skip
def test_directories_that_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Callable[[Path], None], then: Callable[[Path], None]
) -> None:
    """Directories that are created, renamed or linked later give a hint and are watched."""
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.05)
    base = tmp_path / "base"
    base.mkdir()
    before(base)
    hints: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    watch = Watch(hints.put, "auto", pytest.fail)
    wanted = [str(base / "logs"), str(base / "logs" / "pipelines")]
    try:
        watch.cover(wanted)
        then(base)
        while then is not _nothing:
            try:
                assert hints.get(timeout=1) is None
            except queue.Empty:
                break
            watch.cover(wanted)
        log = base / "logs" / "pipelines" / "qsiprep" / "qsiprep_1.log"
        log.touch()
        for _ in range(2):
            with log.open("a") as file:
                file.write("line\n")
            told = hints.get(timeout=10)
            while told is None:
                told = hints.get(timeout=10)
            assert str(log) == told
            while not hints.empty():
                hints.get()
    finally:
        watch.stop()


def test_changes_are_hinted(tmp_path: Path) -> None:
    """A write below a watched directory calls the hint, in any thread."""
    hinted = threading.Event()
    watch = Watch(lambda _: hinted.set(), "auto", lambda _: hinted.set())
    try:
        watch.cover([str(tmp_path)])
        (tmp_path / "app.log").write_text("line\n")
        assert hinted.wait(10)
    finally:
        watch.stop()
