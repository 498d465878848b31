"""How ``status`` looks: a table on a terminal, lines in a pipe.  Pure.

Paths and reasons come from a directory that others may write to: nothing in them commands a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipper.printable import printable

State = dict[str, Any]

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
# Logs that are behind by less than this are not marked, seconds.
_LATE = 60.0


def plain(state: State, cluster: str, *, every: bool = False) -> list[str]:
    """The view as lines: the summary, logs that are behind, and what is not read."""
    return [
        *(f"{name}: {text}" for name, text, _ in _summary(state, cluster)),
        *(
            f"{_safe(file['path'])}: {file['offset']} of {file['size']} bytes acknowledged, "
            f"{file['lag_bytes']} bytes and {file['lag_seconds']:.0f} s behind{_passed_over(file)}"
            for file in _listed(state, every=every)
        ),
        *(f"not read: {_safe(file['path'])}: {_safe(file['reason'])}" for file in state["not_read"]),
        *_others(state, every=every),
    ]


def line(state: State, now: datetime) -> str:
    """The view as one line, for ``--watch`` into a pipe."""
    at = now.isoformat(timespec="seconds")
    if "error" in state:
        return f"{at} {_safe(state['error'])}"
    counters, (behind, size, age) = state["counters"], totals(state)
    running = f"running {state['pid']}" if state["running"] else "not running"
    return (
        f"{at} {running}, {behind} logs behind, {size} bytes, {age:.0f} s, acknowledged {counters['acknowledged']}, "
        f"duplicate {counters['duplicate']}, dead {counters['dead']}, dead letters {state['dead_letters']}, "
        f"not read {len(state['not_read'])}"
    )


def show(state: State, cluster: str, *, every: bool = False, room: int | None = None) -> RenderableType:
    """The view for a terminal.

    Args:
        state: as ``--json`` has it.
        cluster: whether Elasticsearch answers, in words.
        every: list all logs.
        room: lines that there is room for; None for any number.
    """
    summary = Table.grid(padding=(0, 2))
    for name, text, style in _summary(state, cluster):
        summary.add_row(Text(name, "dim"), Text(text, style))
    parts: list[RenderableType] = [summary]
    left = None if room is None else max(1, room - summary.row_count - 6)
    if logs := _listed(state, every=every):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("Behind", "For", "Of"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("Log", overflow="fold")
        for file in logs[:left]:
            style = "yellow" if file["lag_seconds"] >= _LATE else ""
            cells = (amount(file["lag_bytes"]), age_of(file["lag_seconds"]), amount(file["size"]))
            table.add_row(*(Text(cell, style) for cell in cells), Text(_safe(file["path"])))
        parts += ["", table]
        if left is not None and len(logs) > left:
            parts.append(Text(f"and {len(logs) - left} more", "dim"))
    if not_read := state["not_read"]:
        # A long path is folded: no part of it may stand at the beginning of a line, as the program's own words do.
        table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
        table.add_column("Not read", overflow="fold")
        table.add_column("Why", overflow="fold")
        room_left = None if left is None else max(1, left - len(logs))
        for file in not_read[:room_left]:
            table.add_row(Text(_safe(file["path"]), "yellow"), Text(_safe(file["reason"])))
        parts += ["", table]
        if room_left is not None and len(not_read) > room_left:
            parts.append(Text(f"and {len(not_read) - room_left} more", "dim"))
    parts += [Text(text, "dim") for text in _others(state, every=every)]
    return Group(*parts)


def totals(state: State) -> tuple[int, int, float]:
    """The number of logs that are behind, their bytes, and the age of the oldest line, seconds."""
    behind = [file for file in state["files"] if file["lag_bytes"]]
    return (
        len(behind),
        sum(file["lag_bytes"] for file in behind),
        max((f["lag_seconds"] for f in behind), default=0.0),
    )


def amount(size: int) -> str:
    """Bytes, for people."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def age_of(seconds: float) -> str:
    """A time span, for people: its two largest units."""
    for place, (unit, length) in enumerate(_UNITS):
        if seconds >= length:
            whole, rest = divmod(seconds, length)
            smaller, size = _UNITS[place + 1] if place + 1 < len(_UNITS) else ("s", 1)
            return f"{whole:.0f} {unit} {rest // size:.0f} {smaller}"
    return f"{seconds:.0f} s"


def _summary(state: State, cluster: str) -> Iterator[tuple[str, str, str]]:
    """Name, text and style of each line."""
    counters, (behind, size, age) = state["counters"], totals(state)
    if state["running"]:
        since = f" since {state['started']}" if state["started"] else ""
        yield "sidecar", f"runs (process {state['pid']}{since})", "green"
    else:
        last = f"; it scanned last at {state['last_scan']}" if state["last_scan"] else ""
        yield "sidecar", f"does not run{last}", "red"
    yield "Elasticsearch", _safe(cluster), "" if cluster.endswith(" answers") else "red"
    lag = f"{behind} of {len(state['files'])} logs behind, {amount(size)}, oldest line {age_of(age)}"
    yield "lag", lag if behind else "none", "yellow" if age >= _LATE else ""
    if passed_over := [file["passed_over"] for file in state["files"] if file["passed_over"]]:
        logs = f"{len(passed_over)} log{'' if len(passed_over) == 1 else 's'}"
        yield "passed over", f"{amount(sum(passed_over))} of {logs} at the first start (shipper.start)", ""
    texts = ", ".join(f"{name} {value}" for name, value in counters.items())
    yield "documents", texts, ""
    if state["last_acknowledged"]:
        yield "last acknowledged", state["last_acknowledged"], ""
    dead = state["dead_letters"]
    hint = "; `neuroflow-ship dead-letters list` shows them" if dead else ""
    yield "dead letters", f"{dead}{hint}", "red" if dead else ""


def _passed_over(file: State) -> str:
    return f"; the first start passed over {file['passed_over']} bytes" if file["passed_over"] else ""


def _listed(state: State, *, every: bool) -> list[State]:
    """The logs to list: those that are behind come first, the oldest line first."""
    files = sorted(state["files"], key=lambda file: (-file["lag_seconds"], -file["lag_bytes"], file["path"]))
    return [file for file in files if every or file["lag_bytes"]]


def _others(state: State, *, every: bool) -> list[str]:
    """What is not listed, in a sentence."""
    others = sum(not file["lag_bytes"] for file in state["files"])
    return [] if every or not others else [f"logs that are acknowledged to their ends (--all lists them): {others}"]


def _safe(text: str) -> str:
    return printable(text, lines=False)
