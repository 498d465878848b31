"""Facts of many runs that wait to be written.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import itemgetter

from shipper.document.fact_templates import TemplateFact, as_json
from shipper.runs.facts import EncodedFact, TemplateFacts, WaitingFacts
from shipper.runs.kept import MAX_OF_A_KIND

# Memory of a run and of a fact beside the fact's own bytes.
_RUN_BYTES = 400
_FACT_BYTES = 150
# What is made of a portion is held until it is written.
_PORTION_BYTES = 2**18
_PORTION_RUNS = 1000
# Facts of a run that wait as templates; further ones are encoded.
_MAX_TEMPLATE_FACTS = 8
# The values of these begin with the time.
_MOMENT_BYTES = len("2026-03-02T10:00:00.000000")


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
        # Facts of other runs, which are all made from templates.
        self._templates: dict[str, TemplateFacts] = {}

    @property
    def full(self) -> bool:
        """Whether they should be written before more are added."""
        return self._size > self._max_bytes

    def add(self, facts: Iterable[EncodedFact]) -> None:
        """Add facts; one that is present already changes nothing."""
        runs, templates, size = self._runs, self._templates, 0
        for identity, kind, fact in facts:
            if isinstance(fact, tuple) and identity not in runs:
                known = templates.get(identity)
                united = _united(known, fact)
                if united is not None:
                    templates[identity] = united
                    size += len(fact[1]) + _FACT_BYTES + (_RUN_BYTES if known is None else 0)
                    continue
            if identity in templates:
                size += self._encode(identity)
            size += self._add(identity, kind, as_json(fact))
        self._size += size

    def _encode(self, identity: str) -> int:
        """Encode the facts of a run that were made from templates; gives the memory they take in addition."""
        return sum(
            self._add(identity, None, template.encoded(values)) - len(values) - _FACT_BYTES
            for template, values in zip(*self._templates.pop(identity), strict=True)
        )

    def _add(self, identity: str, kind: str | None, fact: bytes) -> int:
        """Add an encoded fact; gives the memory it takes."""
        size = 0
        waiting = self._runs.get(identity)
        if waiting is None:
            waiting = self._runs[identity] = {}
            size += _RUN_BYTES
        same_kind = waiting.get(kind or fact)
        if same_kind is None:
            waiting[kind or fact] = [fact]
            size += len(fact) + _FACT_BYTES
        elif fact not in same_kind:
            if len(same_kind) == MAX_OF_A_KIND:
                if fact < same_kind[0]:
                    return size
                size -= len(same_kind.pop(0))
            same_kind.append(fact)
            same_kind.sort()  # by time, with which they begin
            size += len(fact)
        return size

    def portions(self) -> Iterator[WaitingFacts]:
        """Remove and give all facts, encoded, some runs at a time."""
        runs, self._runs, self._size = self._runs, {}, 0
        of_templates, self._templates = [*self._templates.items()], {}
        while of_templates:
            yield dict(of_templates[-_PORTION_RUNS:])
            del of_templates[-_PORTION_RUNS:]
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


def _united(known: TemplateFacts | None, fact: TemplateFact) -> TemplateFacts | None:
    """Facts of a run with a further one; None where they have to be encoded."""
    template, values = fact
    if known is None:
        return (template,), (values,)
    if len(known[1]) == _MAX_TEMPLATE_FACTS:
        return None
    if known[1][-1] < values[:_MOMENT_BYTES]:  # it is later, as usual
        return (*known[0], template), (*known[1], values)
    facts = sorted([*zip(*known, strict=True), fact], key=itemgetter(1))
    if any(later[:_MOMENT_BYTES] <= earlier for (_, earlier), (_, later) in pairwise(facts)):
        return None  # facts at the same time are ordered by what they say
    return tuple(template for template, _ in facts), tuple(values for _, values in facts)
