"""Which parts of which logs to read around matches, decided match by match.  Pure.

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
    """A document and its place: the generation of its log and the offset there (-1: the document has none)."""

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
class Gap:
    """Lines of one log between two matches, before the first or after the last, and how many of them to show.

    Attributes:
        generation: of the log.
        low: the offset of the match before it; None: it begins with the log.
        high: the offset of the match after it; None: it ends with the log.
        head: lines to show of its beginning.
        tail: lines to show of its end.
        opens_file: whether the output changes to another file here.
        shown_up_to: lines up to this offset have been shown already.
    """

    generation: str
    low: int | None
    high: int | None
    head: int
    tail: int
    opens_file: bool = False
    shown_up_to: int = -1

    @property
    def inner(self) -> bool:
        """Whether it has a match on both sides."""
        return self.low is not None and self.high is not None

    @property
    def limit(self) -> int:
        """How many lines to ask for: between matches one more than to show, to learn whether lines are left out."""
        return self.head + self.tail + self.inner

    def within(self, lines: Sequence[Line]) -> GapLines:
        """What to show of it, given all lines of its part of the log in their order."""
        assert self.low is not None
        assert self.high is not None
        begin = bisect_right(lines, self.low, key=_offset)
        inside = list(lines[begin : bisect_left(lines, self.high, begin, key=_offset)])
        if len(inside) < self.limit:
            return GapLines(inside, [], omitted=False)
        return GapLines(inside[: self.head], inside[len(inside) - self.tail :], omitted=True)

    def lines(self, hits: Sequence[Hit]) -> list[Line]:
        """The lines of hits: each once, as one that was sent again after a rollover is there twice.

        A document of another writer may have several offsets, or be in several logs: it is no line of this one.
        """
        each: dict[int, Line] = {}
        for line in map(line_of, hits):
            if line.generation == self.generation:
                each.setdefault(line.offset, line)
        return list(each.values())

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
            "track_total_hits": False,
        }


def _offset(line: Line) -> int:
    return line.offset


class GapLines(NamedTuple):
    """The lines to show of a gap: of its beginning, of its end, and whether lines between them are left out."""

    head: list[Line]
    tail: list[Line]
    omitted: bool


def chains_of(gaps: Sequence[Gap]) -> list[list[Gap]]:
    """Gaps of one log that follow each other, with only a match between them; chains of three or more."""
    chains: list[list[Gap]] = []
    for gap in gaps:
        if not gap.inner or gap.opens_file:
            continue
        before = chains[-1][-1] if chains else None
        if before and (before.generation, before.high) == (gap.generation, gap.low):
            chains[-1].append(gap)
        else:
            chains.append([gap])
    return [chain for chain in chains if len(chain) >= 3]


Step = Gap | Line
"""What comes next in the output: some lines of a gap, or a match."""


class Plan:
    """Decides, match by match, which gaps to read."""

    def __init__(self, before: int, after: int) -> None:
        self._before = before
        self._after = after
        self._last: Line | None = None
        # Of each log the last match and the last line shown: a log that was renamed while it was read comes under
        # each of its names, and continues there.
        self._shown: dict[str, tuple[int, int]] = {}

    @property
    def generation(self) -> str | None:
        """The generation that the last match was in."""
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
            gap = Gap(generation, last.offset, offset, self._after, self._before, shown_up_to=shown)
            return self._to(line, [gap])
        tail = self.end()
        if matched < offset <= shown:
            self._last = line
            return tail
        low = shown if 0 <= shown < offset else None
        return self._to(line, [*tail, Gap(generation, low, offset, 0, self._before, opens_file=True)])

    def end(self) -> list[Step]:
        """The steps after the last match."""
        last, self._last = self._last, None
        if last is None:
            return []
        shown = self._shown.get(last.generation, (-1, -1))[1]
        return [Gap(last.generation, last.offset, None, self._after, 0, shown_up_to=shown)]

    def shown(self, line: Line) -> None:
        """Record a line that is shown."""
        matched, _ = self._shown.get(line.generation, (-1, -1))
        self._shown[line.generation] = (matched, line.offset)

    def _to(self, line: Line, steps: list[Step]) -> list[Step]:
        self._last = line
        self._shown[line.generation] = (line.offset, line.offset)
        return [*steps, line]
