"""Lines of any length and files with many lines take bounded memory and do not disturb others."""

from __future__ import annotations

import json

import pytest

from tests.conformance.harness import Harness
from tests.conformance.watched import once_measured, peak_memory

pytestmark = pytest.mark.in_process

# What the process takes for its code, its batches and one line of eight times the limit, with room to spare.
MAX_MEMORY = 400 * 2**20
LIMIT = 1000


def flags(document: dict[str, object]) -> list[str]:
    """The flags of a document."""
    log = document["log"]
    assert isinstance(log, dict)
    return list(log.get("flags", []))


class TestLongLines:
    def test_at_the_limit(self, harness: Harness) -> None:
        """A line of the limit's length is whole; longer ones are cut and flagged."""
        harness.configure(max_line_bytes=LIMIT)
        lengths = [LIMIT - 1, LIMIT, LIMIT + 1, 8 * LIMIT, 8 * LIMIT + 1, 10 * LIMIT, 3]
        lines = [bytes([97 + at]) * length for at, length in enumerate(lengths)]
        (harness.logs / "neuroflow.log").write_bytes(b"\n".join(lines) + b"\n")
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        assert [line[:LIMIT].decode() for line in lines] == [one["message"] for one in documents]
        assert [["truncated"] if length > LIMIT else [] for length in lengths] == [flags(one) for one in documents]
        assert [sum(lengths[:at]) + at for at in range(len(lengths))] == [one["log"]["offset"] for one in documents]
        assert 0 == harness.once().returncode
        assert len(lines) == harness.count()

    def test_a_character_is_not_cut_through(self, harness: Harness) -> None:
        """A character across the limit is left out."""
        harness.configure(max_line_bytes=LIMIT)
        (harness.logs / "neuroflow.log").write_text("x" + "\u00fc" * LIMIT + "\n")
        assert 0 == harness.once().returncode
        assert {"x" + "\u00fc" * ((LIMIT - 1) // 2): 1} == harness.messages("app")

    def test_json_over_the_limit(self, harness: Harness) -> None:
        """A JSON object of five megabytes is one document with its fields and a flag."""
        line = {"event": "big", "level": "warning", "timestamp": "2026-03-01T10:00:00Z", "payload": "x" * 5_000_000}
        (harness.logs / "neuroflow.log").write_text(json.dumps(line) + "\nnext\n")
        assert 0 == harness.once().returncode
        big, after = harness.documents("app")
        assert ("big", "warning", ["truncated"]) == (big["message"], big["log"]["level"], flags(big))
        assert ("next", len(json.dumps(line)) + 1) == (after["message"], after["log"]["offset"])
        assert 0 == harness.status()["counters"]["dead"]

    @pytest.mark.program
    def test_fifty_megabytes(self, harness: Harness) -> None:
        """The line is cut, has its real length, and the next line is whole, in bounded memory."""
        with (harness.logs / "neuroflow.log").open("wb") as file:
            file.write(b"before\n")
            for _ in range(50):
                file.write(b"0123456789abcdef" * 2**16)
            file.write(b"\nafter\n")
        code, memory = once_measured(harness)
        assert code == 0, (harness.folder / "said").read_text()
        before, long, after = harness.documents("app")
        assert [0, 7, 7 + 50 * 2**20 + 1] == [one["log"]["offset"] for one in (before, long, after)]
        assert ("before", "after") == (before["message"], after["message"])
        assert ("0123456789abcdef" * 2**16, ["truncated"]) == (long["message"], flags(long))
        assert str(50 * 2**20) == str(long["neuroflow"]["extra"]["line_bytes"])
        assert memory < MAX_MEMORY

    @pytest.mark.program
    def test_growing_without_an_end(self, harness: Harness) -> None:
        """A growing line takes bounded memory, and is one flagged document at its end."""
        harness.configure(partial_line_timeout=60, max_line_bytes=100_000)
        process = harness.start()
        with (harness.logs / "neuroflow.log").open("wb", buffering=0) as file:
            file.write(b"before\n")
            for _ in range(60):
                file.write(b"x" * 2**20)
            assert harness.eventually(lambda: harness.count() == 1)
            file.write(b"\nafter\n")
        assert harness.eventually(lambda: harness.count() >= 3)
        memory = peak_memory(process)
        assert 0 == harness.stop(process)[0]
        assert {"before": 1, "x" * 100_000: 1, "after": 1} == harness.messages("app")
        assert [0, 7, 7 + 60 * 2**20 + 1] == [one["log"]["offset"] for one in harness.documents()]
        assert memory < MAX_MEMORY

    def test_cut_while_it_grows(self, harness: Harness) -> None:
        """After a flush the rest of a long line is a document without the dropped part."""
        harness.configure(max_line_bytes=LIMIT)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        log.write_bytes(b"x" * 20 * LIMIT)
        assert harness.eventually(lambda: harness.count() == 1)
        with log.open("ab") as file:
            file.write(b"rest\nafter\n")
        assert harness.eventually(lambda: harness.count() >= 3)
        assert 0 == harness.stop(process)[0]
        assert [("x" * LIMIT, 0), ("rest", 20 * LIMIT), ("after", 20 * LIMIT + 5)] == [
            (one["message"], one["log"]["offset"]) for one in harness.documents()
        ]

    def test_killed_inside_it(self, harness: Harness) -> None:
        """After a kill within a long line it is there once, up to the limit."""
        harness.configure(partial_line_timeout=60, max_line_bytes=LIMIT)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        log.write_bytes(b"before\n" + b"x" * 30 * LIMIT)
        assert harness.eventually(lambda: harness.count() == 1)
        harness.kill(process)
        with log.open("ab") as file:
            file.write(b"y\nafter\n")
        assert 0 == harness.once().returncode
        assert {"before": 1, "x" * LIMIT: 1, "after": 1} == harness.messages()


class TestManyLines:
    def test_twenty_thousand_of_one_byte(self, harness: Harness) -> None:
        """Equal lines are documents of their own."""
        (harness.logs / "neuroflow.log").write_bytes(b"x\n" * 20_000)
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        assert list(range(0, 40_000, 2)) == [one["log"]["offset"] for one in documents]
        assert {"x"} == {one["message"] for one in documents}
