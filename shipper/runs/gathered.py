"""Facts of many runs that wait to be written.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise

from shipper.document.fact_templates import (
    MAX_TEMPLATE_FACTS,
    PIPELINE_RUN,
    SEPARATOR,
    FactTemplate,
    SameStory,
    SomeFacts,
    TemplateFacts,
    as_json,
    each_of,
    precedes,
)
from shipper.runs.facts import WaitingFacts
from shipper.runs.kept import MAX_OF_A_KIND
from shipper.taxonomy import rank

# Memory of a run and of a fact beside the fact's own bytes.
_RUN_BYTES = 400
_FACT_BYTES = 150
# Facts with templates may take such a part of the memory: they take more while they are written, and most are of new
# runs, which cost no less when more wait.
_STORIES_PART = 3
_PIPELINE_RUN = PIPELINE_RUN[:-1]
NEWEST_RUNS = 100
"""Runs in the first portion of those that are made from templates: the newest, of which more may be told."""
# What is made of a portion is held until it is written.
_PORTION_BYTES = 2**18
_PORTION_RUNS = 1000

_DIVIDER = SEPARATOR.encode()


class Gathered:
    """A set of facts; of a stage it holds only those that can still change the run's document.

    Args:
        max_bytes: memory above which it is ``full``.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = self._stories_size = 0
        # Run → kind → facts; a fact without a kind stands under itself.
        self._runs: dict[str, dict[str | bytes, list[bytes]]] = {}
        # Those of pipeline runs that were made from templates.
        self._stories: deque[SameStory] = deque()

    @property
    def full(self) -> bool:
        """Whether they should be written before more are added."""
        return self.many_stories or self.many_others

    @property
    def many_stories(self) -> bool:
        """Whether those of pipeline runs that were made from templates should be written."""
        return self._stories_size > self._max_bytes // _STORIES_PART

    @property
    def many_others(self) -> bool:
        """Whether all others should be."""
        return self._size > self._max_bytes

    @property
    def others(self) -> bool:
        """Whether there are any of these."""
        return bool(self._runs)

    def add(self, facts: Iterable[SomeFacts]) -> None:
        """Add facts; one that is present already changes nothing."""
        for some in facts:
            if not isinstance(some, SameStory):
                self._size += self._add(*some)
            elif some.templates[0].run_kind == _PIPELINE_RUN:
                self._stories.append(some)
                runs = some.identities.count(b"\n") + 1
                self._stories_size += len(some.values) + runs * (_RUN_BYTES + len(some.templates) * _FACT_BYTES)
            else:
                for identity, values in some.runs():
                    for fact in as_json((some.templates, values)):
                        self._size += self._add(identity, None, fact)

    def take_stories(self) -> Gathered:
        """Remove and give the facts of pipeline runs that were made from templates."""
        taken = Gathered(self._max_bytes)
        taken._stories, self._stories = self._stories, deque()
        self._stories_size = 0
        return taken

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
        """Remove and give all facts, encoded or with their templates, some runs at a time."""
        of_templates = [*self._of_templates().items()]
        runs, self._runs, self._size, self._stories_size = self._runs, {}, 0, 0
        most = NEWEST_RUNS
        while of_templates:
            yield dict(of_templates[-most:])
            del of_templates[-most:]
            most = _PORTION_RUNS
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

    def _of_templates(self) -> dict[str, TemplateFacts]:
        """Remove and give the facts that were made from templates; those of runs with other facts are encoded."""
        runs: dict[str, TemplateFacts] = {}
        while self._stories:
            story = self._stories.popleft()  # it takes memory no longer
            templates = story.templates
            for identity, values in story.runs():
                facts: TemplateFacts | None = (templates, values)
                if identity in runs:
                    facts = _united(runs[identity], (templates, values))
                if facts is not None and identity not in self._runs:
                    runs[identity] = facts
                    continue
                known = runs.pop(identity, None)
                for fact in (as_json(known) if known is not None else []) + as_json((templates, values)):
                    self._add(identity, None, fact)
        return runs


def _united(known: TemplateFacts, added: TemplateFacts) -> TemplateFacts | None:
    """Facts of a run in the order of ``runs.kept``; None where they have to be encoded."""
    if len(known[0]) + len(added[0]) > MAX_TEMPLATE_FACTS:
        return None
    last, first = known[0][-1], added[0][0]
    ended, begins = known[1].rsplit(_DIVIDER, last.width)[-last.width], added[1].partition(_DIVIDER)[0]
    if precedes(last, ended, first, begins):  # they are later, as usual
        return known[0] + added[0], known[1] + _DIVIDER + added[1]
    facts = sorted([*each_of(known), *each_of(added)], key=_order)
    if any(_order(earlier) == _order(later) for earlier, later in pairwise(facts)):
        return None  # then their order depends on their values
    values = SEPARATOR.join([text for _, texts in facts for text in texts])
    return tuple(template for template, _ in facts), values.encode()


def _order(fact: tuple[FactTemplate, list[str]]) -> tuple[str, int, str]:
    """The order of a run's facts, as ``runs.kept`` has it."""
    template, values = fact
    return values[0], rank(template.verb), template.verb
