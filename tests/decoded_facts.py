"""The facts of runs as a test reads them."""

from __future__ import annotations

from collections.abc import Iterable

from orjson import loads

from shipper.document.fact_templates import as_json
from shipper.runs.facts import EncodedFact, RunFacts


def facts_in(encoded: Iterable[EncodedFact]) -> RunFacts:
    """Decode facts, grouped by the run documents that they belong to."""
    facts: RunFacts = {}
    for identity, _, fact in encoded:
        facts.setdefault(identity, {}).update(loads(b"{%b}" % as_json(fact)))
    return facts
