from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from shipper.telemetry import MINUTE, ONCE, Counters, Histogram, Throttle, Total


@given(steps=st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_read_is_the_sum_of_outcomes(steps: list[tuple[int, float, float]]) -> None:
    """Read is always acknowledged + duplicate + dead + in flight."""
    counters = Counters()
    begun = settled = 0
    for count, share, dead in steps:
        counters.begin(count, dataset="app", lines=count, size=count)
        begun += count
        done = int((begun - settled) * share)
        refused = int(done * dead)
        counters.settle(acknowledged={"app": done - refused}, dead={"app": refused})
        settled += done
        now = counters.snapshot()
        assert begun == now["read"] == now["acknowledged"] + now["duplicate"] + now["dead"] + now["in_flight"]
        assert settled == counters.settled


def test_counting_goes_on_after_a_restart() -> None:
    """Counters continue; lines that were in flight are read again."""
    counters = Counters()
    counters.resume({"read": 99, "acknowledged": 5, "duplicate": 2, "dead": 1, "in_flight": 7, "retried": 3})
    expected = {"read": 8, "acknowledged": 5, "duplicate": 2, "dead": 1, "in_flight": 0, "retried": 3}
    assert expected == counters.snapshot()


def test_totals_go_on_after_a_restart() -> None:
    """What was stored is added to; a damaged text counts as none."""
    counters = Counters()
    counters.begin(3, dataset="app", lines=4, size=50)
    counters.settle(acknowledged={"app": 2})
    counters.add("sent_bytes", 7)
    stored = counters.moment()
    for text, expected in ((stored.text(), stored.totals), ("{", {}), ("[1]", {}), ('{"a": "b"}', {})):
        later = Counters()
        later.resume({}, text)
        assert (expected, 0) == later.published == later.moment()


def test_what_is_shown_is_what_was_stored() -> None:
    """Only what is published counts for /metrics: read = outcomes + in flight there too."""
    counters = Counters()
    counters.begin(3, dataset="app", lines=3, size=50)
    assert 0 == counters.published.in_flight
    counters.publish(counters.moment())
    counters.settle(dead={"app": 1})
    assert 3 == counters.published.in_flight
    assert Total("documents", ("app", "dead")) not in counters.published.totals


def test_durations_are_counted_by_size() -> None:
    """Each bucket holds what is not above its bound."""
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.1, 0.5, 0.5, 7.0):
        histogram.observe(seconds)
    assert ([(0.1, 1), (1.0, 3), (float("inf"), 4)], 8.1) == histogram.buckets()


def test_threads_lose_no_count() -> None:
    """Concurrent updates are all counted."""
    counters = Counters()

    def work() -> None:
        for _ in range(2000):
            counters.begin(1, dataset="app", lines=1, size=5)
            counters.retry({"timeout": 1})
            counters.settle(duplicate={"app": 1})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = counters.snapshot()
    assert (8000, 8000, 0, 8000) == (now["read"], now["duplicate"], now["in_flight"], now["retried"])
    assert {
        Total("read_lines", ("app",)): 8000, Total("read_bytes", ("app",)): 40000,
        Total("retries", ("timeout",)): 8000, Total("documents", ("app", "duplicate")): 8000,
    } == counters.moment().totals  # fmt: skip


def test_a_kind_of_message_is_logged_once_an_interval() -> None:
    """Each kind has its own interval; ``ONCE`` lasts until it is reset."""
    now = 0.0
    throttle = Throttle(lambda: now)

    def allows(kind: str, every: float = MINUTE) -> bool:
        return bool(throttle.allows(kind, every))

    assert [True, False, True] == [allows("a"), allows("a"), allows("b", ONCE)]
    now = 60.0
    assert [True, False] == [allows("a"), allows("b", ONCE)]
    assert [True, False] == [throttle.reset("b"), throttle.reset("b")]
    assert [False, True] == [allows("a"), allows("b", ONCE)]
    assert throttle.reset()
    assert [True, True] == [allows("a"), allows("b")]


def test_messages_whose_interval_has_passed_take_no_memory() -> None:
    """Of many kinds only those stay that are still throttled."""
    now = 0.0
    throttle = Throttle(lambda: now)
    for now in range(1000):
        throttle.allows(str(now), 9.0)
    assert 20 > throttle.remembered


def test_messages_that_were_not_logged_are_counted() -> None:
    """The next message stands for those of its kind since the last one."""
    now = 0.0
    throttle = Throttle(lambda: now)
    assert [1, 0, 0, 1, 0] == [throttle.allows(kind) for kind in "aaabb"]
    now = 60.0
    assert [3, 2, 0] == [throttle.allows(kind) for kind in "abb"]
    throttle.reset("b")
    assert 1 == throttle.allows("b")
    throttle.reset()
    assert 1 == throttle.allows("a")
