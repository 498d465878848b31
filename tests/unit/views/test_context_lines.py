from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st

from shipper.elastic.search_answers import Hit
from shipper.views.context_lines import Contexts

Files = dict[str, list[bool]]

MATCHED, BESIDE = "match", "beside"


def hit(generation: str, offset: int) -> Hit:
    """The hit of a line."""
    return {"_source": {"neuroflow": {"generation": generation}, "log": {"offset": offset}}}


class Cluster:
    """Files with lines of ten bytes, as an index with three conditions and a sort."""

    def __init__(self, files: Files, copies: int = 1) -> None:
        self._files = files
        self._copies = copies
        self.requests: list[int] = []

    def msearch(self, *, searches: list[dict[str, Any]], **_: Any) -> Any:
        self.requests.append(len(searches) // 2)
        answer = Mock()
        answer.body = {"responses": [self._search(body) for body in searches[1::2]]}
        return answer

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        generation, *limits = body["query"]["bool"]["filter"]
        name = generation["term"]["neuroflow.generation"]
        [between] = [limit["range"]["log.offset"] for limit in limits] or [{}]
        offsets = [at * 10 for at in range(len(self._files[name]))]
        offsets = [each for each in offsets if between.get("gt", -1) < each < between.get("lt", 10**9)]
        if body["sort"][0]["log.offset"]["order"] == "desc":
            offsets.reverse()
        found = [offset for offset in offsets for _ in range(self._copies)]
        return {"hits": {"hits": [hit(name, offset) for offset in found[: body["size"]]]}}

    def pages(self, size: int) -> Iterator[list[Hit]]:
        hits = [hit(name, at * 10) for name, lines in self._files.items() for at, found in enumerate(lines) if found]
        for at in range(0, len(hits), size):
            yield hits[at : at + size]


def grep(files: Files, before: int, after: int) -> list[tuple[str, int, str, bool]]:
    """Grep's output: file, line, whether it matched, and whether ``--`` stands before it."""
    shown: list[tuple[str, int, str, bool]] = []
    for name, lines in files.items():
        for at, found in enumerate(lines):
            if any(lines[max(0, at - after) : at + before + 1]):
                separate = bool(shown) and shown[-1][:2] != (name, at - 1)
                shown.append((name, at, MATCHED if found else BESIDE, separate))
    return shown


FILES = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.booleans() | st.just(value=False), max_size=30), max_size=4
)


@given(FILES, st.integers(0, 5), st.integers(0, 5), st.integers(1, 7), st.integers(1, 3))
def test_what_grep_shows(files: Files, before: int, after: int, size: int, copies: int) -> None:
    """Lines, order and gaps equal grep's, for any pages of matches, and where each line is there several times."""
    cluster = Cluster(files, copies)
    contexts = Contexts(cluster, ["index"], before=before, after=after)  # type: ignore[arg-type] # stands in for it
    shown = [
        (
            line.doc["neuroflow.generation"],
            line.doc["log.offset"] // 10,
            MATCHED if line.matched else BESIDE,
            line.separate,
        )
        for lines in contexts.around(cluster.pages(size))
        for line in lines
    ]
    assert grep(files, before, after) == shown


def test_requests_are_few() -> None:
    """A page of matches takes two requests."""
    cluster = Cluster({"a": [at % 9 == 0 for at in range(900)]})
    contexts = Contexts(cluster, ["index"], before=1, after=1)  # type: ignore[arg-type] # stands in for it
    assert sum(map(len, contexts.around(cluster.pages(100)))) == 299
    assert len(cluster.requests) <= 8


def test_line_that_says_no_place() -> None:
    """A document without an offset is shown alone."""
    cluster = Cluster({"a": [True, False]})
    contexts = Contexts(cluster, ["index"], before=1, after=1)  # type: ignore[arg-type] # stands in for it
    pages = [[hit("a", 0), {"_source": {"message": "m"}}, {"_source": {"message": "n"}}]]
    lines = [line for lines in contexts.around(pages) for line in lines]
    shown = [(line.doc.get("log.offset", line.doc.get("message")), line.matched, line.separate) for line in lines]
    assert [(0, True, False), (10, False, False), ("m", True, True), ("n", True, True)] == shown
