"""A query's syntax tree → Query DSL.  Pure.

A word without a field is searched in all fields that a table shows, as a whole word, ignoring case.  A word ends
where letters and digits end, so that ``failed`` matches ``pipeline.failed`` and ``ses-01`` matches
``sub-001_ses-01_T1w``; Elasticsearch's analyzer keeps such names in one token, hence the patterns over tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo

from shipper.query.conditions import Query, every
from shipper.query.fields import EXTRA, FieldName, Kind, closest, resolve, spellings
from shipper.query.quantities import date_query, nanoseconds, number, number_query, range_query
from shipper.query.syntax_tree import And, Leaf, Node, Not, QueryError, Range, Regex, Word
from shipper.query.tokens import BEGINNINGS, ENDINGS, Part, has_letters, in_tokens, parts_of, whole_words, wildcard_of

TEXTS = ("message", "error.message")
# Names that may hold several words; each costs the cluster about as much as ten of the values below.
NAMES = (
    "error.stack_trace",
    "error.type",
    "event.action",
    "log.logger",
    "neuroflow.node",
    "neuroflow.pipeline",
    "neuroflow.stage",
    "neuroflow.task.name",
)
# Matched as a whole.
VALUES = (
    "host.name",
    "log.level",
    "neuroflow.audit.entity",
    "neuroflow.audit.new_value",
    "neuroflow.audit.old_value",
    "neuroflow.audit.triggered_by",
    "neuroflow.context",
    "neuroflow.run_id",
    "neuroflow.session_id",
    "neuroflow.subject_id",
    "neuroflow.task.id",
    "neuroflow.workflow_run_id",
    "process.name",
    "tags",
    "user.id",
)
_PATH = "log.file.path"
# Kinds of fields whose ranges follow the values.  A short name of such a field stands for the unmapped key, too.
_ORDERED = frozenset({"number", "duration", "date"})
# index.max_regex_length; a longer word is searched in texts only, as a phrase.
_MAX_REGEX_LENGTH = 1000
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


class QueryCompiler:
    """Makes Query DSL from a syntax tree.

    Args:
        now: the present, with a zone.
        zone: of dates without one; None: this machine's.
        joined: whether a phrase also matches where its first and last words are part of longer names; this takes
            interval queries with patterns, which a cluster may refuse to expand.
    """

    def __init__(self, now: datetime, zone: tzinfo | None = None, *, joined: bool = True) -> None:
        self._now = now
        self._zone = zone
        self._joined = joined

    def query(self, node: Node) -> Query:
        """The query for a tree.

        Raises:
            QueryError: a value does not fit its field, or nothing in the tree is searchable.
        """
        found = self._compile(node)
        if found is None:
            raise QueryError("it contains no letter or digit to search for")
        return found

    def _compile(self, node: Node) -> Query | None:
        """None for punctuation alone, which is not searchable and so excludes nothing."""
        if isinstance(node, Leaf):
            return (
                self._anywhere(node.value) if node.field in {None, "*"} else self._in(resolve(node.field or ""), node)
            )
        if isinstance(node, Not):
            inner = self._compile(node.node)
            return None if inner is None else {"bool": {"must_not": [inner]}}
        inners = [inner for each in node.nodes if (inner := self._compile(each)) is not None]
        if len(inners) < 2:  # one or none
            return inners[0] if inners else None
        return every(inners) if isinstance(node, And) else _any_of(inners)

    def _anywhere(self, value: Word | Regex | Range) -> Query | None:
        if isinstance(value, Word) and value.anything:
            return {"match_all": {}}
        if isinstance(value, Word) and not has_letters(value):
            return None
        found = [clause for field in TEXTS for clause in self._text(field, value)]
        found += [clause for field in (*NAMES, EXTRA) for clause in _part_of(field, value)]
        found += [clause for field in VALUES for clause in _whole(field, value, short=False)]
        if isinstance(value, Word) and ("/" in value.text or "." in value.text):
            # A word like "workflow" is in the path of too many lines that have nothing to do with it.
            found += _part_of(_PATH, value)
        if isinstance(value, Word) and not value.wild and _KEY.fullmatch(value.text):
            found.append({"exists": {"field": f"{EXTRA}.{value.text}"}})
        return _any_of(found) if found else {"match_none": {}}

    def _in(self, target: FieldName, leaf: Leaf) -> Query | None:
        fields = target.fields
        if isinstance(leaf.value, Range) and len(fields) > 1:
            # Under an unmapped key every value is a text, and texts have another order.
            fields = tuple((field, kind) for field, kind in fields if kind != "key")
        found: list[Query] = []
        for field, kind in fields:
            try:
                found += self._field(field, kind, leaf.value, short=target.short)
            except QueryError:
                # A pattern of names includes fields of every kind, and a pasted value may be a text: fields that
                # can't hold the value are left out.
                if "*" not in (leaf.field or "") and not leaf.pasted:
                    raise
        return _any_of(found) if found else {"match_none": {}}

    def _field(self, field: str, kind: Kind, value: Word | Regex | Range, *, short: bool) -> list[Query]:
        if isinstance(value, Word) and value.anything:
            return [{"exists": {"field": field}}]
        if kind == "text":
            return self._text(field, value)
        if kind in {"trace", "flattened"}:
            return _part_of(field, value)
        if kind == "date":
            return [date_query(field, value, self._now, self._zone)]
        if kind in {"number", "duration"}:
            return [number_query(field, value, number if kind == "number" else nanoseconds)]
        if kind == "key":
            return [_under_key(field, value)]
        return list(_whole(field, value, short=short))

    def _text(self, field: str, value: Word | Regex | Range) -> list[Query]:
        if isinstance(value, Range):
            return [range_query(field, value)]
        if isinstance(value, Regex):
            return [_regexp(field, value.pattern)]
        if value.near is not None:
            if value.quoted:
                return [{"match_phrase": {field: {"query": value.text, "slop": value.near}}}]
            return [_fuzzy(field, value, value.text.lower())]
        found: list[Query] = []
        if not value.wild:
            found.append({"match_phrase": {field: value.text}})
        parts = parts_of(value)
        if len(parts) == 1:
            found += _regexps(field, in_tokens(parts[0]))
        elif parts and self._joined:
            found.append(_side_by_side(field, parts))
        elif parts and value.wild:
            found.append(every(clause for part in parts for clause in _regexps(field, in_tokens(part))))
        return found


def _any_of(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def _part_of(field: str, value: Word | Regex | Range) -> list[Query]:
    """Values that contain a text as a whole word."""
    if isinstance(value, Range):
        return [range_query(field, value)]
    if isinstance(value, Regex):
        return [_regexp(field, value.pattern)]
    if value.near is not None and not value.quoted:
        return [_fuzzy(field, value, value.text)]
    return _regexps(field, whole_words(value))


def _whole(field: str, value: Word | Regex | Range, *, short: bool) -> Iterator[Query]:
    """Values that are this one."""
    if isinstance(value, Range):
        yield range_query(field, value)
    elif isinstance(value, Regex):
        yield _regexp(field, value.pattern)
    elif value.wild:
        yield {"wildcard": {field: {"value": wildcard_of(value), "case_insensitive": True}}}
    elif value.near is not None and not value.quoted:
        yield _fuzzy(field, value, value.text)
    else:
        for spelled in spellings(field, value.text) if short else [value.text]:
            yield {"term": {field: {"value": spelled, "case_insensitive": True}}}
        if short and field == "log.logger":
            # Like `show --component`: a component and all below it.
            yield {"prefix": {field: {"value": f"{value.text}.", "case_insensitive": True}}}


def _under_key(field: str, value: Word | Regex | Range) -> Query:
    """Lines that have this value under an unmapped key."""
    if isinstance(value, Range):
        return range_query(field, value)
    if isinstance(value, Word) and not value.wild and (value.near is None or value.quoted):
        return {"term": {field: {"value": value.text, "case_insensitive": True}}}
    # A flattened field takes no patterns for one key: the line has the key, and such a value under any key.
    root = next(parent for parent in (EXTRA, "neuroflow.metrics.stage_durations") if field.startswith(f"{parent}."))
    return every([{"exists": {"field": field}}, *_whole(root, value, short=False)])


def _regexp(field: str, pattern: str) -> Query:
    return {"regexp": {field: {"value": pattern, "case_insensitive": True}}}


def _regexps(field: str, pattern: str) -> list[Query]:
    return [_regexp(field, pattern)] if len(pattern) <= _MAX_REGEX_LENGTH else []


def _fuzzy(field: str, value: Word, text: str) -> Query:
    return {"fuzzy": {field: {"value": text, "fuzziness": "AUTO" if value.near == -1 else value.near}}}


def _side_by_side(field: str, parts: list[Part]) -> Query:
    """Texts in which words follow each other, the first and the last perhaps as part of a longer name."""
    first, *middle, last = parts
    ordered = [_interval(first, BEGINNINGS, ()), *(_interval(part, (), ()) for part in middle)]
    ordered.append(_interval(last, (), ENDINGS))
    near = {"all_of": {"ordered": True, "max_gaps": 0, "intervals": ordered}}
    # Cheap conditions come first: match_only_text has no positions and reads each text that meets them.
    cheap = [clause for part in (first, last) for clause in _regexps(field, in_tokens(part))]
    cheap += [{"match": {field: {"query": part.text, "operator": "and"}}} for part in middle if not part.wild]
    return every([*cheap, {"intervals": {field: near}}])


def _interval(part: Part, before: tuple[str, ...], behind: tuple[str, ...]) -> Query:
    pattern = wildcard_of(part)
    itself: Query = {"wildcard": {"pattern": pattern}}
    if not part.wild:
        itself = {"match": {"query": part.text, "ordered": True, "max_gaps": 0}}
    longer = [f"*{sign}{pattern}" for sign in before] + [f"{pattern}{sign}*" for sign in behind]
    if not longer:
        return itself
    return {"any_of": {"intervals": [itself, *({"wildcard": {"pattern": each}} for each in longer)]}}


def remarks(node: Node, has_key: Callable[[str], bool]) -> Iterator[str]:
    """Messages that explain an unexpected result: unknown fields, and ranges over texts."""
    checked: set[str] = set()
    for leaf in _leaves(node):
        name = leaf.field
        if name is None or name == "*" or name in checked or leaf.pasted:
            continue
        checked.add(name)
        target = resolve(name)
        own = target.fields and all(kind == "key" for _, kind in target.fields)
        if not target.fields or (own and not has_key(target.fields[0][0])):
            close = closest(name)
            hint = f"; did you mean {close}?" if close else ""
            yield f"No line has a field {name}{hint}"
        elif isinstance(leaf.value, Range) and not any(kind in _ORDERED for _, kind in target.fields):
            texts = [f for f, kind in target.fields if kind in {"key", "keyword"}]
            if texts:
                yield f"{texts[0]} holds texts, which a range compares letter by letter: 9 comes after 10"


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Not):
        yield from _leaves(node.node)
    else:
        for each in node.nodes:
            yield from _leaves(each)
