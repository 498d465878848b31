"""Highlights the words of a query in a terminal, by Elasticsearch's highlighter.

Elasticsearch writes marks into the texts.  They hold a random secret, so that no log line contains one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elasticsearch import ApiError, Elasticsearch
from rich.text import Text

from shipper.elastic.answers import NoAnswerError
from shipper.elastic.search_answers import hits_of
from shipper.printable import COLOURING
from shipper.query.conditions import Query, every
from shipper.views.context_lines import ContextLine
from shipper.views.hits import Flat, flat_hits
from shipper.views.render import Lines

# The fields whose text the table shows unchanged.
SHOWN = (
    "error.message",
    "error.type",
    "log.level",
    "log.logger",
    "message",
    "neuroflow.node",
    "neuroflow.pipeline",
    "neuroflow.run_id",
    "neuroflow.session_id",
    "neuroflow.stage",
    "neuroflow.subject_id",
    "neuroflow.task.id",
    "neuroflow.task.name",
    "neuroflow.workflow_run_id",
)
# Analyzed characters of a text: more than a screen shows, and below the default limit of clusters.
MAX_ANALYZED_CHARACTERS = 100_000
STYLE = "reverse"


class Marks:
    """The two marks, and operations on texts that contain them.  Pure."""

    def __init__(self, secret: str) -> None:
        self.begin, self.end = f"\ue000{secret}\ue001", f"\ue000{secret}\ue002"
        self._either = re.compile(f"\ue000{re.escape(secret)}[\ue001\ue002]")
        self._marked = re.compile(f"{self.begin}(.*?){self.end}", re.DOTALL)

    def plain(self, text: str) -> str:
        """The text without marks."""
        return self._either.sub("", text)

    def text(self, text: str, style: str) -> Text:
        """The text for a terminal, with another style between marks."""
        shown = Text()
        for at, piece in enumerate(self._marked.split(text)):
            shown.append(self.plain(piece), f"{style} {STYLE}".strip() if at % 2 else style)
        return shown

    def into(self, value: str, highlighted: str) -> str:
        """A value with the marks of its highlighted text, which may lack the value's end.

        A highlighted text of another value is ignored.
        """
        pieces = self._marked.split(highlighted)
        if not value.startswith("".join(pieces)):
            return value
        colouring = [found.span() for found in COLOURING.finditer(value)]
        marked, at = [], 0
        for number, piece in enumerate(pieces):
            start, at = at, at + len(piece)
            # A mark inside of a colour's escape sequence would break the sequence.
            inside = next((end for begin, end in colouring if begin < start < end), start) if number % 2 else start
            inside = min(inside, at)
            marked.append(f"{value[start:inside]}{self.begin}{value[inside:at]}{self.end}" if number % 2 else piece)
        return "".join(marked) + value[at:]

    def doc(self, doc: Flat, highlighted: dict[str, list[str]]) -> Flat:
        """A document with marks in its highlighted values."""
        marked = dict(doc)
        for field, texts in highlighted.items():
            value = doc.get(field)
            if isinstance(value, str) and len(texts) == 1:
                marked[field] = self.into(value, texts[0])
        # With marks, the table would not recognise the error in the message, and show it twice.
        if isinstance(reason := doc.get("error.message"), str) and reason in str(doc.get("message") or ""):
            del marked["error.message"]
        return marked


def new_marks() -> Marks:
    """Marks that no log line holds."""
    return Marks(secrets.token_hex(8))


def highlight_search(query: Query, docs: Sequence[Flat], marks: Marks) -> Query:
    """The body of a search that gives the places of some documents, and their texts with marks."""
    places: dict[str, list[int]] = {}
    for doc in docs:
        places.setdefault(doc["neuroflow.generation"], []).append(doc["log.offset"])
    each = [
        every([{"term": {"neuroflow.generation": generation}}, {"terms": {"log.offset": offsets}}])
        for generation, offsets in places.items()
    ]
    return {
        "query": {"bool": {"filter": [{"bool": {"should": each, "minimum_should_match": 1}}]}},
        "source": ["neuroflow.generation", "log.offset"],
        "size": len(docs),
        "sort": [{"_doc": "asc"}],
        "highlight": {
            "fields": {field: {} for field in SHOWN},
            "highlight_query": query,
            "number_of_fragments": 0,
            "max_analyzed_offset": MAX_ANALYZED_CHARACTERS,
            "pre_tags": [marks.begin],
            "post_tags": [marks.end],
        },
    }


@dataclass
class Highlighted:
    """A table on a coloured terminal that highlights the words of a query."""

    client: Elasticsearch
    index: Sequence[str]
    query: Query
    lines: Lines
    marks: Marks

    def write(self, docs: Iterable[Flat]) -> None:
        """Show some rows."""
        self.lines.write(self._marked(list(docs)))

    def write_context(self, lines: Iterable[ContextLine]) -> None:
        """Show some matches and the lines around them."""
        rows = list(lines)
        matches = iter(self._marked([row.doc for row in rows if row.matched]))
        self.lines.write_context(row._replace(doc=next(matches)) if row.matched else row for row in rows)

    def close(self) -> None:
        """Write the end of the table."""
        self.lines.close()

    def _marked(self, docs: list[Flat]) -> list[Flat]:
        marked: list[Flat] = []
        for at in range(0, len(docs), _HIGHLIGHTED_AT_ONCE):
            marked += self._page(docs[at : at + _HIGHLIGHTED_AT_ONCE])
        return marked

    def _page(self, docs: list[Flat]) -> list[Flat]:
        placed = [
            doc
            for doc in docs
            if isinstance(doc.get("log.offset"), int) and isinstance(doc.get("neuroflow.generation"), str)
        ]
        if not placed:
            return docs
        try:
            answer = self.client.search(
                index=list(self.index),
                ignore_unavailable=True,
                track_total_hits=False,
                **highlight_search(self.query, placed, self.marks),
            )
            hits = hits_of(answer, {"_source": {}, "highlight?": {str: [str]}})
        except (ApiError, NoAnswerError):
            # The lines are shown without highlights.
            return docs
        found = {_place(doc): hit.get("highlight") for doc, hit in zip(flat_hits(hits), hits, strict=True)}
        return [self.marks.doc(doc, highlights) if (highlights := found.get(_place(doc))) else doc for doc in docs]


# Lines in one request for highlights.
_HIGHLIGHTED_AT_ONCE = 500


def _place(doc: Flat) -> tuple[object, object]:
    return str(doc.get("neuroflow.generation")), str(doc.get("log.offset"))
