"""Run documents while their index fails, and when the process ends before they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.elastic.names import run_index
from tests.conformance.fake import Answer, Fake, page, refuse
from tests.conformance.faked import FakedHarness, Running
from tests.conformance.harness import Harness, eventually

RUNS = "POST /neuroflow-runs"


def tell(log: Path, verb: str, runs: range) -> None:
    """Append an event of each of some runs."""
    second = ("queued", "started", "completed").index(verb)
    with log.open("a") as file:
        for run in runs:
            stamp = f"2026-03-02T10:{run % 60:02d}:0{second}.000000Z"
            file.write(json.dumps({"event": f"pipeline.{verb}", "run_id": run, "timestamp": stamp}) + "\n")


def statuses(runs: dict[str, Any]) -> dict[str, int]:
    """The number of runs by status."""
    found = [run.get("status", "none") for run in runs.values()]
    return {status: found.count(status) for status in sorted(set(found))}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(429, "circuit_breaking_exception"), "answered 429"),
        (refuse(503, "unavailable_shards_exception"), "answered 503"),
        (page(502), "a proxy or another service"),
        (page(403), "a proxy or another service"),
    ],
)
def test_cursors_wait_for_run_documents(faked: FakedHarness, fake: Fake, answer: Answer, said: str) -> None:
    """While their index fails documents are indexed and positions wait; later both are complete."""
    fake.otherwise[RUNS] = answer
    tell(faked.log, "queued", range(50))
    sidecar = faked.begin()
    assert sidecar.says(said)
    assert eventually(lambda: fake.documents == 50)
    assert 0 == faked.status()["files"][0]["offset"]
    del fake.otherwise[RUNS]
    assert eventually(lambda: statuses(fake.runs) == {"queued": 50})
    assert 0 == sidecar.stop()
    assert faked.log.stat().st_size == faked.status()["files"][0]["offset"]
    assert 50 == fake.documents


def test_logs_are_shipped_without_run_documents(faked: FakedHarness, fake: Fake) -> None:
    """A missing privilege is logged, and positions move."""
    fake.otherwise[RUNS] = refuse(403, "security_exception", "unauthorized for index")
    tell(faked.log, "queued", range(50))
    result = faked.once()
    assert 0 == result.returncode
    assert "logs are still shipped" in result.stderr
    assert faked.log.stat().st_size == faked.status()["files"][0]["offset"]
    assert 50 == fake.documents


def test_a_stop_while_they_wait(faked: FakedHarness, fake: Fake) -> None:
    """Lines with unwritten facts are read again as duplicates, and their facts written."""
    fake.otherwise[RUNS] = refuse(429, "circuit_breaking_exception")
    faked.configure(shutdown_timeout=2)
    tell(faked.log, "queued", range(50))
    sidecar = faked.begin()
    assert eventually(lambda: fake.documents == 50)
    assert sidecar.says("answered 429")
    assert 0 != sidecar.stop()
    assert 0 == faked.status()["files"][0]["offset"]
    del fake.otherwise[RUNS]
    assert 0 == faked.once().returncode
    assert ({"queued": 50}, 50) == (statuses(fake.runs), fake.documents)


def test_killed_between_documents_and_runs(harness: Harness, es: Elasticsearch) -> None:
    """After a kill with unwritten facts the next start writes them, and no document is repeated."""
    log = harness.logs / "neuroflow.log"
    harness.configure()
    tell(log, "queued", range(300))
    sidecar = Running(harness.start())
    assert eventually(lambda: harness.count() == 300)
    tell(log, "started", range(300))
    assert eventually(lambda: harness.count() == 600)
    sidecar.kill()
    tell(log, "completed", range(100))
    assert 0 == harness.once().returncode
    assert 700 == harness.count()
    hits = es.search(index=run_index(harness.namespace), size=1000)["hits"]["hits"]
    assert {"completed": 100, "running": 200} == statuses({hit["_id"]: hit["_source"] for hit in hits})
    assert [2, 3] == sorted({len(hit["_source"]["facts"]) for hit in hits})
