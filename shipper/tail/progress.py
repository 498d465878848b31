"""How far each generation is acknowledged: spans in, ends of contiguous acknowledged prefixes out.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipper.tail.state.checkpoint import Hash


class Span(NamedTuple):
    """A stretch of one generation that travels in one request: bytes from ``start`` to ``end``.

    ``restarts`` is that of the origin: a generation that was set back meanwhile does not move over it.  ``joined`` is
    the stretch of the log's next generation whose lines travel in this one's last document: both cursors move at
    once.
    """

    generation: bytes
    start: int
    end: int
    checkpoint_hash: Hash
    parser_state: str
    restarts: int = 0
    joined: Span | None = None

    def parts(self) -> Iterator[Span]:
        """This one, and those that travel with it."""
        part: Span | None = self
        while part is not None:
            yield part
            part = part.joined


MAX_WAITING = 256
"""Acknowledged spans are merged when more than this many of a generation wait behind one without outcome."""


class Progress:
    """The spans under way, by generation, in the order in which they were read.

    A span may never have an outcome (its batch was set aside): those behind it are merged into few long ones.
    """

    def __init__(self) -> None:
        self._spans: dict[bytes, deque[Span]] = {}
        self._merge_at: dict[bytes, int] = {}
        # By object: a file that is read again under its old name has spans that begin where others began.
        self._done: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether no span is under way."""
        return not self._spans

    @property
    def generations(self) -> list[bytes]:
        """The generations that have spans under way; any thread may ask."""
        return list(self._spans)

    @property
    def waiting(self) -> int:
        """How many spans are kept."""
        return sum(map(len, self._spans.values()))

    def begin(self, span: Span) -> None:
        """A span is on its way."""
        for part in span.parts():
            self._spans.setdefault(part.generation, deque()).append(part)

    def acknowledge(self, spans: Iterable[Span]) -> list[Span]:
        """Note spans that have their outcome; gives the last span of each acknowledged prefix that grew."""
        touched: dict[bytes, None] = {}
        for span in spans:
            self._done.add(id(span))
            touched[span.generation] = None
        grown: dict[bytes, Span] = {}
        generations = deque(touched)
        while generations:
            generation = generations.popleft()
            waiting = self._spans.get(generation, deque())
            while waiting and id(waiting[0]) in self._done:
                last = grown[generation] = waiting.popleft()
                self._done.discard(id(last))
                if last.joined is not None:
                    # Only together with the record's beginning: if a crash came between, the record would be split.
                    self._done.add(id(last.joined))
                    generations.append(last.joined.generation)
            if not waiting:
                self._spans.pop(generation, None)
                self._merge_at.pop(generation, None)
            elif len(waiting) > self._merge_at.get(generation, MAX_WAITING):
                self._merge(waiting)
                self._merge_at[generation] = 2 * len(waiting) + MAX_WAITING
        return list(grown.values())

    def _merge(self, waiting: deque[Span]) -> None:
        """Merge adjacent spans that have their outcome."""
        kept: list[Span] = []
        for span in waiting:
            last = kept[-1] if kept else None
            if (
                last is not None
                and id(last) in self._done
                and id(span) in self._done
                and (last.end, last.restarts, last.joined, span.joined) == (span.start, span.restarts, None, None)
            ):
                self._done -= {id(last), id(span)}
                kept[-1] = span._replace(start=last.start)
                self._done.add(id(kept[-1]))
            else:
                kept.append(span)
        waiting.clear()
        waiting.extend(kept)
