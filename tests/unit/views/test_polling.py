"""The loop around the polls; real polls are tested on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, ConnectionError, ConnectionTimeout  # noqa: A004 - the client's own name

from shipper.elastic.search_answers import Hit
from shipper.views.follow import Follower
from shipper.views.polling import MAX_REFUSALS, SILENT_SECONDS, follow


def refused(status: int) -> ApiError:
    """An answer with this status."""
    node = NodeConfig("http", "cluster", 9200)
    return ApiError("no", ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, node), {})


class Script:
    """Polls with prepared results or failures."""

    def __init__(self, *steps: list[Hit] | Exception) -> None:
        self.steps = list(steps)
        self.outages = 0

    def poll(self) -> Iterator[list[Hit]]:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        yield step

    def outage(self) -> None:
        self.outages += 1


def run(script: Script) -> tuple[list[list[Hit]], list[Exception | None]]:
    """The results and messages until the script ends."""
    notices: list[Exception | None] = []
    pages = list(follow(cast("Follower", script), lambda _: bool(script.steps), notices.append))
    return pages, notices


def pauses(script: Script, clock: Iterator[float]) -> list[float]:
    """The pauses before each poll of the script."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return bool(script.steps)

    list(follow(cast("Follower", script), wait, lambda _: None, clock=lambda: next(clock)))
    return waits[: len(waits) - 1]


A: list[dict[str, Any]] = [{"_id": "a"}]
B: list[dict[str, Any]] = [{"_id": "b"}]


def test_outage_is_reported_once() -> None:
    """An outage gives one message at its beginning and one at its end, and polling goes on."""
    down = ConnectionError("refused")
    script = Script(A, down, ConnectionTimeout("slow"), refused(503), refused(429), B)
    pages, notices = run(script)
    assert pages == [A, B]
    assert notices == [down, None]
    assert script.outages == 4


def test_second_outage_is_reported_again() -> None:
    """Each outage gives its messages."""
    first, second = ConnectionError("1"), ConnectionError("2")
    assert run(Script(first, A, second, B))[1] == [first, None, second, None]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusal_ends_it(status: int) -> None:
    """An error that waiting cannot cure is raised."""
    with pytest.raises(ApiError):
        run(Script(A, refused(status), B))


def test_short_failures_are_not_reported() -> None:
    """A failure counts as an outage only if it lasts."""
    assert run(Script(A, refused(503), refused(503), B)) == ([A, B], [])
    long = refused(503)
    clock = iter([0, 0, 10, 10, 10, 10, 10 + SILENT_SECONDS])
    notices: list[Exception | None] = []
    script = Script(A, refused(503), long, B)
    list(
        follow(cast("Follower", script), lambda _: bool(script.steps), notices.append, clock=lambda: next(clock, 20))
    )
    assert notices == [long, None]


class TestBegin:
    """The first poll."""

    def follow(self, first: Script, then: Script) -> list[list[Hit]]:
        turns = lambda _: bool(first.steps or then.steps)  # noqa: E731 - as much as there is
        return list(follow(cast("Follower", then), turns, lambda _: None, first.poll))

    def test_is_tried_until_the_shards_are_there(self) -> None:
        """After it succeeds the polls follow."""
        assert self.follow(Script(refused(503), refused(503), A), Script(B, B)) == [A, B, B]

    @pytest.mark.parametrize("error", [ConnectionError("no such host"), refused(403)])
    def test_fails_where_nobody_is(self, error: Exception) -> None:
        """A wrong address or key is reported instead of retried."""
        with pytest.raises(type(error)):
            self.follow(Script(error, A), Script())

    def test_is_not_repeated(self) -> None:
        """After a part was printed the first poll is not repeated."""

        def broken() -> Iterator[list[Hit]]:
            yield A
            raise refused(503)

        with pytest.raises(ApiError):
            list(follow(cast("Follower", Script()), lambda _: True, lambda _: None, broken))


def test_mistakes_are_not_outages() -> None:
    """A bug is raised."""
    with pytest.raises(KeyError):
        run(Script(KeyError("x")))


def test_slow_polls_rest_longer() -> None:
    """After a slow poll the pause is longer, up to a second."""
    clock = iter([0, 0.01, 1, 1.1, 2, 7, 8, 8, 9, 9.01])
    assert pauses(Script(A, A, A, ConnectionError("away"), A), clock) == [0.2, 0.2, pytest.approx(0.4), 1.0, 1.0]


@pytest.mark.parametrize("status", [200, 401, 403])
def test_refusals_of_a_cluster_that_starts(status: int) -> None:
    """After an outage 401 and proxies' answers are retried for a bounded time."""
    down = ConnectionError("refused")
    assert run(Script(down, refused(status), refused(status), A))[1] == [down, None]
    with pytest.raises(ApiError):
        run(Script(down, *[refused(status)] * (MAX_REFUSALS + 1), A))
