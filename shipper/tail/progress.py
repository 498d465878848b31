"""How far each generation is acknowledged: spans in, ends of contiguous prefixes out.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from shipper.tail.identity import Mark


class Span(NamedTuple):
    """A stretch of one generation that travels in one request: bytes from ``start`` to ``end``.

    ``restarts`` is that of the origin: a generation that was set back meanwhile does not move over it.
    """

    generation: bytes
    start: int
    end: int
    anchor: Mark
    carry: str
    restarts: int = 0


class Progress:
    """The spans under way, by generation, in the order in which they were read."""

    def __init__(self) -> None:
        self._spans: dict[bytes, deque[Span]] = {}
        # By object: a file that is read again under its old name has spans that begin where others began.
        self._done: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether no span is under way."""
        return not self._spans

    def begin(self, span: Span) -> None:
        """A span is on its way."""
        self._spans.setdefault(span.generation, deque()).append(span)

    def acknowledge(self, spans: Iterable[Span]) -> list[Span]:
        """These spans are safe; gives the last span of each generation's acknowledged prefix that grew."""
        touched: dict[bytes, None] = {}
        for span in spans:
            self._done.add(id(span))
            touched[span.generation] = None
        grown: list[Span] = []
        for generation in touched:
            waiting = self._spans.get(generation, deque())
            last: Span | None = None
            while waiting and id(waiting[0]) in self._done:
                last = waiting.popleft()
                self._done.discard(id(last))
            if last is not None:
                grown.append(last)
            if not waiting:
                self._spans.pop(generation, None)
        return grown
