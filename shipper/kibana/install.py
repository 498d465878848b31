"""Installs saved objects and rules in a space of Kibana; imports objects only if one of them differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shipper.kibana.client import KibanaClient
from shipper.kibana.compare import Change, Key, as_ours, changes, key_of
from shipper.kibana.ndjson import Object, ndjson
from shipper.kibana.responses import IMPORTED, MISSING, OBJECT, Answer, KibanaError, fits, import_refusals, refusal
from shipper.kibana.rule_api import install_rules

NEEDS = "the Kibana privilege Saved Objects Management: All in this space"

# An export names all missing objects at once; one more attempt for objects deleted meanwhile.
MAX_EXPORTS = 3


@dataclass
class Report:
    """The result of an installation.

    Attributes:
        changes: what was done, or would be.
        refused: a sentence for each object and rule that Kibana refused.
    """

    changes: list[Change] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def install_kibana(
    client: KibanaClient, objects: list[Object], rules: list[Object], *, dry_run: bool = False
) -> Report:
    """Bring a space's saved objects, in the order of their references, and its rules to this release's state."""
    client.check_space()
    report = Report(changes(objects, found_in(client, objects)))
    if not dry_run and any(change.action != "unchanged" for change in report.changes):
        report.refused = _import(client, objects)
        if report.refused:
            report.changes = _applied(client, objects, report.changes)
    changed, refused = install_rules(client, rules, dry_run=dry_run)
    report.changes += changed
    report.refused += refused
    return report


def found_in(client: KibanaClient, objects: list[Object]) -> dict[Key, Object]:
    """Those of our objects that the space holds, by our ids."""
    there = _export_by_id(client, [key_of(one) for one in objects])
    found = as_ours(there)
    missing = {key_of(one) for one in objects} - found.keys()
    if missing:
        there += [one for one in _copies(client, objects) if (one["type"], one.get("originId")) in missing]
        found = as_ours(there)
    return found


def _import(client: KibanaClient, objects: list[Object]) -> list[str]:
    answer = client.upload("/api/saved_objects/_import?overwrite=true", ndjson(objects), "neuroflow.ndjson")
    body = answer.json
    if not answer.ok or not fits(body, IMPORTED):
        raise KibanaError(refusal(answer, client.place, needs=NEEDS))
    return import_refusals(body)


def _applied(client: KibanaClient, objects: list[Object], planned: list[Change]) -> list[Change]:
    """The changes made by an import that refused something: its answer also lists changes that it didn't make."""
    try:
        now = changes(objects, found_in(client, objects))
    except KibanaError:
        return []  # the refusals are reported in any case
    return [before for before, after in zip(planned, now, strict=True) if after.action == "unchanged"]


def _export_by_id(client: KibanaClient, keys: list[Key]) -> list[Object]:
    for _ in range(MAX_EXPORTS):
        if not keys:
            return []
        wanted = [{"type": kind, "id": name} for kind, name in keys]
        answer = client.ask("POST", "/api/saved_objects/_export", {"objects": wanted, "excludeExportDetails": True})
        missing = _missing(answer)
        if not missing:
            return _objects(client, answer)
        keys = [key for key in keys if key not in missing]
    return []


def _copies(client: KibanaClient, objects: list[Object]) -> list[Object]:
    """Objects of our kinds that may be copies of ours under other ids, as in the second space of a Kibana.

    Of a space's tags and data views all are exported; of the other kinds those that refer to one of ours or its copy.
    """
    kinds = {one["type"] for one in objects}
    ours = {key_of(one) for one in objects}
    roots = [
        one
        for one in _export_by_type(client, sorted(kinds & {"tag", "index-pattern"}))
        if {key_of(one), (one["type"], one.get("originId"))} & ours
    ]
    references = [{"type": one["type"], "id": one["id"]} for one in roots]
    return roots + _export_by_type(client, sorted(kinds - {"tag", "index-pattern"}), references)


def _export_by_type(
    client: KibanaClient, kinds: list[str], references: list[dict[str, str]] | None = None
) -> list[Object]:
    if not kinds or references == []:
        return []
    body: dict[str, Any] = {"type": kinds, "excludeExportDetails": True}
    if references:
        body["hasReference"] = references
    answer = client.ask("POST", "/api/saved_objects/_export", body)
    # 400: more objects than Kibana exports at once.  Copies are not found then; the import overwrites them anyway.
    return [] if answer.status == 400 else _objects(client, answer)


def _missing(answer: Answer) -> set[Key]:
    """The objects that an export was refused for, because they don't exist."""
    body = answer.json
    if answer.status != 400 or not fits(body, MISSING):
        return set()
    entries = body["attributes"]["objects"]
    return {key_of(entry) for entry in entries if entry.get("error", {}).get("statusCode") == 404}


def _objects(client: KibanaClient, answer: Answer) -> list[Object]:
    lines = answer.lines
    if not answer.ok or lines is None or not fits(lines, [OBJECT]):
        raise KibanaError(refusal(answer, client.place, needs=NEEDS))
    return lines
