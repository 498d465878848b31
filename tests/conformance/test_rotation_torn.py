"""Records that a rotation or a restart splits are one document each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.harness import WHEN, Harness, Shipping, When
from tests.conformance.writers import Log, compress

pytestmark = pytest.mark.in_process


def pack(log: Log) -> None:
    """Rename, and gzip immediately."""
    log.rotate()
    for old in sorted(log.path.parent.glob(f"{log.path.name}.*.gz"), reverse=True):
        number = int(old.name.split(".")[-2])
        old.rename(log.sibling(f".{number + 1}.gz"))
    compress(log.sibling(".1"))


class Torn:
    """A Celery log with failures; each is a record with a traceback and a blank line."""

    def __init__(self, harness: Harness) -> None:
        self.log = Log(harness, "celery")
        self.harness = harness
        self._traces: list[str] = []

    def failure(self) -> list[str]:
        """The lines of the next failure, which is expected in the index."""
        number = len(self._traces)
        trace = [
            "Traceback (most recent call last):",
            f'  File "worker.py", line {number + 1}, in run',
            "    stage(1)",
            f"ValueError: the first\nof {number}",
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            "Traceback (most recent call last):",
            '  File "worker.py", line 9, in run',
            "    raise RuntimeError from None",
            f"RuntimeError: failure {number}",
        ]
        self._traces.append("\n".join(trace))
        self.log.expected[f"it failed {number}"] += 1
        lines = [f"[2026-03-01 10:00:00,100: ERROR/ForkPoolWorker-2] it failed {number}", *trace]
        return "\n".join(lines).split("\n")

    def write(self, lines: list[str], path: Path | None = None) -> None:
        """Append lines."""
        with (path or self.log.path).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def are_whole(self, shipping: Shipping) -> None:
        """Check that every failure is complete, and that there are no other documents."""
        shipping.ends_with(self.log.expected, self.log.dataset)
        self.traces_are_whole()

    def traces_are_whole(self) -> None:
        """Check that every failure has its whole traceback."""
        found = [one["error"] for one in self.harness.documents(self.log.dataset) if "error" in one]
        assert sorted(self._traces) == sorted(one["stack_trace"] for one in found)
        assert {"RuntimeError"} == {one["type"] for one in found}


@WHEN
@pytest.mark.parametrize("rotate", [Log.rotate, Log.copytruncate, pack])
def test_at_every_line(harness: Harness, rotate: Callable[[Log], None], when: When) -> None:
    """Rotated after any of its lines, a failure is one document."""
    torn = Torn(harness)
    shipping = harness.shipping(when)
    torn.log.write(5)
    shipping.shipped(torn.log.expected, torn.log.dataset)
    with shipping.between_two_looks():
        for line in range(1, 6):
            failure = torn.failure()
            torn.write(failure[: 2 * line])
            rotate(torn.log)
            torn.write(failure[2 * line :])
            torn.log.write(3)
    torn.are_whole(shipping)


@pytest.mark.parametrize("rotate", [Log.rotate, Log.copytruncate, pack])
def test_under_its_eyes(harness: Harness, rotate: Callable[[Log], None]) -> None:
    """The running sidecar may scan before, during or after the rotation."""
    torn = Torn(harness)
    shipping = harness.shipping()
    for line in range(1, 11):
        failure = torn.failure()
        torn.log.write(2)
        torn.write(failure[:line])
        rotate(torn.log)
        torn.write(failure[line:])
        shipping.shipped(torn.log.expected, torn.log.dataset)
    torn.are_whole(shipping)


def test_once(harness: Harness) -> None:
    """``--once`` joins a record over two files, and adds no copy without state."""
    torn = Torn(harness)
    failure = torn.failure()
    torn.log.write(3)
    torn.write(failure[:4])
    torn.log.rotate()
    torn.write(failure[4:])
    for _ in range(2):
        assert 0 == harness.once().returncode
        assert torn.log.expected == harness.messages(torn.log.dataset)
        torn.traces_are_whole()
        shutil.rmtree(harness.state)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_restarted_amid_a_record(harness: Harness, how: When) -> None:
    """A held record is read again at the next start and joined with later lines."""
    torn = Torn(harness)
    shipping = harness.shipping(how)
    for line in range(1, 12, 2):
        torn.log.write(3)
        shipping.shipped(torn.log.expected, torn.log.dataset)
        failure = torn.failure()
        torn.write(failure[:line])
        with shipping.meanwhile():
            torn.write(failure[line:])
    torn.are_whole(shipping)
