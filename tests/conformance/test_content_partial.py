"""An unfinished line or record is shipped after a while, and never twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conformance.harness import Harness
from tests.conformance.relay import Relay

pytestmark = pytest.mark.in_process

CELERY = "[2026-03-01 10:00:00,300: ERROR/ForkPoolWorker-1] scan failed\n"
STDLIB = "2026-03-01 10:00:07,125 - app - ERROR - scan failed\n"
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 7\n'


def append(path: Path, text: str) -> None:
    """Append text without a line feed."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def acknowledged(harness: Harness, log: Path) -> int:
    """The log's offset in the cursor store."""
    return next((one["offset"] for one in harness.status()["files"] if one["path"] == str(log)), 0)


def kill_unanswered(harness: Harness, relay: Relay, log: Path, part: str) -> None:
    """Ship a line, let ``part`` be indexed without an answer, and kill the sidecar."""
    direct = harness.url
    harness.url = relay.url
    harness.configure()
    process = harness.start()
    append(log, "begin\n")
    assert harness.eventually(lambda: harness.count() == 1)
    assert harness.eventually(lambda: acknowledged(harness, log) == len("begin\n"))
    relay.swallow = True
    append(log, part)
    assert harness.eventually(lambda: harness.count() == 2)
    harness.kill(process)
    harness.url = direct
    harness.configure()
    assert acknowledged(harness, log) == len("begin\n")


def kill_acknowledged(harness: Harness, log: Path, part: str) -> None:
    """Ship a line, then ``part``; kill the sidecar when the cursor has passed it."""
    process = harness.start()
    append(log, "begin\n")
    assert harness.eventually(lambda: harness.count() == 1)
    append(log, part)
    assert harness.eventually(lambda: acknowledged(harness, log) == len("begin\n" + part))
    harness.kill(process)


class TestSlowCluster:
    def test_an_outage_cuts_no_line(self, harness: Harness, relay: Relay) -> None:
        """Lines and records that wait during a long outage are whole."""
        harness.url = relay.url
        harness.configure(batch={"max_events": 200, "in_flight": 1})
        append(harness.logs / "neuroflow.log", "begin\n")
        process = harness.start()
        assert harness.eventually(lambda: harness.count() == 1)
        relay.cut()
        append(harness.logs / "neuroflow.log", "".join(f"line {number} of many\n" for number in range(6000)))
        append(harness.logs / "celery" / "worker.log", (CELERY + TRACE) * 800)
        time.sleep(3)  # longer than either patience
        relay.mend()
        assert harness.eventually(lambda: harness.count() >= 6801)
        assert 0 == harness.stop(process)[0]
        assert {"begin": 1} | {f"line {number} of many": 1 for number in range(6000)} == harness.messages("app")
        assert {"scan failed": 800} == harness.messages("celery")


