"""Finds streams that foreign index templates would create, or did create, with other mappings than ours.

Only the matching index template of the highest priority applies to a new index.  The list of templates shows which
one wins; a simulation shows its mapping.  A foreign template that maps the fields as ours does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from elastic_transport import ApiError, ApiResponse, TransportError
from elasticsearch import Elasticsearch

from shipper.config import DATASETS
from shipper.elastic.assets import assets
from shipper.elastic.client import is_genuine
from shipper.elastic.names import run_index, streams_of

Types = Mapping[str, frozenset[str]]


# Fields that distinguish our mapping: those for sorting, counting and filtering, and the one for unmapped keys.
_TEXT, _KEYWORD = frozenset({"match_only_text", "text"}), frozenset({"keyword"})
_TIME, _NUMBER, _FLATTENED = frozenset({"date_nanos"}), frozenset({"long"}), frozenset({"flattened"})
LINES: Types = {
    "neuroflow.extra": _FLATTENED,
    "event.action": _KEYWORD,
    "@timestamp": _TIME,
    "log.level": _KEYWORD,
    "log.logger": _KEYWORD,
    "log.offset": _NUMBER,
    "message": _TEXT,
    "neuroflow.run_id": _KEYWORD,
    "service.name": _KEYWORD,
}
RUNS: Types = {
    "kind": _KEYWORD,
    "status": _KEYWORD,
    "@timestamp": _TIME,
    "neuroflow.pipeline": _KEYWORD,
    "neuroflow.run_id": _KEYWORD,
}
MAX_FAULTS = 3
_MISSES = "does not map"


@dataclass(frozen=True)
class Template:
    """An index template: what decides whether it applies to an index."""

    name: str
    patterns: tuple[str, ...]
    priority: int = 0
    data_stream: bool = True


@dataclass
class InForce:
    """What differs from our templates, in sentences.

    Attributes:
        templates: how new indices would differ.
        indices: how the current write indices differ.
        remarks: information that needs no action.
        blocking: no stream exists, and a foreign template would create the first.
        unreadable: the key may not read templates.
    """

    templates: list[str] = field(default_factory=list)
    indices: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    blocking: bool = False
    unreadable: bool = False


def winner(templates: Iterable[Template], index: str) -> Template | None:
    """The template that applies to an index; Elasticsearch rejects overlapping ones of equal priority."""
    matching = [one for one in templates if any(_matches(pattern, index) for pattern in one.patterns)]
    return max(matching, key=lambda one: one.priority, default=None)


def _matches(pattern: str, index: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), index) is not None


def faults(mappings: Mapping[str, Any], types: Types) -> list[str]:
    """How a mapping differs from ours, for example ``maps event.action as text, not keyword``."""
    found = []
    flat = _flat(mappings.get("properties"))
    for name, wanted in types.items():
        mapped = flat.get(name, "object" if any(other.startswith(f"{name}.") for other in flat) else None)
        if mapped is None:
            found.append(f"{_MISSES} {name}")
        elif mapped not in wanted:
            found.append(f"maps {name} as {mapped}, not {'/'.join(sorted(wanted))}")
    dynamic = str(mappings.get("dynamic", True)).lower()
    if dynamic != "false":
        found.insert(1, f"sets dynamic to {dynamic}, not false")
    return found


def changes(mappings: Mapping[str, Any], types: Types) -> list[str]:
    """How a mapping differs from ours if what it leaves out is ours: that of a component template of others."""
    wholly = faults({"dynamic": "false", **mappings}, types)
    return [one for one in wholly if not one.startswith(_MISSES)]


def in_force(client: Elasticsearch, namespace: str, *, thorough: bool = True, as_ours: bool = False) -> InForce:
    """Compare what is in force for a namespace's streams and run documents with our templates.

    Args:
        client: the cluster.
        namespace: of the streams.
        thorough: also check component templates of others (``@custom``) and existing indices.  Without it, and where
            our templates win, this costs one small request.
        as_ours: our templates were just found equal to this release's: simulate only those that a component template
            may change, which saves six slow requests.

    Raises:
        elastic_transport.ApiError: the cluster refused; 403 is a remark.
        elastic_transport.TransportError: the cluster can't be reached, or the answer is invalid.
    """
    found, certain = InForce(), False
    try:
        listed = _listed(client)
    except ApiError as error:
        if error.meta.status != 403:
            raise
        found.unreadable = True
        found.remarks.append("can't check which index templates are in force: grant the cluster privilege `monitor`")
    else:
        customs = _customs(client) if thorough else {}
        suspects = frozenset(customs) if customs is not None and (as_ours or not thorough) else None
        certain = _check_templates(client, listed, namespace, found, suspects, customs or {})
    if thorough or found.templates:
        fresh = _check_indices(client, namespace, found)
        found.blocking = certain and fresh
    return found


def _check_templates(
    client: Elasticsearch,
    listed: list[Template],
    namespace: str,
    found: InForce,
    suspects: frozenset[str] | None,
    customs: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Check the mappings of new indices; gives whether a stream would certainly differ from ours.

    Args:
        client: the cluster.
        listed: its index templates.
        namespace: of the streams.
        found: takes what differs.
        suspects: our templates to simulate; None for all.
        customs: what component templates of others map, by the name of our template; it counts where the key may not
            simulate.
    """
    ours = {one.name: one for asset in assets() if asset.kind == "index_template" for one in [_ours(asset)]}
    there = {one.name for one in listed}
    wrong: dict[tuple[Template, str], list[str]] = {}
    for name in [*streams_of(namespace), run_index(namespace)]:
        template = winner([*listed, *(one for one in ours.values() if one.name not in there)], name)
        if template is None:
            continue
        foreign = template.name not in ours
        if not foreign and not (template.name in there and (suspects is None or template.name in suspects)):
            continue
        how = _faults_of(client, template, name, stream=name != run_index(namespace))
        if how is None and template.name in customs:
            how = _joined(changes(customs[template.name], RUNS if name == run_index(namespace) else LINES))
        if how or (foreign and how is None):
            wrong.setdefault((template, how or ""), []).append(name)
        elif foreign:
            found.remarks.append(f"{name}: index template {_named(template)} wins over ours and maps as ours does")
    runs = run_index(namespace)
    least = min(one.priority for one in ours.values())
    for (template, how), names in wrong.items():
        if template.name in ours:
            found.templates.append(
                f"{', '.join(names)}: an index of our template {how}, because a component template changes it: "
                f"correct {template.name}@custom"
            )
        else:
            found.templates.append(
                f"index template {_named(template)} wins over ours for {', '.join(names)}"
                f"{f': its index {how}' if how else ''}; give it a priority below {least}, or patterns that "
                "leave these names out, or delete it"
            )
    return any(how and names != [runs] for (template, how), names in wrong.items() if template.name not in ours)


