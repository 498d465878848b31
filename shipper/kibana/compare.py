"""Whether what a space of Kibana holds is what we would put there.  Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shipper.kibana.ndjson import Object, unpacked

Key = tuple[str, str]
"""Type and id of an object, as our files name it."""

Action = Literal["created", "updated", "unchanged"]

# Objects of one import carry one time; this much is for an import that Kibana wrote in parts.
ONE_IMPORT_SECONDS = 2.0


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
    """What was found, under the names of our files.

    An id is taken once in all spaces together: imported into a second one, an object gets another id there, and
    keeps ours as its origin.  References are put back to our ids as well.
    """
    found = list(found)
    origins = {key_of(one): one.get("originId") or one["id"] for one in found}
    ours: dict[Key, Object] = {}
    for one in found:
        references = [{**ref, "id": origins.get(key_of(ref), ref["id"])} for ref in one.get("references", ())]
        key = one["type"], origins[key_of(one)]
        # An object that has the id itself goes before a copy of it.
        if key not in ours or one["id"] == key[1]:
            ours[key] = {**one, "references": references}
    return ours


def changes(objects: list[Object], found: Mapping[Key, Object]) -> list[Change]:
    """One change an object: what an import would do about it.

    Args:
        objects: ours, stamped.
        found: what the space holds, under our names.
    """
    mark = next((one for one in objects if one["type"] == "tag"), None)
    there = found.get(key_of(mark)) if mark else None
    imported = _time(there) if mark and there and same(mark, there) else None
    return [Change(*key_of(one), _action(one, found.get(key_of(one)), imported)) for one in objects]


def same(wanted: Object, found: Object) -> bool:
    """Whether every leaf of ours is there; what was added to it (defaults, counters, a tag) doesn't count."""
    references = {(ref["name"], *key_of(ref)) for ref in wanted.get("references", ())}
    return references <= {(ref.get("name"), *key_of(ref)) for ref in found.get("references", ())} and holds(
        unpacked(wanted["attributes"]), unpacked(found.get("attributes", {}))
    )


def holds(wanted: Any, found: Any) -> bool:
    """Whether ``found`` says all that ``wanted`` says; what is empty with us may be missing there."""
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


def _action(wanted: Object, found: Object | None, imported: float | None) -> Action:
    if found is None:
        return "created"
    if same(wanted, found):
        return "unchanged"
    # In a newer shape our leaves can't be looked for: there the digest speaks, unless somebody wrote it since.
    written = _time(found)
    newer = _version(found) > _version(wanted)
    together = imported is not None and written is not None and abs(written - imported) <= ONE_IMPORT_SECONDS
    return "unchanged" if newer and together else "updated"


def _version(one: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", str(one.get("typeMigrationVersion", ""))))


def _time(one: Mapping[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(one["updated_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
