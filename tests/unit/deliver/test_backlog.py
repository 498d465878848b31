from __future__ import annotations

import threading

from shipper.deliver.backlog import Backlog


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now


def test_work_comes_in_its_order_and_is_bounded() -> None:
    """Work in a thread counts against the bound until it is finished."""
    backlog: Backlog[str] = Backlog(2, max_postponed=1)
    assert [True, True, False] == [backlog.offer(one) for one in "abc"]
    assert "a" == backlog.take()
    assert not backlog.offer("c")
    backlog.finish("a")
    assert backlog.offer("c")
    assert ["b", "c"] == [backlog.take(), backlog.take()]
    assert not backlog.empty
    backlog.finish("b")
    backlog.finish("c")
    assert backlog.empty


def test_what_is_postponed_gives_its_room_to_others() -> None:
    """Postponed work does not count up to a limit; when due it comes before new work."""
    clock = Clock()
    backlog: Backlog[str] = Backlog(2, max_postponed=1, clock=clock.read)
    assert backlog.offer("a")
    assert backlog.offer("b")
    for one in "ab":
        backlog.take()
        backlog.postpone(one, {"a": 5.0, "b": 3.0}[one])
    assert backlog.waits
    assert [True, False] == [backlog.offer("c"), backlog.offer("d")]
    assert "c" == backlog.take()
    backlog.finish("c")
    assert backlog.offer("d")
    clock.now = 4.0
    assert ["b", "d"] == [backlog.take(), backlog.take()]


def test_a_thread_waits_until_something_is_due() -> None:
    """A thread sleeps until work is due."""
    backlog: Backlog[str] = Backlog(1, max_postponed=1)
    taken: list[str | None] = []
    assert backlog.offer("a")
    backlog.take()
    thread = threading.Thread(target=lambda: taken.append(backlog.take()))
    thread.start()
    backlog.postpone("a", 0.0)
    thread.join(10)
    assert ["a"] == taken


def test_a_stop_gives_up_what_is_due_too_late() -> None:
    """At a stop ready work, and work that is due before the deadline, is still done."""
    clock = Clock()
    backlog: Backlog[str] = Backlog(3, max_postponed=3, clock=clock.read)
    for one, due in (("a", 1.0), ("b", 9.0)):
        assert backlog.offer(one)
        backlog.take()
        backlog.postpone(one, due)
    assert backlog.offer("c")
    backlog.stop(5.0)
    assert "c" == backlog.take()
    clock.now = 2.0
    assert ["a", None, None] == [backlog.take(), backlog.take(), backlog.take()]
    assert not backlog.waits
    for one in "ac":
        backlog.finish(one)
    assert backlog.empty


def test_a_stop_wakes_those_who_wait() -> None:
    """A stop wakes every waiting thread."""
    backlog: Backlog[str] = Backlog(1, max_postponed=1)
    threads = [threading.Thread(target=backlog.take) for _ in range(3)]
    for thread in threads:
        thread.start()
    backlog.stop(0.0)
    for thread in threads:
        thread.join(10)
    assert [False] * 3 == [thread.is_alive() for thread in threads]
