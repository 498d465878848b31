"""``python -m tests.bench.cluster_cost``: what a document costs the cluster, in CPU time and in bytes on disk.

Every variant gets the same documents in a data stream of its own, in an order that changes.  The CPU time is that
of the node's threads, so that other programs on the machine disturb it little; it includes refreshing, flushing and
merging.  The first 300,000 documents cost a node about twice as much as later ones: some rounds are sent before any
is measured.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as ElasticsearchSettings
from shipper.elastic.client import connect
from shipper.elastic.templates import install
from shipper.testnode.node import running_node
from tests.bench.cases import Setting, write_logs
from tests.bench.ready import keep_bodies, ready_bodies
from tests.bench.sink import sink_command

JSON = {"accept": "application/json", "content-type": "application/json"}
Change = Callable[[dict[str, Any]], None]
"""Changes a template's settings and mappings, or a document, in place."""


@dataclass(frozen=True)
class Variant:
    """Other templates or documents than the installed ones.

    Attributes:
        name: for the table.
        template: changes what a new index gets: ``{"settings": {"index": {…}}, "mappings": {…}}``.
        document: changes each document.
    """

    name: str
    template: tuple[Change, ...] = ()
    document: tuple[Change, ...] = ()


@dataclass
class Cost:
    """What was measured of a variant.

    Attributes:
        body: bytes of JSON a document.
        samples: one a round.
    """

    body: float
    samples: list[Sample] = field(default_factory=list)


def drop_constants(document: dict[str, Any]) -> None:
    """What is the same in all documents of a stream is left to its mapping, where it costs a document nothing."""
    del document["agent"], document["ecs"], document["data_stream"]


def index_all(template: dict[str, Any]) -> None:
    """Every field has an index."""
    below = [template["mappings"]]
    while below:
        properties = below.pop().get("properties", {})
        for mapped in properties.values():
            mapped.pop("index", None)
        below += properties.values()


def index_created(template: dict[str, Any]) -> None:
    """As on nodes before 9.4: there, following would read the value of every document, five times a second."""
    template["mappings"]["properties"]["event"]["properties"]["created"].pop("index", None)


def sort_by_service(template: dict[str, Any]) -> None:
    """By service, and newest first within one."""
    template["settings"]["index"]["sort"] = {
        "field": ["service.name", "@timestamp"],
        "order": ["asc", "desc"],
        "missing": ["_last", "_last"],
    }


def keep_source(template: dict[str, Any]) -> None:
    """The source as it was sent, which is all that a basic licence has since 8.17."""
    template["settings"]["index"]["mapping"]["source"] = {"mode": "stored"}


INSTALLED = Variant("as installed")
BEFORE = Variant("every choice undone", (index_all, sort_by_service))
VARIANTS = (
    BEFORE,
    INSTALLED,
    # What differs between these two is noise.
    Variant("as installed, once more"),
    Variant("every field indexed", (index_all,)),
    Variant("sorted by service first", (sort_by_service,)),
    Variant("constants out of the documents", document=(drop_constants,)),
    Variant("event.created indexed", (index_created,)),
    Variant("as installed, source stored", (keep_source,)),
    Variant("every choice undone, source stored", (*BEFORE.template, keep_source)),
)


def cpu_seconds(pid: int) -> float:
    """CPU time that the threads of a process have used, without those that compile Java.

    Compiling takes a third of the time of a node that has seen half a million documents, and hardly any later.
    """
    ticks = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(") ")
        except OSError:
            continue  # the thread has ended
        if "CompilerThre" not in name:
            user, system = fields.split()[11:13]
            ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def bodies_of(bodies: Sequence[bytes], variant: Variant) -> list[bytes]:
    """The bodies with the variant's documents."""
    if not variant.document:
        return list(bodies)
    changed = []
    for body in bodies:
        lines = body.splitlines()
        for at in range(1, len(lines), 2):
            document = orjson.loads(lines[at])
            for change in variant.document:
                change(document)
            lines[at] = orjson.dumps(document)
        changed.append(b"\n".join(lines) + b"\n")
    return changed


def put_template(client: Elasticsearch, variant: Variant, namespace: str) -> None:
    """What is installed, changed, for the streams ``logs-neuroflow.app-{namespace}*``."""
    found: Mapping[str, Any] = client.perform_request(
        "POST", "/_index_template/_simulate_index/logs-neuroflow.app-bench", headers=JSON
    ).body
    template = copy.deepcopy(found["template"])
    for key in ("aliases", "lifecycle"):
        template.pop(key, None)
    for change in variant.template:
        change(template)
    body = {
        "index_patterns": [f"logs-neuroflow.app-{namespace}*"],
        "priority": 500,
        "data_stream": {},
        "template": template,
    }
    client.perform_request("PUT", f"/_index_template/bench-{namespace}", headers=JSON, body=body)


