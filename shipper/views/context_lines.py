"""Lines with what stands around them in their file, as grep's -A, -B and -C give it.

A line's neighbours are the lines of the same life of its log, by offset.  Matches come file by file, so that only
the hole between one match and the next has to be looked at: where it holds no more lines than are wanted on both
sides, it is shown whole; else the lines behind the one and before the other, with a gap between them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson
from elastic_transport import ApiResponseMeta, ObjectApiResponse
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.exceptions import HTTP_EXCEPTIONS

from shipper.elastic.answers import NoAnswerError, misfit, understood
from shipper.elastic.client import reason_of
from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.hits import Flat, flat
from shipper.views.paging import FIRST_PAGE, next_size


class ContextLine(NamedTuple):
    """A line of a file.

    Attributes:
        doc: its document.
        matched: whether it was searched for; else it only stands beside such a line.
        apart: whether lines lie between it and what was shown before it, or another file begins.
    """

    doc: Flat
    matched: bool
    apart: bool


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


class Contexts:
    """Puts lines around matches.

    Args:
        client: the cluster.
        index: the streams.
        before: lines wanted before a match.
        after: lines wanted after it.
    """

    def __init__(self, client: Elasticsearch, index: Sequence[str], *, before: int, after: int) -> None:
        self._client = client
        self._index = list(index)
        self._plan = Plan(before, after)
        self._share = before + after + 1
        self._chunk = FIRST_PAGE
        self._any = False
        self._apart = False
        self._missed = 0
        self._pause = 0

    def around(self, pages: Iterable[list[Hit]]) -> Iterator[list[ContextLine]]:
        """Matches with their contexts, in pages; no line twice.

        Args:
            pages: of matches, file by file and in each by offset.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        # Holes are looked at together, as many as make a page.
        steps: list[Step] = []
        opened: set[str] = set()
        for hits in pages:
            for line in map(line_of, hits):
                # What was shown of a log has to be known when it comes again.
                again = line.generation in opened and line.generation != self._plan.generation
                if again or len(steps) * self._share > 2 * self._chunk:
                    yield self._lines(steps)
                    steps, opened = [], set()
                steps += self._plan.next(line)
                opened.add(line.generation)
        yield self._lines([*steps, *self._plan.end()])

    def _lines(self, steps: list[Step]) -> list[ContextLine]:
        holes = [step for step in steps if isinstance(step, Hole)]
        looked = self._look_at(holes)
        shown: list[ContextLine] = []
        for step in steps:
            if isinstance(step, Line):
                self._apart = self._apart or step.offset < 0
                self._show(step, shown, matched=True)
                continue
            behind, ahead, gap = looked[id(step)]
            self._apart = self._apart or step.opens
            for line in behind:
                if line.offset > step.above:
                    self._show(line, shown, matched=False)
            self._apart = self._apart or gap
            for line in ahead:
                if line.offset > step.above:
                    self._show(line, shown, matched=False)
        return shown

    def _show(self, line: Line, shown: list[ContextLine], *, matched: bool) -> None:
        shown.append(ContextLine(line.doc, matched, self._apart and self._any))
        self._plan.shown(line)
        self._any, self._apart = True, False

    def _look_at(self, holes: list[Hole]) -> dict[int, Seen]:
        """What is seen of each hole, by its identity."""
        seen = self._look_at_rows(holes)
        left = [hole for hole in holes if id(hole) not in seen]
        first = self._ask([(hole, hole.most, hole.low is None) for hole in left])
        wide = [
            hole
            for hole, lines in zip(left, first, strict=True)
            if hole.inner and len(lines) == hole.most and hole.ahead
        ]
        ends = iter(self._ask([(hole, hole.ahead, True) for hole in wide]))
        for hole, lines in zip(left, first, strict=True):
            if hole.low is None:
                seen[id(hole)] = Seen([], lines[::-1], gap=False)
            elif not hole.inner or len(lines) < hole.most:
                seen[id(hole)] = Seen(lines, [], gap=False)
            else:
                seen[id(hole)] = Seen(lines[: hole.behind], next(ends)[::-1] if hole.ahead else [], gap=True)
        return seen

    def _look_at_rows(self, holes: list[Hole]) -> dict[int, Seen]:
        """What is seen of holes that follow each other closely: their piece of the log is read as a whole."""
        if self._pause:
            self._pause -= 1
            return {}
        rows = rows_of(holes)
        whole = [(replace(row[0], high=row[-1].high), sum(hole.most + 1 for hole in row)) for row in rows]
        seen: dict[int, Seen] = {}
        for row, (_, size), lines in zip(
            rows, whole, self._ask([(hole, size, False) for hole, size in whole]), strict=True
        ):
            if len(lines) < size:
                seen.update((id(hole), hole.within(lines)) for hole in row)
        # Where matches are far apart this was for nothing; it is tried again now and then.
        self._missed = 0 if seen or not rows else min(2 * self._missed + 1, 63)
        self._pause = self._missed
        return seen

    def _ask(self, wanted: list[tuple[Hole, int, bool]]) -> list[list[Line]]:
        """The lines of several holes in one request: how many of each, and from which end."""
        searches: list[dict[str, Any]] = []
        for hole, size, backwards in wanted:
            if size:
                searches += [_HEADER, hole.search(size, backwards=backwards)]
        if not searches:
            return [[] for _ in wanted]
        answer = self._client.msearch(index=self._index, searches=searches)
        responses = understood(answer, {"responses": [{"status?": int}]}, "several searches")["responses"]
        if len(responses) != len(searches) // 2:
            raise NoAnswerError(
                f"the answer to {len(searches) // 2} searches has {len(responses)} parts (a proxy in between?)"
            )
        answers = iter(responses)
        found = [_hits(next(answers), answer) if size else [] for _, size, _ in wanted]
        lines = sum(map(len, found))
        if lines:
            self._chunk = next_size(max(lines, 1), len(orjson.dumps([line.doc for some in found for line in some])))
        return found


# Half an answer would look like a whole one.
_HEADER = {"ignore_unavailable": True, "allow_partial_search_results": False}


def _hits(response: dict[str, Any], whole: ObjectApiResponse[Any]) -> list[Line]:
    if "error" in response:
        status = response.get("status", 500)
        kind = HTTP_EXCEPTIONS.get(status, ApiError)
        meta = ApiResponseMeta(
            status, whole.meta.http_version, whole.meta.headers, whole.meta.duration, whole.meta.node
        )
        raise kind(reason_of(response), meta, response)
    if (wrong := misfit(response, {"hits": {"hits": [{"_source": {}}]}})) is not None:
        raise NoAnswerError(f"the answer to a search can't be understood: {wrong} (a proxy in between?)")
    return [line_of(hit) for hit in response["hits"]["hits"]]
