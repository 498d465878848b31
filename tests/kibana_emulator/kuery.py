"""Kibana's query language as Kibana translates it for Elasticsearch, as far as our objects use it. The result was
compared with the requests of Kibana 8.12.2 for every search and chart.

What is made here was compared with what a Kibana 8.12.2 sent for every search and chart of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.kibana_emulator.mapped import Types

Query = dict[str, Any]

_TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[():]|>=|<=|>|<)|(?P<bare>[^\s():<>"]+))')
_RANGES = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
_WORDS = {"and", "or", "not"}


@dataclass(frozen=True)
class Token:
    """A quoted text, a sign, or a word."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """The parts of a query."""
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match is not None, f"not understood: {text[at:]}"
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "quoted":
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elif kind == "bare" and value.lower() in _WORDS:
            kind = "word"
        found.append(Token(kind, value))
        at = match.end()
    return found


class _Parser:
    def __init__(self, text: str, types: Types) -> None:
        self._rest = tokens(text)
        self._types = types

    def whole(self) -> Query:
        query = self._either()
        assert not self._rest, f"left over: {self._rest}"
        return query

    def _either(self) -> Query:
        parts = [self._all()]
        while self._took("word", "or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _all(self) -> Query:
        parts = [self._one()]
        while self._took("word", "and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}

    def _one(self) -> Query:
        if self._took("word", "not"):
            return {"bool": {"must_not": self._one()}}
        if self._took("mark", "("):
            inner = self._either()
            assert self._took("mark", ")")
            return inner
        field = self._rest.pop(0)
        assert "bare" == field.kind
        mark = self._rest.pop(0)
        if mark.text in _RANGES:
            value = self._rest.pop(0)
            zone = {"time_zone": "UTC"} if self._types.get(field.text, "").startswith("date") else {}
            return _any_of([{"range": {field.text: {_RANGES[mark.text]: value.text, **zone}}}])
        assert ":" == mark.text
        if not self._took("mark", "("):
            return self._is(field.text, self._rest.pop(0))
        values = [self._is(field.text, self._rest.pop(0))]
        while self._took("word", "or"):
            values.append(self._is(field.text, self._rest.pop(0)))
        assert self._took("mark", ")")
        return values[0] if len(values) == 1 else _any_of(values)

    def _is(self, field: str, value: Token) -> Query:
        keyword = self._types.get(field) == "keyword"
        if value == Token("bare", "*"):
            return _any_of([{"exists": {"field": field}}])
        if value.kind == "bare" and "*" in value.text:
            if not keyword:
                assert re.fullmatch(r"[\w*]+", value.text), "Kibana escapes other characters for query_string"
                return _any_of([{"query_string": {"fields": [field], "query": value.text}}])
            return _any_of([{"wildcard": {field: {"value": value.text}}}])
        if keyword:
            return _any_of([{"term": {field: {"value": value.text}}}])
        return _any_of([{"match_phrase" if value.kind == "quoted" else "match": {field: value.text}}])

    def _took(self, kind: str, text: str) -> bool:
        if self._rest and self._rest[0] == Token(kind, text):
            del self._rest[0]
            return True
        return False


def _any_of(parts: list[Query]) -> Query:
    return {"bool": {"should": parts, "minimum_should_match": 1}}


def kuery(text: str, types: Types) -> list[Query]:
    """The clauses of a query; none of an empty one."""
    return [_Parser(text, types).whole()] if text.strip() else []


def query_of(text: str, types: Types, *filters: Query) -> Query:
    """The query and the filters of a search in Elasticsearch's form."""
    return {"bool": {"must": [], "filter": [*kuery(text, types), *filters], "should": [], "must_not": []}}


def fields(text: str) -> set[str]:
    """The fields that a query names."""
    found = tokens(text)
    return {
        token.text
        for token, after in pairwise(found)
        if token.kind == "bare" and after.kind == "mark" and after.text in {":", *_RANGES}
    }
