from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from watchdog.observers.inotify import InotifyObserver

from shipper.tail.paced_events import PAUSE, pace, paced
from shipper.tail.watcher import Watch
from tests.sleeping_clock import Clock


def test_a_trickle_of_events_is_read_together() -> None:
    """The first event is given at once; the next read waits, unless that long has passed."""
    clock = Clock()
    read = paced(lambda: ["event"], clock, clock.sleep)
    assert ["event"] == read()
    assert [] == clock.slept
    read()
    assert [PAUSE] == [round(seconds, 6) for seconds in clock.slept]
    clock.now += PAUSE
    read()
    assert 1 == len(clock.slept)


def test_a_flood_of_events_is_read_without_a_pause() -> None:
    """What the kernel cannot keep is lost; a read that was interrupted, and gave nothing, needs no pause either."""
    clock = Clock()
    given: Iterator[list[int]] = iter([list(range(1000)), [], [1]])
    read = paced(lambda: next(given), clock, clock.sleep)
    assert [1000, 0, 1] == [len(read()) for _ in range(3)]
    assert [] == clock.slept


def test_watchdog_reads_inotify_through_the_pause() -> None:
    """The installed release has the method that is paced, and calls it."""
    observer = InotifyObserver()
    before = observer._inotify_fd.read_events
    pace(observer)
    assert before != observer._inotify_fd.read_events
    observer.start()
    observer.stop()
    observer.join(10)
    assert not observer.is_alive()


def test_every_file_that_is_written_to_is_reported(tmp_path: Path) -> None:
    """Also of files that are written to while the reader pauses."""
    wanted = {str(tmp_path / f"{number}.log") for number in range(20)}
    missing, all_there = set(wanted), threading.Event()

    def hint(path: str | None) -> None:
        missing.discard(os.fspath(path or ""))
        if not missing:
            all_there.set()

    for path in wanted:
        Path(path).touch()
    watch = Watch(hint, "inotify", print)
    assert watch.cover([str(tmp_path)])
    for path in sorted(wanted):
        with Path(path).open("a", encoding="utf-8") as log:
            log.write("a line\n")
    assert all_there.wait(30)
    watch.stop()
