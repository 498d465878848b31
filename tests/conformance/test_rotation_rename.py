"""Logs are rotated by renaming, as RotatingFileHandler, TimedRotatingFileHandler and logrotate do."""

from __future__ import annotations

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process

DATES = (".2026-03-01", "-20260301", ".2026-03-01_12-30-00")


class TestChain:
    @WHEN
    @pytest.mark.parametrize("kind", ["app", "celery", "audit"])
    def test_one_rotation(self, harness: Harness, kind: str, when: When) -> None:
        """The renamed file is read to its end, the new one from its beginning."""
        log, shipping = followed(harness, 5, kind, when=when)
        with shipping.meanwhile():
            log.write(3)
            log.rotate()
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_several_rotations(self, harness: Harness, when: When) -> None:
        """Four rotations between two scans."""
        log = Log(harness)
        shipping = harness.shipping(when)
        for _ in range(3):
            log.write(20)
            shipping.shipped(log.expected, log.dataset)
            log.rotate()
        log.write(6)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            for _ in range(4):
                log.write(5)
                log.rotate()
            log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_full_chain(self, harness: Harness) -> None:
        """The oldest of ten is deleted at every rotation; each line is shipped once."""
        log = Log(harness)
        shipping = harness.shipping()
        for _ in range(14):
            log.write(5)
            shipping.shipped(log.expected, log.dataset)
            log.rotate(most=10)
        log.write(1)
        shipping.ends_with(log.expected, log.dataset)

    def test_the_oldest_is_deleted_while_down(self, harness: Harness) -> None:
        """A chain of two is rotated while the sidecar is down; the remaining lines are there once."""
        log = Log(harness)
        shipping = harness.shipping("stopped")
        for _ in range(3):
            log.write(5)
            shipping.shipped(log.expected, log.dataset)
            log.rotate(most=2)
        log.write(2)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(3)
            log.rotate(most=2)
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    def test_at_speed(self, harness: Harness) -> None:
        """Sixty rotations without pauses."""
        log, shipping = followed(harness, 1)
        for size in range(60):
            log.write(size % 7 + 1)
            log.rotate(most=100)
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_a_long_unread_rest(self, harness: Harness, when: When) -> None:
        """Thousands of unread lines are read from the renamed file."""
        log, shipping = followed(harness, 50, when=when)
        with shipping.between_two_looks():
            log.write(5000)
            log.rotate()
            log.write(7)
            log.rotate()
            log.write(8)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_the_same_first_line_in_every_life(self, harness: Harness, when: When) -> None:
        """Files with an equal first line are different generations."""
        log = Log(harness)
        shipping = harness.shipping(when)
        banner = log.text(1)
        log.path.write_text(banner)
        log.write(4)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            for _ in range(3):
                log.rotate()
                log.path.write_text(log.again(banner))
                log.write(2)
        shipping.ends_with(log.expected, log.dataset)


class TestDates:
    @WHEN
    @pytest.mark.parametrize("suffix", DATES)
    def test_renamed_with_a_date(self, harness: Harness, suffix: str, when: When) -> None:
        """The rotated file has a date instead of a number."""
        log, shipping = followed(harness, 5, when=when)
        with shipping.meanwhile():
            log.write(3)
            log.path.rename(log.sibling(suffix))
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_a_number_first_and_a_date_later(self, harness: Harness, when: When) -> None:
        """``.1`` is renamed to a date at the next rotation, so numbers and dates mix."""
        log = Log(harness)
        shipping = harness.shipping(when)
        log.write(5)
        log.path.rename(log.sibling(".2026-02-28"))
        log.write(5)
        log.rotate()
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(2)
            log.sibling(".1").rename(log.sibling(".2026-03-01"))
            log.rotate()
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)


class TestWritersThatStay:
    @WHEN
    @pytest.mark.parametrize("kind", ["app", "celery"])
    def test_writing_on_into_the_renamed_file(self, harness: Harness, kind: str, when: When) -> None:
        """A worker goes on writing to the renamed file while another writes to the new one."""
        log, shipping = followed(harness, 5, kind, when=when)
        with log.path.open("a") as old:
            with shipping.meanwhile():
                log.rotate()
                old.write(log.text(3))
                old.flush()
                log.write(4)
            for _ in range(3):
                shipping.shipped(log.expected, log.dataset)
                old.write(log.text(2))
                old.flush()
                log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_a_late_line_in_an_old_file(self, harness: Harness, when: When) -> None:
        """A line is appended to a file that was renamed twice."""
        log = Log(harness)
        shipping = harness.shipping(when)
        for _ in range(3):
            log.write(5)
            shipping.shipped(log.expected, log.dataset)
            log.rotate()
        log.write(5)
        shipping.looks(3)
        with shipping.meanwhile():
            log.write(1, log.sibling(".3"))
            log.write(2, log.sibling(".1"))
        shipping.shipped(log.expected, log.dataset)
        log.write(1, log.sibling(".2"))
        shipping.ends_with(log.expected, log.dataset)

    def test_an_unfinished_line_over_a_rotation(self, harness: Harness) -> None:
        """A line that is finished after the rename is one line."""
        log, shipping = followed(harness, 5)
        text = log.text(1)
        with log.path.open("a") as old, shipping.between_two_looks():
            old.write(text[:20])
            old.flush()
            log.rotate()
            log.write(2)
            old.write(text[20:])
            old.flush()
        shipping.ends_with(log.expected, log.dataset)
