"""The files under ``kibana/`` in Kibana's import format: one object a line, always the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from shipper.elastic.answers import json_of
from shipper.elastic.assets import asset_dir

Object = dict[str, Any]

# In the order of references: a dashboard refers to searches, a search to a data view.
FOLDERS = ("tags", "data_views", "searches", "dashboards")

# Keys whose values Kibana stores as strings of JSON, at any depth: a panel may hold a search of its own.
PACKED = frozenset({
    "searchSourceJSON", "panelsJSON", "optionsJSON", "ignoreParentSettingsJSON", "uiStateJSON", "visState", "esQuery",
})  # fmt: skip
# The same for a data view's own attributes only: inside a panel these are objects.
PACKED_IN_DATA_VIEW = frozenset({"fieldFormatMap", "fieldAttrs", "runtimeFieldMap", "sourceFilters"})

# Precedes the digest in the description of the first tag; see `stamped`.
STAMP = "neuroflow-ship objects"


def kibana_objects(root: Path | None = None) -> list[Object]:
    """Every saved object as Kibana imports it, in the order of references; from this release's folder by default."""
    return stamped([packed(one) for folder in FOLDERS for one in _read(root, folder)])


def kibana_rules(root: Path | None = None) -> list[Object]:
    """Every alerting rule: the body for Kibana's rule API, and the ``id`` from which its UUID is derived."""
    return [_packed(one) for one in _read(root, "rules")]


def packed(one: Object) -> Object:
    """An object from its file, with the values that Kibana stores as strings made strings; strings stay."""
    result: Object = _packed(one)
    if result["type"] == "index-pattern":
        attributes = result["attributes"]
        for key in PACKED_IN_DATA_VIEW & attributes.keys():
            attributes[key] = _text(attributes[key])
    return result


def unpacked(value: Any) -> Any:
    """The inverse of `packed`, to compare objects: strings of JSON become their values."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: unpacked(_parsed(item) if key in PACKED or key in PACKED_IN_DATA_VIEW else item)
        for key, item in value.items()
    }


def stamped(objects: list[Object]) -> list[Object]:
    """The objects with a digest of all of them in the description of the first tag; without a tag, as they are.

    A space with this digest had these objects imported last (see `compare`).
    """
    digest = hashlib.sha256(_lines(objects)).hexdigest()[:12]
    at = next((at for at, one in enumerate(objects) if one["type"] == "tag"), None)
    if at is None:
        return objects
    tag = objects[at]
    description = tag["attributes"].get("description", "").rstrip(". ")
    description = f"{description}. {STAMP} {digest}" if description else f"{STAMP} {digest}"
    marked = {**tag, "attributes": {**tag["attributes"], "description": description}}
    return [*objects[:at], marked, *objects[at + 1 :]]


def ndjson(objects: list[Object]) -> bytes:
    """The file that Kibana imports: an object a line, and the summary with which Kibana's own exports end."""
    summary = {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        "exportedCount": len(objects),
        "missingRefCount": 0,
        "missingReferences": [],
    }
    return _lines([*objects, summary])


def _read(root: Path | None, folder: str) -> Iterable[Object]:
    for path in sorted(((root or asset_dir("kibana")) / folder).glob("*.json")):
        yield orjson.loads(path.read_bytes())


def _packed(value: Any) -> Any:
    if isinstance(value, list):
        return [_packed(item) for item in value]
    if not isinstance(value, dict):
        return value
    # From the inside out: a dashboard's panels are a string, and so is the search inside one of them.
    return {key: _text(_packed(item)) if key in PACKED else _packed(item) for key, item in value.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json_of(value.encode())
        except ValueError:
            return value
    return value


def _lines(objects: Iterable[Object]) -> bytes:
    return b"".join(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) + b"\n" for one in objects)
