"""Blocks, rollovers and rejections of a real node."""

from __future__ import annotations

from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch

from tests.conformance.faked import Running
from tests.conformance.harness import Harness, eventually
from tests.conformance.test_sidecar import expected, write


def newest(es: Elasticsearch, stream: str) -> str:
    """The write index."""
    names: dict[str, Any] = es.indices.get_settings(index=stream).body
    return max(names)


def count(harness: Harness) -> int:
    """The number of documents; none while the stream is being created."""
    try:
        return harness.count("app")
    except ApiError as error:
        if error.meta.status != 503:
            raise
        return 0


class TestNode:
    @pytest.mark.parametrize("block", ["index.blocks.read_only_allow_delete", "index.blocks.write"])
    def test_a_block_is_waited_out(self, harness: Harness, es: Elasticsearch, block: str) -> None:
        """While an index is blocked documents wait."""
        log = harness.logs / "neuroflow.log"
        sidecar = Running(harness.start())
        write(log, 0, 10)
        assert eventually(lambda: count(harness) == 10)
        index = newest(es, f"logs-neuroflow.app-{harness.namespace}")
        es.indices.put_settings(index=index, settings={block: True})
        write(log, 10, 30)
        assert sidecar.says("cluster_block_exception")
        es.indices.put_settings(index=index, settings={block: None})
        assert eventually(lambda: count(harness) == 30)
        assert sidecar.says("the cluster takes documents again")
        assert 0 == sidecar.stop()
        assert expected(30) == harness.messages("app")
        assert 0 == harness.status()["dead_letters"]

    def test_rolled_over_under_way(self, harness: Harness, es: Elasticsearch) -> None:
        """With rollovers during shipping every line is in one backing index, once."""
        stream = f"logs-neuroflow.app-{harness.namespace}"
        harness.configure(batch={"max_events": 50})
        log = harness.logs / "neuroflow.log"
        sidecar = Running(harness.start())
        write(log, 0, 10)
        assert eventually(lambda: count(harness) == 10)
        for first in range(10, 2010, 500):
            write(log, first, first + 500)
            es.indices.rollover(alias=stream)
        assert eventually(lambda: count(harness) >= 2010)
        assert 0 == sidecar.stop()
        assert expected(2010) == harness.messages("app")
        assert 5 == len(es.indices.get_settings(index=stream))

    def test_killed_between_rollovers(self, harness: Harness, es: Elasticsearch) -> None:
        """After kills and rollovers the ids of older indices are looked up."""
        stream = f"logs-neuroflow.app-{harness.namespace}"
        harness.configure(batch={"max_events": 100}, partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        for first in range(0, 15_000, 5000):
            write(log, first, first + 5000)
            sidecar = Running(harness.start())
            assert eventually(lambda first=first: count(harness) > first + 300)  # type: ignore[misc]
            sidecar.kill()
            es.indices.rollover(alias=stream)
        assert 0 == harness.once().returncode
        assert expected(15_000) == harness.messages("app")

    def test_letters_replayed_after_a_rollover(self, harness: Harness, es: Elasticsearch) -> None:
        """A document that only the next index accepts is there once, also after another replay."""
        stream = f"logs-neuroflow.app-{harness.namespace}"
        log = harness.logs / "neuroflow.log"
        write(log, 0, 5)
        assert 0 == harness.once().returncode
        es.indices.put_settings(index=newest(es, stream), settings={"index.final_pipeline": "nobody-made-it"})
        write(log, 5, 8)
        assert 1 == harness.once().returncode
        assert expected(5) == harness.messages("app")
        assert 3 == harness.status()["dead_letters"]
        path = harness.state / "dead-letters.ndjson"
        letters = path.read_bytes()
        es.indices.rollover(alias=stream)
        for _ in range(2):
            result = harness.ask("dead-letters", "replay")
            assert (0, "3 indexed, 0 rejected again\n") == (result.returncode, result.stdout), result.stderr
            es.indices.rollover(alias=stream)
            path.write_bytes(letters)
        assert expected(8) == harness.messages("app")
