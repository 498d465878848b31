"""``make bench``: what a line costs us and the peers that are there, over the same lines, in turn.

Each run is a process of its own that ships to a fresh counting sink, or to a real node.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.templates import install
from shipper.testnode.node import NodeError, running_node
from tests.bench.cases import CASES, SETTINGS, Logs, Setting, write_logs
from tests.bench.cluster_cost import cpu_seconds
from tests.bench.figures import Run, as_json, figures, overview, table
from tests.bench.peers import OURS, PEERS, Job, Peer, those_there
from tests.bench.process import Cost, run
from tests.bench.ready import keep_bodies
from tests.bench.sink import running_sink, sink_command

# Lines a second that a peer must reach, or its run counts for nothing.
SLOWEST = 500
# The first lines that a node takes cost it twice as much as later ones.
WARM_LINES = 300_000
# Sent in so many rounds at most: each takes a second or more, and with few lines the figures say little anyway.
WARM_ROUNDS = 3
# Streams of ours take no plain index in their place, and templates of nobody match this name.
INDEX = "neuroflowbench"


class Bench:
    """One run of the bench.

    Args:
        asked: the options.
        folder: for everything that is written.
        node: address of the real node; None without one.
        node_pid: its process, if it was started here.
    """

    def __init__(
        self, asked: argparse.Namespace, folder: Path, node: str | None, node_pid: int | None = None
    ) -> None:
        self._asked = asked
        self._folder = folder
        self._node, self._node_pid = node, node_pid
        self._sink = sink_command(folder, print)
        self._peers = those_there(asked.peer or (), os.environ, print)
        self._turns = 0

    def measure(self, setting: Setting) -> dict[str, list[Run]]:
        """The runs of each peer in one setting, in turn."""
        logs = write_logs(self._folder / "logs", setting, self._asked.lines)
        print(f"\n{setting.name}: {logs.lines:,} lines of {logs.size // logs.lines} bytes\n", flush=True)
        turns: list[tuple[str, Callable[[], Run | str]]] = []
        for peer, program in self._peers:
            if setting.gzip and not peer.gzips:
                print(f"{peer.name} does not compress: it sends plain requests here")
            ship = self._to_node if setting.node else self._to_sink
            turns.append((peer.name, partial(ship, peer, program, logs, setting)))
        if setting.node:
            kept = keep_bodies(self._sink, logs, self._folder, "ready")
            for _ in range(min(WARM_ROUNDS, -(-WARM_LINES // logs.lines))):
                self._ready_to_node(kept, logs, setting)
            turns.append(("ready-made bodies", partial(self._ready_to_node, kept, logs, setting)))
        runs: dict[str, list[Run]] = {name: [] for name, _ in turns}
        for _ in range(self._asked.rounds):
            for name, turn in turns:
                done = turn()
                if isinstance(done, str):
                    print(f"{name}: {done}", flush=True)
                else:
                    runs[name].append(done)
        shutil.rmtree(logs.folder)
        return {name: found for name, found in runs.items() if found}

    def _job(self, logs: Logs, url: str, setting: Setting) -> Job:
        self._turns += 1
        folder = self._folder / f"run{self._turns}"
        folder.mkdir()
        return Job(folder, logs, url, f"{INDEX}{uuid.uuid4().hex[:8]}", setting.gzip)

    def _to_sink(self, peer: Peer, program: str, logs: Logs, setting: Setting) -> Run | str:
        with running_sink(self._sink, logs.lines, delay_ms=self._asked.delay_ms) as sink:
            job = self._job(logs, sink.url, setting)
            cost = self._run(peer, peer.set_up(program, job), job, lambda: sink.tally().documents >= logs.lines)
            tally = sink.tally()
        if fault := cost.failure or tally.faults(logs.lines, logs.numbered):
            return fault
        first, last = tally.first - cost.began, tally.last - cost.began
        return Run(logs.lines, last, cost.cpu, cost.peak, first, tally.wire_bytes, tally.body_bytes)

    def _to_node(self, peer: Peer, program: str, logs: Logs, setting: Setting) -> Run | str:
        assert self._node is not None
        job = self._job(logs, self._node, setting)
        index = f"logs-neuroflow.*-{job.target}" if peer.name == OURS else job.target
        client = connect(Settings(hosts=[self._node]))
        arrived = _seldom(lambda: _count(client, index) >= logs.lines)
        before = self._node_cpu()
        cost = self._run(peer, peer.set_up(program, job), job, arrived)
        found = _count(client, index)
        taken = self._node_cpu() - before
        _delete(client, job.target)
        if fault := cost.failure or (f"the node has {found:,} lines" if found != logs.lines else ""):
            return fault
        return self._shipped_to_node(logs, cost, taken)

    def _ready_to_node(self, kept: Path, logs: Logs, setting: Setting) -> Run | str:
        assert self._node is not None
        job = self._job(logs, self._node, setting)
        client = connect(Settings(hosts=[self._node]))
        install(client)
        command = [sys.executable, "-m", "tests.bench.ready", self._node, job.target, str(kept)]
        before = self._node_cpu()
        cost = run(command, job.folder / "output", None, self._patience(logs))
        _count(client, f"logs-neuroflow.*-{job.target}")  # which refreshes, as after any other run
        taken = self._node_cpu() - before
        _delete(client, job.target)
        return cost.failure or self._shipped_to_node(logs, cost, taken)

    def _node_cpu(self) -> float:
        return cpu_seconds(self._node_pid) if self._node_pid else 0.0

    def _shipped_to_node(self, logs: Logs, cost: Cost, node: float) -> Run:
        wall = cost.ended - cost.began
        return Run(logs.lines, wall, cost.cpu, cost.peak, node=node if self._node_pid else None)

    def _run(self, peer: Peer, command: list[str], job: Job, arrived: Callable[[], bool]) -> Cost:
        cost = run(command, job.folder / "output", None if peer.ends else arrived, self._patience(job.logs))
        shutil.rmtree(job.folder)
        return cost

    def _patience(self, logs: Logs) -> float:
        return 60 + logs.lines / SLOWEST


def _seldom(look: Callable[[], bool], every: float = 0.5) -> Callable[[], bool]:
    """Looks once in so many seconds, since a look costs the node something, and answers no in between."""
    next_at = time.monotonic()

    def looked() -> bool:
        nonlocal next_at
        if time.monotonic() < next_at:
            return False
        next_at = time.monotonic() + every
        return look()

    return looked


def _count(client: Elasticsearch, index: str) -> int:
    try:
        client.indices.refresh(index=index)
        return int(client.count(index=index)["count"])
    except ApiError:
        return 0  # it is not there yet


def _delete(client: Elasticsearch, name: str) -> None:
    """What one run left on the node; the test distribution can't delete data streams."""
    with contextlib.suppress(BadRequestError):
        client.options(ignore_status=404).indices.delete_data_stream(name=f"logs-neuroflow.*-{name}")
    for index in (name, f"neuroflow-runs-{name}"):
        client.indices.delete(index=index, ignore_unavailable=True)


