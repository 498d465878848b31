"""From runs to figures: minimum, median and maximum, as a table for people and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Run(NamedTuple):
    """One run of one peer.

    Attributes:
        lines: that it shipped.
        wall: seconds from its start to the last line's arrival.
        cpu: seconds of all its processes.
        peak: bytes of memory.
        first: seconds from its start to the first line's arrival; None where that was not seen.
        wire: bytes sent; None where nobody counted them.
        unpacked: bytes of bodies before compression; None likewise.
        node: CPU seconds of the real node; None where it was not that, or is not ours to look at.
    """

    lines: int
    wall: float
    cpu: float
    peak: int
    first: float | None = None
    wire: int | None = None
    unpacked: int | None = None
    node: float | None = None


class Spread(NamedTuple):
    """Of several measurements."""

    minimum: float
    median: float
    maximum: float


Figures = dict[str, Spread]
"""Of one peer in one setting, by name."""


def spread(values: Iterable[float]) -> Spread:
    """Minimum, median and maximum of at least one value."""
    found = sorted(values)
    return Spread(found[0], statistics.median(found), found[-1])


def figures(runs: Sequence[Run]) -> Figures:
    """The figures of a peer's runs, by name; without those that nobody measured."""
    found = {
        "lines_per_cpu_second": [run.lines / run.cpu for run in runs],
        "lines_per_second": [run.lines / run.wall for run in runs],
        "peak_bytes": [float(run.peak) for run in runs],
        "first_document_seconds": [run.first for run in runs if run.first is not None],
        "wire_bytes_per_line": [run.wire / run.lines for run in runs if run.wire is not None],
        "unpacked_bytes_per_line": [run.unpacked / run.lines for run in runs if run.unpacked is not None],
        "node_cpu_microseconds_per_line": [run.node * 10**6 / run.lines for run in runs if run.node is not None],
    }
    return {name: spread(values) for name, values in found.items() if values}


# Title, figure, divisor, format.
_COLUMNS = (
    ("1,000 lines per CPU-second", "lines_per_cpu_second", 1e3, ".1f"),
    ("1,000 lines per second", "lines_per_second", 1e3, ".1f"),
    ("peak MiB", "peak_bytes", 2**20, ".0f"),
    ("bytes sent a line", "wire_bytes_per_line", 1, ".0f"),
    ("unpacked", "unpacked_bytes_per_line", 1, ".0f"),
    ("first line after, s", "first_document_seconds", 1, ".2f"),
    ("CPU of the node, µs a line", "node_cpu_microseconds_per_line", 1, ".1f"),
)


def table(peers: dict[str, Figures]) -> str:
    """A table of one setting: a row a peer, each cell the median, with minimum and maximum where they differ."""
    rows = [
        [name, *(_cell(found, figure, divisor, shape) for _, figure, divisor, shape in _COLUMNS)]
        for name, found in peers.items()
    ]
    return _markdown(["", *(title for title, *_ in _COLUMNS)], rows)


def overview(settings: dict[str, dict[str, Figures]]) -> str:
    """A table of each figure that was measured: a row a setting, a column a peer, medians.

    Args:
        settings: peers' figures by the setting's name.
    """
    peers = list(dict.fromkeys(name for found in settings.values() for name in found))
    tables = []
    for title, figure, divisor, shape in _COLUMNS:
        rows = [
            [name, *(_cell(found.get(peer, {}), figure, divisor, shape, middle=True) for peer in peers)]
            for name, found in settings.items()
        ]
        if any(cell for _, *cells in rows for cell in cells):
            tables.append(_markdown([title, *peers], rows))
    return "\n\n".join(tables)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )


def _cell(found: Figures, figure: str, divisor: float, shape: str, *, middle: bool = False) -> str:
    if figure not in found:
        return ""
    low, median, high = (format(value / divisor, shape) for value in found[figure])
    return median if middle or low == high else f"{median} ({low} to {high})"


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    """A peer's runs and figures, for ``--json``."""
    return {
        "runs": [run._asdict() for run in runs],
        **{name: found._asdict() for name, found in figures(runs).items()},
    }
