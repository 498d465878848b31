"""Serialises documents and extracts the facts of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from shipper.document.ecs import Document
from shipper.runs.facts import EncodedFact, facts_of


class Serialised(NamedTuple):
    """The documents of a block.

    Attributes:
        bodies: each as JSON, in their order.
        facts: of runs.
    """

    bodies: list[bytes]
    facts: list[EncodedFact]


def serialise(documents: Sequence[Document]) -> Serialised:
    """Documents, serialised; they are not needed any more."""
    dumps = orjson.dumps
    return Serialised([dumps(document) for document in documents], facts_of(documents))
