"""Detects indices that another template created, whose mappings do not support the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.elastic.in_force import LINES, RUNS, Types
from shipper.elastic.names import run_index, streams_of


def wrongly_mapped(client: Elasticsearch, namespace: str) -> str | None:
    """A sentence about a field whose mapping does not support the views; None for no fault or no answer."""
    for index, types in ((streams_of(namespace), LINES), ([run_index(namespace)], RUNS)):
        try:
            answer = client.field_caps(
                index=index, fields=list(types), ignore_unavailable=True, include_unmapped=True
            ).body
        except (ApiError, TransportError):
            continue
        if isinstance(answer, Mapping) and (found := _other_types(answer, types)):
            return found
    return None


def _other_types(answer: Mapping[str, Any], types: Types) -> str | None:
    """The first field of another type, else one that is not mapped, by the answer of ``_field_caps``."""
    fields, everywhere = answer.get("fields"), answer.get("indices")
    if not everywhere or not isinstance(fields, Mapping) or not isinstance(everywhere, list):
        return None  # there is no index
    lacking = None
    for name, wanted in types.items():
        kinds = fields.get(name)
        for kind, details in (kinds if isinstance(kinds, Mapping) else {"unmapped": None}).items():
            where = details.get("indices") if isinstance(details, Mapping) else None
            places = _some(where if isinstance(where, list) else everywhere)
            if kind == "unmapped":
                lacking = lacking or f"{name} is not mapped in {places}"
            elif kind not in wanted:
                return f"{name} is mapped as {kind} (not {'/'.join(sorted(wanted))}) in {places}"
    return lacking


def _some(indices: list[Any]) -> str:
    first = ", ".join(map(str, indices[:3]))
    return first if len(indices) <= 3 else f"{first} and {len(indices) - 3} more"
