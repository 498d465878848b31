from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from shipper.telemetry import MAX_A_MINUTE, MINUTE, ONCE, Counters, Histogram, Throttle, Total


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


class Log:
    """A throttle with a clock to set, and the sentences that it logged since they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sentences: list[str] = []
        self.throttle = Throttle(self._sentences.append, lambda: self.now)

    def said(self) -> list[str]:
        sentences = list(self._sentences)
        self._sentences.clear()
        return sentences

    def of(self, kinds: str, every: float = MINUTE) -> list[str]:
        """What is logged of messages of these kinds."""
        for kind in kinds:
            self.throttle.say(kind, kind.upper(), every)
        return self.said()


def test_a_kind_of_message_is_logged_once_an_interval() -> None:
    """Each kind has its own interval; the next message tells how many were not logged since the last."""
    log = Log()
    assert ["A", "B"] == log.of("aaabb")
    log.now = 59.9
    assert [] == log.of("aa")
    log.now = 60.0
    assert ["A (4 more like this, not logged)", "B (1 more like this, not logged)"] == log.of("abb")
    log.now = 120.0
    assert ["A", "B (1 more like this, not logged)"] == log.of("ab")


def test_whether_a_message_was_logged() -> None:
    """The caller learns it; another writer may take the sentence."""
    log, other = Log(), list[str]()
    assert [True, False] == [log.throttle.say("a", text, write=other.append) for text in ("1", "2")]
    assert (["1"], []) == (other, log.said())


def test_what_lasts_is_logged_once_until_it_is_over() -> None:
    """It is news then, but what comes and goes all the time is logged once a minute, with its number."""
    log = Log()
    assert ["A", "B"] == log.of("aab", ONCE)
    log.now = 1000.0
    assert [] == log.of("ab", ONCE)
    assert [True, False] == [log.throttle.over({"b"}), log.throttle.over({"b"})]
    assert ["A (2 more like this, not logged)"] == log.of("ab", ONCE)
    for log.now in range(1001, 1060):
        log.throttle.over({"b"})
        assert [] == log.of("a", ONCE)
    log.now = 1060.0
    assert ["A (59 more like this, not logged)"] == log.of("a", ONCE)
    assert log.throttle.over()
    assert not log.throttle.over()


def test_what_was_not_logged_is_not_over() -> None:
    """Where a cause came again too soon to be logged, its end isn't either."""
    log = Log()
    log.of("a", ONCE)
    assert log.throttle.over()
    assert [] == log.of("a", ONCE)
    assert not log.throttle.over()


def test_messages_of_many_kinds_are_limited_together() -> None:
    """So somebody who makes a thousand odd files can't flood the log; what lasts is logged later."""
    log = Log()
    kinds = "".join(map(chr, range(0x4E00, 0x4E00 + MAX_A_MINUTE + 30)))
    assert MAX_A_MINUTE == len(log.of(kinds, ONCE))
    log.now = 59.0
    assert [] == log.of(kinds, ONCE)
    log.now = 60.0
    later = log.of(kinds, ONCE)
    assert kinds[MAX_A_MINUTE] + " (60 more like this, not logged)" == later[0]
    assert list(kinds[MAX_A_MINUTE + 1 :]) == later[1:]


def test_all_is_logged_anew_when_it_is_forgotten() -> None:
    """As after a change of the configuration."""
    log = Log()
    log.of("aabb")
    log.throttle.forget()
    assert ["A", "B"] == log.of("ab")


def test_messages_whose_interval_has_passed_take_no_memory() -> None:
    """Of many kinds only those stay that are still throttled."""
    log = Log()
    for log.now in range(1000):
        log.throttle.say(str(log.now), "", 9.0)
    assert 20 > log.throttle.remembered
    for log.now in range(10_000, 20_000):
        log.throttle.say(str(log.now), "", ONCE)
        log.throttle.over()
    assert 200 > log.throttle.remembered
