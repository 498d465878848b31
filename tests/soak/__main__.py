"""``make soak``: half an hour of faults, after which every line is counted. Numbered lines in logs with every kind
of rotation, a sidecar that is killed and stopped, a node that is killed, restarted and frozen, data streams
that roll over. In the end each number of each log must be in the index once.

Numbered lines in logs that rotate in every way, a sidecar that is killed and stopped, a node that is killed,
restarted and frozen, data streams that roll over.  At the end each number of each log has to be in the index once.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode.node import NodeError, running_node
from tests.conformance.harness import Harness
from tests.soak.faults import Faults
from tests.soak.sidecar import Sidecar
from tests.soak.verdict import MAX_SHOWN, Verdict, copies, judge
from tests.soak.writers import Celery, Compressed, Log, Pipelines, Renamed, Truncated

NAMESPACE = "soak"
INDEX = f"logs-neuroflow.*-{NAMESPACE}"
# At the end: without one more document for so long, no more will come.
STALLED_SECONDS = 90


def main() -> int:
    """The command line; exits 0 if every line is there once."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long lines are written (default: 30)")
    parser.add_argument("--rate", type=float, default=600, help="lines a second, all logs together (default: 600)")
    parser.add_argument("--seed", type=int, help="what happens, and when; drawn and printed unless given")
    asked = parser.parse_args()
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    print(f"soak: {asked.minutes:g} minutes, about {asked.rate:g} lines a second, SEED={seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="neuroflow-soak-"))
    try:
        with running_node(own=True, say=lambda line: print(line, flush=True)) as node:
            es = connect(Settings(hosts=[node.url], request_timeout=60))
            well = Soak(folder, es, node, seed, asked.rate).run(asked.minutes * 60)
            es.close()
    except NodeError as error:
        print(error, file=sys.stderr)
        well = False
    if well:
        shutil.rmtree(folder)
    else:
        print(f"kept: {folder} (sidecar.log is what the sidecar said); again with SEED={seed}", file=sys.stderr)
    return 0 if well else 1


class Soak:
    """One run.

    Args:
        folder: logs, state and the sidecar's log.
        es: client of the node.
        node: a node that the run may kill and freeze.
        seed: of all random choices.
        rate: lines a second.
    """

    def __init__(self, folder: Path, es: Elasticsearch, node: Any, seed: int, rate: float) -> None:
        self._es, self._seed = es, seed
        harness = Harness(folder, node.url, NAMESPACE)
        harness.configure(
            partial_line_timeout=30,  # a line is torn for a moment only, but the machine may be busy
            inputs=[{"paths": [str(harness.logs / "service.log")], "dataset": "app"}],
        )
        self._harness, self._sidecar = harness, Sidecar(harness)
        share = rate / 5
        self._logs: list[Log] = [
            Renamed(harness.logs / "neuroflow.log", share, self._dice("renamed")),
            Truncated(harness.logs / "service.log", share, self._dice("truncated")),
            Compressed(harness.logs / "workflow.log", share, self._dice("compressed")),
            Celery(harness.logs / "celery" / "worker.log", share, self._dice("celery")),
            Pipelines(harness.logs / "pipelines" / "qsiprep", share, self._dice("pipelines"), self._shipped),
        ]
        self._faults = Faults(self._sidecar, node, es, NAMESPACE, self._dice("faults"))

    def run(self, seconds: float) -> bool:
        """Write, cause faults, wait until everything is shipped, count; gives whether all is well."""
        quiet, ended = threading.Event(), threading.Event()
        trouble = threading.Thread(target=self._faults.run, args=(quiet,))
        writers = [threading.Thread(target=log.run, args=(ended,)) for log in self._logs]
        self._sidecar.start()
        for thread in (trouble, *writers):
            thread.start()
        try:
            self._watch(seconds)
        finally:
            ended.set()
            for writer in writers:
                writer.join()
            quiet.set()
            trouble.join()
        drained = self._drain()
        once = self._harness.once()
        if once.returncode:
            self._sidecar.faults.append(f"--once ended with {once.returncode}: {once.stderr[-500:]}")
        self._es.indices.refresh(index=INDEX)
        written = {name: count for log in self._logs for name, count in log.written().items()}
        verdict = judge(self._es, INDEX, written)
        counters = self._harness.status()["counters"]
        self._report(seconds, drained, verdict, counters)
        return verdict.well and drained is not None and not self._sidecar.faults and not counters["dead"]

    def _dice(self, of: str) -> random.Random:
        return random.Random(f"{self._seed}/{of}")

    def _shipped(self, run: int, lines: int) -> bool:
        """Whether so many documents of a pipeline run can be found."""
        index = f"logs-neuroflow.pipeline-{NAMESPACE}"
        try:
            answer = self._es.count(
                index=index, query={"term": {"neuroflow.run_id": str(run)}}, ignore_unavailable=True
            )
        except (ApiError, TransportError):
            return False
        return int(answer["count"]) >= lines

    def _watch(self, seconds: float) -> None:
        """Sample twice a second, and report progress every minute."""
        began = said = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            self._sidecar.sample()
            if now - said >= 60:
                said = now
                lines = sum(sum(log.written().values()) for log in self._logs)
                deeds = ", ".join(f"{kind} {count}" for kind, count in self._faults.counts.items())
                print(f"  {(now - began) / 60:3.0f} min: {lines:,} lines written; {deeds}", flush=True)
            time.sleep(0.5)

    def _drain(self) -> float | None:
        """Seconds until the running sidecar has shipped everything; None if it stopped before that."""
        self._sidecar.start()
        began = grown = time.monotonic()
        wanted = sum(sum(log.written().values()) for log in self._logs)
        most = 0
        while most < wanted and time.monotonic() - grown < STALLED_SECONDS:
            time.sleep(0.5)
            self._sidecar.sample()
            try:
                self._es.indices.refresh(index=INDEX)
                found = int(self._es.count(index=INDEX)["count"])
            except (ApiError, TransportError):
                continue
            if found > most:
                most, grown = found, time.monotonic()
        self._sidecar.terminate()
        return time.monotonic() - began if most >= wanted else None

    def _report(self, seconds: float, drained: float | None, verdict: Verdict, counters: dict[str, int]) -> None:
        cost, counts = self._sidecar.cost, self._faults.counts
        lost, doubled = (sum(map(len, wrong.values())) for wrong in (verdict.lost, verdict.doubled))
        rows: list[tuple[str, str]] = [
            ("minutes", f"{seconds / 60:g}"),
            ("lines written", f"{verdict.lines:,}"),
            ("documents", f"{verdict.documents:,}"),
            *((f"rotations, {log.name if log.written() else log.path.parent.name}", f"{log.rotations:,}")
              for log in self._logs[:-1]),
            ("pipeline runs", f"{len(self._logs[-1].written()):,}"),
            ("pipeline logs rewritten", f"{self._logs[-1].rotations:,}"),
            *((kind, f"{count:,}") for kind, count in counts.items()),
            ("drained after", "never" if drained is None else f"{drained:.1f} s"),
            ("sidecar's most memory", f"{cost.rss_kib / 1024:.0f} MiB"),
            ("sidecar's most open files", f"{cost.fds}"),
            ("sidecar's processor", f"{cost.cpu:.0f} s"),
            ("lines sent again", f"{counters['duplicate']:,}"),
            ("dead letters", f"{counters['dead']}"),
            ("lost", f"{lost}"),
            ("doubled", f"{doubled}"),
            ("strange", f"{sum(verdict.strange.values())}"),
        ]  # fmt: skip
        print(*(f"  {name:<28}{figure:>14}" for name, figure in rows), sep="\n")
        for fault in self._sidecar.faults:
            print(f"FAULT: the sidecar {fault}")
        for name, numbers in verdict.lost.items():
            print(f"LOST of {name}: {_some(numbers)}")
        for name, numbers in verdict.doubled.items():
            print(f"DOUBLED of {name}: {_some(numbers)}")
            for number in numbers[:2]:
                print(*(f"    #{number}: {copy}" for copy in copies(self._es, INDEX, name, number)), sep="\n")
        for text, count in verdict.strange.items():
            print(f"STRANGE {count} x {text}")
        sys.stdout.flush()


def _some(numbers: Sequence[int]) -> str:
    """The first few, as ranges."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans[:MAX_SHOWN])
    return f"{len(numbers)} ({shown}{', …' if len(spans) > MAX_SHOWN else ''})"


if __name__ == "__main__":
    sys.exit(main())
