"""The facts of runs as a test reads them."""

from __future__ import annotations

from collections.abc import Iterable

from orjson import loads

from shipper.document.fact_templates import SomeFacts, encoded
from shipper.runs.facts import RunFacts


def facts_in(found: Iterable[SomeFacts]) -> RunFacts:
    """Decode facts, grouped by the run documents that they belong to."""
    facts: RunFacts = {}
    for identity, _, fact in encoded(found):
        facts.setdefault(identity, {}).update(loads(b"{%b}" % fact))
    return facts
