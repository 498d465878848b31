"""Counts the demonstration's lines and documents without the shipper's code, and compares them.

Lines are recognised independently of the shipper's parsers, so that a mistake there shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

#: The files of each data stream, as a pattern below the log directory.
FILES = {
    "app": "neuroflow.log*",
    "workflow": "workflow.log*",
    "celery": "celery/*.log*",
    "pipeline": "pipelines/*/*.log*",
    "audit": "audit/audit_*.jsonl*",
}

_PAGE = 5000


@dataclass(frozen=True)
class Tally:
    """One data stream: records in its files, documents in the index, and documents with a position seen before."""

    dataset: str
    lines: int
    documents: int
    doubled: int

    @property
    def fault(self) -> str | None:
        """The difference, as a sentence; None when every line is there once."""
        faults = []
        # A duplicate must not compensate for a missing line.
        distinct = self.documents - self.doubled
        if distinct < self.lines:
            faults.append(f"{self.lines - distinct} of {self.lines} lines are missing")
        if distinct > self.lines:
            faults.append(f"{distinct - self.lines} documents have no line")
        if self.doubled:
            faults.append(f"{self.doubled} documents are doubled")
        return f"{self.dataset}: {', '.join(faults)}" if faults else None


def records_in(path: Path, dataset: str) -> int:
    """How many documents a log file must give.

    A pipeline's output gives one for each line, also empty ones.  A record of Celery begins with a date in brackets,
    and includes the lines after it (a traceback).  In other files each line that is not empty is a record.
    """
    lines = path.read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()  # after the last line end
    if dataset == "pipeline":
        return len(lines)
    if dataset == "celery":
        return sum(line.startswith(b"[20") for line in lines)
    return sum(bool(line.strip()) for line in lines)


def records_below(log_dir: Path) -> dict[str, int]:
    """The same for all files of each data stream."""
    return {
        dataset: sum(records_in(path, dataset) for path in log_dir.glob(pattern))
        for dataset, pattern in FILES.items()
    }


def tally(client: Elasticsearch, namespace: str, log_dir: Path) -> list[Tally]:
    """Every data stream's records and documents; reads all documents."""
    found = []
    for dataset, lines in records_below(log_dir).items():
        documents, doubled = repetitions(positions(client, f"logs-neuroflow.{dataset}-{namespace}"))
        found.append(Tally(dataset, lines, documents, doubled))
    return found


def repetitions(seen: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """How many there are, and how many of them repeat another one."""
    counts = Counter(seen)
    return counts.total(), counts.total() - len(counts)


def positions(client: Elasticsearch, stream: str) -> Iterator[tuple[str, int]]:
    """The position of each document's line: generation and offset."""
    try:
        client.indices.refresh(index=stream)
        pit = client.open_point_in_time(index=stream, keep_alive="1m")["id"]
    except NotFoundError:
        return
    after: list[Any] | None = None
    try:
        while True:
            hits = client.search(
                pit={"id": pit, "keep_alive": "1m"},
                size=_PAGE,
                sort=[{"_shard_doc": "asc"}],
                search_after=after,
                source=False,
                fields=[{"field": "neuroflow.generation"}, {"field": "log.offset"}],
                track_total_hits=False,
            )["hits"]["hits"]
            for hit in hits:
                yield hit["fields"]["neuroflow.generation"][0], int(hit["fields"]["log.offset"][0])
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]
    finally:
        client.close_point_in_time(id=pit)
