"""Copytruncate copies that lack lines which were read from the log before it was truncated."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.shipped import Shipped, celery, printed

HEAD, REST = "[2026-11-27 09:00:00,000: ERROR/MainProcess] it failed\n  first\n", "  second\n"
TRACE = (
    "Traceback (most recent call last):\n" + 9 * '  File "a.py", line 1, in b\n' + "ValueError: a\nof\nmany\nlines\n"
)


class Copied(Shipped):
    """A log that is copied, written to, and truncated."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, partial_line_timeout=1)
        self.log = self.logs / "neuroflow.log"

    def write(self, text: str) -> None:
        with self.log.open("a") as file:
            file.write(text)

    def truncate(self) -> None:
        os.truncate(self.log, 0)

    def look(self) -> None:
        """One scan, and what it finds."""
        self.now += 0.3
        self.sidecar.turn(lambda _: False)

    def outage(self, begins: bool = True) -> None:
        self.cluster.away = self.cluster.failing = begins

    def copy(self, content: bytes, ending: str = "", *, seen: bool) -> None:
        """Copy the log; ``seen``: a scan compares the copy with it."""
        Path(f"{self.log}.1{ending}").write_bytes(gzip.compress(content) if ending else content)
        if seen:
            self.look()


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Copied]:
    """A sidecar that has nothing to do yet."""
    ship = Copied(tmp_path)
    yield ship
    ship.stop()


def has_tracebacks(ship: Copied) -> None:
    """The last content sample of the log is within a traceback, in its lines at the margin."""
    ship.write(celery(0, 37) + 3 * (HEAD + TRACE) + celery(37, 2))
    ship.ship()


def torn_by_the_rotation_before(ship: Copied) -> None:
    """The log begins with the rest of a record; its beginning is in the rotated file."""
    ship.write(HEAD)
    ship.log.rename(f"{ship.log}.2")
    ship.write(REST + celery(0, 60))
    ship.ship()


def went_on_late(ship: Copied) -> None:
    """A record went on after its beginning was sent."""
    ship.write(celery(0, 5))
    ship.ship()
    ship.write(REST + celery(5, 55))
    ship.ship()


def is_one_long_record(ship: Copied) -> None:
    """The log begins with a long rest of a record, and holds little else."""
    ship.write(HEAD)
    ship.log.rename(f"{ship.log}.2")
    ship.write(60 * REST + celery(0, 10))
    ship.ship()


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("begin", [has_tracebacks, torn_by_the_rotation_before, went_on_late, is_one_long_record])
def test_records_stay_as_they_were_sent(
    ship: Copied, begin: Callable[[Copied], None], ending: str, seen: bool, killed: bool
) -> None:
    """Nothing of a short copy is indexed again, however its records were delimited, seen before or after a kill."""
    begin(ship)
    content = ship.log.read_bytes()
    if seen:
        ship.copy(content, ending, seen=True)
    ship.write(celery(100, 3))
    before = ship.ship()
    if not seen:
        ship.copy(content, ending, seen=False)
    ship.truncate()
    if killed:
        ship.kill()
    assert before == ship.ship()
    ship.write(celery(200, 2))
    assert before + Counter({"n00200 --------------------": 1, "n00201 --------------------": 1}) == ship.ship()


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("end", [30, len(REST)])
def test_a_seen_copy_ends_within_a_record(ship: Copied, end: int, killed: bool) -> None:
    """The part of a record with which a copy ends is not indexed beside the whole record."""
    ship.write(celery(0, 40) + HEAD + REST)
    content = ship.log.read_bytes()
    ship.copy(content[:-end], seen=True)
    ship.write(celery(100, 3))
    before = ship.ship()
    ship.truncate()
    if killed:
        ship.kill()
    assert before == ship.ship()


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("torn", [False, True])
def test_what_a_copy_holds_is_not_lost(ship: Copied, torn: bool, killed: bool, accepted: bool) -> None:
    """Lines that were sent but not acknowledged when the log was truncated are in the index once."""
    ship.outage()
    if torn:
        torn_by_the_rotation_before(ship)
    else:
        ship.write(celery(0, 60))
        ship.ship()
    ship.copy(ship.log.read_bytes(), seen=True)
    ship.write(celery(100, 1))
    ship.ship()
    ship.truncate()
    ship.look()
    ship.write(celery(200, 1))
    ship.ship()
    if killed:
        if accepted:
            for request in ship.cluster.waiting:
                ship.stream.create(request.items)
        ship.kill()
    ship.outage(begins=False)
    there = ship.ship()
    expected = {f"n{number:05} {20 * '-'}" for number in (*range(60), 200)}
    assert expected <= {*there}
    assert {1} == {*there.values()}
    assert not torn or 1 == sum("second" in message for message in there)


def test_another_attempt_is_read_whole(ship: Copied) -> None:
    """A pipeline's log that differs in one line from another attempt, and is shorter, is no copy of it."""
    log = ship.path("pipelines/qsiprep/qsiprep_9_20260301_100000.log")
    log.write_text(printed(0, 6000))
    before = ship.ship()
    lines = printed(0, 5000).splitlines(keepends=True)
    lines[4050] = "others\n"
    Path(f"{log}.1").write_text("".join(lines))
    os.truncate(log, 0)
    assert before + Counter({"others": 1}) == ship.ship()


def test_the_rest_of_a_seen_copy_is_read_at_once(ship: Copied) -> None:
    """What was unread when the log was truncated is read from the copy, though the log stays empty."""
    ship.kill(batch={"max_events": 50})
    ship.outage()
    ship.write(celery(0, 5000))
    ship.ship()
    ship.copy(ship.log.read_bytes(), seen=True)
    ship.truncate()
    ship.look()
    ship.outage(begins=False)
    assert 5000 == len(ship.ship())
