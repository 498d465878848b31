"""``make bench``: what a line costs us, and how near we come to what the node can take.

Every figure is a ratio of two things measured in one run: the whole process ``neuroflow-ship --once`` beside a
plain client that only sends ready-made bodies of the same documents, in turn.  What run documents cost is measured
with lines that speak of little else: beside the plain client, and beside the same process that takes no facts.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as ElasticsearchSettings
from shipper.config import Format, Shipper
from shipper.deliver.batch import Packer
from shipper.deliver.serialised import serialise
from shipper.document.ecs import Documents
from shipper.elastic.client import compress, connect
from shipper.elastic.templates import install
from shipper.parse.dispatch import parse
from shipper.tail.block import Block, Origin
from shipper.tail.reader import CHUNK_BYTES
from shipper.tail.splitter import Splitter
from shipper.testnode.node import running_node
from tests.bench.lines import (
    celery_lines,
    console_lines,
    session_lines,
    stage_ends,
    stages_in_between,
    structlog_lines,
    structlog_turns,
)
from tests.conformance.relay import Relay

# The same program, but no document tells of a run.
_WITHOUT_FACTS = (
    "from shipper.deliver import serialised\nserialised.facts_of = lambda documents: []\n"
    "from shipper.cli.ship import main\nmain()"
)


def stages(data: bytes, line_format: Format) -> tuple[int, float, list[bytes]]:
    """All stages before the network: (documents, CPU seconds, bodies), compression included in the time."""
    origin = Origin(
        b"benchmark", "/var/log/neuroflow/neuroflow.log", "/var/log/neuroflow/neuroflow.log", line_format, "app"
    )
    documents = Documents(Shipper(), "0")
    packer = Packer("bench", documents.common, documents.agent, 5 * 2**20, 5000)
    splitter = Splitter(0, 2**23)
    bodies: list[bytes] = []
    count = 0
    began = time.process_time()
    for at in range(0, len(data), CHUNK_BYTES):
        lines, offsets, cut = splitter.feed(data[at : at + CHUNK_BYTES])
        records = parse(Block(origin, lines, offsets, cut=cut, final=True, read_at_ns=time.time_ns()))
        count += len(records.records)
        for batch in packer.add(records, serialise(documents.of(records))):
            bodies.append(b"".join(batch.items))
            compress(bodies[-1])
    spent = time.process_time() - began
    bodies.append(b"".join(packer.take().items))
    return count, spent, bodies


def send(client: Elasticsearch, bodies: list[bytes], namespace: str) -> float:
    """Wall seconds for a plain client, two requests in flight, to send ready-made bodies."""
    ready = [body.replace(b"app-bench", b"app-" + namespace.encode()) for body in bodies]
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda body: client.bulk(operations=[body], filter_path="errors"), ready))
    return time.perf_counter() - began


def ship_once(url: str, folder: Path, namespace: str, *, facts: bool = True) -> tuple[float, float, int]:
    """The whole process: (wall seconds, CPU seconds, peak resident KiB)."""
    program = ["-m", "shipper.cli.ship"] if facts else ["-c", _WITHOUT_FACTS]
    config = folder / f"{namespace}.yaml"
    config.write_text(
        f"logging: {{log_dir: {folder / 'logs'}}}\nelasticsearch: {{hosts: ['{url}']}}\n"
        f"shipper: {{state_dir: {folder / namespace}, namespace: {namespace}}}\n"
    )
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *program, "--config", str(config), "--once"], stderr=subprocess.DEVNULL
    )
    # Not ru_maxrss: that counts the moment before exec, when the child still is this process.
    peak = 0
    status_file = Path(f"/proc/{process.pid}/status")
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        found = re.search(r"VmHWM:\s+(\d+)", status_file.read_text()) if status_file.exists() else None
        peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.02)
    wall = time.perf_counter() - began
    _, status, usage = ended
    process.returncode = status
    if status:
        raise SystemExit(f"neuroflow-ship --once failed with status {status}")
    return wall, usage.ru_utime + usage.ru_stime, peak


def ends_of_stages(client: Elasticsearch, url: str, folder: Path, lines: int, rounds: int) -> None:
    """Lines that end a stage of another workflow run each, beside a plain client: of few stages, and of many."""
    for stages_of_a_run in (5, 300):
        data = stage_ends(lines, stages=stages_of_a_run)
        (folder / "logs" / "neuroflow.log").write_bytes(data)
        _, _, bodies = stages(data, "auto")
        print(f"{lines} ends of stages, {stages_of_a_run} stages, 977 workflow runs")
        ratios = []
        for _ in range(rounds):
            plain = send(client, bodies, f"plain{uuid.uuid4().hex[:8]}")
            wall, _, peak = ship_once(url, folder, f"ship{uuid.uuid4().hex[:8]}")
            ratios.append(plain / wall)
            print(
                f"  plain client {lines / plain:,.0f}/s; neuroflow-ship --once {lines / wall:,.0f}/s, "
                f"peak {peak / 1024:.0f} MiB; ratio {plain / wall:.2f}"
            )
        print(f"median ratio {statistics.median(ratios):.2f}")


def with_and_without_facts(url: str, folder: Path, name: str, data: bytes, rounds: int) -> None:
    """What run documents cost in CPU seconds of the process and in bytes sent."""
    count = data.count(b"\n")
    (folder / "logs" / "neuroflow.log").write_bytes(data)
    print(f"{count} {name}")
    relay = Relay(url)
    costs = []
    for _ in range(rounds):
        spent, sent = [], []
        for facts in (False, True):
            before = relay.asked
            _, cpu, _ = ship_once(relay.url, folder, f"ship{uuid.uuid4().hex[:8]}", facts=facts)
            spent.append(cpu)
            sent.append(relay.asked - before)
        costs.append(spent[1] / spent[0])
        print(
            f"  CPU seconds {spent[0]:.2f} without run documents, {spent[1]:.2f} with them: {costs[-1]:.2f} times; "
            f"MB sent {sent[0] / 10**6:.1f} and {sent[1] / 10**6:.1f}: {sent[1] / sent[0]:.2f} times"
        )
    relay.close()
    print(f"median {statistics.median(costs):.2f} times the CPU")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--stage-lines", type=int, default=200_000, help="ends of stages, for run documents")
    options.add_argument("--mixed-lines", type=int, default=1_000_000, help="a quarter of them of stages")
    asked = options.parse_args()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as the sidecar does
    data = structlog_lines(asked.lines)
    print(f"{asked.lines} structlog lines of {len(data) // asked.lines} bytes")
    kinds: list[tuple[str, Format, bytes]] = [
        ("structlog JSON", "auto", data),
        ("structlog JSON, every line a turn of a run", "auto", structlog_turns(60_000)),
        ("Celery", "celery", celery_lines(60_000)),
        ("console", "celery", console_lines(60_000)),
        ("per-session", "console", session_lines(60_000)),
    ]
    for name, line_format, some in kinds:
        stages(some[: len(some) // 10], line_format)
        count, spent, _ = stages(some, line_format)
        print(f"  before the network, {name}: {count / spent:,.0f} lines per CPU-second")
    _, _, bodies = stages(data, "auto")
    with tempfile.TemporaryDirectory() as name, running_node(say=print) as node:
        folder = Path(name)
        (folder / "logs").mkdir()
        (folder / "logs" / "neuroflow.log").write_bytes(data)
        client = connect(ElasticsearchSettings(hosts=[node.url]))
        install(client)
        send(client, bodies, f"warm{uuid.uuid4().hex[:8]}")
        ratios = []
        for _ in range(asked.rounds):
            plain = send(client, bodies, f"plain{uuid.uuid4().hex[:8]}")
            wall, cpu, peak = ship_once(node.url, folder, f"ship{uuid.uuid4().hex[:8]}")
            ratios.append(plain / wall)
            print(
                f"  plain client {asked.lines / plain:,.0f}/s; neuroflow-ship --once {asked.lines / wall:,.0f}/s, "
                f"{asked.lines / cpu:,.0f} per CPU-second of the whole process, peak {peak / 1024:.0f} MiB; "
                f"ratio {plain / wall:.2f}"
            )
        print(f"median ratio {statistics.median(ratios):.2f}")
        ends_of_stages(client, node.url, folder, asked.stage_lines, asked.rounds)
        mixed = stages_in_between(asked.mixed_lines)
        with_and_without_facts(node.url, folder, "lines, a quarter of them of stages", mixed, asked.rounds)
        with_and_without_facts(node.url, folder, "lines as the application writes them", data, asked.rounds)


if __name__ == "__main__":
    main()
