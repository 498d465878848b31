"""Whatever a server answers, a command gives the right output, or a sentence and an exit code; never a traceback."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.deliver import replay
from shipper.deliver.dedupe import Dedupe
from shipper.testnode.node import Node
from tests.elasticsearch import lab
from tests.tape import Tape

NOT_ALL, CLUSTER = 1, 3
# Of each command; thousands were tried when the test was written.
POLLS = 4
EXAMPLES = int(os.environ.get("NEUROFLOW_TEST_BENDS", "40"))
COMMANDS: dict[str, tuple[click.Command, ...]] = {"ship": (ship,), "logs": (logs,)}
SHIP = [("setup",), ("setup", "--dry-run"), ("check",)]
LOGS = [
    ("show",),
    ("show", "--tail", "500", "--format", "ndjson"),
    ("pipeline", "2"),
    ("pipeline", "2", "--format", "json"),
    ("pipeline", "99"), ("audit",), ("workflow",), ("workflow", "1"),
    ("workflow", "2", "--format", "json"),
    ("workflow", "77"), ("stats",),
    ("stats", "pipelines", "--format", "json"),
    ("search", "pipeline"), ("search", "nosuchword"),
    ("search", "-C", "2", "failed"),
    ("search", "--tail", "3", "-A", "1", "run_id:2"),
    ("tasks",),
]  # fmt: skip

Run = Callable[[], Result]


@pytest.fixture
def run(node: Node, namespace: str, tmp_path: Path) -> Callable[[str, tuple[str, ...]], Result]:
    """Runs a command in this process, over the logs of a small laboratory that were shipped."""
    config = tmp_path / "neuroflow.yaml"
    config.write_text(
        json.dumps({
            "logging": {"log_dir": str(tmp_path / "logs")},
            "elasticsearch": {"hosts": [node.url]},
            "shipper": {"state_dir": str(tmp_path / "state"), "namespace": namespace, "timezone": "UTC"},
        })
    )  # fmt: skip
    lab.write(tmp_path / "logs")

    def invoke(program: str, arguments: tuple[str, ...]) -> Result:
        (command,) = COMMANDS[program]
        return CliRunner().invoke(command, ["--config", str(config), *arguments])

    shipped = invoke("ship", ("--once",))
    assert 0 == shipped.exit_code, shipped.output
    return invoke


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        *(("ship", one) for one in SHIP),
        *(("logs", one) for one in LOGS),
        pytest.param("ship", ("rebuild-runs",), marks=pytest.mark.thorough),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_commands_survive_any_answer(
    run: Callable[[str, tuple[str, ...]], Result], program: str, arguments: tuple[str, ...]
) -> None:
    """One answer to a command is faulty: the command exits 3 with a sentence, or gives the usual output."""
    tape = Tape()
    with tape.recording():
        right = run(program, arguments)
    assert right.exit_code in {0, 1}, right.output
    assert tape.requests

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(wrong=st.integers(0, tape.requests - 1), seed=st.integers(0, 2**32), for_ever=st.booleans())
    def bend(wrong: int, seed: int, *, for_ever: bool) -> None:
        with tape.playing(wrong, random.Random(seed), for_ever=for_ever):
            result = run(program, arguments)
        _ended(result)
        # A template or a mapping of which a part is missing is another one, which setup and check find wrong.
        said = ("wrong: ", "error: ") if program == "ship" else ()
        wrong_found = result.exit_code == NOT_ALL and any(one in result.output for one in said)
        assert result.exit_code in {right.exit_code, CLUSTER} or wrong_found, result.output
        if result.exit_code == CLUSTER:
            assert result.stderr.strip() or "error: " in result.stdout

    bend()


def _ended(result: Result) -> None:
    """The command ended by itself, without an exception."""
    if not isinstance(result.exception, SystemExit) and result.exception is not None:
        raise result.exception


def test_following_survives_any_answer(
    run: Callable[[str, tuple[str, ...]], Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``show -f`` exits 3 before the first lines; after them it reports the fault and waits."""
    tape, pauses = Tape(), 0

    def ship_more() -> None:
        with (tmp_path / "logs" / "neuroflow.log").open("a") as log:
            log.write('{"event": "while it follows", "level": "info"}\n')
        command = [sys.executable, "-m", "shipper.cli.ship", "--config", str(tmp_path / "neuroflow.yaml"), "--once"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def pause(_seconds: float) -> bool:
        nonlocal pauses
        pauses += 1
        if pauses == 1 and not tape.played:
            ship_more()
        return pauses <= POLLS

    monkeypatch.setattr("shipper.cli.following.pause", pause)

    def follow() -> Result:
        nonlocal pauses
        pauses = 0
        return run("logs", ("show", "-f", "--tail", "5", "--format", "ndjson"))

    with tape.recording():
        right = follow()
    assert 0 == right.exit_code, right.output
    assert 6 == len(right.stdout.splitlines()), right.output
    assert "while it follows" in right.stdout

    @settings(max_examples=2 * EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(wrong=st.integers(0, tape.requests - 1), seed=st.integers(0, 2**32), for_ever=st.booleans())
    def bend(wrong: int, seed: int, *, for_ever: bool) -> None:
        with tape.playing(wrong, random.Random(seed), for_ever=for_ever):
            result = follow()
        _ended(result)
        assert result.exit_code in {0, CLUSTER}, result.output
        if result.exit_code == CLUSTER:
            assert result.stderr.strip() or "error: " in result.stdout
        for line in result.stdout.splitlines():
            json.loads(line)

    bend()


def test_replaying_survives_any_answer(
    run: Callable[[str, tuple[str, ...]], Result], namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``dead-letters replay`` accounts for every letter, or exits 3 and keeps every letter."""
    skipped = 0.0

    def skip(seconds: float) -> None:
        nonlocal skipped
        skipped += seconds

    # Requests that were sent before are waited for by a clock that goes on while nobody waits.
    sound: Callable[..., Any] = replay.send_letters
    monkeypatch.setattr(replay, "send_letters", lambda *given: sound(*given, skip))

    def clock() -> float:
        return time.monotonic() + skipped

    monkeypatch.setattr(
        "shipper.deliver.dedupe.Dedupe",
        lambda client, say, request_timeout: Dedupe(client, say, request_timeout=request_timeout, clock=clock),
    )
    kept = tmp_path / "state" / "dead-letters.ndjson"
    letters = "".join(
        json.dumps({
            "time": "2026-11-27T00:00:00+00:00", "status": 400, "kind": "document_parsing_exception", "reason": "why",
            "stream": f"logs-neuroflow.app-{namespace}", "id": f"letter{number}", "path": "/x.log", "offset": number,
            "line": "x", "document": {"@timestamp": stamp, "message": f"letter {number}"},
        }) + "\n"
        for number, stamp in enumerate(("2026-11-27T00:00:00Z", "no time", "2026-11-27T00:00:01Z"))
    )  # fmt: skip

    def again() -> Result:
        kept.with_name("dead-letters.replaying").unlink(missing_ok=True)
        kept.write_text(letters)
        return run("ship", ("dead-letters", "replay"))

    tape = Tape()
    with tape.recording():
        right = again()
    assert (NOT_ALL, "2 indexed, 1 rejected again") == (right.exit_code, right.stdout.strip()), right.output

    @settings(max_examples=2 * EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(wrong=st.integers(0, tape.requests - 1), seed=st.integers(0, 2**32), for_ever=st.booleans())
    def bend(wrong: int, seed: int, *, for_ever: bool) -> None:
        with tape.playing(wrong, random.Random(seed), for_ever=for_ever):
            result = again()
        _ended(result)
        left = "".join(path.read_text() for path in kept.parent.glob("dead-letters.*"))
        if result.exit_code == CLUSTER:
            assert result.stderr.strip() or "error: " in result.stdout
            assert {0, 1, 2} == {number for number in range(3) if f"letter{number}" in left}, result.output
        else:
            indexed, stayed = (int(word) for word in result.stdout.split() if word.isdecimal())
            assert (3, stayed) == (indexed + stayed, sum(f'"letter{number}"' in left for number in range(3)))
            assert (NOT_ALL if stayed else 0) == result.exit_code

    bend()
