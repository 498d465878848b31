"""The state is lost after rotations: every file is recognised by its content."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.conformance.harness import Harness, difference
from tests.conformance.writers import Log, compress

pytestmark = pytest.mark.in_process


def renamed(log: Log, _: int) -> None:
    """A chain of numbers."""
    log.rotate()


def dated(log: Log, day: int) -> None:
    """A date for each day."""
    log.path.rename(log.sibling(f".2026-03-0{day}"))


def copied(log: Log, _: int) -> None:
    """A chain of copies."""
    log.copytruncate()


def compressed(log: Log, day: int) -> None:
    """Compressed at once, with a date."""
    compress(log.path, log.sibling(f"-2026030{day}.gz"))


class TestLostState:
    @pytest.mark.parametrize("rotate", [renamed, dated, copied, compressed])
    @pytest.mark.parametrize("lines", [6, 40])
    @pytest.mark.parametrize("banner", [False, True])
    def test_after_rotations(
        self, harness: Harness, rotate: Callable[[Log, int], None], lines: int, banner: bool
    ) -> None:
        """After three rotations, with equal first lines or not, there are no copies."""
        log = Log(harness)
        first = log.text(1) if banner else ""
        log.expected.clear()
        shipping = harness.shipping()
        for day in (1, 2, 3):
            if banner:
                log.expected["n0000"] += 1
            with log.path.open("a") as file:
                file.write(first + log.text(lines))
            shipping.shipped(log.expected, log.dataset)
            rotate(log, day)
        log.write(lines)
        shipping.ends_with(log.expected, log.dataset)
        shutil.rmtree(harness.state)
        assert harness.once().returncode == 0
        wrong = difference(log.expected, harness.messages(log.dataset))
        assert not wrong, wrong

    @pytest.mark.parametrize("rotate", [renamed, dated, copied, compressed])
    def test_between_rotations(self, harness: Harness, rotate: Callable[[Log, int], None]) -> None:
        """The state is lost, then the log is rotated with unread lines."""
        log = Log(harness)
        log.write(40)
        assert harness.once().returncode == 0
        rotate(log, 1)
        log.write(40)
        assert harness.once().returncode == 0
        shutil.rmtree(harness.state)
        log.write(5)
        rotate(log, 2)
        log.write(3)
        assert harness.once().returncode == 0
        wrong = difference(log.expected, harness.messages(log.dataset))
        assert not wrong, wrong
