"""The first start of the program beside old logs, and a start whose state directory was lost."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.conformance.fake import Answer, page, refuse
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually

SEARCH = "POST /logs-neuroflow.app-fake,"
WEEKS = 3 * 7 * 86400


def lines(first: int, count: int) -> str:
    """Lines of structlog."""
    stamp = "2026-11-27T10:00:00Z"
    return "".join(
        json.dumps({"event": f"n{one}", "level": "info", "timestamp": stamp, "pad": 60 * "-"}) + "\n"
        for one in range(first, first + count)
    )


def old(path: Path, text: str) -> None:
    """A log that did not change for weeks."""
    path.write_text(text)
    os.utime(path, (time.time() - WEEKS,) * 2)


def numbers(faked: FakedHarness) -> list[int]:
    """What is in the index, each line as often as it is there."""
    return sorted(int(message[1:]) for message in faked.fake.messages().elements())


def hit(one: object) -> None:
    """The cluster has lines of these logs."""
    one.send(200, {"hits": {"hits": [{"_id": "x"}]}})  # type: ignore[attr-defined]


def none(one: object) -> None:
    """The cluster has no such lines."""
    one.send(200, {"hits": {"hits": []}})  # type: ignore[attr-defined]


def test_rotation_while_the_sidecar_is_killed(faked: FakedHarness) -> None:
    """Of a log that was passed over, rotated after a SIGKILL, exactly the lines since the first start are shipped."""
    faked.fake.otherwise[SEARCH] = none
    faked.configure(start="end")
    faked.log.write_text(lines(0, 50))
    running = faked.begin()
    assert eventually(lambda: "passes over" in running.said)
    with faked.log.open("a") as file:
        file.write(lines(50, 5))
    assert eventually(lambda: len(numbers(faked)) == 5)
    running.kill()
    with faked.log.open("a") as file:
        file.write(lines(55, 5))
    faked.log.rename(f"{faked.log}.1")
    faked.log.write_text(lines(60, 5))
    faked.begin()
    assert eventually(lambda: len(numbers(faked)) >= 15)
    assert list(range(50, 65)) == numbers(faked)


def test_a_lost_state_directory(faked: FakedHarness) -> None:
    """Where the cluster has lines of logs that would be passed over, everything is read again and said."""
    old(faked.log, lines(0, 20))
    assert 0 == faked.once().returncode
    with faked.log.open("a") as file:
        file.write(lines(20, 5))
    os.utime(faked.log, (time.time() - WEEKS,) * 2)
    shutil.rmtree(faked.state)
    faked.fake.otherwise[SEARCH] = hit
    running = faked.begin()
    assert eventually(lambda: len(numbers(faked)) == 25)
    assert list(range(25)) == numbers(faked)
    assert "the state was lost; shipper.start does not count" in running.said


@pytest.mark.parametrize("answer", [refuse(403, "security_exception", "unauthorized"), refuse(503), page(200)])
def test_a_cluster_that_does_not_tell(faked: FakedHarness, answer: Answer) -> None:
    """Where it can't be asked, that is said, and the key decides: set to the beginning, it ships everything."""
    old(faked.log, lines(0, 20))
    faked.fake.otherwise[SEARCH] = answer
    running = faked.begin()
    assert eventually(lambda: "passes over" in running.said)
    assert "can't find out whether these logs were shipped before" in running.said
    assert 0 == running.stop()
    assert [] == numbers(faked)
    faked.configure(start="beginning")
    faked.begin()
    assert eventually(lambda: len(numbers(faked)) == 20)