class Sample(NamedTuple):
    """One round of one variant, per document.

    Attributes:
        indexed: CPU microseconds until all is flushed and searchable.
        merged: the same until it is one segment.
        disk: bytes of that segment.
    """

    indexed: float
    merged: float
    disk: float


def measure(client: Elasticsearch, pid: int, bodies: Sequence[bytes], count: int, namespace: str) -> Sample:
    """Send bodies with ``count`` documents into a new stream, two requests in flight."""
    stream = f"logs-neuroflow.app-{namespace}"
    ready = [body.replace(b"app-bench", b"app-" + namespace.encode()) for body in bodies]

    def send(body: bytes) -> None:
        answer = client.perform_request(
            "POST",
            "/_bulk?filter_path=errors&require_data_stream=true",
            headers={"accept": "application/json", "content-type": "application/x-ndjson"},
            body=body,
        ).body
        if answer["errors"]:
            raise SystemExit(f"the node refused documents for {stream}")

    before = cpu_seconds(pid)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, ready))
    client.indices.flush(index=stream)
    client.indices.refresh(index=stream)
    while client.indices.stats(index=stream, metric="merge")["_all"]["total"]["merges"]["current"]:
        time.sleep(0.2)
    flushed = cpu_seconds(pid)
    client.indices.forcemerge(index=stream, max_num_segments=1)
    client.indices.flush(index=stream)
    client.indices.refresh(index=stream)
    merged = cpu_seconds(pid)
    disk = client.indices.stats(index=stream, metric="store")["_all"]["primaries"]["store"]["size_in_bytes"]
    return Sample((flushed - before) * 10**6 / count, (merged - before) * 10**6 / count, disk / count)


def compare(variants: Sequence[Variant], lines: int, rounds: int, warm: int) -> dict[str, Cost]:
    """Measure variants on a node of our own.

    Args:
        variants: the first is what the others are compared with.
        lines: documents of a variant in a round.
        rounds: how often each is measured.
        warm: rounds before that.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logs = write_logs(folder / "logs", Setting("structlog"), lines)
        plain = list(ready_bodies(keep_bodies(sink_command(folder, print), logs, folder, "bench")))
    count = logs.lines
    costs: dict[str, Cost] = {}
    with running_node(own=True, say=print) as node:
        client = connect(ElasticsearchSettings(hosts=[node.url], request_timeout=300))
        install(client)
        assert node.pid is not None
        ready = []
        for number, variant in enumerate(variants):
            put_template(client, variant, f"v{number}x")
            bodies = bodies_of(plain, variant)
            ready.append((variant, f"v{number}x", bodies))
            size = sum(len(line) for body in bodies for line in body.splitlines()[1::2])
            costs[variant.name] = Cost(size / count)
        for turn in range(-warm, rounds):
            # In another order each time: what comes before a variant must not always be the same.
            for variant, prefix, bodies in Random(turn).sample(ready, len(ready)):
                sample = measure(client, node.pid, bodies, count, f"{prefix}{uuid.uuid4().hex[:8]}")
                print(f"  {turn} {variant.name}: {sample.indexed:.1f} {sample.merged:.1f} µs", flush=True)
                if turn >= 0:
                    costs[variant.name].samples.append(sample)
        client.close()
    return costs


def table(costs: Mapping[str, Cost]) -> str:
    """The costs as text: minimum, median and maximum, and the median ratio to the first variant."""
    first = next(iter(costs.values())).samples
    lines = [
        f"{'':36}{'µs a document':>24}{'merged to one segment':>24}{'bytes on disk':>24}{'JSON':>6}",
        *(_row(name, cost, first) for name, cost in costs.items()),
    ]
    return "\n".join(lines)


def _row(name: str, cost: Cost, first: Sequence[Sample]) -> str:
    cells = [f"{name:36}"]
    for ours, others in zip(zip(*cost.samples, strict=True), zip(*first, strict=True), strict=True):
        # Of the same round: the machine is as busy and the node as warm for both.
        ratio = statistics.median(one / other for one, other in zip(ours, others, strict=True))
        cells.append(f"{min(ours):6.1f}{statistics.median(ours):6.1f}{max(ours):6.1f} {ratio:4.2f}x")
    return "".join([*cells, f"{cost.body:6.0f}"])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=100_000, help="documents of a variant in a round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--warm", type=int, default=2, help="rounds before those that count")
    asked = options.parse_args()
    print(table(compare(VARIANTS, asked.lines, asked.rounds, asked.warm)))


if __name__ == "__main__":
    main()