class TestUnterminatedLine:
    def test_comes_after_a_while_and_its_rest_later(self, harness: Harness) -> None:
        """Each part is a document at its own offset, flagged while it is unterminated."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        append(log, "begin\nno end")
        assert harness.eventually(lambda: harness.count() == 2)
        append(log, " in sight")
        assert harness.eventually(lambda: harness.count() == 3)
        append(log, " at last\nnext\n")
        assert harness.eventually(lambda: harness.count() == 5)
        assert 0 == harness.stop(process)[0]
        assert [("begin", 0), ("no end", 6), (" in sight", 12), (" at last", 21), ("next", 30)] == [
            (one["message"], one["log"]["offset"]) for one in harness.documents()
        ]

    def test_its_line_feed_alone_is_nothing(self, harness: Harness) -> None:
        """A line feed alone adds no document."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        append(log, "begin\nno end")
        assert harness.eventually(lambda: harness.count() == 2)
        append(log, "\nnext\n")
        assert harness.eventually(lambda: harness.count() >= 3)
        assert 0 == harness.stop(process)[0]
        assert {"begin": 1, "no end": 1, "next": 1} == harness.messages()

    def test_killed_after_the_cursor_was_written(self, harness: Harness) -> None:
        """Shipped, killed, finished while it is down: only the rest follows."""
        log = harness.logs / "neuroflow.log"
        kill_acknowledged(harness, log, "no end")
        append(log, " in sight\nnext\n")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == harness.messages()

    def test_killed_before_the_cursor_was_written(self, harness: Harness, relay: Relay) -> None:
        """Indexed, but killed before the answer came; finished while it is down: no second copy of the part."""
        log = harness.logs / "neuroflow.log"
        kill_unanswered(harness, relay, log, "no end")
        append(log, " in sight\nnext\n")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == harness.messages()

    def test_killed_unanswered_and_rolled_over(self, harness: Harness, relay: Relay) -> None:
        """After a rollover the part is looked up."""
        log = harness.logs / "neuroflow.log"
        kill_unanswered(harness, relay, log, "no end")
        harness.roll_over()
        append(log, " in sight\nnext\n")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == harness.messages()

    def test_killed_unanswered_and_never_finished(self, harness: Harness, relay: Relay) -> None:
        """Without further lines the part is recognised."""
        log = harness.logs / "neuroflow.log"
        kill_unanswered(harness, relay, log, "no end")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1} == harness.messages()

    def test_once_ships_it(self, harness: Harness) -> None:
        """``--once`` ships it as it is, and the rest in the next run."""
        log = harness.logs / "neuroflow.log"
        append(log, "begin\nno end")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1} == harness.messages()
        assert 0 == harness.once().returncode
        append(log, " in sight\n")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1} == harness.messages()

    def test_sigterm_leaves_it(self, harness: Harness) -> None:
        """A stop does not flush it; finished while the sidecar is down, it is one document."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        append(log, "begin\nno end")
        process = harness.start()
        assert harness.eventually(lambda: harness.count() == 1)
        code, said = harness.stop(process)
        assert code == 0, said
        assert {"begin": 1} == harness.messages()
        append(log, " in sight\n")
        assert 0 == harness.once().returncode
        assert {"begin": 1, "no end in sight": 1} == harness.messages()

    def test_left_by_sigterm_it_comes_after_the_next_start(self, harness: Harness) -> None:
        """The next start waits for its end again, then ships it."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        append(log, "begin\nno end")
        process = harness.start()
        assert harness.eventually(lambda: harness.count() == 1)
        assert 0 == harness.stop(process)[0]
        harness.configure()
        process = harness.start()
        assert harness.eventually(lambda: harness.count() == 2)
        assert 0 == harness.stop(process)[0]
        assert {"begin": 1, "no end": 1} == harness.messages()

    def test_growing_it_is_waited_for(self, harness: Harness) -> None:
        """Each growth restarts the patience."""
        harness.configure(partial_line_timeout=3)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        append(log, "begin\n")
        assert harness.eventually(lambda: harness.count() == 1)
        for _ in range(8):
            append(log, "x")
            harness.wait(0.5)
        append(log, "\n")
        assert harness.eventually(lambda: harness.count() >= 2)
        assert 0 == harness.stop(process)[0]
        assert {"begin": 1, "x" * 8: 1} == harness.messages()


@pytest.mark.parametrize(
    ("place", "first"), [("celery/worker.log", CELERY), ("neuroflow.log", STDLIB)], ids=["celery", "stdlib"]
)
class TestHeldBackRecord:
    def test_its_traceback_comes_late(self, harness: Harness, place: str, first: str) -> None:
        """A record is shipped after its patience; a later traceback is a document of its own."""
        log = harness.logs / place
        process = harness.start()
        append(log, first)
        assert harness.eventually(lambda: harness.count() == 1)
        append(log, TRACE)
        assert harness.eventually(lambda: harness.count() == 2)
        assert 0 == harness.stop(process)[0]
        record, trace = harness.documents()
        assert ("scan failed", 0) == (record["message"], record["log"]["offset"])
        assert len(first) == trace["log"]["offset"]
        assert "KeyError" == trace["error"]["type"]

    def test_killed_after_the_cursor_was_written(self, harness: Harness, place: str, first: str) -> None:
        """Its traceback is written while it is down: the record is not shipped a second time."""
        log = harness.logs / place
        kill_acknowledged(harness, log, first)
        append(log, TRACE)
        assert 0 == harness.once().returncode
        self._is_there_once(harness, first)

    def test_killed_before_the_cursor_was_written(
        self, harness: Harness, relay: Relay, place: str, first: str
    ) -> None:
        """The same, killed before the answer came."""
        log = harness.logs / place
        kill_unanswered(harness, relay, log, first)
        append(log, TRACE)
        assert 0 == harness.once().returncode
        self._is_there_once(harness, first)

    def test_killed_while_it_is_held_back(self, harness: Harness, place: str, first: str) -> None:
        """A held record is shipped with the lines that followed while the sidecar was down."""
        log = harness.logs / place
        process = harness.start()
        append(log, "begin\n")
        assert harness.eventually(lambda: harness.count() == 1)
        append(log, first)
        harness.kill(process)
        append(log, TRACE)
        assert 0 == harness.once().returncode
        documents = harness.documents()
        assert 1 == sum(one["message"] == "scan failed" for one in documents)
        assert 1 == sum(one.get("error", {}).get("type") == "KeyError" for one in documents)
        assert len(documents) == len({one["log"]["offset"] for one in documents})

    def _is_there_once(self, harness: Harness, first: str) -> None:
        begin, record, trace = harness.documents()
        assert ("begin", "scan failed") == (begin["message"], record["message"])
        assert "stack_trace" not in record.get("error", {})
        assert len("begin\n" + first) == trace["log"]["offset"]
        assert "KeyError" == trace["error"]["type"]
