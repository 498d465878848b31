"""Facts about runs that were made from templates.  Pure.

Those of a block of lines wait as few long byte strings: by the time they are written they are out of the processor's
cache, where an object for each costs more than all that is done with it.
``runs.facts`` is the specification: a template's facts, encoded, are the ones that it gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, AnyStr

from shipper.document.crc import crc32
from shipper.taxonomy import rank

PIPELINE_RUN = "pipeline_run:"
"""What the ids of pipeline runs' documents begin with."""
SEPARATOR = "\0"
"""Between the values of a fact; no value of a line with a shape contains it."""


@dataclass(frozen=True, slots=True, eq=False)
class FactTemplate:
    """What facts with the same verb and the same fields have in common.

    Attributes:
        run_kind: of the run: pipeline_run, workflow_run or session.
        verb: what happened.
        between: the text of the fact's JSON before, between and behind its values.
        order: which value stands in each place; value 0 is the time, UTC to the microsecond.
        width: how many values there are.
    """

    run_kind: str
    verb: str
    between: tuple[str, ...]
    order: tuple[int, ...]
    width: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", max(self.order) + 1)

    def encoded(self, values: Sequence[str]) -> bytes:
        """A fact as JSON, with its key.

        Args:
            values: the time and the others.
        """
        parts = [self.between[0]]
        for index, text in zip(self.order, self.between[1:], strict=True):
            parts += values[index], text
        moment = values[0]
        return keyed(f"{moment[:19]}{moment[20:]}000", self.verb, "".join(parts).encode())


TemplateFacts = tuple[tuple[FactTemplate, ...], bytes]
"""Facts of one run, the earliest first: the template of each, and the values of all, ``SEPARATOR`` between them."""
MAX_TEMPLATE_FACTS = 8
"""Facts in a ``TemplateFacts``."""


def each_of(facts: TemplateFacts) -> Iterator[tuple[FactTemplate, list[str]]]:
    """The template and the values of each fact."""
    templates, joined = facts
    values, first = joined.decode().split(SEPARATOR), 0
    for template in templates:
        yield template, values[first : first + template.width]
        first += template.width


def as_json(facts: TemplateFacts) -> list[bytes]:
    """Each fact with its key, as JSON."""
    return [template.encoded(values) for template, values in each_of(facts)]


@dataclass(frozen=True, slots=True)
class SameStory:
    """Runs whose facts were made from the same templates, in the same order.

    Attributes:
        templates: of each run's facts.
        identities: of each run the id of its document, a line feed between them.
        values: as ``TemplateFacts`` has them, a line feed between those of two runs; no line of a file contains one.
    """

    templates: tuple[FactTemplate, ...]
    identities: bytes
    values: bytes

    def runs(self) -> Iterator[tuple[str, bytes]]:
        """The id of each run's document and its values."""
        return zip(self.identities.decode().split("\n"), self.values.split(b"\n"), strict=True)


EncodedFact = tuple[str, str | None, bytes]
"""The id of the run's document; the *kind* of fact where newer ones of a kind replace older ones (``runs.kept``),
else None; the fact as JSON, ``"key":{…}``.  Thousands of facts wait: so one takes a quarter of an object's memory."""
SomeFacts = EncodedFact | SameStory
"""One fact, or those of some runs."""


def precedes(one: FactTemplate, ended: AnyStr, other: FactTemplate, begins: AnyStr) -> bool:
    """Whether a fact stands before another one, each with its time, in the order of ``runs.kept``."""
    return ended < begins or (ended == begins and (rank(one.verb), one.verb) < (rank(other.verb), other.verb))


class FoundFacts:
    """The facts in the lines of a block."""

    def __init__(self) -> None:
        self._found: list[SomeFacts] = []
        # Of each run the time of its last fact, and in turn template and values of each.
        self._runs: dict[str, list[Any]] = {}

    def add(self, template: FactTemplate, identity: str, moment: str, values: str) -> None:
        """Add a fact of a run.

        Args:
            template: of the fact.
            identity: the id of the run's document.
            moment: the time, with which the values begin.
            values: with which the template makes the fact, ``SEPARATOR`` between them.
        """
        told = self._runs.get(identity)
        if told is None:
            self._runs[identity] = [moment, template, values]
        elif len(told) < 2 * MAX_TEMPLATE_FACTS and precedes(told[-2], told[0], template, moment):
            told[0] = moment
            told += template, values
        else:
            self._found.append(SameStory((template,), identity.encode(), values.encode()))

    def add_encoded(self, fact: EncodedFact) -> None:
        """Add one that has a kind."""
        self._found.append(fact)

    def take(self) -> list[SomeFacts]:
        """Give the facts, and begin again without any."""
        found, self._found = self._found, []
        stories: dict[tuple[FactTemplate, ...], tuple[list[str], list[str]]] = {}
        for identity, told in self._runs.items():
            templates = tuple(told[1::2])
            story = stories.get(templates)
            if story is None:
                story = stories[templates] = [], []
            story[0].append(identity)
            story[1].append(SEPARATOR.join(told[2::2]))
        self._runs.clear()
        for templates, (identities, values) in stories.items():
            found.append(SameStory(templates, "\n".join(identities).encode(), "\n".join(values).encode()))
        return found


# One object for equal templates, also of lines with other keys: they are compared by the million, by identity.
fact_template = lru_cache(1024)(FactTemplate)


def encoded(facts: Iterable[SomeFacts]) -> list[EncodedFact]:
    """The same facts, each as JSON."""
    every: list[EncodedFact] = []
    for some in facts:
        if isinstance(some, SameStory):
            every += ((run, None, fact) for run, values in some.runs() for fact in as_json((some.templates, values)))
        else:
            every.append(some)
    return every


def keyed(moment: str, verb: str, fact: bytes) -> bytes:
    """A fact with its key, from its JSON.

    Args:
        moment: its time, UTC to the nanosecond, without a dot.
        verb: what happened.
        fact: as JSON, with the fields in the order in which ``runs.facts`` adds them.
    """
    return f'"{moment} {verb} {crc32(fact):08x}":'.encode() + fact
