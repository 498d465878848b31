"""What is measured: which lines, in how many files, compressed or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench import lines

NUMBERED = re.compile(rb"seq-\d")


@dataclass(frozen=True)
class Case:
    """Lines of one kind.

    Attributes:
        title: for people.
        lines: makes so many.
        place: of its file below the log directory; ``{}`` takes the file's number where there are several.
        json: each line is a JSON object, which peers parse.
        share: of the lines that a run of the bench has.
    """

    title: str
    lines: Callable[[int], Iterator[bytes]]
    place: str
    json: bool = True
    share: float = 1.0


CASES = {
    "structlog": Case("structlog JSON", lines.structlog_lines, "neuroflow{}.log"),
    "stages": Case("a quarter stage events of 500 workflow runs", lines.stage_load_lines, "neuroflow{}.log"),
    "stage-ends": Case("only ends of stages, 977 workflow runs", lines.stage_end_lines, "neuroflow{}.log", share=0.2),
    "celery": Case("Celery", lines.celery_lines, "celery/worker{}.log", json=False),
    "console": Case("console", lines.console_lines, "celery/console{}.log", json=False),
    "output": Case(
        "pipeline output", lines.output_lines, "pipelines/qsiprep/qsiprep_456{}_20260101_110000.log", json=False
    ),
    "audit": Case("audit", lines.audit_lines, "audit/audit_2026_03{}.jsonl"),
}


class Setting(NamedTuple):
    """One row of the results; every peer is measured in it."""

    case: str
    files: int = 1
    gzip: bool = True
    node: bool = False

    @property
    def name(self) -> str:
        """As the tables have it; without a word of it: one file, gzip, to the sink."""
        told = [
            CASES[self.case].title,
            *([f"{self.files:,} files"] if self.files > 1 else []),
            *([] if self.gzip else ["not compressed"]),
            *(["to the real node"] if self.node else []),
        ]
        return ", ".join(told)


SETTINGS = [
    Setting("structlog"),
    Setting("structlog", gzip=False),
    Setting("structlog", files=1000),
    *(Setting(case) for case in CASES if case != "structlog"),
    Setting("structlog", node=True),
    Setting("stages", node=True),
]


class Logs(NamedTuple):
    """Files that were written to measure with.

    Attributes:
        folder: the log directory.
        pattern: shell pattern of the files.
        case: what their lines are.
        lines: how many.
        numbered: how many of them carry a number.
        size: bytes.
    """

    folder: Path
    pattern: str
    case: Case
    lines: int
    numbered: int
    size: int


def write_logs(folder: Path, setting: Setting, count: int) -> Logs:
    """Write a setting's lines into its files, as many one after the other into each.

    Args:
        folder: the log directory, which does not exist.
        setting: the row.
        count: lines that a run of the bench has.
    """
    case = CASES[setting.case]
    made = list(case.lines(max(setting.files, int(count * case.share))))
    each = -(-len(made) // setting.files)
    for number in range(setting.files):
        path = folder / case.place.format(f"_{number:04d}" if setting.files > 1 else "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lines.written(made[number * each : (number + 1) * each]))
    return Logs(
        folder,
        str(folder / case.place.format("*")),
        case,
        len(made),
        sum(NUMBERED.search(line) is not None for line in made),
        sum(map(len, made)) + len(made),
    )
