"""The loop around the polls; the polls themselves are tried on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, ConnectionError, ConnectionTimeout  # noqa: A004 - the client's own name

from shipper.search.follow import Follower, follow
from shipper.search.paging import Hit


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
    pages = list(follow(cast("Follower", script), lambda: bool(script.steps), notices.append))
    return pages, notices


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


def test_mistakes_are_not_outages() -> None:
    """An error of our own is never taken for the cluster's."""
    with pytest.raises(KeyError):
        run(Script(KeyError("x")))
