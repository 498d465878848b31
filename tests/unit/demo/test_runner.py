"""The demonstration's parts."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from shipper.config import load
from shipper.demo import runner
from shipper.demo.counting import Tally
from shipper.testnode.node import NodeError

GOOD = {"read": 20, "acknowledged": 19, "duplicate": 1, "dead": 0, "in_flight": 0}


def test_the_configuration_is_a_good_one(tmp_path: Path) -> None:
    """The shipper's own reader takes it."""
    config = load(runner.write_config(tmp_path, "http://127.0.0.1:1", "demo"))
    assert config.log_dir == tmp_path / "logs"
    assert config.elasticsearch.hosts == ["http://127.0.0.1:1"]
    assert config.shipper.namespace == "demo"
    assert config.shipper.state_dir == tmp_path / "state"


def test_no_faults() -> None:
    """Every line once, and counters that add up."""
    assert runner.faults([Tally("app", 20, 20, 0)], GOOD) == []


@pytest.mark.parametrize(
    ("tally", "counters", "words"),
    [
        (Tally("app", 20, 19, 0), GOOD, "app: 1 of 20 lines are missing"),
        (Tally("celery", 0, 0, 0), GOOD, "celery: nothing was written"),
        (Tally("app", 20, 20, 0), GOOD | {"dead": 1, "read": 21}, "1 documents were refused"),
        (Tally("app", 20, 20, 0), GOOD | {"in_flight": 2, "read": 22}, "2 documents are still in flight"),
        (Tally("app", 20, 20, 0), GOOD | {"read": 30}, "do not add up"),
    ],
)
def test_each_fault_is_told(tally: Tally, counters: dict[str, int], words: str) -> None:
    """Whatever is wrong has a sentence of its own."""
    (fault,) = runner.faults([tally], counters)
    assert words in fault


def test_summary_shows_the_numbers() -> None:
    """Lines, documents, missing and doubled."""
    out = io.StringIO()
    Console(file=out, width=100).print(runner.summary([Tally("app", 1234, 1233, 0), Tally("audit", 2, 2, 0)]))
    assert "1,234" in out.getvalue()
    assert "✗" in out.getvalue()
    assert "✓" in out.getvalue()


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    """Also when the block is left by Ctrl-C."""
    with (
        pytest.raises(KeyboardInterrupt),
        runner._child([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "out") as process,
    ):
        raise KeyboardInterrupt
    assert process.returncode is not None


def test_a_child_that_fails_is_quoted(tmp_path: Path) -> None:
    """The error holds its name, its exit code and its last words."""
    command = [sys.executable, "-c", "import sys; sys.exit('no [bold] idea')"]
    with (
        runner._child(command, tmp_path / "out") as process,
        pytest.raises(runner.DemoError, match=r"the application exited with 1(.|\n)*no \[bold\] idea"),
    ):
        runner._finish(process, "the application", tmp_path / "out", 60)


def test_a_child_that_does_not_end_is_told(tmp_path: Path) -> None:
    """Patience has an end."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with runner._child(command, tmp_path / "out") as process, pytest.raises(runner.DemoError, match="did not end"):
        runner._finish(process, "the application", tmp_path / "out", 0.1)


def test_without_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is printed as it is, and the exit code says so."""

    def none(**_: object) -> None:
        raise NodeError("no Elasticsearch to run against: set [this]")

    out = io.StringIO()
    monkeypatch.setattr(runner, "running_node", none)
    assert runner.run_demo(console=Console(file=out, width=200)) == 1
    assert "set [this]" in out.getvalue()


def test_a_signal_interrupts() -> None:
    """SIGTERM ends the demonstration as Ctrl-C does, and the old handlers come back."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), runner._signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
