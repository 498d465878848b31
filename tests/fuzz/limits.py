"""What Elasticsearch accepts: whether a mapping would reject a document or drop a value of it. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAPPINGS = Path(__file__).parents[2] / "mappings"
MAX_TERM = 32_766
"""Bytes of one term, Lucene's limit."""
MAX_ID = 512
"""Bytes of an ``_id``."""
# The only form that every Elasticsearch takes for a date with nanoseconds.
_STAMP = re.compile(r"(19[7-9]\d|2[01]\d\d|22[0-5]\d|226[0-2])-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)")
_MISPLACED = re.compile("[\ue000-\uffff]")
Fields = dict[str, dict[str, Any]]


def fields_of_logs() -> Fields:
    """Each mapped field of the data streams, with its definition."""
    folder = MAPPINGS / "component_templates"
    found: Fields = {}
    for name in ("neuroflow-ecs.json", "neuroflow-fields.json"):
        template = json.loads((folder / name).read_text(encoding="utf-8"))["template"]
        found.update(fields_of(template["mappings"]))
    return found


def fields_of_runs() -> Fields:
    """The same of the run documents."""
    path = MAPPINGS / "index_templates" / "neuroflow-runs.json"
    return fields_of(json.loads(path.read_text(encoding="utf-8"))["template"]["mappings"])


def fields_of(mapping: dict[str, Any], prefix: str = "") -> Fields:
    """The leaves of a mapping by their full names, multi-fields included."""
    found: Fields = {}
    for name, definition in {**mapping.get("properties", {}), **mapping.get("fields", {})}.items():
        if "type" in definition and definition["type"] != "object":
            found[prefix + name] = definition
        found.update(fields_of(definition, f"{prefix}{name}."))
    return found


def faults(document: Any, fields: Fields, *, unmapped: frozenset[str] = frozenset()) -> list[str]:
    """What the cluster would not take of a document; nothing for one that is well.

    Args:
        document: as it is sent.
        fields: of its mapping.
        unmapped: names at the top that may have no mapping.
    """
    return list(_faults(document, fields, "", unmapped))


def _faults(value: Any, fields: Fields, name: str, unmapped: frozenset[str]) -> Iterator[str]:
    definition = fields.get(name)
    if definition is not None:
        for one in value if isinstance(value, list) else [value]:
            fault = _flattened(one, definition) if definition["type"] == "flattened" else _fault(one, definition)
            if fault:
                yield f"{name}: {fault}"
    elif isinstance(value, dict):
        for key, item in value.items():
            if name or key not in unmapped:
                yield from _faults(item, fields, f"{name}.{key}" if name else key, unmapped)
    else:
        yield f"{name}: not mapped"


def _fault(value: Any, definition: dict[str, Any]) -> str | None:
    kind = definition["type"]
    if kind in {"date", "date_nanos"}:
        well = isinstance(value, str) and _STAMP.fullmatch(value) is not None
    elif kind == "long":
        well = type(value) is int and -(2**63) <= value < 2**63
    elif kind == "double":
        well = type(value) in {int, float} and abs(value) < 1.8e308
    elif kind in {"keyword", "constant_keyword"}:
        well = isinstance(value, str) and not _is_immense(value, value, definition)
    else:
        well = isinstance(value, str)
    return None if well else f"{value!r:.200} is no {kind}"


def _is_immense(value: str, term: str, definition: dict[str, Any]) -> bool:
    """Whether a value is below ``ignore_above`` and longer than the longest term."""
    if len(value.encode("utf-16-le")) // 2 > definition.get("ignore_above", 2**31):
        return False
    return len(term.encode()) > MAX_TERM


def _flattened(value: Any, definition: dict[str, Any]) -> str | None:
    if not isinstance(value, dict):
        return f"{value!r:.200} is no object"
    values: set[str] = set()
    objects: set[str] = set()
    todo: list[tuple[str, int, Any]] = [("", 0, value)]
    while todo:
        path, depth, item = todo.pop()
        if depth > definition["depth_limit"]:
            return "too deep"
        if isinstance(item, dict):
            for key, inner in item.items():
                if fault := _key_fault(key, inner):
                    return fault
                name = f"{path}.{key}" if path else key
                objects.update(name[:at] for at, sign in enumerate(name) if sign == ".")
                todo.append((name, depth + 1, inner))
        elif isinstance(item, list):
            todo += [(path, depth, inner) for inner in item]
        else:
            values.add(path)
            if item is not None and _is_immense(said := str(item), f"{path}\0{said}", definition):
                return f"{path!r:.100} with its value is an immense term"
    both = values & objects
    return f"{min(both)!r:.100} is a value and an object" if both else None


def _key_fault(key: str, value: Any) -> str | None:
    """What is wrong with a key of a flattened field: it is rejected, or repeated in a synthetic source."""
    if "\0" in key:
        return f"NUL in {key!r:.200}"
    if "" in key.split("."):
        return f"an empty part in {key!r:.200}"
    if _MISPLACED.search(key):
        return f"UTF-8 and UTF-16 do not agree where {key!r:.200} belongs"
    return f"{key!r:.200} holds null" if value is None else None
