"""The soak's judge finds every fault, and its writers lose nothing."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.soak import verdict
from tests.soak.verdict import Verdict
from tests.soak.writers import Celery, Compressed, Log, Renamed, Truncated


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """The verdict on these messages, of two written lines of ``app`` and three of ``worker``."""

    def judge(*messages: str, dataset: str = "app") -> Verdict:
        def documents(*_: object) -> Iterator[dict[str, Any]]:
            for offset, message in enumerate(messages):
                file = {"path": "/l", "offset": offset}
                yield {
                    "message": message,
                    "event": {"dataset": f"neuroflow.{dataset}"},
                    "log": {"file": file, "offset": offset},
                }

        monkeypatch.setattr(verdict, "documents", documents)
        with Elasticsearch("http://127.0.0.1:9") as nobody:
            return verdict.judge(nobody, "logs", {"app": 2, "worker": 3})

    return judge


ALL = ("app #0", "worker #2", "worker #0", "app #1", "worker #1\r")


class TestVerdict:
    def test_all_once(self, judged: Callable[..., Verdict]) -> None:
        """Every number once, in any order, passes."""
        found = judged(*ALL)
        assert found.well
        assert (found.lines, found.documents) == (5, 5)

    def test_lost_and_doubled(self, judged: Callable[..., Verdict]) -> None:
        """Missing and repeated numbers are reported by log."""
        found = judged("app #0", "app #0", "worker #1", "worker #1", "worker #1")
        assert not found.well
        assert (found.lost, found.doubled) == ({"app": [1], "worker": [0, 2]}, {"app": [0], "worker": [1]})

    @pytest.mark.parametrize("message", ["app #", "app #2", "app #1 and more", "other #0", "", "=== STDOUT ==="])
    def test_strange(self, judged: Callable[..., Verdict], message: str) -> None:
        """A torn line, an unknown number and a foreign log are reported with their place."""
        found = judged(*ALL, message)
        assert not found.well
        assert [f"/l @5: {message!r}"] == list(found.strange)

    def test_markers_belong_to_pipeline_logs(self, judged: Callable[..., Verdict]) -> None:
        """Only pipeline logs may have lines without a number."""
        assert judged(*ALL, "=== STDOUT ===", "", dataset="pipeline").well


@pytest.mark.parametrize("kind", [Renamed, Truncated, Compressed, Celery])
def test_writers_lose_nothing(kind: type[Log], tmp_path: Path) -> None:
    """After rotations the files contain every number once, in order."""
    log = kind(tmp_path / "app.log", 100, random.Random(3))
    for _ in range(3):
        log.append(log.next_lines(10))
        log.rotate()
    log.append(log.next_lines(10))
    files = sorted(tmp_path.iterdir(), key=lambda path: path.name, reverse=True)
    assert len(files) == 4
    data = b"".join(
        gzip.decompress(raw) if path.suffix == ".gz" else raw for path in files if (raw := path.read_bytes())
    )
    count = log.written()["app"]
    numbers = [data.index(f"app #{number}".encode()) for number in range(count)]
    assert numbers == sorted(numbers)
    assert [1] * count == [data.count(b'"n": %d}' % n) or data.count(b"app #%d\n" % n) for n in range(count)]
