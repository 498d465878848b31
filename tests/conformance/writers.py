"""The writers of a case's logs: numbered lines in the application's formats, and ways to rotate."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shipper.config import Dataset
from tests.conformance.harness import Harness, Shipping, When


def app_line(text: str) -> str:
    """A line of structlog."""
    return json.dumps({"event": text, "level": "info", "timestamp": "2026-03-01T10:00:00.000001Z"}) + "\n"


def celery_line(text: str) -> str:
    """A line of a Celery worker."""
    return f"[2026-03-01 10:00:00,100: INFO/MainProcess] {text}\n"


def pipeline_line(text: str) -> str:
    """A line of a pipeline's output."""
    return f"{text}\n"


def audit_line(text: str) -> str:
    """An audit record."""
    entry = {"timestamp": "2026-03-01 10:00:00", "entity_type": "session", "entity_id": 1, "action": "created"}
    return json.dumps({**entry, "message": text}) + "\n"


class Kind(NamedTuple):
    """One of the application's logs: its place, its stream, and its lines."""

    path: str
    dataset: Dataset
    line: Callable[[str], str]


KINDS = {
    "app": Kind("neuroflow.log", "app", app_line),
    "celery": Kind("celery/worker.log", "celery", celery_line),
    "pipeline": Kind("pipelines/qsiprep/qsiprep_9_20260301_100000.log", "pipeline", pipeline_line),
    "audit": Kind("audit/audit_2026_03.jsonl", "audit", audit_line),
}


class Log:
    """A log of numbered lines. ``path`` is where it is written, ``expected`` how often each message should be in
    the index.

    Args:
        harness: whose log directory it lies in.
        kind: which of the application's logs it is.
        path: another place below the log directory than the kind's own.
        width: digits of a number; more make longer lines.
    """

    def __init__(self, harness: Harness, kind: str = "app", path: str | None = None, width: int = 4) -> None:
        self.kind = KINDS[kind]
        self.dataset = self.kind.dataset
        self.path = harness.logs / (path or self.kind.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.expected: Counter[str] = Counter()
        self._width = width
        self._next = 0

    def text(self, count: int) -> str:
        """The next lines, which are expected in the index."""
        messages = [f"n{number:0{self._width}}" for number in range(self._next, self._next + count)]
        self._next += count
        self.expected.update(messages)
        return "".join(map(self.kind.line, messages))

    def write(self, count: int, path: Path | None = None) -> None:
        """Append the next lines."""
        with (path or self.path).open("a") as file:
            file.write(self.text(count))

    def again(self, text: str) -> str:
        """The same text once more, with each line expected once more."""
        of = {self.kind.line(message): message for message in self.expected}
        self.expected.update(of[line] for line in text.splitlines(keepends=True))
        return text

    def sibling(self, suffix: str) -> Path:
        """The path of a rotated file."""
        return self.path.with_name(self.path.name + suffix)

    def shift(self, most: int = 10) -> None:
        """Rename ``.1`` to ``.2`` and so on; files beyond ``most`` are deleted."""
        self.sibling(f".{most}").unlink(missing_ok=True)
        for number in range(most - 1, 0, -1):
            if (old := self.sibling(f".{number}")).exists():
                old.rename(self.sibling(f".{number + 1}"))

    def copytruncate(self, suffix: str = ".1") -> None:
        """Rotate as logrotate's ``copytruncate``: the chain shifts, the log is copied and truncated."""
        self.shift()
        shutil.copyfile(self.path, self.sibling(suffix))
        os.truncate(self.path, 0)

    def rotate(self, most: int = 10) -> None:
        """Rotate as RotatingFileHandler: the chain shifts and the log becomes ``.1``."""
        self.shift(most)
        self.path.rename(self.sibling(".1"))


def compress(path: Path, to: Path | None = None) -> None:
    """Gzip a file, complete from the beginning."""
    whole = path.with_name(f"{path.name}.part")
    whole.write_bytes(gzip.compress(path.read_bytes()))
    whole.rename(to or f"{path}.gz")
    path.unlink()


def followed(
    harness: Harness, count: int, kind: str = "app", *, width: int = 4, when: When = "running"
) -> tuple[Log, Shipping]:
    """A log whose first lines are shipped, and the sidecar that follows it."""
    log = Log(harness, kind, width=width)
    shipping = harness.shipping(when)
    log.write(count)
    shipping.shipped(log.expected, log.dataset)
    if when == "killed":
        # Its position is saved some milliseconds after its documents are in the index.
        assert harness.eventually(lambda: not any(one["lag_bytes"] for one in harness.status()["files"]))
    return log, shipping
