"""Serialises documents and extracts the facts of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from shipper.document.ecs import Document
from shipper.document.fact_templates import SomeFacts
from shipper.runs.facts import facts_of


class Serialised(NamedTuple):
    """The documents of a block.

    Attributes:
        bodies: each as JSON without its last brace, in their order.
        facts: of runs.
    """

    bodies: list[bytes]
    facts: list[SomeFacts]


def serialise(documents: Sequence[Document | bytes], facts: Sequence[SomeFacts] = ()) -> Serialised:
    """Documents, serialised where they aren't, with the facts of these and further ones."""
    dumps = orjson.dumps
    bodies = [document if type(document) is bytes else dumps(document)[:-1] for document in documents]
    return Serialised(bodies, [*facts, *facts_of(document for document in documents if type(document) is dict)])
