"""A saved object as its file has it.  Pure.

What Kibana keeps as strings of JSON (``panelsJSON``, ``searchSourceJSON``, ``fieldFormatMap``, …) is written as what
it says, to be read and compared; the installer packs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

SavedObject = dict[str, Any]
Reference = dict[str, str]
Type = Literal["tag", "index-pattern", "search", "dashboard"]

TAG = "neuroflow"

# The oldest shape that has what we use; an object of a newer one can't be imported into an older Kibana.
_CORE_VERSION = "8.8.0"
_TYPE_VERSIONS: dict[Type, str] = {
    "tag": "8.0.0",
    "index-pattern": "8.0.0",
    "search": "8.0.0",
    "dashboard": "8.9.0",
}


def reference(kind: str, identity: str, name: str) -> Reference:
    """What an object calls another one, and which one it is."""
    return {"type": kind, "id": identity, "name": name}


def saved_object(
    kind: Type, identity: str, attributes: dict[str, Any], references: Iterable[Reference] = ()
) -> SavedObject:
    """An object; all but the tag itself carry the tag.

    Args:
        kind: its type.
        identity: its id and the name of its file.
        attributes: what it is.
        references: the objects that it needs.
    """
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
