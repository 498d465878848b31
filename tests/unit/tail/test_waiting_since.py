from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.tail.waiting_since import ENDLESS, Growth

STEPS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5)), max_size=200)


def test_the_oldest_that_is_not_acknowledged() -> None:
    """The time is that of the oldest byte behind the offset; none if everything is acknowledged."""
    growth = Growth(0, 0.0)
    assert 0.0 == growth.since(0)
    growth.reached(10, 5.0)
    growth.reached(30, 7.0)
    growth.reached(30, 9.0)
    growth.reached(20, 9.0)
    assert [5.0, 5.0, 7.0, 7.0, 0.0] == [growth.since(offset) for offset in (0, 9, 10, 29, 30)]
    growth.reached(31, 11.0)
    assert 11.0 == growth.since(30)


def test_what_an_earlier_run_has_seen() -> None:
    """Bytes that an earlier run saw count from then, until they are acknowledged."""
    assert [3.0, 3.0, 0.0] == [Growth(10, 3.0).since(offset) for offset in (0, 9, 10)]
    assert 3.0 == Growth(ENDLESS, 3.0).since(10**15)
    assert 0.0 == Growth(10, 0.0).since(0)


@given(steps=STEPS, offset=st.integers(0, 10_000))
def test_never_younger_than_it_is(steps: list[tuple[int, int]], offset: int) -> None:
    """Merged marks never make a byte younger."""
    growth = Growth(0, 0.0)
    size, now = 0, 100
    exact = 0.0
    for grown, passed in steps:
        size, now = size + grown, now + passed
        growth.reached(size, float(now))
        if size > offset and not exact:
            exact = float(now)
    assert len(growth._marks) <= 64
    told = growth.since(offset)
    assert bool(exact) is bool(told)
    assert told <= exact
