"""A hit of Elasticsearch as one flat dict: dotted field names to values.  Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Flat = dict[str, Any]


def flat(source: Mapping[str, Any]) -> Flat:
    """The leaves of a document under their full names, ``@timestamp`` first, the others sorted.

    Elasticsearch may return ``{"a.b": 1}`` as ``{"a": {"b": 1}}`` or the other way round, and both in one document:
    their values become a list.  The ``facts`` from which a run document is made are left out: its other fields have
    the same information.
    """
    leaves: Flat = {}
    _collect({key: value for key, value in source.items() if key != "facts"}, "", leaves)
    ordered = {key: leaves[key] for key in sorted(leaves) if key != "@timestamp"}
    return {"@timestamp": leaves["@timestamp"], **ordered} if "@timestamp" in leaves else ordered


def flat_hits(hits: list[dict[str, Any]]) -> list[Flat]:
    """The documents of a page of hits."""
    return [flat(hit.get("_source") or {}) for hit in hits]


def _collect(node: Mapping[str, Any], prefix: str, into: Flat) -> None:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            _collect(value, f"{path}.", into)
        elif path in into:
            there = into[path]
            into[path] = [*(there if isinstance(there, list) else [there]), value]
        else:
            into[path] = value
