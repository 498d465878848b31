"""The sidecar while files grow and rotate, and over stops and kills."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from shipper import __version__
from shipper.document.ecs import ECS_VERSION
from tests.conformance.harness import Harness, alive

pytestmark = pytest.mark.in_process


def line(number: int) -> str:
    """One numbered line."""
    return json.dumps({"event": f"n{number}", "level": "info", "timestamp": "2026-03-01T10:00:00.000001Z"}) + "\n"


def write(path: Path, first: int, last: int) -> None:
    """Append the numbered lines from ``first`` to before ``last``."""
    with path.open("a") as file:
        file.writelines(map(line, range(first, last)))


def expected(count: int) -> dict[str, int]:
    """Each numbered line once."""
    return {f"n{number}": 1 for number in range(count)}


class TestSidecar:
    @pytest.mark.program
    def test_ships_what_is_appended_and_stops_cleanly(self, harness: Harness) -> None:
        """Lines written while it runs are indexed; SIGTERM drains and exits 0."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        write(log, 0, 10)
        assert harness.eventually(lambda: harness.count("app") == 10)
        write(log, 10, 20)
        assert harness.eventually(lambda: harness.count("app") == 20)
        code, said = harness.stop(process)
        assert code == 0, said
        assert expected(20) == harness.messages("app")
        counters = harness.status()["counters"]
        assert (counters["read"], counters["acknowledged"]) == (20, 20)

    @pytest.mark.program
    def test_each_document_has_its_agent_and_stream(self, harness: Harness) -> None:
        """The fields that are the same in all documents of a stream are in each, wherever in a request it is."""
        for name in ("neuroflow.log", "workflow.log"):
            write(harness.logs / name, 0, 3)
        run = harness.once()
        assert 0 == run.returncode, run.stderr
        for dataset in ("app", "workflow"):
            same = {
                "agent": {"type": "neuroflow-ship", "version": __version__},
                "ecs": {"version": ECS_VERSION},
                "data_stream": {"type": "logs", "dataset": f"neuroflow.{dataset}", "namespace": harness.namespace},
            }
            assert 3 * [same] == [{key: one.get(key) for key in same} for one in harness.documents(dataset)]

    @pytest.mark.program
    def test_waits_for_a_directory_that_is_not_there_yet(self, harness: Harness) -> None:
        """A missing log directory is reported once, and used when it appears."""
        harness.logs.rmdir()
        process = harness.start()
        assert process.stderr is not None
        said = ""
        while "no such directory yet" not in said and alive(process):
            said += process.stderr.readline()
        harness.logs.mkdir()
        write(harness.logs / "neuroflow.log", 0, 3)
        assert harness.eventually(lambda: harness.count("app") == 3)
        code, rest = harness.stop(process)
        assert code == 0
        assert f"{harness.logs}: no such directory yet; waiting for it" in said
        assert "Traceback" not in said + rest

    def test_follows_renames_while_running(self, harness: Harness) -> None:
        """Lines of a writer in the renamed file and of the new file are both shipped."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        write(log, 0, 5)
        assert harness.eventually(lambda: harness.count("app") == 5)
        with log.open("a") as old:
            log.rename(harness.logs / "neuroflow.log.1")
            old.writelines(map(line, range(5, 10)))
        write(log, 10, 15)
        assert harness.eventually(lambda: harness.count("app") == 15)
        assert harness.stop(process)[0] == 0
        assert expected(15) == harness.messages("app")

    def test_follows_renames_across_a_restart(self, harness: Harness) -> None:
        """Files that are renamed while it is down go on at their positions."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 5)
        assert harness.once().returncode == 0
        write(log, 5, 8)
        (harness.logs / "neuroflow.log").rename(harness.logs / "neuroflow.log.1")
        write(log, 8, 12)
        (harness.logs / "neuroflow.log.1").rename(harness.logs / "neuroflow.log.2")
        log.rename(harness.logs / "neuroflow.log.1")
        write(log, 12, 15)
        assert harness.once().returncode == 0
        assert expected(15) == harness.messages("app")

    def test_an_unterminated_line_is_shipped_after_a_while(self, harness: Harness) -> None:
        """It is shipped as it is after the timeout; the rest is a line of its own."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        write(log, 0, 1)
        with log.open("a") as file:
            file.write("no end")
        assert harness.eventually(lambda: harness.count("app") == 2)
        with log.open("a") as file:
            file.write(" in sight\n")
        assert harness.eventually(lambda: harness.count("app") == 3)
        harness.stop(process)
        assert harness.messages("app") == {"n0": 1, "no end": 1, " in sight": 1}

    @pytest.mark.program
    def test_killed_in_the_middle(self, harness: Harness) -> None:
        """After kills at any moment every line is there once."""
        write(harness.logs / "neuroflow.log", 0, 40_000)
        harness.configure(batch={"max_events": 500})
        for share in (2_000, 12_000, 25_000):
            process = harness.start()
            assert harness.eventually(lambda share=share: harness.count("app") >= share)  # type: ignore[misc]
            harness.kill(process)
        assert harness.once().returncode == 0
        messages = harness.messages("app")
        assert len(messages) == 40_000
        assert {1} == set(messages.values())

    def test_the_stream_is_carried_across_a_restart(self, harness: Harness) -> None:
        """A pipeline log stays in its error stream, and a marker in it is content."""
        log = harness.logs / "pipelines" / "qsiprep" / "qsiprep_9_20260301_100000.log"
        log.parent.mkdir(parents=True)
        log.write_text("=== STDOUT ===\nout\n\n=== STDERR ===\nerr 1\n")
        assert harness.once().returncode == 0
        with log.open("a") as file:
            file.write("err 2\n=== STDOUT ===\nerr 3\n")
        assert harness.once().returncode == 0
        documents = harness.documents("pipeline")
        assert ["stdout"] * 3 + ["stderr"] * 5 == [one["log"]["iostream"] for one in documents]
        assert {("9", "qsiprep")} == {(one["neuroflow"]["run_id"], one["neuroflow"]["pipeline"]) for one in documents}

    @pytest.mark.program
    def test_once_ends_beside_a_busy_writer(self, harness: Harness) -> None:
        """``--once`` ships what is there at its start."""
        log = harness.logs / "neuroflow.log"
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
            result = harness.once()  # which the harness would end after its patience
        finally:
            done.set()
            writer.join()
        assert result.returncode == 0, result.stderr
        assert harness.once().returncode == 0
        messages = harness.messages("app")
        assert expected(len(log.read_text().splitlines())) == messages

    @pytest.mark.program
    def test_a_second_process_is_refused(self, harness: Harness) -> None:
        """The second sidecar on a state directory names the first and exits."""
        process = harness.start()
        write(harness.logs / "neuroflow.log", 0, 1)
        assert harness.eventually(lambda: harness.count("app") == 1)
        second = harness.once()
        assert second.returncode == 2
        assert f"in use by neuroflow-ship, process {process.pid}" in second.stderr
        assert harness.stop(process)[0] == 0

    def test_a_held_back_record_is_joined(self, harness: Harness) -> None:
        """A traceback that is written shortly after its first line is one record with it."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        with log.open("a") as file:
            file.write("2026-03-01 10:00:07,125 - app - ERROR - failed\nTraceback (most recent call last):\n")
            file.flush()
            file.write('  File "x.py", line 1, in f\n    g()\nKeyError: 7\n')
        assert harness.eventually(lambda: harness.count("app") == 1)
        harness.stop(process)
        (document,) = harness.documents("app")
        assert document["error"]["type"] == "KeyError"
