"""Whatever is answered to a command: a sentence and an exit code, or the right output; never a traceback."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.testnode.node import Node
from tests.elasticsearch import lab
from tests.tape import Tape

NOT_ALL, CLUSTER = 1, 3
# Of each command; thousands were tried when the test was written.
EXAMPLES = int(os.environ.get("NEUROFLOW_TEST_BENDS", "40"))
COMMANDS: dict[str, tuple[click.Command, ...]] = {"ship": (ship,), "logs": (logs,)}
SHIP = [("setup",), ("setup", "--dry-run"), ("check",)]
LOGS = [
    ("show",),
    ("show", "--tail", "500", "--format", "ndjson"),
    ("pipeline", "2"),
    ("pipeline", "2", "--format", "json"),
    ("pipeline", "99"),
    ("audit",),
    ("workflow",),
    ("workflow", "1"),
    ("workflow", "2", "--format", "json"),
    ("workflow", "77"),
    ("stats",),
    ("stats", "pipelines", "--format", "json"),
    ("search", "pipeline"),
    ("search", "nosuchword"),
    ("search", "-C", "2", "failed"),
    ("search", "--tail", "3", "-A", "1", "run_id:2"),
    ("tasks",),
]

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
        ("ship", ("rebuild-runs",)),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_commands_survive_any_answer(
    run: Callable[[str, tuple[str, ...]], Result], program: str, arguments: tuple[str, ...]
) -> None:
    """One answer of those that a command gets is bent: it says so and exits 3, or does what it does otherwise."""
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
        if not isinstance(result.exception, SystemExit) and result.exception is not None:
            raise result.exception
        # A template or a mapping of which a part is missing is another one, which setup and check find wrong.
        wrong_found = result.exit_code == NOT_ALL and program == "ship" and "wrong: " in result.output
        assert result.exit_code in {right.exit_code, CLUSTER} or wrong_found, result.output
        if result.exit_code == CLUSTER:
            assert result.stderr.strip()

    bend()
