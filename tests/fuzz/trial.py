"""One fuzz run: written into files, shipped by the real sidecar, searched for in the index."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.templates import install
from tests.conformance.harness import Harness
from tests.fuzz.fuzz import EXECUTIONS, FuzzRun, write
from tests.fuzz.verdict import judge, mappings

MAX_MEMORY_KIB = 400 * 1024
# A bound on hanging, not a measure of speed.
_PATIENCE = 1800.0
_SHOWN = 5
# One sound line for each stream and for the run documents: these are there, then, before the fuzz run.
_CALM: dict[str, dict[str, object]] = {
    "neuroflow.log.9": {"event": "pipeline.queued", "run_id": 1, "pipeline": "qsiprep"},
    "workflow.log.9": {"event": "workflow.started", "workflow_run_id": 1},
    "celery/calm.log": {"event": "worker.ready"},
    "pipelines/calm/calm.log": {"event": "calm"},
    "audit/audit_2025_01.jsonl": {"entity_type": "session", "entity_id": 1, "action": "created"},
}


@dataclass
class Report:
    """Measurements and faults."""

    numbers: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def trial(folder: Path, es: Elasticsearch, url: str, namespace: str, lines: int, seed: int) -> Report:
    """Do a fuzz run.

    Args:
        folder: for logs and state.
        es: client of the node.
        url: of the node.
        namespace: of data streams, which nobody else may use.
        lines: how many, about.
        seed: of the fuzz run.
    """
    report = Report()
    install(es)
    harness = Harness(folder, url, namespace)
    inputs = [{"paths": [str(harness.logs / EXECUTIONS)], "format": "voxelops", "dataset": "pipeline"}]
    settings: dict[str, Any] = {"timezone": "Asia/Jerusalem", "shutdown_timeout": 120, "inputs": inputs}
    harness.configure(**settings)
    for name, fields in _CALM.items():
        path = harness.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**fields, "timestamp": "2026-01-01T00:00:00Z", "level": "info"}) + "\n")
    _ship(harness, report, "before the fuzz run")
    index = f"logs-neuroflow.*-{namespace},neuroflow-runs-{namespace}"
    before = mappings(es, index)
    if len(before) != len(_CALM) + 1:
        report.faults.append(f"before the fuzz run there are {sorted(before)}")
    marks, physical = write(FuzzRun(lines, seed), harness.logs)
    _ship(harness, report, "the fuzz run")
    verdict = judge(es, namespace)
    after = mappings(es, index)
    counters = harness.status()["counters"]
    lost = sorted(marks - verdict.marks.keys())
    doubled = sorted(mark for mark in marks if verdict.marks[mark] > 1)
    report.numbers |= {
        "lines with marks": f"{len(marks):,}",
        "lines in files": f"{physical:,}",
        "documents": f"{verdict.documents:,}",
        "run documents": f"{verdict.runs:,}",
        "counters": ", ".join(f"{name} {count:,}" for name, count in counters.items()),
        "mapped fields before": _count(before),
        "mapped fields after": _count(after),
        "too long to be searched for": ", ".join(f"{name} {count}" for name, count in verdict.too_long.most_common()),
    }
    _blame(report, f"{len(lost)} marks are in no document", lost)
    _blame(report, f"{len(doubled)} marks are in several documents", doubled)
    _blame(report, "values are not searchable", [f"{name}: {value}" for name, value in verdict.unindexed.items()])
    if before != after:
        report.faults.append(f"mappings changed: {_count(before)}, then {_count(after)}")
    if not len(marks) * 0.8 <= verdict.documents <= physical + len(_CALM):
        report.faults.append(f"{verdict.documents} documents of {physical} lines")
    if counters["dead"]:
        _blame(report, f"{counters['dead']} dead letters", harness.run("dead-letters", "list").stdout.splitlines())
    if not verdict.documents == counters["acknowledged"] == counters["read"]:
        report.faults.append(f"{verdict.documents} documents, but {counters}")
    shutil.rmtree(harness.state)
    harness.configure(fast_path=False, **settings)
    _ship(harness, report, "the fuzz run again without the state and the fast path")
    again = judge(es, namespace)
    if (again.documents, again.marks) != (verdict.documents, verdict.marks):
        report.faults.append(f"shipped again there are {again.documents} documents instead of {verdict.documents}")
    if again.runs != verdict.runs:
        report.faults.append(f"shipped again there are {again.runs} run documents instead of {verdict.runs}")
    rebuilt = harness.run("rebuild-runs", timeout=_PATIENCE)
    if rebuilt.returncode or f" of {verdict.runs} " not in rebuilt.stdout:
        report.faults.append(f"rebuild-runs made not {verdict.runs}: {rebuilt.stdout}{rebuilt.stderr}")
    return report


def _ship(harness: Harness, report: Report, what: str) -> None:
    """Ship everything with ``--once``; note its exit code and memory."""
    said, began, most = harness.folder / "said", time.monotonic(), 0
    with said.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(harness.command("--once"), stdout=file, stderr=file)
        while process.poll() is None and time.monotonic() - began < _PATIENCE:
            most = max(most, _peak_kib(process.pid))
            time.sleep(0.05)
    if process.poll() is None:
        process.kill()
        process.wait()
    text = said.read_text(encoding="utf-8", errors="replace")
    report.numbers[f"seconds, memory ({what})"] = f"{time.monotonic() - began:.1f} s, {most / 1024:.0f} MiB"
    if process.returncode != 0:
        report.faults.append(f"{what}: exit {process.returncode}: {text[-2000:]}")
    for word in ("Traceback", "a bug (", "not kept up to date"):
        if word in text:
            report.faults.append(f"{what}: it said: {text[text.index(word) - 500 :][:2000]}")
    if most > MAX_MEMORY_KIB:
        report.faults.append(f"{what}: it took {most / 1024:.0f} MiB")


def _peak_kib(pid: int) -> int:
    """The peak memory of a process (VmHWM)."""
    with suppress(OSError, StopIteration):  # elsewhere than on Linux, or gone this moment
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return 0


def _count(found: dict[str, dict[str, dict[str, object]]]) -> str:
    counts = {name.removeprefix(".ds-").removeprefix("logs-").partition("-")[0]: len(found[name]) for name in found}
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _blame(report: Report, what: str, examples: list[str]) -> None:
    if examples:
        report.faults.append(f"{what}: {'; '.join(examples[:_SHOWN])}")
