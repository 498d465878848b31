"""Lines with what stands around them in their file, as grep's -A, -B and -C give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from elastic_transport import ApiResponseMeta, ObjectApiResponse
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.exceptions import HTTP_EXCEPTIONS

from shipper.elastic.answers import NoAnswerError, misfit, understood
from shipper.elastic.client import reason_of
from shipper.elastic.search_answers import Hit
from shipper.views.context_plan import Hole, Line, Plan, Seen, Step, line_of, rows_of
from shipper.views.hits import Flat
from shipper.views.snapshot import FIRST_PAGE, next_size


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
