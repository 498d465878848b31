"""A fuzz run: broken lines of every format, in every kind of file; a seed always gives the same lines."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from shipper.config import Dataset, Format
from tests.fuzz import formats
from tests.fuzz.mutations import BYTE_MARK, damaged, insert, json_line, mark_of
from tests.fuzz.odd import Pairs, written


class Place(NamedTuple):
    """A file of the fuzz run: its path in the log directory, how its lines are read, and its share of them."""

    path: str
    format: Format
    dataset: Dataset
    share: float


PLACES = (
    Place("neuroflow.log.2.gz", "auto", "app", 6),
    Place("neuroflow.log.1", "auto", "app", 10),
    Place("neuroflow.log", "auto", "app", 26),
    Place("workflow.log", "auto", "workflow", 12),
    Place("celery/worker.log", "celery", "celery", 10),
    Place("celery/beat.log", "celery", "celery", 2),
    Place("worker.log", "celery", "celery", 4),
    Place("huey.log", "celery", "celery", 4),
    Place("audit/audit_2026_02.jsonl.1.gz", "audit", "audit", 2),
    Place("audit/audit_2026_03.jsonl", "audit", "audit", 8),
    Place("audit/audit_2026_04.jsonl", "audit", "audit", 2),
    Place("qsiprep/sub-001_ses-01.log", "console", "pipeline", 4),
    Place("mriqc/sub-002_ses-02.log", "console", "pipeline", 2),
    Place("pipelines/qsiprep/qsiprep_456_20260302_091500.log", "pipeline", "pipeline", 3),
    Place("pipelines/mriqc/run_7_20260302_091600.log", "pipeline", "pipeline", 1),
    Place("pipelines/mriqc/unnamed.log", "pipeline", "pipeline", 1),
    Place("executions/audit.jsonl", "voxelops", "pipeline", 2),
)
EXECUTIONS = "executions/*.json*"
"""What is read beside the built-in files, as ``voxelops``."""
_SECRET = re.compile(rb"hunter2|\"(?:password|api_token|secret)\"")
_SECTION = "\n" + "=" * 72 + "\n  %s\n" + "=" * 72


class FuzzRun:
    """The files of one fuzz run.

    Args:
        lines: approximate number; a record of several lines counts as one.
        seed: of all random choices.
    """

    def __init__(self, lines: int, seed: int) -> None:
        self._dice = random.Random(seed)
        self._lines = lines
        self._number = 0
        self._golden: dict[tuple[str, ...], list[bytes]] = {}

    def files(self) -> Iterator[tuple[Place, bytes]]:
        """Each file with its content, unpacked."""
        whole = sum(place.share for place in PLACES)
        for place in PLACES:
            yield place, self._file(place, max(1, round(self._lines * place.share / whole)))
        for number in range(max(1, self._lines // 500)):
            path = f"executions/qsiprep_sub-014_20260302_{number:06d}.json"
            yield Place(path, "voxelops", "pipeline", 0), self._execution()

    def _file(self, place: Place, count: int) -> bytes:
        make = self._maker(place)
        until = self._number + count
        parts: list[bytes] = []
        ending = self._dice.choice((b"\n", b"\n", b"\n", b"\r\n"))
        while self._number < until:
            parts += [make(), ending if self._dice.random() < 0.97 else b"\r\n"]
            if self._dice.random() < 0.03:
                parts.append(self._dice.choice((b"\n", b"\n\n\n", b"\r\n", b" \n", b"\t\n", b"\0\n", b"\x0c\n")))
        return b"".join(parts[:-1] if self._dice.random() < 0.5 else parts)

    def _maker(self, place: Place) -> Callable[[], bytes]:
        kind = place.path.partition("/")[0] if "/" in place.path else place.path.partition(".")[0]
        if place.format == "pipeline":
            return self._output
        if place.format == "console":
            return self._session
        if kind == "audit":
            return self._audit
        if kind == "executions":
            return lambda: self._maybe_damaged(json_line(self._dice, formats.procedure(self._dice), self._mark()))
        return self._log if kind in {"neuroflow", "workflow"} else self._worker

    def _mark(self) -> str:
        self._number += 1
        return mark_of(self._number)

    def _maybe_damaged(self, line: bytes, chance: float = 0.15) -> bytes:
        """Damage a line now and then, unless it contains a secret or hides a value by itself."""
        if self._dice.random() >= chance or _SECRET.search(line):
            return line
        broken = damaged(self._dice, line)
        return line if any(formats.hides(broken, mark.decode()) for mark in BYTE_MARK.findall(line)) else broken

    def _log(self) -> bytes:
        """Lines of the application's log: mostly JSON, and foreign lines."""
        kind = self._dice.random()
        if kind < 0.62:
            return self._event()
        if kind < 0.74:
            return self._of_golden("structlog", "stdlib")
        if kind < 0.92:
            return self._text()
        if kind < 0.94:
            return self._traceback()
        if kind < 0.95:
            return self._array()
        if kind < 0.97:
            return self._event() + b" " * self._dice.randrange(2) + self._event()
        return json_line(self._dice, formats.audit_row(self._dice), self._mark())

    def _worker(self) -> bytes:
        kind = self._dice.random()
        if kind < 0.25:
            return b"[2026-11-23 12:41:11,377: WARNING/ForkPoolWorker-2] " + self._event()
        if kind < 0.35:
            return self._event()
        if kind < 0.55:
            return self._of_golden("celery", "huey")
        if kind < 0.6:
            return self._traceback()
        return self._text()

    def _session(self) -> bytes:
        kind = self._dice.random()
        if kind < 0.05:
            name = self._dice.choice(("STDOUT", "ERROR", "METRICS", "TRACEBACK", "OTHER"))
            return (_SECTION % name).encode() + b"\n" + self._text()
        if kind < 0.1:
            return (_SECTION % "METRICS").encode() + b"\n" + self._execution()
        return self._of_golden("console") if kind < 0.3 else self._text()

    def _audit(self) -> bytes:
        kind = self._dice.random()
        if kind < 0.1:
            return self._array()
        if kind < 0.2:
            return self._of_golden("audit-audit")
        return self._maybe_damaged(json_line(self._dice, formats.audit_row(self._dice), self._mark()))

    def _output(self) -> bytes:
        kind = self._dice.random()
        if kind < 0.03:
            marker = self._dice.choice(("STDOUT", "STDERR", "STDOUT (continued)", "STDERR (continued)"))
            return f"=== {marker} ===\n{self._mark()}".encode()
        return self._event() if kind < 0.2 else self._text() if kind < 0.7 else self._of_golden("pipeline", "console")

    def _event(self) -> bytes:
        return self._maybe_damaged(json_line(self._dice, formats.event(self._dice), self._mark()))

    def _text(self) -> bytes:
        mark = self._mark()
        line = formats.text_line(self._dice, mark if self._dice.random() < 0.5 else f"said {mark} {'x' * 40}")
        data = line.encode()
        if mark.encode() not in data:
            data = insert(self._dice, data, mark)
        return self._maybe_damaged(data, 0.5)

    def _of_golden(self, *kinds: str) -> bytes:
        lines = self._golden.setdefault(kinds, formats.golden(kinds))
        line, mark = self._dice.choice(lines), self._mark()
        marked = insert(self._dice, line, mark)
        return self._maybe_damaged(line + mark.encode() if formats.hides(marked, mark) else marked, 0.6)

    def _traceback(self) -> bytes:
        lines = formats.traceback_lines(self._dice, self._mark())
        return b"\n".join(self._maybe_damaged(line.encode(), 0.1) for line in lines)

    def _array(self) -> bytes:
        """An export of the audit trail, in some runs cut off."""
        rows = [json_line(self._dice, formats.audit_row(self._dice), self._mark()) for _ in range(3)]
        data = b"[\n" + b",\n".join(b"  " + row.replace(b', "', b',\n    "') for row in rows) + b"\n]"
        if self._dice.random() < 0.3:
            last = next(reversed(list(BYTE_MARK.finditer(data))))
            data = data[: self._dice.randint(last.end(), len(data))]
        return data

    def _execution(self) -> bytes:
        """An execution log, indented, in some runs with a foreign line."""
        pairs = formats.execution(self._dice)
        line = json_line(self._dice, pairs, self._mark())
        data = line.replace(b', "', b',\n  "').replace(b"{", b"{\n", 1)
        return self._maybe_damaged(data.removesuffix(b"}") + b"\n}" if data.endswith(b"}") else data, 0.2)


def write(fuzz_run: FuzzRun, folder: Path) -> tuple[set[str], int]:
    """Write the files of a fuzz run; gives its marks and how many lines these files hold."""
    marks: set[str] = set()
    lines = 0
    for place, data in fuzz_run.files():
        path = folder / place.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
        marks.update(found.decode() for found in BYTE_MARK.findall(data))
        lines += data.count(b"\n") + (not data.endswith(b"\n"))
    return marks, lines


__all__ = ["EXECUTIONS", "PLACES", "FuzzRun", "Pairs", "Place", "write", "written"]
