from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from elasticsearch import ApiError

from shipper.cluster import connect
from shipper.config import Elasticsearch as Settings
from shipper.deliver.recovery import SINGLE_FOR, Pair, Recovery
from tests.conformance.fake import Exchange, Fake, refuse

STREAM = "logs-neuroflow.app-x"


class Desk:
    """A recovery that asks the fake, at a time that the test sets."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.now = 100.0
        self.warned: list[str] = []
        self.client = connect(Settings(hosts=[fake.url]))
        self.recovery = Recovery(self.client, self.warned.append, lambda: self.now)

    def index(self, *names: str) -> None:
        """Documents are there, in the newest backing index."""
        self.fake.streams.setdefault(STREAM, [{}])[-1].update({name: {} for name in names})

    def unknown(self, *names: str, since: float = 0.0) -> list[str]:
        """Which of these are not there."""
        return [raw.decode() for _, raw in self.recovery.unknown([pair(name) for name in names], since)]


def pair(name: str) -> Pair:
    """An item and its line."""
    return orjson.dumps({"create": {"_index": STREAM, "_id": name}}) + b"\n{}\n", name.encode()


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A recovery at the fake."""
    desk = Desk(Fake())
    yield desk
    desk.client.close()
    desk.fake.down()


def test_one_backing_index_needs_no_look_up(desk: Desk) -> None:
    """There the conflict on create says the same; a stream that is not there holds nothing."""
    assert ["a"] == desk.unknown("a")
    desk.index("a")
    desk.now += SINGLE_FOR
    assert ["a", "b"] == desk.unknown("a", "b")
    assert ["a", "b"] == desk.unknown("a", "b")
    assert [f"GET /{STREAM}/_settings"] * 2 == desk.fake.journal


def test_after_a_rollover_ids_are_found_everywhere(desk: Desk) -> None:
    """In the old backing index and in the new one; refreshed once."""
    desk.index("old")
    desk.fake.rollover(STREAM)
    desk.index("new")
    assert ["c"] == desk.unknown("old", "c", "new")
    assert ["d"] == desk.unknown("d")
    assert 1 == desk.fake.journal.count(f"POST /{STREAM}/_refresh")


def test_nothing_known_before_the_doubt_counts(desk: Desk) -> None:
    """Rolled over a moment after it was seen to have one index: who asks about a later moment is told."""
    desk.index("a")
    assert ["a"] == desk.unknown("a")
    desk.fake.rollover(STREAM)
    desk.now += 1
    assert ["a"] == desk.unknown("a")
    assert [] == desk.unknown("a", since=desk.now)
    desk.now += 1
    assert [] == desk.unknown("a", since=desk.now)
    assert 2 == desk.fake.journal.count(f"POST /{STREAM}/_refresh")


def test_half_an_answer_is_none(desk: Desk) -> None:
    """A shard that is not there just now must not make its documents look missing."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    allowed: list[str] = []

    def look(one: Exchange) -> None:
        allowed.append(one.params.get("allow_partial_search_results", "true"))
        refuse(503, "search_phase_execution_exception")(one)

    desk.fake.otherwise[f"POST /{STREAM}/_search"] = look
    with pytest.raises(ApiError):
        desk.unknown("a")
    assert ["false"] == allowed


def test_read_is_all_that_a_key_needs(desk: Desk) -> None:
    """It may neither ask for settings nor refresh: it looks all the same."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    for request in ("GET", "POST"):
        desk.fake.otherwise[f"{request} /{STREAM}/_{'settings' if request == 'GET' else 'refresh'}"] = refuse(403)
    assert ["b"] == desk.unknown("a", "b")
    assert [] == desk.warned


def test_a_key_that_may_not_read_is_told_once(desk: Desk) -> None:
    """Then everything counts as unknown, and nothing is asked any more."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.otherwise[f"POST /{STREAM}/_search"] = refuse(403)
    assert ["a"] == desk.unknown("a")
    asked = len(desk.fake.journal)
    assert ["a"] == desk.unknown("a")
    assert asked == len(desk.fake.journal)
    (warning,) = desk.warned
    assert "grant `read`" in warning
