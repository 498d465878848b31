"""A saved object as its file has it.  Pure.

Values that Kibana stores as strings of JSON (``panelsJSON``, ``searchSourceJSON``, ``fieldFormatMap``, …) are plain
JSON in the file, to be read and compared; `ndjson` makes strings of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

SavedObject = dict[str, Any]
Reference = dict[str, str]
Type = Literal["tag", "index-pattern", "search", "dashboard"]

TAG = "neuroflow"

# The oldest versions that have what we use; an older Kibana refuses objects of a newer version.
_CORE_VERSION = "8.8.0"
_TYPE_VERSIONS: dict[Type, str] = {"tag": "8.0.0", "index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}


def reference(kind: str, identity: str, name: str) -> Reference:
    """A reference: the name by which an object refers to another one, and that one's type and id."""
    return {"type": kind, "id": identity, "name": name}


def saved_object(
    kind: Type, identity: str, attributes: dict[str, Any], references: Iterable[Reference] = ()
) -> SavedObject:
    """An object; all but the tag itself have the tag."""
    tagged = [] if kind == "tag" else [reference("tag", TAG, f"tag-ref-{TAG}")]
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": [*references, *tagged],
        "managed": False,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[kind],
    }
