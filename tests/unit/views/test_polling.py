"""The loop around the polls; the polls themselves are tried on a real node."""

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
    """Polls that go as written: what each gives, or how it fails."""

    def __init__(self, *steps: list[Hit] | Exception) -> None:
        self.steps = list(steps)
        self.outages = 0

    def poll(self) -> Iterator[list[Hit]]:
        """The next step."""
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        yield step

    def outage(self) -> None:
        """Counted."""
        self.outages += 1


def run(script: Script) -> tuple[list[list[Hit]], list[Exception | None]]:
    """What is given and what is noticed until the script ends."""
    notices: list[Exception | None] = []
    pages = list(follow(cast("Follower", script), lambda _: bool(script.steps), notices.append))
    return pages, notices


def pauses(script: Script, clock: Iterator[float]) -> list[float]:
    """How long is waited before each poll of the script."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return bool(script.steps)

    list(follow(cast("Follower", script), wait, lambda _: None, clock=lambda: next(clock)))
    return waits[: len(waits) - 1]


A: list[dict[str, Any]] = [{"_id": "a"}]
B: list[dict[str, Any]] = [{"_id": "b"}]


def test_outage_is_said_once_and_waited_for() -> None:
    """However often a poll fails there is one notice, one more when it is over, and following goes on."""
    down = ConnectionError("refused")
    script = Script(A, down, ConnectionTimeout("slow"), refused(503), refused(429), B)
    pages, notices = run(script)
    assert pages == [A, B]
    assert notices == [down, None]
    assert script.outages == 4


def test_second_outage_is_said_again() -> None:
    """An end and a new beginning are two events."""
    first, second = ConnectionError("1"), ConnectionError("2")
    assert run(Script(first, A, second, B))[1] == [first, None, second, None]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusal_ends_it(status: int) -> None:
    """What waiting will not mend is the caller's to explain."""
    with pytest.raises(ApiError):
        run(Script(A, refused(status), B))


def test_short_unrest_is_not_spoken_of() -> None:
    """An index that is just being made can't be searched for a moment: only what lasts is an outage."""
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
    """What comes first."""

    def follow(self, first: Script, then: Script) -> list[list[Hit]]:
        """What is given."""
        turns = lambda _: bool(first.steps or then.steps)  # noqa: E731 - as much as there is
        return list(follow(cast("Follower", then), turns, lambda _: None, first.poll))

    def test_is_tried_until_the_shards_are_there(self) -> None:
        """Once it has succeeded the polls follow."""
        assert self.follow(Script(refused(503), refused(503), A), Script(B, B)) == [A, B, B]

    @pytest.mark.parametrize("error", [ConnectionError("no such host"), refused(403)])
    def test_fails_where_nobody_is(self, error: Exception) -> None:
        """A wrong address or key is better said than waited for."""
        with pytest.raises(type(error)):
            self.follow(Script(error, A), Script())

    def test_is_not_repeated(self) -> None:
        """What has been printed in part is not printed again."""

        def broken() -> Iterator[list[Hit]]:
            yield A
            raise refused(503)

        with pytest.raises(ApiError):
            list(follow(cast("Follower", Script()), lambda _: True, lambda _: None, broken))


def test_mistakes_are_not_outages() -> None:
    """An error of our own is never taken for the cluster's."""
    with pytest.raises(KeyError):
        run(Script(KeyError("x")))


def test_slow_polls_rest_longer() -> None:
    """A busy cluster is asked less often, yet never less than once a second; one that is away once a second."""
    clock = iter([0, 0.01, 1, 1.1, 2, 7, 8, 8, 9, 9.01])
    assert pauses(Script(A, A, A, ConnectionError("away"), A), clock) == [0.2, 0.2, pytest.approx(0.4), 1.0, 1.0]


@pytest.mark.parametrize("status", [200, 401, 403])
def test_refusals_of_a_cluster_that_starts(status: int) -> None:
    """While it comes back it may not know us, and a proxy may answer in its place; for ever that is no outage."""
    down = ConnectionError("refused")
    assert run(Script(down, refused(status), refused(status), A))[1] == [down, None]
    with pytest.raises(ApiError):
        run(Script(down, *[refused(status)] * (MAX_REFUSALS + 1), A))
