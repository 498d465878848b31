"""Which pieces of which logs to read around matches, decided match by match.  Pure.

A line's neighbours are the lines of the same generation of its log, by offset.  Matches come file by file, so only
the gap between one match and the next has to be read: where it holds no more lines than are wanted on both sides, it
is shown whole; else the lines after the one match and before the other, with a separator between them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.hits import Flat, flat


class Line(NamedTuple):
    """A document and where it stands: in the life of a log, at an offset; -1 where it doesn't say."""

    doc: Flat
    generation: str
    offset: int


def line_of(hit: Hit) -> Line:
    """The line that a hit is."""
    doc = flat(hit.get("_source") or {})
    generation, offset = doc.get("neuroflow.generation"), doc.get("log.offset")
    if isinstance(generation, str) and isinstance(offset, int):
        return Line(doc, generation, offset)
    return Line(doc, "", -1)


@dataclass(frozen=True)
class Hole:
    """Lines between two places of one log, and how many of them are wanted at either end.

    Attributes:
        generation: the life of the log.
        low: the offset before it; None is the log's beginning.
        high: the offset behind it; None is the log's end.
        behind: lines wanted at its beginning.
        ahead: lines wanted at its end.
        opens: whether another file begins with it.
        above: lines up to this offset have been shown.
    """

    generation: str
    low: int | None
    high: int | None
    behind: int
    ahead: int
    opens: bool = False
    above: int = -1

    @property
    def inner(self) -> bool:
        """Whether something shown stands on both sides."""
        return self.low is not None and self.high is not None

    @property
    def most(self) -> int:
        """Lines to ask for: one more than is wanted shows that there is a gap."""
        return self.behind + self.ahead + self.inner

    def within(self, lines: Sequence[Line]) -> Seen:
        """What is seen of it, given all lines of its part of the log in their order."""
        assert self.low is not None
        assert self.high is not None
        begin = bisect_right(lines, self.low, key=_offset)
        inside = list(lines[begin : bisect_left(lines, self.high, begin, key=_offset)])
        if len(inside) < self.most:
            return Seen(inside, [], gap=False)
        return Seen(inside[: self.behind], inside[len(inside) - self.ahead :], gap=True)

    def search(self, size: int, *, backwards: bool) -> dict[str, Any]:
        """The body of a search for some of its lines."""
        limits = {name: end for name, end in (("gt", self.low), ("lt", self.high)) if end is not None}
        conditions: list[Query] = [{"term": {"neuroflow.generation": self.generation}}]
        if limits:
            conditions.append({"range": {"log.offset": limits}})
        return {
            "query": every(conditions),
            "sort": [{"log.offset": {"order": "desc" if backwards else "asc", "unmapped_type": "long"}}],
            "size": size,
            # A line that was sent again after a rollover is there twice.
            "collapse": {"field": "log.offset"},
            "track_total_hits": False,
        }


def _offset(line: Line) -> int:
    return line.offset


class Seen(NamedTuple):
    """The lines of a hole that are shown: at its beginning, at its end, and whether there are more between them."""

    behind: list[Line]
    ahead: list[Line]
    gap: bool


def rows_of(holes: Sequence[Hole]) -> list[list[Hole]]:
    """Holes of one log that follow each other, with nothing but a match between them; at least three."""
    rows: list[list[Hole]] = []
    for hole in holes:
        if not hole.inner or hole.opens:
            continue
        before = rows[-1][-1] if rows else None
        if before and (before.generation, before.high) == (hole.generation, hole.low):
            rows[-1].append(hole)
        else:
            rows.append([hole])
    return [row for row in rows if len(row) >= 3]


Step = Hole | Line
"""What comes next in the output: some lines of a hole, or a match."""


class Plan:
    """Says, match by match, what has to be looked at.  Nothing is asked for.

    Args:
        before: lines wanted before a match.
        after: lines wanted after it.
    """

    def __init__(self, before: int, after: int) -> None:
        self._before = before
        self._after = after
        self._last: Line | None = None
        # Of each log the last match and the last line shown: a log that was renamed while it was read comes under
        # each of its names, and goes on there.
        self._shown: dict[str, tuple[int, int]] = {}

    @property
    def generation(self) -> str | None:
        """Which log the last match was in."""
        return self._last and self._last.generation

    def next(self, line: Line) -> list[Step]:
        """The steps to a match, it included; none when it was shown already."""
        generation, offset, last = line.generation, line.offset, self._last
        if offset < 0:
            return [*self.end(), line]
        if last is not None and (last.generation, last.offset) == (generation, offset):
            return []  # a copy in another backing index
        matched, shown = self._shown.get(generation, (-1, -1))
        if last is not None and last.generation == generation and last.offset < offset:
            if offset <= shown:  # beside the last match under the log's other name
                self._last = line
                return []
            hole = Hole(generation, last.offset, offset, self._after, self._before, above=shown)
            return self._to(line, [hole])
        tail = self.end()
        if matched < offset <= shown:
            self._last = line
            return tail
        low = shown if 0 <= shown < offset else None
        return self._to(line, [*tail, Hole(generation, low, offset, 0, self._before, opens=True)])

    def end(self) -> list[Step]:
        """The steps behind the last match."""
        last, self._last = self._last, None
        if last is None:
            return []
        above = self._shown.get(last.generation, (-1, -1))[1]
        return [Hole(last.generation, last.offset, None, self._after, 0, above=above)]

    def shown(self, line: Line) -> None:
        """Take notice of a line that is shown."""
        matched, _ = self._shown.get(line.generation, (-1, -1))
        self._shown[line.generation] = (matched, line.offset)

    def _to(self, line: Line, steps: list[Step]) -> list[Step]:
        self._last = line
        self._shown[line.generation] = (line.offset, line.offset)
        return [*steps, line]
