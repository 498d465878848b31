"""``neuroflow-logs search -C`` prints the lines around matches that grep prints from the files."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.conformance.harness import Harness
from tests.elasticsearch.screens import Laboratory
from tests.elasticsearch.test_search import Bench, line


@pytest.fixture
def bench(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Bench:
    """A fresh namespace with its templates."""
    install(es)
    return Bench(es, node.url, namespace, tmp_path)


NEEDLE, STRAW = "needle", "straw"


class Haystack:
    """Log files with needles in them, shipped by the real sidecar."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.view = Laboratory(harness)
        self.files: dict[str, list[str]] = {}

    def write(self, name: str, needles: list[bool]) -> None:
        """One file, a line for each flag."""
        lines = [f"{name} {at} {NEEDLE if found else STRAW}" for at, found in enumerate(needles)]
        path = self.harness.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "pipelines" in name:
            path.write_text("".join(f"{text}\n" for text in lines))
        else:
            stamp = "2026-11-23T12:00:00Z"
            rows = [json.dumps({"event": text, "timestamp": stamp, "level": "info"}) for text in lines]
            path.write_text("".join(f"{row}\n" for row in rows))
        self.files[str(path)] = lines

    def grep(self, before: int, after: int) -> list[str]:
        """What ``grep -h`` prints, over the files by their names."""
        shown: list[str] = []
        for _, lines in sorted(self.files.items()):
            last = -1
            for at, text in enumerate(lines):
                around = lines[max(0, at - after) : at + before + 1]
                if not any(NEEDLE in each for each in around):
                    continue
                if shown and (last < 0 or at != last + 1):
                    shown.append("--")
                shown.append(text)
                last = at
        return shown


@pytest.fixture(scope="module")
def haystack(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haystack]:
    """Files with few, many, no or only needles, some of them rotated."""
    harness = Harness(tmp_path_factory.mktemp("hay"), node.url, f"hay{os.getpid()}")
    hay, dice = Haystack(harness), random.Random(7)
    hay.write("neuroflow.log", [dice.random() < 0.02 for _ in range(900)])
    hay.write("neuroflow.log.1", [dice.random() < 0.3 for _ in range(500)])
    hay.write("workflow.log", [True] * 300)
    hay.write("celery/worker.log", [False] * 20)
    hay.write("pipelines/mriqc/mriqc_4_20261123_124412.log", [dice.random() < 0.1 for _ in range(700)])
    hay.write("pipelines/mriqc/mriqc_5_20261123_124412.log", [True])
    hay.write("pipelines/mriqc/mriqc_6_20261123_124412.log", [False, False, True, False])
    harness.once()
    yield hay
    harness.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *((0, 1), (3, 3)),
        *(
            pytest.param(*one, marks=pytest.mark.thorough)
            for one in [(1, 0), (2, 1), (0, 7), (12, 0), (1, 9), (40, 40), (1000, 1000)]
        ),
    ],
)
def test_lines_around_matches(haystack: Haystack, before: int, after: int) -> None:
    """The output equals grep's, file by file: no line twice, and a mark where lines are left out."""
    printed = haystack.view.run("search", NEEDLE, "-B", str(before), "-A", str(after), columns=1000).stdout.decode()
    shown = [text if text == "--" else re.sub(r".*  ", "", text) for text in printed.splitlines()[1:]]
    assert haystack.grep(before, after) == [re.sub(r" run_id=.*", "", text) for text in shown]
    rows = haystack.view.rows("search", NEEDLE, "-B", str(before), "-A", str(after))
    assert [text for text in haystack.grep(before, after) if text != "--"] == [row["message"] for row in rows]


def test_lines_around_the_newest(haystack: Haystack) -> None:
    """With --tail the newest matches are shown with their contexts."""
    rows = haystack.view.rows("search", NEEDLE, "--dataset", "workflow", "--tail", "2", "-B", "1")
    assert [f"workflow.log {at} {NEEDLE}" for at in (297, 298, 299)] == [row["message"] for row in rows]
    haystack.view.run("search", NEEDLE, "--tail", "10001", "-C", "1", code=2)


def test_lines_around_a_log_that_was_renamed(bench: Bench) -> None:
    """A log whose later lines were read under its next name is one log, each line once."""
    lines = [
        line(at, f"{NEEDLE if at in {3, 6, 7, 9, 15} else STRAW} {at}", path="/log.1" if at > 7 else "/log")
        for at in range(20)
    ]
    bench.put("app", *lines, line(1, f"{NEEDLE} other", path="/log", generation="h"))
    found = bench.run("search", NEEDLE, "-C", "3", "--format", "ndjson").stdout.splitlines()
    shown = [(row["neuroflow.generation"], row["log.offset"]) for row in map(json.loads, found)]
    assert sorted([("h", 1), *(("g", at) for at in range(19))]) == sorted(shown)


def test_documents_of_another_writer(bench: Bench) -> None:
    """Those that are in several places of logs, which no line is, stand alone or are left out; the lines stay."""
    odd = [line(at, f"{STRAW} odd {at}") for at in range(1, 40)]
    for at, document in enumerate(odd):
        document["log"] |= {"offset": [at, at + 1]} if at % 2 else {"file": {"path": ["/log", "/other"]}}
        document["neuroflow"]["generation"] = "g" if at % 3 else ["g", "h"]
    odd[5]["message"] = NEEDLE
    bench.put("app", *odd)
    bench.put("app", *(line(at, f"{NEEDLE if at == 20 else STRAW} {at}", generation="i") for at in range(40)))
    bench.put(
        "app", *(line(at, f"{STRAW} {at}", log={"offset": [at - 1, at]}, generation="i") for at in range(10, 30))
    )
    found = bench.run("search", NEEDLE, "-C", "2", "--format", "ndjson").stdout.splitlines()
    rows = [json.loads(row) for row in found]
    assert [18, 19, 20, 21, 22] == [row["log.offset"] for row in rows if row["neuroflow.generation"] == "i"]
    assert NEEDLE in [row["message"] for row in rows]


def test_copy_over_a_rollover_counts_once(bench: Bench) -> None:
    """A line in two backing indices is one line, as a match and as context."""
    lines = [line(at, f"{NEEDLE if at == 2 else STRAW} {at}") for at in range(6)]
    bench.put("app", *lines)
    bench.es.indices.rollover(alias=bench.stream("app"))
    bench.put("app", *lines)
    found = bench.run("search", NEEDLE, "-B", "1", "-A", "2", "--format", "ndjson").stdout.splitlines()
    assert [1, 2, 3, 4] == [json.loads(row)["log.offset"] for row in found]
