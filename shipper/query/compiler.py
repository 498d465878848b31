"""A query's tree as Query DSL: what each of its leaves finds, and in which fields.  Pure.

A word without a field is looked for in everything that a person sees of a line, whichever field holds it, as a whole
word, in any case.  Words end where letters and digits do, so that ``failed`` is in ``pipeline.failed`` and ``ses-01``
in ``sub-001_ses-01_T1w``; Elasticsearch's analyzer keeps such names together, hence the patterns over its tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo

from shipper.query.conditions import Query, every
from shipper.query.fields import EXTRA, Kind, Named, named, nearest, spellings
from shipper.query.quantities import date_query, nanoseconds, number, number_query
from shipper.query.syntax_tree import And, Leaf, Node, Not, QueryError, Range, Regex, Word
from shipper.query.tokens import BEGINNINGS, ENDINGS, Part, has_letters, in_tokens, parts_of, whole_words, wildcard_of

TEXTS = ("message", "error.message")
# Names of several words, of which any is looked for; each costs the cluster about as much as ten of the values below.
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
# Found as a whole.
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
# index.max_regex_length; what is longer is found in texts, as a phrase.
_LONGEST_REGEX = 1000
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


class Matching:
    """Makes the query.

    Args:
        now: the present, with a zone.
        zone: of dates without one; None is this machine's.
        joined: whether several words are also found where the first and the last are part of longer names; it takes
            a query that expands patterns, which a cluster may refuse.
    """

    def __init__(self, now: datetime, zone: tzinfo | None = None, *, joined: bool = True) -> None:
        self._now = now
        self._zone = zone
        self._joined = joined

    def query(self, node: Node) -> Query:
        """Which lines a tree finds.

        Raises:
            QueryError: a value does not fit its field, or there is nothing to look for.
        """
        found = self._of(node)
        if found is None:
            raise QueryError("it holds no letter and no digit to look for")
        return found

    def _of(self, node: Node) -> Query | None:
        """None where there is nothing to look for: punctuation alone is not searchable and rules nothing out."""
        if isinstance(node, Leaf):
            return (
                self._anywhere(node.value) if node.field in {None, "*"} else self._in(named(node.field or ""), node)
            )
        if isinstance(node, Not):
            inner = self._of(node.node)
            return None if inner is None else {"bool": {"must_not": [inner]}}
        inners = [inner for each in node.nodes if (inner := self._of(each)) is not None]
        if len(inners) < 2:  # one or none
            return inners[0] if inners else None
        return every(inners) if isinstance(node, And) else _any(inners)

    def _anywhere(self, value: Word | Regex | Range) -> Query | None:
        if isinstance(value, Word) and value.anything:
            return {"match_all": {}}
        if isinstance(value, Word) and not has_letters(value):
            return None
        found = [clause for field in TEXTS for clause in self._text(field, value)]
        found += [clause for field in (*NAMES, EXTRA) for clause in _part_of(field, value)]
        found += [clause for field in VALUES for clause in _whole(field, value, short=False)]
        if isinstance(value, Word) and ("/" in value.text or "." in value.text):
            # A word like "workflow" is in the path of far too many lines that say nothing of it.
            found += _part_of(_PATH, value)
        if isinstance(value, Word) and not value.wild and _KEY.fullmatch(value.text):
            found.append({"exists": {"field": f"{EXTRA}.{value.text}"}})
        return _any(found) if found else {"match_none": {}}

    def _in(self, target: Named, leaf: Leaf) -> Query | None:
        fields = target.fields
        if isinstance(leaf.value, Range) and len(fields) > 1:
            # Under a line's own key everything is text, which has another order.
            fields = tuple((field, kind) for field, kind in fields if kind != "key")
        found: list[Query] = []
        for field, kind in fields:
            try:
                found += self._field(field, kind, leaf.value, short=target.short)
            except QueryError:
                # A pattern of names takes in fields of every kind, and what is pasted may be a text; what can't hold
                # the value doesn't.
                if "*" not in (leaf.field or "") and not leaf.pasted:
                    raise
        return _any(found) if found else {"match_none": {}}

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
            return [_own_key(field, value)]
        return list(_whole(field, value, short=short))

    def _text(self, field: str, value: Word | Regex | Range) -> list[Query]:
        if isinstance(value, Range):
            return [_range(field, value)]
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


def _any(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def _part_of(field: str, value: Word | Regex | Range) -> list[Query]:
    """Where a text stands in a value, as a whole word."""
    if isinstance(value, Range):
        return [_range(field, value)]
    if isinstance(value, Regex):
        return [_regexp(field, value.pattern)]
    if value.near is not None and not value.quoted:
        return [_fuzzy(field, value, value.text)]
    return _regexps(field, whole_words(value))


def _whole(field: str, value: Word | Regex | Range, *, short: bool) -> Iterator[Query]:
    """Where a value is this one."""
    if isinstance(value, Range):
        yield _range(field, value)
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
            # As `show --component` has it: a component and all below it.
            yield {"prefix": {field: {"value": f"{value.text}.", "case_insensitive": True}}}


def _own_key(field: str, value: Word | Regex | Range) -> Query:
    """Where a line has this value under a key of its own."""
    if isinstance(value, Range):
        return _range(field, value)
    if isinstance(value, Word) and not value.wild and (value.near is None or value.quoted):
        return {"term": {field: {"value": value.text, "case_insensitive": True}}}
    # Patterns are not understood for one key of such a field: the line has the key, and such a value under any.
    root = next(parent for parent in (EXTRA, "neuroflow.metrics.stage_durations") if field.startswith(f"{parent}."))
    return every([{"exists": {"field": field}}, *_whole(root, value, short=False)])


def _range(field: str, value: Range) -> Query:
    limits: dict[str, object] = {}
    if value.low is not None:
        limits["gte" if value.with_low else "gt"] = value.low
    if value.high is not None:
        limits["lte" if value.with_high else "lt"] = value.high
    return {"range": {field: limits}} if limits else {"exists": {"field": field}}


def _regexp(field: str, pattern: str) -> Query:
    return {"regexp": {field: {"value": pattern, "case_insensitive": True}}}


def _regexps(field: str, pattern: str) -> list[Query]:
    return [_regexp(field, pattern)] if len(pattern) <= _LONGEST_REGEX else []


def _fuzzy(field: str, value: Word, text: str) -> Query:
    return {"fuzzy": {field: {"value": text, "fuzziness": "AUTO" if value.near == -1 else value.near}}}


def _side_by_side(field: str, parts: list[Part]) -> Query:
    """Where words follow each other in a text, the first and the last perhaps as part of a longer name."""
    first, *middle, last = parts
    ordered = [_interval(first, BEGINNINGS, ()), *(_interval(part, (), ()) for part in middle)]
    ordered.append(_interval(last, (), ENDINGS))
    near = {"all_of": {"ordered": True, "max_gaps": 0, "intervals": ordered}}
    # Cheap conditions lead: match_only_text has no positions and reads each text that meets them.
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
    """What a person should know who wonders at the lines found, in sentences.

    Args:
        node: the query.
        has_key: whether any line has a value in a field that lines name themselves.
    """
    told: set[str] = set()
    for leaf in _leaves(node):
        name = leaf.field
        if name is None or name == "*" or name in told or leaf.pasted:
            continue
        told.add(name)
        target = named(name)
        own = target.fields and all(kind == "key" for _, kind in target.fields)
        if not target.fields or (own and not has_key(target.fields[0][0])):
            close = nearest(name)
            hint = f"; the nearest is {close}" if close else ""
            yield f"No line has a field {name}{hint}"
        elif isinstance(leaf.value, Range) and (
            texts := [f for f, kind in target.fields if kind in {"key", "keyword"}]
        ):
            yield f"{texts[0]} holds texts, which a range compares letter by letter: 9 comes after 10"


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Not):
        yield from _leaves(node.node)
    else:
        for each in node.nodes:
            yield from _leaves(each)
