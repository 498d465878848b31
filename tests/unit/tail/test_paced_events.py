from __future__ import annotations

import os
import threading
from pathlib import Path

from watchdog.observers.inotify import InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, Mask, WatchDescriptor

from shipper.tail.paced_events import MAX_PAUSE, MIN_PAUSE, pace, paced
from shipper.tail.watcher import Watch
from tests.sleeping_clock import Clock

WRITTEN, CREATED = InotifyConstants.IN_MODIFY, InotifyConstants.IN_CREATE


def event(mask: int, name: bytes = b"a.log") -> InotifyEvent:
    """An event as watchdog reads it."""
    return InotifyEvent(WatchDescriptor(1), Mask(mask), 0, name)


def test_a_trickle_of_writes_is_read_together() -> None:
    """The first event is given at once; while writes go on the pauses grow, and end with the writes."""
    clock = Clock()
    read = paced(lambda: [event(WRITTEN)], clock, clock.sleep)
    for _ in range(6):
        read()
    assert [0.2, 0.4, 0.4, 0.4, 0.4] == [round(seconds, 6) for seconds in clock.slept]
    quiet = clock.now + 5

    def write_later() -> list[InotifyEvent]:
        clock.now = max(clock.now, quiet)
        return [event(WRITTEN)]

    clock.slept.clear()
    read = paced(write_later, clock, clock.sleep)
    read()
    assert [] == clock.slept
    read()
    assert [MIN_PAUSE] == [round(seconds, 6) for seconds in clock.slept]


def test_what_is_no_write_is_read_soon() -> None:
    """A rotation or a new file ends the long pauses: what it is followed by may be gone soon."""
    clock = Clock()
    given = [[event(WRITTEN)]] * 5 + [[event(CREATED)], [event(WRITTEN)]]
    rest = iter(given)
    read = paced(lambda: next(rest), clock, clock.sleep)
    for _ in given:
        read()
    assert [MAX_PAUSE, MIN_PAUSE] == [round(seconds, 6) for seconds in clock.slept[-2:]]


def test_several_writes_to_a_file_are_one_hint() -> None:
    """Unless something else happened meanwhile: what was created twice is given twice."""
    clock = Clock()
    writes = [event(WRITTEN), event(WRITTEN, b"b.log"), event(WRITTEN)]
    assert writes[:2] == paced(lambda: writes, clock, clock.sleep)()
    mixed = [event(CREATED), *writes, event(CREATED)]
    assert mixed == paced(lambda: mixed, clock, clock.sleep)()


def test_a_flood_of_events_is_read_without_a_pause() -> None:
    """What the kernel cannot keep is lost; a read that was interrupted, and gave nothing, needs no pause either."""
    clock = Clock()
    given = iter([[event(WRITTEN, b"%d" % number) for number in range(1000)], [], [event(WRITTEN)]])
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
