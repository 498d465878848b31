"""The pages list every command, option, exit code and metric with its default, and nothing else."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator

import click
import pytest

from shipper.cli import exit_codes
from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.elastic.outcomes import RETRY_CAUSES
from shipper.health.metrics import Metrics
from shipper.health.server import Health
from shipper.telemetry import Counters, Gauges
from tests.pages import DOCS, ROOT, code, codes, own_part, rows, section, text_of


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """A group and its commands, as they are typed."""
    yield name, group
    for part, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


COMMANDS = {**dict(commands(ship, "neuroflow-ship")), **dict(commands(logs, "neuroflow-logs"))}
# A group that does nothing by itself is described by its commands.
DESCRIBED = {name for name, command in COMMANDS.items() if not name.endswith((" dead-letters", " export"))}
COMMON = {"--since", "--until", "--utc", "--format"}


def options(command: click.Command) -> dict[frozenset[str], str]:
    """The spellings of each option, and its default."""
    found = {}
    for parameter in command.params:
        if not isinstance(parameter, click.Option):
            continue
        default = parameter.default
        # Without a default releases of click have None there, or a mark of their own.
        shown = "off" if parameter.is_flag else f"`{default}`" if isinstance(default, str | int) else "none"
        found[frozenset(parameter.opts)] = "standard output" if parameter.name == "output" else shown
    return found


def documented_options(text: str) -> dict[frozenset[str], str]:
    """The options in a table."""
    return {frozenset(codes(row["Option"])): row["Default"] for row in rows(text, "Option", "Default")}


def test_every_command_is_described() -> None:
    """Each command has a heading, and each heading a command."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert DESCRIBED == set(re.findall(r"^##+ `([^`]+)`$", page, re.MULTILINE))
    assert DESCRIBED - {"neuroflow-logs"} <= {
        code(row["Command"]) for row in rows(text_of(ROOT / "README.md"), "Command")
    }
    keyed = {code(row["Command"]): row for row in rows(text_of(DOCS / "permissions.md"), "Command", "Key")}
    assert DESCRIBED - {"neuroflow-logs"} == keyed.keys() - {
        f"neuroflow-ship setup --{one}" for one in ("kibana", "roles")
    }


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_every_option_is_described(name: str) -> None:
    """Each option is in its command's table with its default; four belong to all views."""
    found = options(COMMANDS[name])
    text = own_part(DOCS / "commands.md", f"`{name}`")
    if name == "neuroflow-logs":
        of_all = {
            frozenset(codes(row["Option"])): row["Default"]
            for row in rows(text.partition("four common options")[2], "Option", "Default")
        }
        assert {
            one: default for one, default in options(COMMANDS["neuroflow-logs show"]).items() if one & COMMON
        } == of_all
        text = text.partition("four common options")[0]
    elif any(one & COMMON for one in found):
        found = {one: default for one, default in found.items() if not one & COMMON}
    assert found == documented_options(text)


def test_every_exit_code() -> None:
    """The exit codes of both programs, and no others."""
    text = section(DOCS / "commands.md", "Exit codes")
    of_ship, _, of_logs = text.partition("`neuroflow-logs`:")
    assert [exit_codes.OK, exit_codes.INCOMPLETE, exit_codes.USAGE, exit_codes.CLUSTER] == [
        int(row["Code"]) for row in rows(of_ship, "Code")
    ]
    assert [
        exit_codes.OK, exit_codes.NOTHING_FOUND, exit_codes.USAGE, exit_codes.CLUSTER, exit_codes.INTERRUPTED,
    ] == [int(row["Code"]) for row in rows(of_logs, "Code")]  # fmt: skip


def test_every_metric_and_path() -> None:
    """The HTTP paths, each metric with its type and labels, and the causes of retries."""
    text = section(DOCS / "operations.md", "Health and metrics")
    counters = Counters()
    counters.begin(1, dataset="app", lines=1, size=1)
    counters.settle(acknowledged={"app": 1})
    counters.retry({"timeout": 1})
    counters.publish(counters.moment())
    metrics = Metrics(counters, lambda: Gauges(lags={"/l": (1, 1.0)}), "1")
    server = Health("127.0.0.1:0", metrics=metrics.page, alive=lambda: None, ready=lambda: None)
    server.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/metrics", timeout=10) as answer:
            served = answer.read().decode()
        documented = {code(row["Metric"]): row for row in rows(text, "Metric", "Type")}
        assert {name: row["Type"] for name, row in documented.items()} == {
            name: kind
            for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", served, re.MULTILINE)
            if not name.startswith("process_")
        }
        labelled = dict(re.findall(r"^(neuroflow\w+)\{(.*?)\}", served, re.MULTILINE))
        assert {name: re.findall(r"`(\w+)`", row["Labels"]) for name, row in documented.items()} == {
            name: re.findall(r'(\w+)="', labelled.get(name, "")) for name in documented
        }
        assert list(RETRY_CAUSES) == [code(row["Cause"]) for row in rows(text, "Cause")]
        assert {"/healthz", "/readyz", "/metrics"} == {code(row["Path"]) for row in rows(text, "Path")}
        for row in rows(text, "Path"):
            with urllib.request.urlopen(
                f"http://127.0.0.1:{server.server_address[1]}{code(row['Path'])}", timeout=10
            ) as answer:
                assert 200 == answer.status
    finally:
        server.shutdown()
        server.server_close()
