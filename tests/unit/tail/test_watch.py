from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from shipper.tail import watch as module
from shipper.tail.watch import Watch


class Stub:
    """An observer that refuses as it is told to."""

    def __init__(self, start: OSError | None = None, schedule: OSError | None = None) -> None:
        self.refusal = start, schedule
        self.alive = False
        self.scheduled: list[str] = []

    def start(self) -> None:
        """Begin."""
        if self.refusal[0]:
            raise self.refusal[0]
        self.alive = True

    def schedule(self, _: object, path: str, **__: object) -> None:
        """Watch."""
        if not Path(path).is_dir():
            raise FileNotFoundError(path)
        if self.refusal[1]:
            raise self.refusal[1]
        self.scheduled.append(path)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.alive

    def stop(self) -> None:
        """End."""
        self.alive = False

    def join(self, timeout: float) -> None:
        """It has ended."""


def test_poll_watches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No observer is made at all."""
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
    """The limit that was met is named, once, and the scans go on."""
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
    """Those below a watched one are covered; missing ones are tried again; one made anew is watched anew."""
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
    late.mkdir()
    watch.cover(paths)
    assert [str(one), str(late), str(late)] == stub.scheduled
    watch.stop()
    assert not stub.alive


def test_changes_are_hinted(tmp_path: Path) -> None:
    """A write below a watched directory calls the hint, from whichever thread."""
    hinted = threading.Event()
    watch = Watch(lambda _: hinted.set(), "auto", lambda _: hinted.set())
    try:
        watch.cover([str(tmp_path)])
        (tmp_path / "app.log").write_text("line\n")
        assert hinted.wait(10)
    finally:
        watch.stop()
