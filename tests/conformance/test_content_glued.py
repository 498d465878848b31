"""Several records in one line, without line feeds between them, are a document each."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from functools import partial

import pytest

from tests.conformance.harness import Harness, eventually

LINES = 400


def event(number: int) -> str:
    """A JSON event."""
    return json.dumps({"event": f"event {number}", "level": "error", "timestamp": "2026-11-25T09:46:40.25Z"})


def content() -> str:
    """Lines of three objects; behind every tenth a part of a fourth."""
    lines = ("".join(map(event, range(at, at + 3))) for at in range(0, 3 * LINES, 3))
    return "".join(f"{line}{'' if at % 10 else event(at)[:20]}\n" for at, line in enumerate(lines))


def expected() -> Counter[str]:
    """Each object's message, and the incomplete ones unchanged."""
    return Counter([f"event {at}" for at in range(3 * LINES)] + [event(at)[:20] for at in range(0, LINES, 10)])


def counted(harness: Harness, wanted: int) -> bool:
    """Whether there are so many documents."""
    return harness.count() >= wanted


def test_each_object_of_a_line_is_a_document(harness: Harness) -> None:
    """Each has its own time, level and offset; a second run without the state adds nothing."""
    log = harness.logs / "neuroflow.log"
    log.write_text(content())
    assert 0 == harness.once().returncode
    assert expected() == harness.messages()
    written = log.read_bytes()
    for one in harness.documents():
        assert written[one["log"]["offset"] :].startswith(b'{"event')
        if one["message"].startswith("event "):
            assert ("error", "2026-11-25T09:46:40.250Z") == (one["log"]["level"], one["@timestamp"])
    shutil.rmtree(harness.state)
    assert 0 == harness.once().returncode
    assert expected() == harness.messages()


@pytest.mark.thorough
def test_a_kill_between_two_objects_of_a_line_loses_and_doubles_nothing(harness: Harness) -> None:
    """A restart works with a cursor within a line."""
    harness.configure(batch={"max_events": 2, "in_flight": 1})
    log = harness.logs / "neuroflow.log"
    log.write_text(content())
    for part in range(1, 4):
        process = harness.start()
        assert eventually(partial(counted, harness, part * 50))
        harness.kill(process)
    assert 0 == harness.once().returncode
    assert expected() == harness.messages()
    (file,) = harness.status()["files"]
    assert (log.stat().st_size, 1) == (file["offset"], len(harness.status()["files"]))
