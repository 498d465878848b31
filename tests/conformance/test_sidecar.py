"""The sidecar while files grow and rotate, and while it is stopped and killed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from elasticsearch import Elasticsearch

from tests.conformance.rig import Rig, alive, eventually


def line(number: int) -> str:
    """One numbered line."""
    return json.dumps({"event": f"n{number}", "level": "info", "timestamp": "2026-03-01T10:00:00.000001Z"}) + "\n"


def write(path: Path, first: int, last: int) -> None:
    """Append the numbered lines from ``first`` up to before ``last``."""
    with path.open("a") as file:
        file.writelines(map(line, range(first, last)))


def expected(count: int) -> dict[str, int]:
    """Each numbered line once."""
    return {f"n{number}": 1 for number in range(count)}


class TestSidecar:
    def test_ships_what_is_appended_and_stops_cleanly(self, rig: Rig, es: Elasticsearch) -> None:
        """Lines written while it runs are indexed; SIGTERM drains and exits 0."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        write(log, 0, 10)
        assert eventually(lambda: rig.count(es, "app") == 10)
        write(log, 10, 20)
        assert eventually(lambda: rig.count(es, "app") == 20)
        code, said = rig.stop(process)
        assert code == 0, said
        assert expected(20) == rig.messages(es, "app")
        counters = rig.status()["counters"]
        assert (counters["read"], counters["acknowledged"]) == (20, 20)

    def test_waits_for_a_directory_that_is_not_there_yet(self, rig: Rig, es: Elasticsearch) -> None:
        """The log directory may appear later; until then one sentence says so."""
        rig.logs.rmdir()
        process = rig.start()
        assert process.stderr is not None
        said = ""
        while "no such directory yet" not in said and alive(process):
            said += process.stderr.readline()
        rig.logs.mkdir()
        write(rig.logs / "neuroflow.log", 0, 3)
        assert eventually(lambda: rig.count(es, "app") == 3)
        code, rest = rig.stop(process)
        assert code == 0
        assert f"{rig.logs}: no such directory yet; waiting for it" in said
        assert "Traceback" not in said + rest

    def test_follows_renames_while_running(self, rig: Rig, es: Elasticsearch) -> None:
        """A writer that keeps writing to the renamed file, and the new file beside it, are both read."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        write(log, 0, 5)
        assert eventually(lambda: rig.count(es, "app") == 5)
        with log.open("a") as old:
            log.rename(rig.logs / "neuroflow.log.1")
            old.writelines(map(line, range(5, 10)))
        write(log, 10, 15)
        assert eventually(lambda: rig.count(es, "app") == 15)
        assert rig.stop(process)[0] == 0
        assert expected(15) == rig.messages(es, "app")

    def test_follows_renames_across_a_restart(self, rig: Rig, es: Elasticsearch) -> None:
        """What was renamed while it was down goes on where it was."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 5)
        assert rig.once().returncode == 0
        write(log, 5, 8)
        (rig.logs / "neuroflow.log").rename(rig.logs / "neuroflow.log.1")
        write(log, 8, 12)
        (rig.logs / "neuroflow.log.1").rename(rig.logs / "neuroflow.log.2")
        log.rename(rig.logs / "neuroflow.log.1")
        write(log, 12, 15)
        assert rig.once().returncode == 0
        assert expected(15) == rig.messages(es, "app")

    def test_an_unterminated_line_is_shipped_after_a_while(self, rig: Rig, es: Elasticsearch) -> None:
        """Without growth it is shipped as it stands; what follows later is a line of its own."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        write(log, 0, 1)
        with log.open("a") as file:
            file.write("no end")
        assert eventually(lambda: rig.count(es, "app") == 2)
        with log.open("a") as file:
            file.write(" in sight\n")
        assert eventually(lambda: rig.count(es, "app") == 3)
        rig.stop(process)
        assert rig.messages(es, "app") == {"n0": 1, "no end": 1, " in sight": 1}

    def test_killed_in_the_middle(self, rig: Rig, es: Elasticsearch) -> None:
        """After SIGKILLs at any moment every line is there exactly once."""
        write(rig.logs / "neuroflow.log", 0, 40_000)
        rig.configure(batch={"max_events": 500})
        for share in (2_000, 12_000, 25_000):
            process = rig.start()
            assert eventually(lambda share=share: rig.count(es, "app") >= share)  # type: ignore[misc]
            rig.kill(process)
        assert rig.once().returncode == 0
        messages = rig.messages(es, "app")
        assert len(messages) == 40_000
        assert {1} == set(messages.values())

    def test_the_stream_is_carried_across_a_restart(self, rig: Rig, es: Elasticsearch) -> None:
        """What follows in a pipeline log after a restart still is error output, and a marker in it is content."""
        log = rig.logs / "pipelines" / "qsiprep" / "qsiprep_9_20260301_100000.log"
        log.parent.mkdir(parents=True)
        log.write_text("=== STDOUT ===\nout\n\n=== STDERR ===\nerr 1\n")
        assert rig.once().returncode == 0
        with log.open("a") as file:
            file.write("err 2\n=== STDOUT ===\nerr 3\n")
        assert rig.once().returncode == 0
        documents = rig.documents(es, "pipeline")
        assert ["stdout"] * 3 + ["stderr"] * 5 == [one["log"]["iostream"] for one in documents]
        assert {("9", "qsiprep")} == {(one["neuroflow"]["run_id"], one["neuroflow"]["pipeline"]) for one in documents}

    def test_once_ends_beside_a_busy_writer(self, rig: Rig, es: Elasticsearch) -> None:
        """What is there at the start is shipped; what is written meanwhile is for the next time."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 1000)
        done = threading.Event()

        def keep_writing() -> None:
            number = 1000
            while not done.wait(0.001):
                write(log, number, number + 1)
                number += 1

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            result = rig.once()  # which the rig would end after its patience
        finally:
            done.set()
            writer.join()
        assert result.returncode == 0, result.stderr
        assert rig.once().returncode == 0
        messages = rig.messages(es, "app")
        assert expected(len(log.read_text().splitlines())) == messages

    def test_a_second_process_is_refused(self, rig: Rig, es: Elasticsearch) -> None:
        """Two sidecars on one state directory: the second names the first and leaves."""
        process = rig.start()
        write(rig.logs / "neuroflow.log", 0, 1)
        assert eventually(lambda: rig.count(es, "app") == 1)
        second = rig.once()
        assert second.returncode == 2
        assert f"in use by neuroflow-ship, process {process.pid}" in second.stderr
        assert rig.stop(process)[0] == 0

    def test_a_held_back_record_is_joined(self, rig: Rig, es: Elasticsearch) -> None:
        """A traceback written a moment after its first line is one record with it."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        with log.open("a") as file:
            file.write("2026-03-01 10:00:07,125 - app - ERROR - failed\nTraceback (most recent call last):\n")
            file.flush()
            file.write('  File "x.py", line 1, in f\n    g()\nKeyError: 7\n')
        assert eventually(lambda: rig.count(es, "app") == 1)
        rig.stop(process)
        (document,) = rig.documents(es, "app")
        assert document["error"]["type"] == "KeyError"