def _machine() -> dict[str, Any]:
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(": ")[2]
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for; from the command line unless given."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--lines", type=int, default=200_000, help="lines of one run (default: 200000)")
    options.add_argument("--rounds", type=int, default=3, help="runs of each peer (default: 3)")
    options.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    options.add_argument(
        "--peer", action="append", choices=[peer.name for peer in PEERS], help="only this one; may be repeated"
    )
    options.add_argument("--delay-ms", type=int, default=0, help="the sink waits so long before each answer")
    where = options.add_mutually_exclusive_group()
    where.add_argument("--no-node", action="store_true", help="only to the sink")
    where.add_argument("--no-sink", action="store_true", help="only to the real node")
    options.add_argument("--json", type=Path, help="write all figures to this file as well")
    return options.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    asked = options_of()
    cases = asked.case or CASES
    settings = [one for one in SETTINGS if one.case in cases and (one.node or not asked.no_sink)]
    machine = _machine()
    results: dict[Setting, dict[str, list[Run]]] = {}
    with ExitStack() as stack:
        node = None
        if not asked.no_node:
            try:
                node = stack.enter_context(running_node(say=print))
            except NodeError as error:
                print(f"no real node, so only the sink is measured: {error}")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuroflow-bench-")))
        bench = Bench(asked, folder, node.url if node else None, node.pid if node else None)
        print(f"machine: {', '.join(f'{name} {value}' for name, value in machine.items())}")
        for setting in settings:
            if setting.node and node is None:
                continue
            runs = results[setting] = bench.measure(setting)
            print(table({name: figures(found) for name, found in runs.items()}), flush=True)
    rows = {one.name: {name: figures(found) for name, found in runs.items()} for one, runs in results.items()}
    print(f"\nmedians\n\n{overview(rows)}")
    if asked.json:
        about = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "lines": asked.lines}
        found = [
            {**one._asdict(), "peers": {name: as_json(of_peer) for name, of_peer in runs.items()}}
            for one, runs in results.items()
        ]
        asked.json.write_text(json.dumps({**about, "results": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
