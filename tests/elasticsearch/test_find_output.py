"""``neuroflow-logs search`` gives its matches in pages, continuously, and with marked words."""

from __future__ import annotations

import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.conformance.harness import Harness
from tests.elasticsearch.screens import Laboratory
from tests.elasticsearch.test_search import START, Bench, line


@pytest.fixture
def bench(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Bench:
    """A fresh namespace with its templates."""
    install(es)
    return Bench(es, node.url, namespace, tmp_path)


def test_many_matches_come_in_pages(bench: Bench) -> None:
    """More matches than one search returns come completely, once each, by time."""
    texts = [f"needle {at}" if at % 9 else f"straw {at}" for at in range(12_000)]
    needles = [text for text in texts if text.startswith("needle")]
    bench.put("app", *(line(at, text, at=at // 700) for at, text in enumerate(texts)))
    for tail, expected in (((), needles), (("--tail", "10500"), needles[-10_500:])):
        found = bench.run("search", "needle", *tail, "--format", "ndjson").stdout.splitlines()
        assert expected == [json.loads(row)["message"] for row in found]


@pytest.mark.thorough
def test_word_that_is_part_of_very_many(bench: Bench) -> None:
    """A word that is part of more long names than a pattern may match is found where it stands alone."""
    bench.put("app", *(line(at, f"sub-{at:05}_ses-01 x") for at in range(30_000)), line(99_999, "at ses-01 now"))
    found = bench.run("search", "ses-01", "--format", "ndjson").stdout.splitlines()
    assert len(found) in {1, 30_001}
    assert "at ses-01 now" in {json.loads(row)["message"] for row in found}


def test_many_matches_come_in_time_slices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time slices give each match once and in order: with equal times, gaps in time, and at the end."""
    monkeypatch.setattr("shipper.views.paging.SLICE_DOCUMENTS", 700)
    at = [
        *(number // 900 for number in range(3000)),
        *(10_000 + number / 1000 for number in range(2200)),
        *range(90, 99),
    ]
    bench.put("app", *(line(number, f"needle {number}", at=when) for number, when in enumerate(at)))
    expected = [f"needle {number}" for _, number in sorted((when, number) for number, when in enumerate(at))]
    found = bench.run("search", "needle", "--format", "ndjson").stdout.splitlines()
    assert expected == [json.loads(row)["message"] for row in found]


def test_follow(bench: Bench) -> None:
    """New matches are printed as they arrive, until Ctrl-C."""
    now = (datetime.now(UTC) - START).total_seconds()
    bench.put("app", line(1, "needle one", created=now))
    process = bench.start("search", "needle", "-f", "--format", "ndjson")
    assert process.stdout is not None
    assert "needle one" == json.loads(process.stdout.readline())["message"]
    bench.put("celery", line(2, "straw", created=now), line(3, "second Needle", created=now))
    assert "second Needle" == json.loads(process.stdout.readline())["message"]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()
    assert ("", "", 0) == (rest, errors, process.returncode)


def test_closed_pipe_is_quiet(bench: Bench) -> None:
    """``| head -1`` of many matches is no error, with lines around them or without."""
    bench.put("app", *(line(at, f"needle {at}") for at in range(8000)))
    for args in (["needle"], ["needle", "-C", "1"]):
        process = bench.start("search", *args, "--format", "ndjson")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "" == process.stderr.read()
        assert 0 == process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def marked(es: Elasticsearch, node: Node, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Lines that contain marks, markup or colours."""
    install(es)
    harness = Harness(tmp_path_factory.mktemp("marks"), node.url, f"marks{os.getpid()}")
    bench = Bench(es, node.url, harness.namespace, tmp_path_factory.mktemp("bench"))
    bench.put(
        "app",
        line(1, "pipeline.failed [bold]", log={"level": "error"}, neuroflow={"run_id": "456"}),
        line(2, "\ue000deadbeef\ue001failed\ue000deadbeef\ue002 <em>failed</em> [/red]"),
        line(3, "\x1b[31mfailed\x1b[0m and failed"),
        line(4, "failed " + "x " * 600_000),
        line(5, "task", error={"message": "failed: it"}),
        line(6, "it failed twice", error={"message": "failed"}),
    )
    return Laboratory(harness)


class TestMarks:
    """Found words are highlighted on a terminal."""

    def test_words_stand_out(self, marked: Laboratory) -> None:
        """Each found word is printed in reverse video, everything else unchanged."""
        shown = marked.screen("search", "failed", "--until", "2026-11-23T12:00:03Z", columns=300).decode()
        assert ["pipeline.failed", "failed", "failed", "failed", "failed"] == re.findall(
            r"\x1b\[7m(.*?)\x1b\[0m", shown
        )
        plain = marked.screen(
            "search", "failed", "--until", "2026-11-23T12:00:03Z", columns=300, NO_COLOR="1"
        ).decode()
        assert plain == re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "\ue000deadbeef\ue001failed\ue000deadbeef\ue002 <em>failed</em> [/red]" in plain

    def test_fields_stand_out(self, marked: Laboratory) -> None:
        """A value that the query names is highlighted in its column, in the column's own style."""
        shown = marked.screen("search", "run_id:456 level:error", columns=300).decode()
        assert "\x1b[7;31merror\x1b[0m" in shown
        assert "run_id=\x1b[7m456\x1b[0m" in shown

    def test_long_and_shared_texts(self, marked: Laboratory) -> None:
        """A message of a mebibyte is printed whole; an error that the message contains is not repeated."""
        shown = marked.screen("search", "failed", "--since", "2026-11-23T12:00:04Z", columns=300).decode()
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert 600_000 == len(re.findall(r"\bx\b", plain))
        assert 'error="\x1b[7mfailed\x1b[0m: it"' in shown
        assert "it failed twice\n" in plain

    def test_lines_around_are_paler(self, marked: Laboratory) -> None:
        """Context lines are dim and without marks."""
        shown = marked.screen("search", "456", "-A", "1", columns=300).decode()
        match, beside = shown.splitlines()[1:]
        assert "\x1b[7m456\x1b[0m" in match
        assert "\x1b[7m" not in beside
        assert "\x1b[2m" in beside

    def test_pipes_get_none(self, marked: Laboratory) -> None:
        """Without a terminal, or with NO_COLOR, nothing is marked."""
        assert b"\x1b" not in marked.run("search", "failed").stdout
        assert b"\x1b" not in marked.screen("search", "failed", columns=200, NO_COLOR="1")
