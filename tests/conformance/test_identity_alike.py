"""Files with little content: tiny, empty, or alike."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from tests.conformance.harness import WHEN, Harness, When, difference
from tests.conformance.writers import Log

pytestmark = pytest.mark.in_process

PREAMBLE = "".join(f"preamble {number:04} {'=' * 30}\n" for number in range(50))
NAMES = [f"pipelines/qsiprep/qsiprep_{run}_20260301_100000.log" for run in range(5)]


class TestTiny:
    @pytest.mark.parametrize(
        ("kind", "content", "expected"),
        [
            ("app", "x", {"x": 1}),
            ("app", "x\n", {"x": 1}),
            ("pipeline", "x", {"x": 1}),
            ("pipeline", "x\n", {"x": 1}),
            ("pipeline", "\n", {"": 1}),
        ],
    )
    def test_one_byte_of_content(self, harness: Harness, kind: str, content: str, expected: dict[str, int]) -> None:
        """A file of one byte, with or without an end of line, is indexed once."""
        log = Log(harness, kind)
        shipping = harness.shipping()
        log.path.write_text(content)
        shipping.ends_with(Counter(expected), log.dataset)

    def test_an_end_of_line_alone(self, harness: Harness) -> None:
        """An empty line gives no document, and later lines are read."""
        log = Log(harness)
        log.path.write_text("\n")
        shipping = harness.shipping()
        shipping.looks(2)
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_one_byte_that_grows(self, harness: Harness, when: When) -> None:
        """A first line that is written byte by byte is one line."""
        log = Log(harness, "pipeline")
        shipping = harness.shipping(when)
        shipping.looks()
        text = log.text(3)
        with log.path.open("w", buffering=1) as file:
            file.write(text[:1])
            file.flush()
            with shipping.meanwhile():
                file.write(text[1:])
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_rotated_lines_of_one_byte(self, harness: Harness, when: When) -> None:
        """Each file of a chain with the same short line counts."""
        log = Log(harness)
        shipping = harness.shipping(when)
        log.path.write_text("x\n")
        shipping.shipped(Counter({"x": 1}), log.dataset)
        for count in (2, 3):
            with shipping.meanwhile():
                log.rotate()
                log.path.write_text("x\n")
            shipping.shipped(Counter({"x": count}), log.dataset)
        shipping.ends_with(Counter({"x": 3}), log.dataset)


class TestEmpty:
    @WHEN
    def test_hundreds_of_empty_files(self, harness: Harness, when: When) -> None:
        """Of three hundred empty files those that grow are shipped."""
        logs = [Log(harness, "pipeline", f"pipelines/qsiprep/qsiprep_{n}_20260301_100000.log") for n in range(300)]
        for log in logs:
            log.path.touch()
        shipping = harness.shipping(when)
        shipping.looks()
        expected: Counter[str] = Counter()
        for number in (150, 7, 150):
            with shipping.meanwhile():
                logs[number].write(1)
            expected = logs[150].expected + logs[7].expected
            shipping.shipped(expected, "pipeline")
        shipping.ends_with(expected, "pipeline")

    @WHEN
    def test_an_empty_file_is_rotated(self, harness: Harness, when: When) -> None:
        """An empty file is renamed, and then written by a late worker."""
        log = Log(harness)
        log.path.touch()
        shipping = harness.shipping(when)
        shipping.looks()
        with shipping.meanwhile():
            log.rotate()
            log.path.touch()
        shipping.looks()
        log.write(2, log.sibling(".1"))
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)


class TestAlike:
    @WHEN
    def test_the_same_preamble(self, harness: Harness, when: When) -> None:
        """Every line of five pipeline logs with the same two kilobytes at the beginning is there."""
        logs = [Log(harness, "pipeline", name) for name in NAMES]
        common: Counter[str] = Counter()
        shipping = harness.shipping(when)
        for log in logs[:3]:
            log.path.write_text(PREAMBLE)
            common.update(PREAMBLE.splitlines())
        shipping.shipped(common, "pipeline")
        with shipping.meanwhile():
            for log in logs[3:]:
                log.path.write_text(PREAMBLE)
                common.update(PREAMBLE.splitlines())
            for log in logs:
                log.write(3)
        expected = sum((log.expected for log in logs), start=common)
        shipping.ends_with(expected, "pipeline")

    def test_the_same_preamble_without_state(self, harness: Harness) -> None:
        """The same without state adds no copies."""
        logs = [Log(harness, "pipeline", name) for name in NAMES]
        common: Counter[str] = Counter()
        for log in logs:
            log.path.write_text(PREAMBLE)
            common.update(PREAMBLE.splitlines())
            log.write(2)
        expected = sum((log.expected for log in logs), start=common)
        for _ in range(2):
            assert harness.once().returncode == 0
            assert {} == difference(expected, harness.messages("pipeline"))
            shutil.rmtree(harness.state)

    @WHEN
    @pytest.mark.parametrize("lines", [1, 60])
    def test_the_same_content(self, harness: Harness, lines: int, when: When) -> None:
        """Three logs with equal content are three logs."""
        logs = [Log(harness, "pipeline", name) for name in NAMES[:3]]
        shipping = harness.shipping(when)
        for log in logs[:2]:
            log.write(lines)
        shipping.shipped(logs[0].expected + logs[1].expected, "pipeline")
        with shipping.meanwhile():
            logs[2].write(lines)
            logs[0].write(2)
            logs[1].write(1)
        shipping.ends_with(sum((log.expected for log in logs), start=Counter()), "pipeline")

    @WHEN
    @pytest.mark.parametrize("lines", [1, 60])
    def test_a_run_deleted_and_another_alike(self, harness: Harness, lines: int, when: When) -> None:
        """A deleted run's log and another one with the same content both count."""
        gone, come = Log(harness, "pipeline", NAMES[0]), Log(harness, "pipeline", NAMES[1])
        shipping = harness.shipping(when)
        gone.write(lines)
        shipping.shipped(gone.expected, "pipeline")
        with shipping.meanwhile():
            gone.path.unlink()
            come.write(lines)
        shipping.ends_with(gone.expected + come.expected, "pipeline")

    @WHEN
    def test_equal_lines(self, harness: Harness, when: When) -> None:
        """Equal lines over two rotations each count."""
        log = Log(harness)
        line = log.text(1)
        log.path.write_text(line)
        shipping = harness.shipping(when)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            for count in (50, 60):
                with log.path.open("a") as file:
                    file.write(log.again(line * count))
                log.rotate()
            log.path.write_text(log.again(line * 70))
        shipping.ends_with(log.expected, log.dataset)
