"""Records of several lines between lines of other programs: each line is in one document."""

from __future__ import annotations

import time

import pytest

from tests.conformance.harness import Harness
from tests.ordinary_lines import LINES

pytestmark = pytest.mark.in_process

TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 7\n'
FIRST = {
    "neuroflow.log": "2026-03-01 10:00:07,125 - app - ERROR - failed\n",
    "celery/worker.log": "[2026-03-01 10:00:00,300: ERROR/ForkPoolWorker-1] failed\n",
    "huey.log": "[2026-03-01 10:00:00,300] ERROR:huey.consumer:7:failed\n",
    "worker.log": "ERROR:    Exception in ASGI application\n",
    "qsiprep/sub-001_ses-01.log": "2026-03-01T10:00:00.300000Z [error    ] failed\n",
}
SECONDS, RATE = 3, 300


@pytest.mark.parametrize("place", FIRST)
class TestOrdinaryLines:
    def test_each_is_a_document_behind_a_traceback(self, harness: Harness, place: str) -> None:
        """Lines of sixty forms are documents of their own, and the traceback belongs to its first line."""
        log = harness.logs / place
        log.parent.mkdir(exist_ok=True)
        log.write_text(FIRST[place] + TRACE + "\n".join(LINES) + "\n" + FIRST[place])
        assert 0 == harness.once().returncode
        head, *others, _ = harness.documents()
        assert ("KeyError", "7") == (head["error"]["type"], head["error"]["message"])
        assert len(LINES) == len(others)
        assert not [one["message"] for one in others if "error" in one]
        content = log.read_bytes()
        # A time, the level, and more may be taken out of a message, but it is of the line where it begins.
        for line, one in zip(LINES, others, strict=True):
            assert content[one["log"]["offset"] :].startswith(line.encode())

    @pytest.mark.program
    def test_so_are_hundreds_a_second(self, harness: Harness, place: str) -> None:
        """Without pauses, too, the form of the lines ends a record."""
        log = harness.logs / place
        log.parent.mkdir(exist_ok=True)
        process = harness.start()
        wanted = 1
        with log.open("a") as file:
            file.write(FIRST[place] + TRACE)
            for number in range(SECONDS * RATE):
                file.write(f'127.0.0.1:50204 - "GET /{number} HTTP/1.1" 200\n')
                file.flush()
                wanted += 1
                time.sleep(1 / RATE)
        assert harness.eventually(lambda: harness.count() >= wanted)
        assert 0 == harness.stop(process)[0]
        head, *others = harness.documents()
        assert "KeyError" == head["error"]["type"]
        assert [f"GET /{number} HTTP" for number in range(SECONDS * RATE)] == [
            one["message"].partition('"')[2].partition("/1.1")[0] for one in others
        ]
