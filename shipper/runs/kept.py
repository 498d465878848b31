"""Which facts of a run are kept: those that can still change its document, and never more than so many bytes.  Pure.

What is kept of two sets together is what is kept of what is kept of each: ``kept(kept(a) | b) == kept(a | b)``.
So facts may come in any order, in any portions and through any number of writers, and be dropped at any time on the
way.  That holds because of three things.  Of a stage the newest facts of each *kind* are kept, and newer ones of a
kind only ever replace older ones of that kind.  Facts of one kind weigh the same, so what is newer than a fact only
gets heavier.  And of the rest the newest are kept, down to the one that makes the whole heavy enough: what is dropped
is always older than kept facts that are heavy enough without it.
"""

from __future__ import annotations

from typing import Any

from orjson import dumps

from shipper.runs.facts import Fact

MAX_FACTS = 200
"""So many facts of one run are kept, the newest; a long one counts once more for each KiB of it."""
MAX_OF_A_KIND = 2
"""One moment told twice, by a stage and by its workflow, are two facts: their first moment counts."""
_KIB = 1024
# No fact counts more often than this: so many together are kept whatever is in them.
_MAX_WEIGHT = 64
_FEW = MAX_FACTS // _MAX_WEIGHT
# A name of a stage whose fact is shorter than a KiB, however its characters are written.
_SHORT = 128
_TIME = slice(0, 28)  # of a key
# At one moment: a run is queued before it starts, and starts before it ends.
_VERB_ORDER = ("pending", "created", "discovered", "queued", "requeued", "started", "processing", "stage_started")
_RANK = {verb: rank for rank, verb in enumerate(_VERB_ORDER)}
_LATER = len(_RANK)


def kept(facts: dict[str, Fact]) -> dict[str, Fact]:
    """The facts that are kept of these, in order of time."""
    order = sorted(facts)
    if len({key[_TIME] for key in order}) < len(order):
        order.sort(key=lambda key: (key[_TIME], _RANK.get(facts[key]["verb"], _LATER)))
    if len(order) <= _FEW and not any("stage" in facts[key] for key in order):
        return {key: facts[key] for key in order}
    of_kind: dict[Any, int] = {}
    found: list[str] = []
    left = MAX_FACTS
    for key in reversed(order):
        if left <= 0:
            break
        fact = facts[key]
        stage = fact.get("stage")
        if stage is None:
            left -= weight(fact)
        else:
            heavy = 1 if "error" not in fact and "error_type" not in fact and len(stage) < _SHORT else weight(fact)
            kind = (stage, fact["verb"], heavy, frozenset(fact))
            seen = of_kind[kind] = of_kind.get(kind, 0) + 1
            if seen > MAX_OF_A_KIND:
                continue
            left -= heavy
        found.append(key)
    found.reverse()
    return {key: facts[key] for key in found}


def weight(fact: Fact) -> int:
    """How much a fact counts among those that are kept."""
    return min(1 + len(dumps(fact)) // _KIB, _MAX_WEIGHT)
