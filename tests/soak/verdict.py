"""Compares the index with the lines that were written, in memory that does not grow with the lines' size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import Elasticsearch

_NUMBERED = re.compile(r"([a-z0-9-]+) #(\d+)\r?")
# Lines of pipeline logs that bear no number.
_UNNUMBERED = {"=== STDOUT ===", "=== STDERR ===", ""}
_PAGE = 5000
# How much is shown of what is wrong.
MAX_SHOWN = 20


@dataclass
class Verdict:
    """Numbers that are missing or repeated, and foreign documents."""

    documents: int = 0
    lines: int = 0
    lost: dict[str, list[int]] = field(default_factory=dict)
    doubled: dict[str, list[int]] = field(default_factory=dict)
    strange: Counter[str] = field(default_factory=Counter)

    @property
    def well(self) -> bool:
        """Whether every line is there, once, and no other document."""
        return not self.lost and not self.doubled and not self.strange


def judge(es: Elasticsearch, index: str, written: Mapping[str, int]) -> Verdict:
    """Read the whole index, a page at a time."""
    verdict = Verdict(lines=sum(written.values()))
    # A byte a line: how often it was seen, at most 255 times.
    seen = {name: bytearray(count) for name, count in written.items()}
    for document in documents(es, index):
        verdict.documents += 1
        message = document["message"]
        found = _NUMBERED.fullmatch(message)
        if found and found[1] in seen and int(found[2]) < written[found[1]]:
            counts, number = seen[found[1]], int(found[2])
            counts[number] = min(255, counts[number] + 1)
        elif message not in _UNNUMBERED or document["event"]["dataset"] != "neuroflow.pipeline":
            if len(verdict.strange) < MAX_SHOWN:
                verdict.strange[
                    f"{document['log']['file']['path']} @{document['log']['offset']}: {message[:200]!r}"
                ] += 1
            else:
                verdict.strange["more"] += 1
    for name, counts in seen.items():
        if 0 in counts:
            verdict.lost[name] = [number for number, count in enumerate(counts) if not count]
        if max(counts, default=0) > 1:
            verdict.doubled[name] = [number for number, count in enumerate(counts) if count > 1]
    return verdict


def documents(es: Elasticsearch, index: str) -> Iterator[dict[str, Any]]:
    """Every document, copies included."""
    point = es.open_point_in_time(index=index, keep_alive="5m")["id"]
    after = None
    try:
        while True:
            body: dict[str, Any] = {"size": _PAGE, "pit": {"id": point, "keep_alive": "5m"}, "sort": ["_shard_doc"]}
            if after:
                body["search_after"] = after
            answer = es.search(**body, source_includes=["message", "event.dataset", "log.file.path", "log.offset"])
            point = answer["pit_id"]
            hits = answer["hits"]["hits"]
            if not hits:
                return
            yield from (hit["_source"] for hit in hits)
            after = hits[-1]["sort"]
    finally:
        es.close_point_in_time(id=point)


def copies(es: Elasticsearch, index: str, name: str, number: int) -> list[str]:
    """Where each copy of a line is, to explain how it arose."""
    hits = es.search(index=index, query={"match_phrase": {"message": f"{name} #{number}"}}, size=10)["hits"]["hits"]
    return [
        f"{hit['_index']} {hit['_id']} {one['neuroflow']['generation']} {one['log']['file']['path']} "
        f"@{one['log']['offset']} read {one['event']['created']}"
        for hit in hits
        if (one := hit["_source"])["message"].rstrip("\r") == f"{name} #{number}"
    ]
