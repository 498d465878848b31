"""The count that does not trust the shipper."""

from __future__ import annotations

from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from shipper.demo import counting
from shipper.demo.counting import Tally, records_below, records_in, repetitions


@pytest.mark.parametrize(
    ("dataset", "content", "expected"),
    [
        ("app", b'{"a":1}\n\n{"a":2}\n  \n', 2),
        ("app", b'{"a":1}\n{"a":', 2),
        ("audit", b"", 0),
        ("pipeline", b"=== STDOUT ===\n\nx\n\n=== STDERR ===\n", 5),
        ("pipeline", b"a\nno end", 2),
        ("pipeline", b"\n", 1),
        ("celery", b"[2026-01-01 1: E/M] a\nTraceback:\n  x\n[2026-01-01 2: I/M] b\n", 2),
    ],
)
def test_records(tmp_path: Path, dataset: str, content: bytes, expected: int) -> None:
    """Each kind of file has its own idea of what a record is."""
    path = tmp_path / "a.log"
    path.write_bytes(content)
    assert records_in(path, dataset) == expected


def test_all_files_of_a_stream_count(tmp_path: Path) -> None:
    """Rotated siblings belong to it; lock files and other streams don't."""
    for name in ("neuroflow.log", "neuroflow.log.1", ".neuroflow.log.lock", "workflow.log"):
        (tmp_path / name).write_text("line\n")
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery/beat.log.2").write_text("[2026…] a\n")
    assert records_below(tmp_path) == {"app": 2, "workflow": 1, "celery": 1, "pipeline": 0, "audit": 0}


def test_repetitions() -> None:
    """How many there are, and how many too many."""
    assert repetitions([]) == (0, 0)
    assert repetitions([("g", 0), ("g", 9), ("h", 0)]) == (3, 0)
    assert repetitions([("g", 0), ("g", 0), ("g", 0), ("h", 0)]) == (4, 2)


@pytest.mark.parametrize(
    ("lines", "documents", "doubled", "fault"),
    [
        (10, 10, 0, None),
        (10, 9, 0, "app: 1 of 10 lines are missing"),
        (10, 11, 1, "app: 1 documents are doubled"),
        (10, 10, 1, "app: 1 of 10 lines are missing, 1 documents are doubled"),
        (10, 11, 0, "app: 1 documents have no line"),
    ],
)
def test_verdict(lines: int, documents: int, doubled: int, fault: str | None) -> None:
    """A doubled line does not make up for a missing one."""
    assert Tally("app", lines, documents, doubled).fault == fault


def test_every_page_is_read(es: Elasticsearch, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All documents are looked at, page by page, and two at one position are seen."""
    monkeypatch.setattr(counting, "_PAGE", 3)
    index = f"counting-{namespace}"  # no template of ours, which would close its mapping
    for offset in (*range(7), 3):
        es.index(index=index, document={"neuroflow": {"generation": "g"}, "log": {"offset": offset}})
    assert repetitions(counting.positions(es, index)) == (8, 1)
    es.indices.delete(index=index)


def test_a_stream_that_is_not_there(es: Elasticsearch, namespace: str) -> None:
    """Nothing was shipped to it: no documents, no error."""
    assert list(counting.positions(es, f"logs-neuroflow.app-{namespace}")) == []
