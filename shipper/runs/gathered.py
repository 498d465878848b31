"""Facts of many runs that wait to be written.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipper.runs.facts import EncodedFact, WaitingFacts
from shipper.runs.kept import MAX_OF_A_KIND

# Memory of a run and of a fact beside the fact's own bytes.
_RUN_BYTES = 400
_FACT_BYTES = 150
# What is made of a portion is held until it is written.
_PORTION_BYTES = 2**18


class Gathered:
    """A set of facts; of a stage it holds only those that can still change the run's document.

    Args:
        max_bytes: memory above which it is ``full``.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        # Run → kind → facts; a fact without a kind stands under itself.
        self._runs: dict[str, dict[str | bytes, list[bytes]]] = {}

    @property
    def full(self) -> bool:
        """Whether they should be written before more are added."""
        return self._size > self._max_bytes

    def add(self, facts: Iterable[EncodedFact]) -> None:
        """Add facts; one that is present already changes nothing."""
        runs, size = self._runs, 0
        for identity, kind, fact in facts:
            waiting = runs.get(identity)
            if waiting is None:
                waiting = runs[identity] = {}
                size += _RUN_BYTES
            same_kind = waiting.get(kind or fact)
            if same_kind is None:
                waiting[kind or fact] = [fact]
                size += len(fact) + _FACT_BYTES
            elif fact not in same_kind:
                if len(same_kind) == MAX_OF_A_KIND:
                    if fact < same_kind[0]:
                        continue
                    size -= len(same_kind.pop(0))
                same_kind.append(fact)
                same_kind.sort()  # by time, with which they begin
                size += len(fact)
        self._size += size

    def portions(self) -> Iterator[WaitingFacts]:
        """Remove and give all facts, as JSON, some runs at a time."""
        runs, self._runs, self._size = self._runs, {}, 0
        facts: WaitingFacts = {}
        size = 0
        while runs:
            identity, waiting = runs.popitem()
            json = b"{%b}" % b",".join([fact for some in waiting.values() for fact in some])
            facts[identity] = json
            size += len(json)
            if size > _PORTION_BYTES:
                yield facts
                facts, size = {}, 0
        if facts:
            yield facts
