"""The syntax tree of a query, between parser and compiler.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


class QueryError(ValueError):
    """The query can't be parsed; the message is for the reader and says why."""


@dataclass(frozen=True)
class Word:
    """A text to find.

    Attributes:
        text: its characters, without escapes.
        wild: the positions at which ``*`` and ``?`` are wildcards.
        quoted: whether it was quoted.
        near: the value of ``~``: letters of a word that may differ (-1: auto), or the slop of a quoted text.
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
    """Values between two limits; None: no limit."""

    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True)
class Leaf:
    """One thing to find, in a field or (None) anywhere.

    Attributes:
        field: its name as written.
        value: what to find in it.
        pasted: whether it was written ``name=value``, as tables show it, which may also be a text.
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
