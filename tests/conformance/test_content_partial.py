"""A line or a record that is not finished yet: shipped after a while, and never a second time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.relay import Relay
from tests.conformance.rig import Rig, eventually

CELERY = "[2026-03-01 10:00:00,300: ERROR/ForkPoolWorker-1] scan failed\n"
STDLIB = "2026-03-01 10:00:07,125 - app - ERROR - scan failed\n"
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 7\n'


def append(path: Path, text: str) -> None:
    """Append to a log as it stands, without a line feed of its own."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def acknowledged(rig: Rig, log: Path) -> int:
    """The log's offset in the cursor store."""
    return next((one["offset"] for one in rig.status()["files"] if one["path"] == str(log)), 0)


def kill_unanswered(rig: Rig, es: Elasticsearch, relay: Relay, log: Path, part: str) -> None:
    """Ship a line, then let ``part`` be indexed without the sidecar being told, and kill it."""
    direct = rig.url
    rig.url = relay.url
    rig.configure()
    process = rig.start()
    append(log, "begin\n")
    assert eventually(lambda: rig.count(es) == 1)
    assert eventually(lambda: acknowledged(rig, log) == len("begin\n"))
    relay.swallow = True
    append(log, part)
    assert eventually(lambda: rig.count(es) == 2)
    rig.kill(process)
    rig.url = direct
    rig.configure()
    assert acknowledged(rig, log) == len("begin\n")


def kill_acknowledged(rig: Rig, es: Elasticsearch, log: Path, part: str) -> None:
    """Ship a line, then ``part``; kill the sidecar as soon as the cursor stands behind it."""
    process = rig.start()
    append(log, "begin\n")
    assert eventually(lambda: rig.count(es) == 1)
    append(log, part)
    assert eventually(lambda: acknowledged(rig, log) == len("begin\n" + part))
    rig.kill(process)


