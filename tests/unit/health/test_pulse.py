from __future__ import annotations

from shipper.health.pulse import Pulse, UnderWay


def test_age_counts_from_the_last_turn() -> None:
    """A loop that turns is young."""
    now = 5.0
    pulse = Pulse(lambda: now)
    now = 9.0
    assert 4.0 == pulse.age
    pulse.beat()
    assert 0.0 == pulse.age


def test_oldest_request_counts() -> None:
    """Of the requests without an end the oldest counts; ended ones don't."""
    now = 1.0
    requests = UnderWay(lambda: now)
    assert 0.0 == requests.longest
    requests.begin(1)
    now = 3.0
    requests.begin(2)
    now = 6.0
    assert 5.0 == requests.longest
    requests.end(1)
    assert 3.0 == requests.longest
    requests.end(2)
    requests.end(2)
    assert 0.0 == requests.longest
