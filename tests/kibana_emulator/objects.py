"""The saved objects of this release by id, as Kibana has them after an import."""

from __future__ import annotations

from functools import cache
from typing import Any

from shipper.kibana.ndjson import kibana_objects, unpacked
from tests.kibana_emulator.mapped import Types, types_of

Object = dict[str, Any]


@cache
def objects() -> dict[tuple[str, str], Object]:
    """Type and id → the object, packed and unpacked again."""
    return {(one["type"], one["id"]): unpacked(one) for one in kibana_objects()}


def of(kind: str) -> list[Object]:
    """All objects of a type."""
    return [one for (own, _), one in objects().items() if own == kind]


def view_of(one: Object, name: str) -> Object:
    """The data view that an object refers to under this name."""
    [identity] = [ref["id"] for ref in one["references"] if ref["name"] == name]
    return objects()["index-pattern", identity]


def fields_of(view: Object) -> Types:
    """The fields of a data view."""
    return types_of(view["attributes"]["title"])
