"""The tree of a query: what the parser makes of a text and the compiler makes Query DSL of.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


class QueryError(ValueError):
    """The query can't be read; the text says why."""


@dataclass(frozen=True)
class Word:
    """A text to find.

    Attributes:
        text: its characters, escapes taken off.
        wild: where in it ``*`` and ``?`` stand for other characters.
        quoted: whether it stood in quotes.
        near: what ``~`` asks for: changed letters of a word (-1: as fit), moved words of a quoted text.
    """

    text: str
    wild: frozenset[int] = frozenset()
    quoted: bool = False
    near: int | None = None

    @property
    def anything(self) -> bool:
        """Whether it is ``*``."""
        return self.text == "*" and self.wild == {0}


@dataclass(frozen=True)
class Regex:
    """A regular expression over a whole value, in Lucene's syntax."""

    pattern: str


@dataclass(frozen=True)
class Range:
    """Values between two ends; None is no end."""

    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True)
class Leaf:
    """One thing to find, in a field or (None) anywhere.

    Attributes:
        field: its name as it was written.
        value: what to find in it.
        pasted: whether it was ``name=value``, as tables show it, which may just as well be a text.
    """

    field: str | None
    value: Word | Regex | Range
    pasted: bool = False


@dataclass(frozen=True)
class And:
    """All hold."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """At least one holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """It does not hold."""

    node: Node


Node = Leaf | And | Or | Not
