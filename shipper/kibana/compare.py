"""Whether a space of Kibana holds the objects of this release.  Pure functions.

The tag carries a digest of all objects, and Kibana writes all objects of one import with one ``updated_at`` (one bulk
request); every later write gives an object another time.  So an object whose time is that of a tag with our digest is
unchanged since our import, in whatever form this Kibana stores it.

Two kinds change without being edited: Discover counts in a data view how often each field was chosen, and a rule
has the lab's actions.  Of these `holds` compares the fields that we set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shipper.kibana.ndjson import Object, unpacked

Key = tuple[str, str]
"""Type and id of an object, as our files name it."""

Action = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True)
class Change:
    """What was done (or, in a dry run, would be) about one object or rule."""

    kind: str
    name: str
    action: Action


def key_of(one: Mapping[str, Any]) -> Key:
    """How our files name an object, or a reference to one."""
    return one["type"], one["id"]


def as_ours(found: Iterable[Object]) -> dict[Key, Object]:
    """The objects found, by the ids in our files.

    An id is unique across all spaces: imported into a second space, an object gets another id there, and keeps ours
    as its ``originId``.
    """
    ours: dict[Key, Object] = {}
    for one in found:
        key = one["type"], one.get("originId") or one["id"]
        # An object with our id takes precedence over a copy of it.
        if key not in ours or one["id"] == key[1]:
            ours[key] = one
    return ours


def changes(objects: list[Object], found: Mapping[Key, Object]) -> list[Change]:
    """What an import of stamped objects would do about each; ``found`` is what the space holds."""
    tag = next((one for one in objects if one["type"] == "tag"), None)
    there = found.get(key_of(tag)) if tag else None
    imported = there.get("updated_at") if tag and there and _described(tag) == _described(there) else None
    return [Change(*key_of(one), _action(one, found.get(key_of(one)), imported)) for one in objects]


def holds(wanted: Any, found: Any) -> bool:
    """Whether ``found`` has every leaf of ``wanted``; an empty value of ours may be missing there."""
    if isinstance(wanted, dict):
        if found is None:
            found = {}
        return isinstance(found, dict) and all(holds(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        if found is None:
            found = []
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(holds(ours, theirs) for ours, theirs in zip(wanted, found, strict=True))
        )
    if wanted is None or wanted == "":
        return found is None or found == ""
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)


def _action(wanted: Object, found: Object | None, imported: str | None) -> Action:
    if found is None:
        return "created"
    if imported is not None and found.get("updated_at") == imported:
        return "unchanged"
    used = wanted["type"] == "index-pattern" and holds(
        unpacked(wanted["attributes"]), unpacked(found.get("attributes", {}))
    )
    return "unchanged" if used else "updated"


def _described(tag: Mapping[str, Any]) -> Any:
    return tag.get("attributes", {}).get("description")
