"""Matches with the lines around them in their file, like grep's -A, -B and -C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from elastic_transport import ApiResponseMeta, ObjectApiResponse
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.exceptions import HTTP_EXCEPTIONS

from shipper.elastic.answers import NoAnswerError, mismatch, validated
from shipper.elastic.client import reason_of
from shipper.elastic.search_answers import Hit
from shipper.views.context_plan import Gap, GapLines, Line, Plan, Step, chains_of, line_of
from shipper.views.hits import Flat
from shipper.views.snapshot import FIRST_PAGE, next_size

# Of one search (``index.max_result_window``).
MAX_HITS = 10_000


class ContextLine(NamedTuple):
    """A line of a file.

    Attributes:
        doc: its document.
        matched: whether it matches the search; else it is context.
        separate: whether lines between it and the line shown before it are left out, or another file begins.
    """

    doc: Flat
    matched: bool
    separate: bool


class Contexts:
    """Puts lines around matches."""

    def __init__(self, client: Elasticsearch, index: Sequence[str], *, before: int, after: int) -> None:
        self._client = client
        self._index = list(index)
        self._plan = Plan(before, after)
        self._lines_per_match = before + after + 1
        self._page_size = FIRST_PAGE
        self._any_shown = False
        self._separate = False
        self._chain_misses = 0
        self._chain_pause = 0

    def around(self, pages: Iterable[list[Hit]]) -> Iterator[list[ContextLine]]:
        """Matches (file by file, by offset) with their contexts, in pages; no line twice."""
        # Gaps are read together, as many as make a page.
        steps: list[Step] = []
        opened: set[str] = set()
        for hits in pages:
            for line in map(line_of, hits):
                # When a log comes again, the plan must know what was shown of it.
                again = line.generation in opened and line.generation != self._plan.generation
                if again or len(steps) * self._lines_per_match > 2 * self._page_size:
                    yield self._lines(steps)
                    steps, opened = [], set()
                steps += self._plan.next(line)
                opened.add(line.generation)
        yield self._lines([*steps, *self._plan.end()])

    def _lines(self, steps: list[Step]) -> list[ContextLine]:
        read = self._read([step for step in steps if isinstance(step, Gap)])
        shown: list[ContextLine] = []
        for step in steps:
            if isinstance(step, Line):
                self._separate = self._separate or step.offset < 0
                self._show(step, shown, matched=True)
                continue
            head, tail, omitted = read[id(step)]
            self._separate = self._separate or step.opens_file
            for line in head:
                if line.offset > step.shown_up_to:
                    self._show(line, shown, matched=False)
            self._separate = self._separate or omitted
            for line in tail:
                if line.offset > step.shown_up_to:
                    self._show(line, shown, matched=False)
        return shown

    def _show(self, line: Line, shown: list[ContextLine], *, matched: bool) -> None:
        shown.append(ContextLine(line.doc, matched, self._separate and self._any_shown))
        self._plan.shown(line)
        self._any_shown, self._separate = True, False

    def _read(self, gaps: list[Gap]) -> dict[int, GapLines]:
        """The lines to show of each gap, by the gap's ``id()``."""
        found = self._read_chains(gaps)
        left = [gap for gap in gaps if id(gap) not in found]
        first = self._search([(gap, gap.limit, gap.low is None) for gap in left])
        wide = [
            gap for gap, lines in zip(left, first, strict=True) if gap.inner and len(lines) == gap.limit and gap.tail
        ]
        ends = iter(self._search([(gap, gap.tail, True) for gap in wide]))
        for gap, lines in zip(left, first, strict=True):
            if gap.low is None:
                found[id(gap)] = GapLines([], lines[::-1], omitted=False)
            elif not gap.inner or len(lines) < gap.limit:
                found[id(gap)] = GapLines(lines, [], omitted=False)
            else:
                found[id(gap)] = GapLines(lines[: gap.head], next(ends)[::-1] if gap.tail else [], omitted=True)
        return found

    def _read_chains(self, gaps: list[Gap]) -> dict[int, GapLines]:
        """The same for gaps that follow each other closely: their piece of the log is read as a whole."""
        if self._chain_pause:
            self._chain_pause -= 1
            return {}
        chains = chains_of(gaps)
        whole = [(replace(chain[0], high=chain[-1].high), sum(gap.limit + 1 for gap in chain)) for chain in chains]
        found: dict[int, GapLines] = {}
        for chain, (_, size), lines in zip(
            chains, whole, self._search([(gap, size, False) for gap, size in whole]), strict=True
        ):
            if len(lines) < size:
                found.update((id(gap), gap.within(lines)) for gap in chain)
        # Useless where matches are far apart: try it again after 1, 3, 7, … 63 pages.
        self._chain_misses = 0 if found or not chains else min(2 * self._chain_misses + 1, 63)
        self._chain_pause = self._chain_misses
        return found

    def _search(self, wanted: list[tuple[Gap, int, bool]]) -> list[list[Line]]:
        """The lines of several gaps in one request: how many of each, and whether from its end."""
        searches: list[dict[str, Any]] = []
        for gap, size, backwards in wanted:
            if size:
                searches += [_HEADER, gap.search(size, backwards=backwards)]
        if not searches:
            return [[] for _ in wanted]
        answer = self._client.msearch(index=self._index, searches=searches)
        responses = validated(answer, {"responses": [{"status?": int}]}, "several searches")["responses"]
        if len(responses) != len(searches) // 2:
            raise NoAnswerError(
                f"the answer to {len(searches) // 2} searches has {len(responses)} parts "
                "(is there a proxy in between?)"
            )
        answers = iter(responses)
        hits = [_hits(next(answers), answer) if size else [] for _, size, _ in wanted]
        found = [gap.lines(some) for (gap, _, _), some in zip(wanted, hits, strict=True)]
        # Where some of the documents are no lines of their own, others wait behind them.
        short = [at for at, (_, size, _) in enumerate(wanted) if len(found[at]) < len(hits[at]) == size < MAX_HITS]
        more = [(gap, min(2 * size, MAX_HITS), backwards) for gap, size, backwards in map(wanted.__getitem__, short)]
        for at, lines in zip(short, self._search(more) if more else (), strict=True):
            found[at] = lines[: wanted[at][1]]
        count = sum(map(len, found))
        if count:
            self._page_size = next_size(count, len(orjson.dumps([line.doc for lines in found for line in lines])))
        return found


# A partial answer would look like a complete one.
_HEADER = {"ignore_unavailable": True, "allow_partial_search_results": False}


def _hits(response: dict[str, Any], whole: ObjectApiResponse[Any]) -> list[Hit]:
    if "error" in response:
        status = response.get("status", 500)
        kind = HTTP_EXCEPTIONS.get(status, ApiError)
        meta = ApiResponseMeta(
            status, whole.meta.http_version, whole.meta.headers, whole.meta.duration, whole.meta.node
        )
        raise kind(reason_of(response), meta, response)
    if (wrong := mismatch(response, {"hits": {"hits": [{"_source": {}}]}})) is not None:
        raise NoAnswerError(f"the answer to a search can't be understood: {wrong} (is there a proxy in between?)")
    hits: list[Hit] = response["hits"]["hits"]
    return hits
