"""Documents as they travel: each as JSON, and what they tell of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from shipper.document.ecs import Document
from shipper.runs.facts import EncodedFact, facts_of


class Made(NamedTuple):
    """The documents of a block.

    Attributes:
        bodies: each as JSON, in their order.
        told: what they tell of runs.
    """

    bodies: list[bytes]
    told: list[EncodedFact]


def made_of(documents: Sequence[Document]) -> Made:
    """Documents, serialised; they are not needed any more."""
    dumps = orjson.dumps
    return Made([dumps(document) for document in documents], facts_of(documents))
