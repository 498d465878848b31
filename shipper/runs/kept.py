"""Which facts of a run are kept: those that can still change its document, up to a fixed weight.  Pure.

Dropping facts commutes with uniting them: ``kept(kept(a) | b) == kept(a | b)``.  So facts may arrive in any order, in
any portions and through any number of writers, and be dropped at any point.  Three rules give this.  Of a stage the
newest facts of each *kind* are kept, and a newer fact replaces only older ones of its kind.  Facts of one kind have
the same weight, so the weight of what is newer than a fact never falls.  Of all facts the newest are kept, down to
the one that reaches the maximal weight: a dropped fact is older than kept ones that weigh enough without it.
"""

from __future__ import annotations

from typing import Any

from orjson import dumps

from shipper.runs.facts import Fact
from shipper.taxonomy import rank

MAX_FACTS = 200
"""The newest facts of a run that are kept; a long fact counts once more for each KiB."""
MAX_OF_A_KIND = 2
"""A stage and its workflow may both report one change: two facts, of which the first time counts."""
_KIB = 1024
_MAX_WEIGHT = 64
_FEW = MAX_FACTS // _MAX_WEIGHT  # so few are kept whatever they weigh
# A stage name of so many characters stays below a KiB in any encoding.
_SHORT_NAME_CHARS = 128
_LONG_FIELDS = frozenset({"error", "error_type"})
_TIME = slice(0, 28)  # of a key


def kept(facts: dict[str, Fact]) -> dict[str, Fact]:
    """The facts to keep, in order of time."""
    order = sorted(facts)
    if len({key[_TIME] for key in order}) < len(order):
        order.sort(key=lambda key: (key[_TIME], rank(facts[key]["verb"])))
    if len(order) <= _FEW:
        chosen = {key: facts[key] for key in order}
        for fact in chosen.values():
            if "stage" in fact:
                break
        else:
            return chosen
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
            is_short = len(stage) < _SHORT_NAME_CHARS and _LONG_FIELDS.isdisjoint(fact)
            heavy = 1 if is_short else weight(fact)
            kind = (stage, fact["verb"], heavy, frozenset(fact))
            seen = of_kind[kind] = of_kind.get(kind, 0) + 1
            if seen > MAX_OF_A_KIND:
                continue
            left -= heavy
        found.append(key)
    found.reverse()
    return {key: facts[key] for key in found}


def weight(fact: Fact) -> int:
    """How many facts this one counts for: one, and one more for each KiB of its JSON."""
    return min(1 + len(dumps(fact)) // _KIB, _MAX_WEIGHT)
