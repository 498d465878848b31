"""NULs and other bytes that are no text: sparse regions, binary files, files without content."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conformance.harness import Harness
from tests.conformance.watched import once_measured, peak_memory

pytestmark = pytest.mark.in_process

MAX_MEMORY = 300 * 2**20
MB = 2**20


def append(path: Path, text: str) -> None:
    """Append to a log."""
    with path.open("a") as file:
        file.write(text)


def grow(path: Path, size: int) -> None:
    """Set the file's length; the unwritten part is a sparse region."""
    with path.open("ab") as file:
        file.truncate(size)


def found(harness: Harness) -> list[tuple[str, int]]:
    """Messages and offsets."""
    return [(one["message"], one["log"]["offset"]) for one in harness.documents("app")]


@pytest.mark.parametrize("megabytes", [1, 100])
class TestHole:
    @pytest.mark.program
    def test_at_the_beginning(self, harness: Harness, megabytes: int) -> None:
        """A writer that keeps its offset over a truncation: its next line starts behind the sparse region."""
        log = harness.logs / "neuroflow.log"
        grow(log, megabytes * MB)
        append(log, "one\ntwo\n")
        code, memory = once_measured(harness)
        assert code == 0, (harness.folder / "said").read_text()
        assert [("one", megabytes * MB), ("two", megabytes * MB + 4)] == found(harness)
        assert memory < MAX_MEMORY
        append(log, "three\n")
        assert 0 == harness.once().returncode
        assert [("one", megabytes * MB), ("two", megabytes * MB + 4), ("three", megabytes * MB + 8)] == found(harness)

    @pytest.mark.program
    def test_in_the_middle(self, harness: Harness, megabytes: int) -> None:
        """Lines before and after it are whole, in bounded memory."""
        log = harness.logs / "neuroflow.log"
        append(log, "one\ntwo\n")
        grow(log, 8 + megabytes * MB)
        append(log, "three\nfour\n")
        code, memory = once_measured(harness)
        assert code == 0, (harness.folder / "said").read_text()
        end = 8 + megabytes * MB
        assert [("one", 0), ("two", 4), ("three", end), ("four", end + 6)] == found(harness)
        assert memory < MAX_MEMORY

    @pytest.mark.program
    def test_while_running(self, harness: Harness, megabytes: int) -> None:
        """Lines of a writer that goes on at its offset after a truncation are there once."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        with log.open("wb", buffering=0) as file:
            file.write(b"one\ntwo\n")
            assert harness.eventually(lambda: harness.count() == 2)
            file.seek(megabytes * MB)
            log.write_bytes(b"")
            file.write(b"three\n")
            file.write(b"four\n")
        assert harness.eventually(lambda: harness.count() >= 4)
        memory = peak_memory(process)
        assert 0 == harness.stop(process)[0]
        assert {"one": 1, "two": 1, "three": 1, "four": 1} == harness.messages("app")
        assert memory < MAX_MEMORY

    def test_killed_after_it_was_passed(self, harness: Harness, megabytes: int) -> None:
        """After a kill lines behind the sparse region are there once."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        append(log, "one\n")
        assert harness.eventually(lambda: harness.count() == 1)
        grow(log, 4 + megabytes * MB)
        append(log, "two\n")
        assert harness.eventually(lambda: harness.count() == 2)
        harness.kill(process)
        append(log, "three\n")
        assert 0 == harness.once().returncode
        assert [("one", 0), ("two", 4 + megabytes * MB), ("three", 8 + megabytes * MB)] == found(harness)


class TestNothingButNuls:
    @pytest.mark.parametrize("size", [5000, MB, 100 * MB])
    def test_is_no_document(self, harness: Harness, size: int) -> None:
        """A file with only a sparse region gives no document, and is read on when it grows."""
        log = harness.logs / "neuroflow.log"
        grow(log, size)
        assert 0 == harness.once().returncode
        assert 0 == harness.count()
        append(log, "one\n")
        assert 0 == harness.once().returncode
        assert ["one"] == [message for message, _ in found(harness)]

    def test_under_a_running_sidecar(self, harness: Harness) -> None:
        """A sparse region grows while the sidecar runs, and then a line follows."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        append(harness.logs / "workflow.log", "other\n")
        for size in (5000, MB, 3 * MB):
            grow(log, size)
            assert harness.eventually(lambda: harness.count("workflow") == 1)
        append(log, "one\n")
        assert harness.eventually(lambda: harness.count("app") >= 1)
        assert 0 == harness.stop(process)[0]
        assert [("one", 3 * MB)] == found(harness)

    def test_a_few_are_content(self, harness: Harness) -> None:
        """NULs within a line are content."""
        (harness.logs / "neuroflow.log").write_bytes(b"a\0b\nnext\n")
        assert 0 == harness.once().returncode
        assert {"a\0b": 1, "next": 1} == harness.messages()


class TestBinary:
    def test_a_binary_file(self, harness: Harness) -> None:
        """Every piece between line feeds is there once, nothing is rejected, and a second run adds nothing."""
        content = random.Random(7).randbytes(200_000)
        (harness.logs / "neuroflow.log").write_bytes(content)
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        offsets = [one["log"]["offset"] for one in documents]
        assert len(offsets) == len(set(offsets))
        pieces = content.split(b"\n")
        starts = [sum(len(piece) + 1 for piece in pieces[:at]) for at in range(len(pieces))]
        # An indented piece goes on with the one before it, unless one of them passes for a progress bar.
        filled = {at: piece for at, piece in zip(starts, pieces, strict=True) if piece.strip()}
        alone = {at for at, piece in filled.items() if piece[:1] not in b" \t"}
        assert alone <= set(offsets) <= filled.keys()
        counters = harness.status()["counters"]
        assert (0, len(documents)) == (counters["dead"], counters["acknowledged"])
        assert 0 == harness.once().returncode
        assert len(documents) == harness.count()

    def test_every_byte(self, harness: Harness) -> None:
        """Each byte as a line of its own is a document, unless it is blank."""
        lines = [bytes([byte]) for byte in range(256) if byte not in b"\n\r\t\v\f "]
        (harness.logs / "neuroflow.log").write_bytes(b"\n".join(lines) + b"\n")
        assert 0 == harness.once().returncode
        assert [2 * at for at in range(len(lines))] == [one["log"]["offset"] for one in harness.documents()]
