"""What a follower finds after its window has passed, on a real node with a simulated clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from shipper.elastic.templates import install
from shipper.query.conditions import every
from shipper.testnode.node import Node
from shipper.views import late_arrivals
from shipper.views.follow import LACKING_STEPS, Follower
from shipper.views.snapshot import Snapshot
from shipper.views.views import lines_of
from tests.elasticsearch.test_search import START, Bench, line


@dataclass
class Watched:
    """A follower with a simulated clock, in seconds after START."""

    bench: Bench
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.stream = self.bench.stream("app")
        self.follower = Follower(self.bench.es, [self.stream], every([]), self._clock)

    def _clock(self) -> float:
        return (START.timestamp() + self.now) * 1000

    def begin(self) -> None:
        """Treat all present lines as shown."""
        with Snapshot(self.bench.es, [self.stream]) as snapshot:
            self.follower.start(snapshot)

    def poll(self, after: float = 0) -> list[str]:
        """Messages of new lines, so many seconds later."""
        self.now += after
        return [hit["_source"]["message"] for hits in self.follower.poll() for hit in hits]


@pytest.fixture
def watched(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Watched:
    """A follower over the app stream of a fresh namespace, not started."""
    install(es)
    return Watched(Bench(es, node.url, namespace, tmp_path))


class TestLate:
    """Documents that become searchable long after the window has passed."""

    def test_comes_once_however_late(self, watched: Watched) -> None:
        """Lines that waited for the cluster longer than the window come once, among shown ones."""
        bench = watched.bench
        bench.put("app", *(line(at, f"before {at}", created=at) for at in range(20)))
        watched.begin()
        assert watched.poll() == []
        bench.put("app", line(100, "in time", created=999), line(101, "shown when new", created=900))
        assert watched.poll(10) == ["shown when new", "in time"]
        bench.put("app", line(102, "late", created=15), line(103, "late too", created=14))
        assert watched.poll(10) == ["late", "late too"]
        assert watched.poll(1000) == []
        bench.put("app", line(104, "later", created=999))
        assert watched.poll(10) == ["later"]
        assert watched.poll(10) == []

    def test_comes_in_the_filter_only(self, watched: Watched) -> None:
        """Lines that do not match the query are not counted."""
        watched.follower = Follower(
            watched.bench.es, [watched.stream], every(lines_of(None, "error")), watched._clock
        )
        watched.begin()
        lines = [line(at, str(at), created=5, log={"level": "error" if at == 3 else "info"}) for at in range(5)]
        watched.bench.put("app", *lines)
        assert watched.poll(10) == ["3"]
        assert watched.poll(10) == []

    def test_many_in_pages(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        """More lines than are remembered come once each, in the order of indexing, also in the next backing index."""
        monkeypatch.setattr(late_arrivals, "MAX_RECENT", 100)
        watched.begin()
        for round_ in range(2):
            lines = [line(at, str(at), created=at % 7, generation=f"g{round_}") for at in range(3000)]
            watched.bench.put("app", *lines)
            assert watched.poll(10) == [str(at) for at in range(3000)]
            assert watched.poll(10) == []
            watched.bench.es.indices.rollover(alias=watched.stream)

    def test_deleted_documents_hide_none(self, watched: Watched) -> None:
        """After a shown document is deleted, the next new line is still found."""
        watched.bench.put("app", *(line(at, str(at), created=at) for at in range(10)))
        watched.begin()
        (index,) = watched.bench.es.indices.get_settings(index=watched.stream)
        for at in range(5):
            watched.bench.es.delete(index=index, id=f"g-{at}", refresh=True)
        assert [watched.poll(10) for _ in range(LACKING_STEPS)] == [[]] * LACKING_STEPS
        watched.bench.put("app", line(50, "late", created=0))
        assert watched.poll(10) == ["late"]

    def test_lines_without_a_time_of_reading(self, watched: Watched) -> None:
        """Foreign documents without a time of reading are shown, later."""
        watched.begin()
        foreign = line(1, "foreign")
        del foreign["event"]
        watched.bench.put("app", foreign)
        assert watched.poll(10) == ["foreign"]
        assert watched.poll(10) == []


def test_order_of_a_file_goes_before_time(watched: Watched) -> None:
    """Files are merged by event time; lines of one file keep their order."""
    watched.begin()
    a, b = {"path": "/a", "generation": "a"}, {"path": "/b", "generation": "b"}
    watched.bench.put(
        "app",
        line(1, "a1", at=10, created=999, **a), line(2, "a2 stamped back", at=4, created=999, **a),
        line(3, "a3", at=30, created=999, **a), line(1, "b1", at=20, created=999, **b),
        line(2, "b2", at=40, created=999.1, **b), line(3, "b3", at=25, created=999.2, **b),
    )  # fmt: skip
    assert watched.poll(1) == ["a1", "a2 stamped back", "b1", "a3", "b2", "b3"]


def test_burst_waits_for_what_was_read_before(watched: Watched) -> None:
    """Where the later of two large requests finishes first, the lines still come in order."""
    watched.begin()
    lines = [line(at, str(at), created=999 + at / 3000) for at in range(6000)]
    watched.bench.put("app", *lines[3000:])
    early = watched.poll()
    watched.bench.put("app", *lines[:3000])
    shown = early + watched.poll(0.5)
    assert shown == [str(at) for at in range(len(shown))]
    assert shown
    assert shown + watched.poll(1) == [str(at) for at in range(6000)]
