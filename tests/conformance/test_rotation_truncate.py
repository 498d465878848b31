"""Logs are truncated or rewritten in place, without a copy."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, celery_line, followed

pytestmark = pytest.mark.in_process

# Below and above the kilobyte by which a file's beginning is known.
FEW, MANY = 10, 40


def with_beginning(log: Log, at_least: int) -> str:
    """The first whole lines, up to a number of bytes."""
    beginning = ""
    for line in log.path.read_text().splitlines(keepends=True):
        if len(beginning) >= at_least:
            break
        beginning += line
    return beginning


class TestCutToNothing:
    @WHEN
    @pytest.mark.parametrize("kind", ["app", "celery", "pipeline", "audit"])
    def test_and_written_anew(self, harness: Harness, kind: str, when: When) -> None:
        """Lines after the truncation are read from the beginning."""
        log, shipping = followed(harness, MANY, kind, when=when)
        with shipping.meanwhile():
            os.truncate(log.path, 0)
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_seen_empty(self, harness: Harness, lines: int) -> None:
        """The log is empty for some scans before it is written."""
        log = Log(harness)
        shipping = harness.shipping()
        for _ in range(3):
            log.write(lines)
            shipping.shipped(log.expected, log.dataset)
            os.truncate(log.path, 0)
            shipping.looks(2)
        log.write(lines)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("kind", ["app", "pipeline"])
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_grown_past_where_it_was(self, harness: Harness, lines: int, kind: str, when: When) -> None:
        """By the next scan the log is longer than before: no new line is skipped."""
        log, shipping = followed(harness, lines, kind, when=when)
        with shipping.between_two_looks():
            os.truncate(log.path, 0)
            log.write(3 * lines)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_with_the_same_lines(self, harness: Harness, lines: int) -> None:
        """After an empty state equal lines count again."""
        log, shipping = followed(harness, lines)
        content = log.path.read_text()
        os.truncate(log.path, 0)
        shipping.looks()
        log.path.write_text(log.again(content))
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)


class TestCutToHalf:
    @WHEN
    @pytest.mark.parametrize("kind", ["app", "celery", "audit"])
    @pytest.mark.parametrize("lines", [FEW, MANY, 400])
    def test_at_the_end_of_a_line(self, harness: Harness, lines: int, kind: str, when: When) -> None:
        """The remaining lines add nothing, and later ones are indexed."""
        log, shipping = followed(harness, lines, kind, when=when)
        with shipping.between_two_looks():
            os.truncate(log.path, len("".join(log.path.read_text().splitlines(keepends=True)[: lines // 2])))
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_and_grown_past_where_it_was(self, harness: Harness, when: When) -> None:
        """The remaining half is followed by more than was removed."""
        log, shipping = followed(harness, MANY, when=when)
        with shipping.between_two_looks():
            os.truncate(log.path, log.path.stat().st_size // 2)
            log.write(2 * MANY)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_seen_so(self, harness: Harness, lines: int) -> None:
        """A scan sees the remaining half before it grows."""
        log, shipping = followed(harness, lines)
        os.truncate(log.path, log.path.stat().st_size // 2)
        shipping.looks(2)
        log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_inside_a_line(self, harness: Harness, lines: int, when: When) -> None:
        """The cut line becomes another one; the others add nothing."""
        log, shipping = followed(harness, lines, "celery", width=60, when=when)
        with shipping.between_two_looks():
            length = len(celery_line("n" + "0" * 60))
            os.truncate(log.path, lines // 2 * length + len(celery_line("")) - 1 + 20)
            with log.path.open("a") as file:
                file.write(" goes on otherwise\n")
            log.write(3)
        log.expected[f"n{lines // 2:060}"[:20] + " goes on otherwise"] += 1
        shipping.ends_with(log.expected, log.dataset)


class TestRewritten:
    @WHEN
    @pytest.mark.parametrize("share", [0.6, 1.5])
    @pytest.mark.parametrize(("common", "lines"), [(1, 20), (3000, 120)])
    def test_with_the_same_beginning(
        self, harness: Harness, common: int, lines: int, share: float, when: When
    ) -> None:
        """In a rewritten file all lines count, repeated ones as well."""
        log, shipping = followed(harness, lines, when=when)
        beginning = with_beginning(log, common)
        with shipping.between_two_looks():
            log.path.write_text(log.again(beginning))
            log.write(int(share * lines) - beginning.count("\n"))
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [1, FEW, MANY, 400])
    def test_with_the_same_size(self, harness: Harness, lines: int, when: When) -> None:
        """The new content has the same length."""
        log, shipping = followed(harness, lines, when=when)
        with shipping.between_two_looks():
            log.path.write_text(log.text(lines))
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_with_the_same_size_and_beginning(self, harness: Harness, when: When) -> None:
        """With equal beginning and length all lines count."""
        log, shipping = followed(harness, MANY, when=when)
        beginning = with_beginning(log, log.path.stat().st_size // 10)
        with shipping.between_two_looks():
            log.path.write_text(log.again(beginning))
            log.write(MANY - beginning.count("\n"))
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [2, 30])
    def test_by_a_second_run_of_a_pipeline(self, harness: Harness, lines: int, when: When) -> None:
        """Both outputs of a pipeline that runs again under its number are there."""
        log = Log(harness, "pipeline")
        shipping = harness.shipping(when)
        marks = Counter({"=== STDOUT ===": 1, "": 1, "=== STDERR ===": 1})
        shipping.looks()
        for count in (20, lines):
            with shipping.between_two_looks():
                log.path.write_text(f"=== STDOUT ===\n{log.text(count)}\n=== STDERR ===\n{log.text(2)}")
            log.expected += marks
            shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)

    def test_and_deleted_with_an_unread_rest(self, harness: Harness) -> None:
        """A replaced file is read to its end through the open handle."""
        log, shipping = followed(harness, MANY)
        with shipping.between_two_looks():
            log.write(2000)
            log.write(5, log.sibling(".new"))
            log.sibling(".new").rename(log.path)
        shipping.ends_with(log.expected, log.dataset)
