"""``neuroflow-ship demo``: a real Elasticsearch, an application writing logs, the sidecar, the count, the views."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from shipper.config import load
from shipper.demo import counting, plan
from shipper.demo.counting import Tally
from shipper.elastic.client import connect
from shipper.testnode.lifecycle import GivenNode, Say
from shipper.testnode.node import Node, NodeError, running_node

_SHIP = (sys.executable, "-m", "shipper.cli.ship")
_LOGS = (sys.executable, "-m", "shipper.cli.logs")
_WORKLOAD = (sys.executable, "-m", "shipper.demo.workload")

# The time limit of a child process that normally takes a second or two.
_CHILD_SECONDS = 120
_ENDED_BY_SIGNAL = 130


class DemoError(Exception):
    """A part of the demonstration failed; the message says which and how."""


def run_demo(*, seconds: float = 6, seed: int = 1, console: Console | None = None) -> int:
    """Run the demonstration; gives the exit code: 0 when every line of every file is one document."""
    console = console or Console(highlight=False)
    say = _say(console)
    try:
        with (
            _signals(),
            tempfile.TemporaryDirectory(prefix="neuroflow-demo-") as folder,
            running_node(say=say) as node,
        ):
            say(f"Elasticsearch: {node.origin}")
            return _show(Path(folder), node, seconds, seed, console)
    except (NodeError, DemoError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        say("interrupted; all started processes have ended")
        return _ENDED_BY_SIGNAL


def write_config(folder: Path, url: str, namespace: str) -> Path:
    """The application's ``neuroflow.yaml`` for logs and state inside ``folder``."""
    path = folder / "neuroflow.yaml"
    document = {
        "logging": {"level": "DEBUG", "format": "json", "log_dir": str(folder / "logs")},
        "elasticsearch": {"hosts": [url]},
        "shipper": {
            "state_dir": str(folder / "state"),
            "namespace": namespace,
            "environment": "demo",
            "scan_interval": 1,
            "flush_interval": 0.5,
        },
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def faults(tallies: Sequence[Tally], counters: Mapping[str, int]) -> list[str]:
    """A sentence for each fault; none when every line arrived once."""
    found = [tally.fault for tally in tallies if tally.fault]
    found += [f"{tally.dataset}: nothing was written" for tally in tallies if not tally.lines]
    if counters["dead"]:
        found.append(f"{counters['dead']} documents were refused (dead letters)")
    if counters["in_flight"]:
        found.append(f"{counters['in_flight']} documents are still in flight")
    if counters["read"] != sum(counters[name] for name in ("acknowledged", "duplicate", "dead", "in_flight")):
        found.append(f"the sidecar's counters do not add up: {dict(counters)}")
    return found


def summary(tallies: Sequence[Tally]) -> Table:
    """The table of lines and documents."""
    table = Table(title="Lines in files = documents in Elasticsearch")
    table.add_column("Data stream")
    for name in ("Lines", "Documents", "Missing", "Doubled"):
        table.add_column(name, justify="right")
    table.add_column("")
    for tally in tallies:
        missing = max(0, tally.lines - (tally.documents - tally.doubled))
        table.add_row(
            f"neuroflow.{tally.dataset}",
            f"{tally.lines:,}",
            f"{tally.documents:,}",
            f"{missing:,}",
            f"{tally.doubled:,}",
            "[red]✗[/red]" if tally.fault else "[green]✓[/green]",
        )
    return table


def _show(folder: Path, node: Node, seconds: float, seed: int, console: Console) -> int:
    say = _say(console)
    # A given node may hold an earlier demonstration.
    namespace = f"demo_{uuid.uuid4().hex[:8]}" if isinstance(node, GivenNode) else "demo"
    config = write_config(folder, node.url, namespace)
    log_dir = folder / "logs"
    with _child([*_SHIP, "--config", str(config)], folder / "sidecar.log") as sidecar:
        say(f"the sidecar ships {log_dir}; the application writes to it for {seconds:g} s …")
        arguments = ["--log-dir", str(log_dir), "--seconds", f"{seconds}", "--seed", f"{seed}"]
        with _child([*_WORKLOAD, *arguments], folder / "workload.log") as workload:
            _finish(workload, "the application", folder / "workload.log", seconds + _CHILD_SECONDS)
        if sidecar.poll() is None:
            sidecar.send_signal(signal.SIGTERM)
        _finish(sidecar, "the sidecar", folder / "sidecar.log", _CHILD_SECONDS)
    say("the sidecar was stopped; running it with --once to ship the rest: a line without its end …")
    with _child([*_SHIP, "--config", str(config), "--once"], folder / "once.log") as once:
        _finish(once, "the sidecar (--once)", folder / "once.log", _CHILD_SECONDS)

    counters = _counters(config)
    client = connect(load(config).elasticsearch)
    try:
        tallies = counting.tally(client, namespace, log_dir)
    finally:
        client.close()
    console.print(summary(tallies))
    numbers = ", ".join(f"{name} {number:,}" for name, number in counters.items())
    console.print(f"the sidecar over both runs: {numbers}", soft_wrap=True)
    found = faults(tallies, counters)
    if not found:
        found = _views(config, log_dir, seconds, seed, console)
    for fault in found:
        console.print(fault, style="red", markup=False)
    if not found:
        total = sum(tally.lines for tally in tallies)
        console.print(f"[green]every one of {total:,} lines is one document, none twice[/green]")
    return 1 if found else 0


def _views(config: Path, log_dir: Path, seconds: float, seed: int, console: Console) -> list[str]:
    """Run the reading commands; the log of a failed run must be printed byte for byte."""
    failed = next(run for workflow in plan.make(seed, seconds) for run in workflow.runs if run.end == "failed")
    (log_file,) = (log_dir / "pipelines" / failed.pipeline).glob(f"*_{failed.run_id}_*.log")
    found = []
    for words in (
        ["show", "--tail", "12"],
        ["audit", "--limit", "8"],
        ["workflow"],
        ["workflow", str(failed.workflow_run_id)],
        ["stats"],
        ["pipeline", str(failed.run_id)],
    ):
        command = ["neuroflow-logs", *words]
        console.print(f"\n$ {' '.join(command)}", style="bold", markup=False)
        answer = subprocess.run(  # noqa: S603 - our own command
            [*_LOGS, "--config", str(config), *words],
            env={**os.environ, "COLUMNS": str(console.width)},
            capture_output=True,
            check=False,
            timeout=_CHILD_SECONDS,
        )
        console.file.write(answer.stdout.decode(errors="replace"))
        console.file.flush()
        if answer.returncode:
            output = answer.stderr.decode(errors="replace").strip()
            found.append(f"{' '.join(command)} exited with {answer.returncode}: {output}")
        elif words[0] == "pipeline" and answer.stdout != log_file.read_bytes():
            found.append(f"{' '.join(command)} does not print the log as it was written")
    return found


def _counters(config: Path) -> dict[str, int]:
    answer = subprocess.run(  # noqa: S603 - our own command
        [*_SHIP, "--config", str(config), "status", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_CHILD_SECONDS,
    )
    if answer.returncode:
        raise DemoError(f"neuroflow-ship status exited with {answer.returncode}: {answer.stderr.strip()}")
    counters: dict[str, int] = json.loads(answer.stdout)["counters"]
    return counters


@contextmanager
def _child(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, in a group of its own, that is terminated with the block."""
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal reaches only this process, which terminates the others
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                # The whole group, with the application's workers.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _finish(process: subprocess.Popen[bytes], name: str, output: Path, timeout: float) -> None:
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
    if code != 0:
        how = f"did not end within {timeout:g} s" if code is None else f"exited with {code}"
        last = output.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        raise DemoError("\n".join((f"{name} {how}; the end of its output:", *last)))


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block like Ctrl-C, with clean-up.

    SIGINT gets a handler too, because background jobs of a shell are started with it ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # not under nohup
        numbers.append(signal.SIGHUP)
    old = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _say(console: Console) -> Say:
    return lambda line: console.print(line, style="dim", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run_demo())
