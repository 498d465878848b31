"""Facts about runs that were made from templates; a fact waits as its template and its values.  Pure.

``runs.facts`` is the specification: a template's facts, encoded, are the ones that it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from shipper.document.crc import crc32

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
    """

    run_kind: str
    verb: str
    between: tuple[str, ...]
    order: tuple[int, ...]

    def encoded(self, values: bytes) -> bytes:
        """A fact as JSON, with its key.

        Args:
            values: the time and the values, ``SEPARATOR`` between them.
        """
        texts = values.decode().split(SEPARATOR)
        parts = [self.between[0]]
        for index, text in zip(self.order, self.between[1:], strict=True):
            parts += texts[index], text
        moment = texts[0]
        return keyed(f"{moment[:19]}{moment[20:]}000", self.verb, "".join(parts).encode())


TemplateFact = tuple[FactTemplate, bytes]
"""A template and the values of one fact, which begin with its time."""

# One object for equal templates, also of lines with other keys: they are compared by the million, by identity.
fact_template = lru_cache(1024)(FactTemplate)


def as_json(fact: bytes | TemplateFact) -> bytes:
    """A fact with its key, as JSON."""
    return fact if isinstance(fact, bytes) else fact[0].encoded(fact[1])


def keyed(moment: str, verb: str, fact: bytes) -> bytes:
    """A fact with its key, from its JSON.

    Args:
        moment: its time, UTC to the nanosecond, without a dot.
        verb: what happened.
        fact: as JSON, with the fields in the order in which ``runs.facts`` adds them.
    """
    return f'"{moment} {verb} {crc32(fact):08x}":'.encode() + fact
