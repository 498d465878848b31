"""Facts of many runs until they are written.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orjson import loads

from shipper.runs.facts import EncodedFact, RunFacts
from shipper.runs.kept import MAX_OF_A_KIND

# What a run and a fact take beside the fact's bytes.
_RUN_BYTES = 400
_FACT_BYTES = 150
# So many bytes are handed out at once: taken apart they need several times as many.
_PORTION_BYTES = 2**20


class Gathered:
    """Facts, united; of a stage only those that can still change its run's document.

    Args:
        most: so many bytes of memory for them are enough.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        # By run and by kind; a fact of no kind is one by itself.
        self._runs: dict[str, dict[str | bytes, list[bytes]]] = {}

    @property
    def full(self) -> bool:
        """Whether they should be written before more come."""
        return self._size > self._most

    def add(self, told: Iterable[EncodedFact]) -> None:
        """Keep these as well."""
        runs, size = self._runs, 0
        for identity, kind, fact in told:
            waiting = runs.get(identity)
            if waiting is None:
                waiting = runs[identity] = {}
                size += _RUN_BYTES
            known = waiting.get(kind or fact)
            if known is None:
                waiting[kind or fact] = [fact]
                size += len(fact) + _FACT_BYTES
            elif fact not in known:
                if len(known) == MAX_OF_A_KIND:
                    if fact < known[0]:
                        continue
                    size -= len(known.pop(0))
                known.append(fact)
                known.sort()  # they begin with their time
                size += len(fact)
        self._size += size

    def portions(self) -> Iterator[RunFacts]:
        """All of them, some runs at a time; nothing is left."""
        runs, self._runs, self._size = self._runs, {}, 0
        facts: RunFacts = {}
        size = 0
        while runs:
            identity, waiting = runs.popitem()
            json = b"{%b}" % b",".join([fact for some in waiting.values() for fact in some])
            facts[identity] = loads(json)
            size += len(json)
            if size > _PORTION_BYTES:
                yield facts
                facts, size = {}, 0
        if facts:
            yield facts
