"""Logs are rotated by copying and truncating, as logrotate's ``copytruncate`` does."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process

# Below and above the kilobyte by which a file's beginning is known.
FEW, MANY = 6, 40


class TestCopytruncate:
    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    @pytest.mark.parametrize("kind", ["app", "celery", "audit"])
    def test_all_was_read(self, harness: Harness, kind: str, lines: int, when: When) -> None:
        """The copy of indexed lines adds nothing; lines after the truncation are read."""
        log, shipping = followed(harness, lines, kind, when=when)
        with shipping.meanwhile():
            log.copytruncate()
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_with_an_unread_rest(self, harness: Harness, lines: int, when: When) -> None:
        """Lines that were unread at the truncation are read from the copy."""
        log, shipping = followed(harness, lines, when=when)
        with shipping.between_two_looks():
            log.write(2000)
            log.copytruncate()
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_and_nothing_is_written_for_a_while(self, harness: Harness, when: When) -> None:
        """The unread rest is read from the copy although the log stays empty."""
        log, shipping = followed(harness, MANY, when=when)
        with shipping.between_two_looks():
            log.write(5)
            log.copytruncate()
        shipping.shipped(log.expected, log.dataset)
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_twice_in_a_row(self, harness: Harness, lines: int, when: When) -> None:
        """Two truncations with unread lines between two scans: both copies are read."""
        log, shipping = followed(harness, lines, when=when)
        with shipping.between_two_looks():
            for _ in range(2):
                log.write(lines)
                log.copytruncate()
            log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_again_and_again(self, harness: Harness, lines: int) -> None:
        """A chain of copies grows while the sidecar runs."""
        log = Log(harness)
        shipping = harness.shipping()
        for _ in range(5):
            log.write(lines)
            shipping.shipped(log.expected, log.dataset)
            log.copytruncate()
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("suffix", [".2026-03-01", "-20260301"])
    def test_a_copy_with_a_date(self, harness: Harness, suffix: str, when: When) -> None:
        """The copy has a date instead of a number."""
        log, shipping = followed(harness, MANY, when=when)
        with shipping.between_two_looks():
            log.write(5)
            log.copytruncate(suffix)
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_copy_seen_before_the_cut(self, harness: Harness) -> None:
        """A copy that exists for some scans before the truncation adds nothing."""
        log, shipping = followed(harness, MANY)
        shutil.copyfile(log.path, log.sibling(".1"))
        shipping.looks(2)
        os.truncate(log.path, 0)
        shipping.looks()
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_copy_that_grows(self, harness: Harness) -> None:
        """An incomplete copy adds nothing."""
        log, shipping = followed(harness, 3 * MANY)
        content = log.path.read_bytes()
        with log.sibling(".1").open("wb") as copy:
            for part in range(3):
                copy.write(content[part * len(content) // 3 : (part + 1) * len(content) // 3])
                copy.flush()
                shipping.looks()
        os.truncate(log.path, 0)
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)


class TestWriters:
    @pytest.mark.program
    def test_one_that_appends_all_the_time(self, harness: Harness) -> None:
        """Five truncations with a continuous writer, which waits during each."""
        log, shipping = followed(harness, MANY)
        done, cutting = threading.Event(), threading.Lock()

        def keep_writing() -> None:
            with log.path.open("a", buffering=1) as file:
                while not done.wait(0.002):
                    with cutting:
                        file.write(log.text(1))

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            for _ in range(5):
                shipping.looks()
                with cutting:  # a line appended between copy and cut is in neither: no reader can save it
                    log.copytruncate()
        finally:
            done.set()
            writer.join()
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY, 400])
    def test_one_that_keeps_its_offset(self, harness: Harness, lines: int, when: When) -> None:
        """A writer that does not append leaves a sparse region; the lines behind it are read."""
        log = Log(harness)
        shipping = harness.shipping(when)
        with log.path.open("w") as file:
            file.write(log.text(lines))
            file.flush()
            shipping.shipped(log.expected, log.dataset)
            with shipping.meanwhile():
                log.copytruncate()
                file.write(log.text(3))
                file.flush()
            shipping.shipped(log.expected, log.dataset)
            file.write(log.text(3))
        shipping.ends_with(log.expected, log.dataset)
