"""Parses the query of ``search``: Lucene's syntax, adapted to logs.  Pure.

It departs from Lucene's classic parser in three ways: adjacent clauses must all match (except values of a
single-valued field: ``level:(error critical)``), AND binds closer than OR, and text pasted from a log (paths, times,
``[Node]``, ``Failed!``) is searched for as text instead of being an error.  See `compiler` for what a leaf finds.
"""

from __future__ import annotations

import re

from shipper.query.fields import ENTITIES, holds_one, is_known
from shipper.query.pasted_values import MAX_ITEMS, end_of_value, items_of, text_of
from shipper.query.syntax_tree import And, Leaf, Node, Not, Or, QueryError, Range, Regex, Word

# Elasticsearch nests bool queries 30 deep at most; each of ours may take two levels, and a word some more.
MAX_DEPTH = 10
MAX_EDITS = 2
# Each term is looked for in many fields and every index; a hundred words keep a cluster busy for seconds.
MAX_TERMS = 64

_OPERATOR = re.compile(r"(?:(?:AND|OR|NOT)(?=[\s()\"]|$)|(?:&&|\|\|)(?=\s|$))")
_SIGN = re.compile(r"(?:!(?![\s)]|$)|[+-](?![\s)+-]|$))")
_NAME = re.compile(r"([A-Za-z_@*][\w.@*-]*)(?::(?!//)|=(?=[^\s=]))")
_END = r'("(?:[^"\\]|\\.)*"|[^\s"\]}]+)'
_RANGE = re.compile(rf"([\[{{])\s*{_END}\s+TO\s+{_END}\s*([\]}}])", re.DOTALL)
_HALF_RANGE = re.compile(r"[\[{]\s*\S+\s+TO\b")
_COMPARED = re.compile(r'(>=|<=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s()"]+)', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# Without a field a path is likelier than an expression with spaces or slashes.
_REGEX = re.compile(r"/((?:[^/\\\s]|\\.)+)/(?=[\s)^]|$)")
_LONG_REGEX = re.compile(r"/((?:[^/\\]|\\.)+)/(?=[\s)^]|$)", re.DOTALL)
_WORD = re.compile(r'(?:[^\s()"\\]|\\.|\\$)+', re.DOTALL)
_NEAR = r"(?:~(\d*(?:\.\d+)?))?(?:\^\d+(?:\.\d+)?)?"
_SUFFIX = re.compile(rf"{_NEAR}(?=[\s)]|$)", re.ASCII)
_WORD_SUFFIX = re.compile(rf"(?<=[^\\]){_NEAR}\Z", re.DOTALL | re.ASCII)
# No line has more words between two words.
_MAX_SLOP = 1_000_000
_SURROGATES = re.compile("[\ud800-\udfff]")


def parse(text: str) -> Node:
    """Parse a query.

    Raises:
        QueryError: it is invalid.
    """
    if not text.strip():
        raise QueryError("it is empty; * matches every line")
    # Documents have U+FFFD in the place of bytes that are not UTF-8, too.
    return _Parser(_SURROGATES.sub("\ufffd", text).rstrip()).all()


class _Parser:
    """Recursive descent over a query; each method consumes what it is named after."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._leaves = 0
        self._previous = ""

    def all(self) -> Node:
        node = self._disjunction(None)
        if self._at < len(self._text):
            raise QueryError("there is a ) without a (")
        return node

    def _disjunction(self, field: str | None) -> Node:
        nodes = [self._conjunction(field)]
        while self._operator("OR", "||"):
            nodes.append(self._conjunction(field))
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def _conjunction(self, field: str | None) -> Node:
        nodes, joined = [self._operand(field)], False
        while (word := self._operator("AND", "&&")) or not (self._at_end() or self._next_operator() in {"OR", "||"}):
            joined = joined or bool(word)
            nodes.append(self._operand(field))
        if len(nodes) == 1:
            return nodes[0]
        if field is not None and not joined and holds_one(field) and all(isinstance(node, Leaf) for node in nodes):
            return Or(tuple(nodes))
        return And(tuple(nodes))

    def _operand(self, field: str | None) -> Node:
        if self._at_end():
            raise QueryError(
                f"there is no term after {self._previous}" if self._previous else "there is a ) without a ("
            )
        sign = self._operator("NOT") or self._skip_match(_SIGN)
        if sign:
            self._previous = sign
            self._enter()
            node = self._operand(field)
            self._depth -= 1
            return node if sign == "+" else Not(node)
        if operator := self._next_operator():
            raise QueryError(
                f"there is no term between {self._previous} and {operator}"
                if self._previous
                else f"there is no term before {operator}"
            )
        return self._clause(field)

    def _clause(self, field: str | None) -> Node:
        found = _NAME.match(self._text, self._at)
        name = found[1] if found else None
        if found and name and self._is_field(found):
            self._at = found.end()
            if self._at_end() or self._next_operator():
                raise QueryError(f"there is no term after {found[0]}")
            if name == "_exists_":
                return Leaf(self._word().text, _ANYTHING)
            field = name
            if pasted_value := self._pasted_value(found[0]):
                return pasted_value
        if self._text.startswith("(", self._at):
            return self._group(field)
        self._count(1)
        value = self._value(field, pasted=found is not None and found[0].endswith("="))
        leaf = Leaf(field, value)
        if not (found and field == name and isinstance(value, Word)) or value.wild:
            return leaf
        if found[0].endswith(":") and is_known(name or "") and name not in ENTITIES:
            return leaf
        # Pasted as a table shows it, or a text with a colon in it: either may match.
        leaf = Leaf(field, value, pasted=found[0].endswith("="))
        nodes: list[Node] = [Leaf(None, Word(found[0] + value.text, quoted=True)), leaf]
        items = value.text.split(",") if leaf.pasted else []
        if 2 <= len(items) <= MAX_ITEMS and all(items):
            # A list, as tables show it.
            self._count(len(items))
            nodes.append(And(tuple(Leaf(field, Word(item, quoted=True), pasted=True) for item in items)))
        return Or(tuple(nodes))

    def _pasted_value(self, name: str) -> Node | None:
        """A value as a line shows it, with brackets or in single quotes: matches as a text, or by what it holds."""
        begin = self._at
        end = end_of_value(self._text, begin)
        value, pasted = self._text[begin:end], name.endswith("=")
        if not end or _RANGE.match(self._text, begin) or _HALF_RANGE.match(self._text, begin):
            return None
        items = items_of(value)
        if (items is None and not pasted) or (not items and value.startswith("(")):
            return None  # an incomplete range, or a group
        field = name[:-1]
        self._at, self._previous = end, value
        self._count(1 + len(items or ()))
        nodes: list[Node] = [
            Leaf(None, Word(name + value, quoted=True)),
            Leaf(field, Word(text_of(value), quoted=True), pasted=True),
        ]
        if items:
            each = tuple(Leaf(field + below, Word(item, quoted=True), pasted=True) for below, item in items)
            nodes.append(each[0] if len(each) == 1 else And(each))
        return Or(tuple(nodes))

    def _count(self, leaves: int) -> None:
        self._leaves += leaves
        if self._leaves > MAX_TERMS:
            raise QueryError(f"it has more than {MAX_TERMS} terms")

    def _is_field(self, found: re.Match[str]) -> bool:
        name, follows = found[1], self._text[found.end() : found.end() + 1]
        if found[0].endswith("="):
            return "*" not in name
        # "level: error" names a field, "ValueError: boom" does not.
        return is_known(name) or bool(follows.strip())

    def _group(self, field: str | None) -> Node:
        self._at += 1
        self._previous = "("
        self._enter()
        if self._at_end() and self._text.startswith(")", self._at):
            raise QueryError("there is no term inside ()")
        node = self._disjunction(field)
        if not self._text.startswith(")", self._at):
            raise QueryError("there is a ( without a )")
        self._at += 1
        self._depth -= 1
        self._previous = ")"
        self._skip_match(_SUFFIX)
        return node

    def _value(self, field: str | None, *, pasted: bool) -> Word | Regex | Range:
        first = self._text[self._at]
        value: Word | Regex | Range | None = None
        if first == '"':
            value = self._quoted()
        elif first in "[{":
            value = self._range(field, pasted=pasted)
        elif first in "<>" and field is not None:
            value = self._comparison()
        elif first == "/" and (found := self._match(_REGEX if field is None else _LONG_REGEX)):
            self._skip_match(_SUFFIX)
            value = Regex(found[1])
        return value or self._word()

    def _quoted(self) -> Word:
        found = self._match(_QUOTED)
        if found is None:
            raise QueryError('there is a " without a closing "')
        suffix = self._match(_SUFFIX)
        near = None if suffix is None or suffix[1] is None else int(min(float(suffix[1] or 0), _MAX_SLOP))
        return Word(_unescaped(found[1]), quoted=True, near=near)

    def _range(self, field: str | None, *, pasted: bool) -> Range | None:
        found = self._match(_RANGE)
        if found is None:
            if (field is not None and not pasted) or _HALF_RANGE.match(self._text, self._at):
                raise QueryError("a range is incomplete; write it like [1 TO 9], {1 TO 9} or [1 TO *]")
            return None
        if field is None:
            raise QueryError(f"the range {found[0]} needs a field, like event.duration:{found[0]}")
        return Range(_end(found[2]), _end(found[3]), found[1] == "[", found[4] == "]")

    def _comparison(self) -> Range:
        found = self._match(_COMPARED)
        if found is None:
            raise QueryError(f"there is no term after {self._text[self._at]}")
        end = _end(found[2])
        above, equal = found[1].startswith(">"), found[1].endswith("=")
        return Range(end, None, with_low=equal) if above else Range(None, end, with_high=equal)

    def _word(self) -> Word:
        found = self._match(_WORD)
        if found is None:
            raise QueryError(f"unexpected {self._text[self._at]}")
        raw = found[0]
        suffix = _WORD_SUFFIX.search(raw)
        edits = None
        if suffix and suffix[0]:
            raw, edits = raw[: suffix.start()], suffix[1]
        if edits and float(edits) > MAX_EDITS:
            raise QueryError(f"{found[0]}: a word may differ in 0, 1 or 2 letters, not more")
        text: list[str] = []
        wild = set()
        letters = iter(raw)
        for letter in letters:
            if letter in "*?":
                wild.add(len(text))
            text.append(next(letters, "\\") if letter == "\\" else letter)
        return Word("".join(text), frozenset(wild), near=None if edits is None else _edits(edits, len(text)))

    def _next_operator(self) -> str:
        found = _OPERATOR.match(self._text, self._at)
        return found[0] if found else ""

    def _operator(self, *names: str) -> str:
        self._skip()
        if (found := self._next_operator()) in names:
            self._at += len(found)
            self._previous = found
            return found
        return ""

    def _at_end(self) -> bool:
        self._skip()
        return self._at == len(self._text) or self._text[self._at] == ")"

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
            self._previous = found[0]
        return found

    def _skip_match(self, pattern: re.Pattern[str]) -> str:
        found = self._match(pattern)
        return found[0] if found else ""

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError(f"it is nested more than {MAX_DEPTH} deep")


def _edits(edits: str, length: int) -> int:
    """How many letters may differ (-1: auto): a number or, below 1, a similarity, as in older Lucene."""
    if not edits:
        return -1
    number = float(edits)
    if not 0 < number < 1:
        return int(number)
    # Lucene's FuzzyQuery.floatToEdits, but at least one: a fuzzy search finds more than the word itself.
    return max(1, min(MAX_EDITS, int((1 - number) * length)))


_ANYTHING = Word("*", frozenset({0}))


def _end(text: str) -> str | None:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return _unescaped(text[1:-1])
    return None if text == "*" else _unescaped(text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