def _faults_of(client: Elasticsearch, template: Template, name: str, *, stream: bool) -> str | None:
    """How a new index would differ, in words; empty for not at all, None where the cluster does not tell."""
    if stream != template.data_stream:
        return "is no data stream" if stream else "is a data stream"
    mappings = _simulated(client, name)
    return None if mappings is None else _joined(faults(mappings, LINES if stream else RUNS))


def _check_indices(client: Elasticsearch, namespace: str, found: InForce) -> bool:
    """Check the existing indices; gives whether certainly no stream exists."""
    runs = run_index(namespace)
    unseen = []
    missing = 0
    for name in [*streams_of(namespace), runs]:
        backing = _mappings(client, name)
        if backing is None:
            unseen.append(name)
            continue
        missing += name != runs and not backing
        indices = [(index, _joined(faults(mappings, RUNS if name == runs else LINES))) for index, mappings in backing]
        for index, how in indices[-1:]:
            if not how:
                continue
            fix = "run `neuroflow-ship rebuild-runs`, which creates it again"
            if name != runs:
                fix = f"when the templates are right, roll over: POST /{name}/_rollover"
            found.indices.append(f"the write index {index} {how}: another template created it; {fix}")
        if older := [index for index, how in indices[:-1] if how]:
            found.remarks.append(
                f"{', '.join(older)}: created by another template; views may fail until it is reindexed or deleted"
            )
    if unseen:
        found.remarks.append(f"can't check the field mappings of {', '.join(unseen)}: grant `view_index_metadata`")
    return missing == len(DATASETS)


_LISTED = [
    f"index_templates.{part}"
    for part in ("name", *(f"index_template.{key}" for key in ("index_patterns", "priority", "data_stream")))
]


