"""How far each generation is acknowledged: spans in, ends of contiguous prefixes out.  Pure."""

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
"""So many spans of a generation may wait behind one without outcome until those that have theirs are put together."""


class Progress:
    """The spans under way, by generation, in the order in which they were read.

    A span may never have its outcome (its batch was set aside): what follows it is kept as few long spans.
    """

    def __init__(self) -> None:
        self._spans: dict[bytes, deque[Span]] = {}
        self._tidy_at: dict[bytes, int] = {}
        # By object: a file that is read again under its old name has spans that begin where others began.
        self._done: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether no span is under way."""
        return not self._spans

    @property
    def waiting(self) -> int:
        """How many spans are kept."""
        return sum(map(len, self._spans.values()))

    def begin(self, span: Span) -> None:
        """A span is on its way."""
        for part in span.parts():
            self._spans.setdefault(part.generation, deque()).append(part)

    def acknowledge(self, spans: Iterable[Span]) -> list[Span]:
        """These spans are safe; gives the last span of each generation's acknowledged prefix that grew."""
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
                    # Safe only with the record's beginning: moved alone, a crash would part the two.
                    self._done.add(id(last.joined))
                    generations.append(last.joined.generation)
            if not waiting:
                self._spans.pop(generation, None)
                self._tidy_at.pop(generation, None)
            elif len(waiting) > self._tidy_at.get(generation, MAX_WAITING):
                self._put_together(waiting)
                self._tidy_at[generation] = 2 * len(waiting) + MAX_WAITING
        return list(grown.values())

    def _put_together(self, waiting: deque[Span]) -> None:
        """Make one of spans that follow each other and have their outcome."""
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