class TestSlowCluster:
    def test_an_outage_cuts_no_line(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """Lines that wait unread behind an outage longer than any patience are whole, and so are records."""
        rig.url = relay.url
        rig.configure(batch={"max_events": 200, "in_flight": 1})
        append(rig.logs / "neuroflow.log", "begin\n")
        process = rig.start()
        assert eventually(lambda: rig.count(es) == 1)
        relay.cut()
        append(rig.logs / "neuroflow.log", "".join(f"line {number} of many\n" for number in range(6000)))
        append(rig.logs / "celery" / "worker.log", (CELERY + TRACE) * 800)
        time.sleep(3)  # longer than either patience
        relay.mend()
        assert eventually(lambda: rig.count(es) >= 6801)
        assert 0 == rig.stop(process)[0]
        assert {"begin": 1} | {f"line {number} of many": 1 for number in range(6000)} == rig.messages(es, "app")
        assert {"scan failed": 800} == rig.messages(es, "celery")


class TestUnterminatedLine:
    def test_comes_after_a_while_and_its_rest_later(self, rig: Rig, es: Elasticsearch) -> None:
        """Each part is a document of its own, at its own offset, flagged while it has no end."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        append(log, "begin\nno end")
        assert eventually(lambda: rig.count(es) == 2)
        append(log, " in sight")
        assert eventually(lambda: rig.count(es) == 3)
        append(log, " at last\nnext\n")
        assert eventually(lambda: rig.count(es) == 5)
        assert 0 == rig.stop(process)[0]
        assert [("begin", 0), ("no end", 6), (" in sight", 12), (" at last", 21), ("next", 30)] == [
            (one["message"], one["log"]["offset"]) for one in rig.documents(es)
        ]

    def test_its_line_feed_alone_is_nothing(self, rig: Rig, es: Elasticsearch) -> None:
        """When only the end was missing, nothing follows."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        append(log, "begin\nno end")
        assert eventually(lambda: rig.count(es) == 2)
        append(log, "\nnext\n")
        assert eventually(lambda: rig.count(es) >= 3)
        assert 0 == rig.stop(process)[0]
        assert {"begin": 1, "no end": 1, "next": 1} == rig.messages(es)

    def test_killed_after_the_cursor_was_written(self, rig: Rig, es: Elasticsearch) -> None:
        """Shipped, killed, finished while it is down: only the rest follows."""
        log = rig.logs / "neuroflow.log"
        kill_acknowledged(rig, es, log, "no end")
        append(log, " in sight\nnext\n")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == rig.messages(es)

    def test_killed_before_the_cursor_was_written(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """Indexed, but killed before the answer came; finished while it is down: no second copy of the part."""
        log = rig.logs / "neuroflow.log"
        kill_unanswered(rig, es, relay, log, "no end")
        append(log, " in sight\nnext\n")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == rig.messages(es)

    def test_killed_unanswered_and_rolled_over(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """The same with a new backing index before the restart: the part is looked up."""
        log = rig.logs / "neuroflow.log"
        kill_unanswered(rig, es, relay, log, "no end")
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        append(log, " in sight\nnext\n")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1, "next": 1} == rig.messages(es)

    def test_killed_unanswered_and_never_finished(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """Nothing is written while it is down: the part is recognised."""
        log = rig.logs / "neuroflow.log"
        kill_unanswered(rig, es, relay, log, "no end")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1} == rig.messages(es)

    def test_once_ships_it(self, rig: Rig, es: Elasticsearch) -> None:
        """``--once`` ships it as it stands, and the rest the next time."""
        log = rig.logs / "neuroflow.log"
        append(log, "begin\nno end")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1} == rig.messages(es)
        assert 0 == rig.once().returncode
        append(log, " in sight\n")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end": 1, " in sight": 1} == rig.messages(es)

    def test_sigterm_leaves_it(self, rig: Rig, es: Elasticsearch) -> None:
        """A stop does not cut a line in two: finished while it is down, it is one document."""
        rig.configure(partial_line_timeout=60)
        log = rig.logs / "neuroflow.log"
        append(log, "begin\nno end")
        process = rig.start()
        assert eventually(lambda: rig.count(es) == 1)
        code, said = rig.stop(process)
        assert code == 0, said
        assert {"begin": 1} == rig.messages(es)
        append(log, " in sight\n")
        assert 0 == rig.once().returncode
        assert {"begin": 1, "no end in sight": 1} == rig.messages(es)

    def test_left_by_sigterm_it_comes_after_the_next_start(self, rig: Rig, es: Elasticsearch) -> None:
        """The next start waits for its end as the first did, then ships it."""
        rig.configure(partial_line_timeout=60)
        log = rig.logs / "neuroflow.log"
        append(log, "begin\nno end")
        process = rig.start()
        assert eventually(lambda: rig.count(es) == 1)
        assert 0 == rig.stop(process)[0]
        rig.configure()
        process = rig.start()
        assert eventually(lambda: rig.count(es) == 2)
        assert 0 == rig.stop(process)[0]
        assert {"begin": 1, "no end": 1} == rig.messages(es)

    def test_growing_it_is_waited_for(self, rig: Rig, es: Elasticsearch) -> None:
        """While a line grows its patience begins anew: longer in the making than the timeout, it is one document."""
        rig.configure(partial_line_timeout=3)
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        append(log, "begin\n")
        assert eventually(lambda: rig.count(es) == 1)
        for _ in range(8):
            append(log, "x")
            time.sleep(0.5)
        append(log, "\n")
        assert eventually(lambda: rig.count(es) >= 2)
        assert 0 == rig.stop(process)[0]
        assert {"begin": 1, "x" * 8: 1} == rig.messages(es)


@pytest.mark.parametrize(
    ("place", "first"), [("celery/worker.log", CELERY), ("neuroflow.log", STDLIB)], ids=["celery", "stdlib"]
)
class TestHeldBackRecord:
    def test_its_traceback_comes_late(self, rig: Rig, es: Elasticsearch, place: str, first: str) -> None:
        """The record went out alone after a while; its traceback is a document of its own."""
        log = rig.logs / place
        process = rig.start()
        append(log, first)
        assert eventually(lambda: rig.count(es) == 1)
        append(log, TRACE)
        assert eventually(lambda: rig.count(es) == 2)
        assert 0 == rig.stop(process)[0]
        record, trace = rig.documents(es)
        assert ("scan failed", 0) == (record["message"], record["log"]["offset"])
        assert len(first) == trace["log"]["offset"]
        assert "KeyError" == trace["error"]["type"]

    def test_killed_after_the_cursor_was_written(self, rig: Rig, es: Elasticsearch, place: str, first: str) -> None:
        """Its traceback is written while it is down: the record is not shipped a second time."""
        log = rig.logs / place
        kill_acknowledged(rig, es, log, first)
        append(log, TRACE)
        assert 0 == rig.once().returncode
        self._is_there_once(rig, es, first)

    def test_killed_before_the_cursor_was_written(
        self, rig: Rig, es: Elasticsearch, relay: Relay, place: str, first: str
    ) -> None:
        """The same, killed before the answer came."""
        log = rig.logs / place
        kill_unanswered(rig, es, relay, log, first)
        append(log, TRACE)
        assert 0 == rig.once().returncode
        self._is_there_once(rig, es, first)

    def test_killed_while_it_is_held_back(self, rig: Rig, es: Elasticsearch, place: str, first: str) -> None:
        """Nothing of it went out: with what follows while it is down it is one record, or two parts of it."""
        log = rig.logs / place
        process = rig.start()
        append(log, "begin\n")
        assert eventually(lambda: rig.count(es) == 1)
        append(log, first)
        rig.kill(process)
        append(log, TRACE)
        assert 0 == rig.once().returncode
        documents = rig.documents(es)
        assert 1 == sum(one["message"] == "scan failed" for one in documents)
        assert 1 == sum(one.get("error", {}).get("type") == "KeyError" for one in documents)
        assert len(documents) == len({one["log"]["offset"] for one in documents})

    def _is_there_once(self, rig: Rig, es: Elasticsearch, first: str) -> None:
        begin, record, trace = rig.documents(es)
        assert ("begin", "scan failed") == (begin["message"], record["message"])
        assert "stack_trace" not in record.get("error", {})
        assert len("begin\n" + first) == trace["log"]["offset"]
        assert "KeyError" == trace["error"]["type"]