def _listed(client: Elasticsearch) -> list[Template]:
    """All index templates of the cluster."""
    answer = client.options(ignore_status=404).perform_request(
        "GET",
        "/_index_template",
        params={"filter_path": ",".join(_LISTED)},
        headers={"accept": "application/json"},
    )
    body = _genuine(answer).body
    entries = body.get("index_templates", []) if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise TransportError("the answer about index templates is invalid (is there a proxy in between?)")
    return [one for entry in entries if (one := _read(entry)) is not None]


def _customs(client: Elasticsearch) -> dict[str, dict[str, Any]] | None:
    """What the ``@custom`` component templates map, by the name of the index template; None where it is not told."""
    end = "@custom"
    answer = client.options(ignore_status=[403, 404]).perform_request(
        "GET",
        f"/_component_template/*{end}",
        params={"filter_path": "component_templates.name,component_templates.component_template.template.mappings"},
        headers={"accept": "application/json"},
    )
    if _genuine(answer).meta.status == 403 or not isinstance(answer.body, dict):
        return None
    entries = answer.body.get("component_templates", [])
    if not isinstance(entries, list):
        return None
    found = {}
    for entry in entries:
        if isinstance(entry, dict):
            inner: Any = entry
            for part in ("component_template", "template", "mappings"):
                inner = inner.get(part) if isinstance(inner, dict) else None
            found[str(entry.get("name")).removesuffix(end)] = inner if isinstance(inner, dict) else {}
    return found


def _genuine(answer: ApiResponse[Any]) -> ApiResponse[Any]:
    if not is_genuine(answer):
        raise TransportError("the answer about index templates is not Elasticsearch's (is there a proxy in between?)")
    return answer


def _read(entry: Any) -> Template | None:
    body = entry.get("index_template") if isinstance(entry, dict) else None
    if not isinstance(body, dict) or not isinstance(entry.get("name"), str):
        return None
    patterns, priority = body.get("index_patterns"), body.get("priority", 0)
    if not isinstance(patterns, list) or not isinstance(priority, int):
        return None
    return Template(entry["name"], tuple(map(str, patterns)), priority, "data_stream" in body)


def _ours(asset: Any) -> Template:
    body = asset.body
    return Template(asset.name, tuple(body["index_patterns"]), body["priority"], "data_stream" in body)


def _simulated(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    """The mapping that a new index would get; None where the cluster does not tell."""
    # 404, 405, 410: the request is not supported; 400: the index can't be created, which the first document shows.
    answer = client.options(ignore_status=[400, 403, 404, 405, 410]).perform_request(
        "POST",
        f"/_index_template/_simulate_index/{name}",
        params={"filter_path": "template.mappings"},
        headers={"accept": "application/json"},
    )
    if _genuine(answer).meta.status != 200 or not isinstance(answer.body, dict):
        return None
    template = answer.body.get("template") or {}
    mappings = template.get("mappings", {}) if isinstance(template, dict) else None
    return mappings if isinstance(mappings, dict) else None


def _mappings(client: Elasticsearch, name: str) -> list[tuple[str, dict[str, Any]]] | None:
    """The indices behind a name with their mappings, the write index last; None where the key may not read them."""
    first = {one.partition(".")[0] for one in (*LINES, *RUNS)}
    wanted = ["*.mappings.dynamic", *(f"*.mappings.properties.{part}*" for part in sorted(first))]
    answer = client.options(ignore_status=[403, 404]).indices.get_mapping(index=name, filter_path=wanted)
    if _genuine(answer).meta.status == 404:
        return []
    if answer.meta.status == 403 or not isinstance(answer.body, dict):
        return None
    pairs = [
        (index, one["mappings"] if isinstance(one.get("mappings"), dict) else {})
        for index, one in answer.body.items()
        if isinstance(one, dict)
    ]
    return sorted(pairs, key=lambda pair: pair[0].rpartition("-")[2])


def _flat(properties: Any, above: str = "") -> dict[str, str]:
    """Types by full field names, whether nested or dotted."""
    flat: dict[str, str] = {}
    for name, body in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(body, dict):
            continue
        if "type" in body and isinstance(body["type"], str):
            flat[above + name] = body["type"]
        flat |= _flat(body.get("properties"), f"{above}{name}.")
    return flat


def _joined(found: list[str]) -> str:
    more = len(found) - MAX_FAULTS
    return ", ".join(found[:MAX_FAULTS]) + (f", and {more} more" if more > 0 else "")


def _named(template: Template) -> str:
    return f"`{template.name}` (priority {template.priority}, patterns {', '.join(template.patterns)})"
