"""Progress bars are shipped while they run, with their last state at the end, and every byte once."""

from __future__ import annotations

import base64
import random
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.harness import Harness, eventually

PLACE = Path("pipelines") / "qsiprep" / "qsiprep_456_20261127_000000.log"


def bar(first: int, last: int, of: int = 36_000) -> bytes:
    """The output of tqdm."""
    return b"".join(b"\r%3d%%|###| %5d/%d [it/s]" % (100 * at // of, at, of) for at in range(first, last))


def shown(harness: Harness) -> bytes:
    """The output of ``pipeline``."""
    command = harness.command("pipeline", "456", module="shipper.cli.logs")
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def is_more(harness: Harness, count: int) -> bool:
    """Whether there are more documents than before."""
    return harness.count() > count


def log_of(harness: Harness) -> Path:
    """The log of a run."""
    log = harness.logs / PLACE
    log.parent.mkdir(parents=True)
    return log


class TestProgressBar:
    @pytest.mark.parametrize("updates", [36_000, 150_000], ids=["an hour", "a night"])
    def test_long_after_it_ran(self, harness: Harness, updates: int) -> None:
        """A mebibyte without a line feed shows its last state, and nothing is cut."""
        log = log_of(harness)
        log.write_bytes(b"=== STDOUT ===\nbegin\n" + bar(0, updates, updates) + b"\nend\n")
        assert 0 == harness.once().returncode
        messages = [one["message"] for one in harness.documents()]
        assert (["=== STDOUT ===", "begin"], "end") == (messages[:2], messages[-1])
        state = f" 99%|###| {updates - 1:5}/{updates} [it/s]"
        assert state == messages[-2]
        assert len(log.read_bytes()) // 2**20 + 4 == len(messages)
        assert not [one["log"]["flags"] for one in harness.documents() if "flags" in one["log"]]
        assert log.read_bytes() == shown(harness)

    def test_while_it_runs(self, harness: Harness) -> None:
        """Documents show how far it is; at the end it is complete."""
        log = log_of(harness)
        log.write_bytes(b"=== STDOUT ===\n")
        process = harness.start()
        assert eventually(lambda: harness.count() == 1)
        stop = threading.Event()
        began = time.monotonic()

        def keep_writing() -> None:
            with log.open("ab", buffering=0) as file:
                at = 0
                while not stop.wait(0.02):
                    file.write(bar(at, at + 1))
                    at += 1
                file.write(b"\n")

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            assert eventually(lambda: harness.count() >= 4)
        finally:
            stop.set()
            writer.join()
        ran = time.monotonic() - began
        content = log.read_bytes()
        assert eventually(lambda: shown(harness) == content)
        # One a second (partial_line_timeout), the first line, and the end.
        assert 4 <= harness.count() <= ran + 3
        assert 0 == harness.stop(process)[0]
        messages = [one["message"] for one in harness.documents()]
        assert all(message.strip().endswith("[it/s]") and "\r" not in message for message in messages[1:])
        numbers = [int(message.partition("###| ")[2].partition("/")[0]) for message in messages[1:]]
        assert sorted(set(numbers)) == numbers

    @pytest.mark.thorough
    def test_killed_again_and_again(self, harness: Harness) -> None:
        """After kills at any point repeated documents are equal, and later ones go on behind them."""
        log = log_of(harness)
        log.write_bytes(b"=== STDOUT ===\n")
        stop = threading.Event()
        rng = random.Random(13)

        def keep_writing() -> None:
            with log.open("ab", buffering=0) as file:
                at = 0
                while not stop.wait(0.01):
                    file.write(bar(at, at + 1)[rng.choice([0, 1]) :])
                    at += 1
                file.write(b"\r\nend\r\n")

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            for _ in range(6):
                process = harness.start()
                assert eventually(partial(is_more, harness, harness.count()))
                time.sleep(rng.uniform(0, 1.5))
                harness.kill(process)
        finally:
            stop.set()
            writer.join()
        assert 0 == harness.once().returncode
        assert log.read_bytes() == shown(harness)
        documents = harness.documents()
        assert len(documents) == len({one["log"]["offset"] for one in documents})

    def test_in_another_log(self, harness: Harness) -> None:
        """A bar in the application's log is not part of the records beside it."""
        log = harness.logs / "neuroflow.log"
        failed = b"2026-03-01 10:00:07,125 - app - ERROR - failed\n"
        trace = b"Traceback (most recent call last):\n  File\nKeyError: 7\n"
        whole = bar(0, 50)
        log.write_bytes(failed + trace + whole + b"\n" + b'{"event": "next"}\n')
        assert 0 == harness.once().returncode
        first, shows, last = harness.documents()
        assert ("KeyError", "next") == (first["error"]["type"], last["message"])
        assert "  0%|###|    49/36000 [it/s]" == shows["message"]
        assert whole + b"\n" == base64.b64decode(shows["neuroflow"]["original"])

    def test_windows_lines_are_no_bars(self, harness: Harness) -> None:
        """CR LF ends a line, and the message is unchanged."""
        log = log_of(harness)
        log.write_bytes(b"=== STDOUT ===\r\nbegin\r\nend\r\n")
        assert 0 == harness.once().returncode
        assert ["=== STDOUT ===\r", "begin\r", "end\r"] == [one["message"] for one in harness.documents()]
        assert log.read_bytes() == shown(harness)
