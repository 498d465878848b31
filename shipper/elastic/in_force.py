"""What a stream would be made with, and what it was made with: our templates, or somebody else's that win.

The index template of the highest priority makes an index, alone; what ours say then does not count.  Who wins is
found in the list of all templates, what that means in a simulation; one that maps as ours do does no harm.
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


# Fields by which a mapping that is not ours is told: what is sorted, counted or filtered by, and what takes the keys
# that have no home.
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
MOST_FAULTS = 3


@dataclass(frozen=True)
class Template:
    """An index template, as far as it decides who wins."""

    name: str
    patterns: tuple[str, ...]
    priority: int = 0
    data_stream: bool = True


@dataclass
class InForce:
    """What was found, in sentences.

    Attributes:
        templates: what new indices would be made with that is not as ours have it.
        indices: what is written to now that was made so.
        remarks: what is worth knowing and no fault.
        barred: no stream is there yet, and a template that is not ours would make the first.
        unseen: the key may not ask for the templates.
    """

    templates: list[str] = field(default_factory=list)
    indices: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    barred: bool = False
    unseen: bool = False


def winner(templates: Iterable[Template], index: str) -> Template | None:
    """The template that makes an index of this name; Elasticsearch lets no two of one priority overlap."""
    matching = [one for one in templates if any(_matches(pattern, index) for pattern in one.patterns)]
    return max(matching, key=lambda one: one.priority, default=None)


def _matches(pattern: str, index: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), index) is not None


def faults(mappings: Mapping[str, Any], types: Types) -> list[str]:
    """What a mapping does otherwise than ours, each as what it does: ``maps event.action as text, not keyword``."""
    found = []
    flat = _flat(mappings.get("properties"))
    for name, wanted in types.items():
        mapped = flat.get(name, "object" if any(other.startswith(f"{name}.") for other in flat) else None)
        if mapped is None:
            found.append(f"does not map {name}")
        elif mapped not in wanted:
            found.append(f"maps {name} as {mapped}, not {'/'.join(sorted(wanted))}")
    dynamic = str(mappings.get("dynamic", True)).lower()
    if dynamic != "false":
        found.insert(1, f"sets dynamic to {dynamic}, not false")
    return found


def in_force(client: Elasticsearch, namespace: str, *, thorough: bool = True, as_ours: bool = False) -> InForce:
    """Look at what is in force for a namespace's streams and its run documents.

    Args:
        client: the cluster.
        namespace: of the streams.
        thorough: also whether component templates of others (``@custom``) change what ours say, and what the indices
            are like that are there.  Without it, and where our templates win, it costs one small request.
        as_ours: our templates say what this release's do, as they were just compared: what they make is then looked
            at only where a component template of others may change it, which saves six slow requests.

    Raises:
        elastic_transport.ApiError: the cluster refused; 403 is a remark.
        elastic_transport.TransportError: the cluster can't be reached, or what answers is none.
    """
    found, certain = InForce(), False
    try:
        listed = _listed(client)
    except ApiError as error:
        if error.meta.status != 403:
            raise
        found.unseen = True
        found.remarks.append(
            "which index templates are in force can't be told: grant the cluster privilege `monitor` to see"
        )
    else:
        suspects = (_customised(client) if as_ours else None) if thorough else frozenset()
        certain = _look_at_templates(client, listed, namespace, found, suspects)
    if thorough or found.templates:
        fresh = _look_at_indices(client, namespace, found)
        found.barred = certain and fresh
    return found


def _look_at_templates(
    client: Elasticsearch, listed: list[Template], namespace: str, found: InForce, suspects: frozenset[str] | None
) -> bool:
    """Look at what would be made; gives whether it is certain that a stream would not be as ours.

    ``suspects`` are those of ours that may not make what they should; None for all of them.
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
        said = _faults_of(client, template, name, stream=name != run_index(namespace))
        if said or (foreign and said is None):
            wrong.setdefault((template, said or ""), []).append(name)
        elif foreign:
            found.remarks.append(f"{name}: index template {_named(template)} wins over ours and maps as ours does")
    runs = run_index(namespace)
    least = min(one.priority for one in ours.values())
    for (template, said), names in wrong.items():
        if template.name in ours:
            found.templates.append(
                f"{', '.join(names)}: what our index template makes {said}, because a component template changes it: "
                f"look at {template.name}@custom and put it right"
            )
        else:
            found.templates.append(
                f"index template {_named(template)} wins over ours for {', '.join(names)}"
                f"{f': what it makes {said}' if said else ''}; give it a priority below {least}, or patterns that "
                "leave these names out, or delete it"
            )
    return any(said and names != [runs] for (template, said), names in wrong.items() if template.name not in ours)


def _faults_of(client: Elasticsearch, template: Template, name: str, *, stream: bool) -> str | None:
    """What is wrong with what would be made, in words; empty for nothing, None where that can't be known."""
    if stream != template.data_stream:
        return "is no data stream" if stream else "is a data stream"
    mappings = _simulated(client, name)
    return None if mappings is None else _words(faults(mappings, LINES if stream else RUNS))


def _look_at_indices(client: Elasticsearch, namespace: str, found: InForce) -> bool:
    """Look at what is there; gives whether it is certain that no stream is."""
    runs = run_index(namespace)
    unseen = []
    missing = 0
    for name in [*streams_of(namespace), runs]:
        backing = _mappings(client, name)
        if backing is None:
            unseen.append(name)
            continue
        missing += name != runs and not backing
        words = [(index, _words(faults(mappings, RUNS if name == runs else LINES))) for index, mappings in backing]
        for index, said in words[-1:]:
            if not said:
                continue
            mend = "run `neuroflow-ship rebuild-runs`, which creates it again"
            if name != runs:
                mend = f"when the templates are right, roll over: POST /{name}/_rollover"
            found.indices.append(f"{index}, which is written to, {said}: another template made it; {mend}")
        if older := [index for index, said in words[:-1] if said]:
            found.remarks.append(
                f"{', '.join(older)}: made by another template; views may fail until that is reindexed or deleted"
            )
    if unseen:
        found.remarks.append(
            f"how {', '.join(unseen)} {'maps its' if len(unseen) == 1 else 'map their'} fields can't be told: grant "
            "`view_index_metadata` to see"
        )
    return missing == len(DATASETS)


_LISTED = [
    f"index_templates.{part}"
    for part in ("name", *(f"index_template.{key}" for key in ("index_patterns", "priority", "data_stream")))
]


def _listed(client: Elasticsearch) -> list[Template]:
    """Every index template there is."""
    answer = client.options(ignore_status=404).perform_request(
        "GET",
        "/_index_template",
        params={"filter_path": ",".join(_LISTED)},
        headers={"accept": "application/json"},
    )
    body = _said_by_elasticsearch(answer).body
    entries = body.get("index_templates", []) if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise TransportError("the answer about index templates is none (a proxy in between?)")
    return [one for entry in entries if (one := _read(entry)) is not None]


def _customised(client: Elasticsearch) -> frozenset[str] | None:
    """The index templates for which somebody has a component template of his own; None where that is not said."""
    end = "@custom"
    answer = client.options(ignore_status=[403, 404]).perform_request(
        "GET",
        f"/_component_template/*{end}",
        params={"filter_path": "component_templates.name"},
        headers={"accept": "application/json"},
    )
    if _said_by_elasticsearch(answer).meta.status == 403 or not isinstance(answer.body, dict):
        return None
    entries = answer.body.get("component_templates", [])
    if not isinstance(entries, list):
        return None
    names = (entry.get("name") for entry in entries if isinstance(entry, dict))
    return frozenset(str(name).removesuffix(end) for name in names)


def _said_by_elasticsearch(answer: ApiResponse[Any]) -> ApiResponse[Any]:
    if not is_genuine(answer):
        raise TransportError("the answer about index templates is not Elasticsearch's (a proxy in between?)")
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
    """The mapping of an index that would be made now; None where the cluster does not say."""
    # 404, 405, 410: no such request there; 400: it can't be made at all, which the first document will be told.
    answer = client.options(ignore_status=[400, 403, 404, 405, 410]).perform_request(
        "POST",
        f"/_index_template/_simulate_index/{name}",
        params={"filter_path": "template.mappings"},
        headers={"accept": "application/json"},
    )
    if _said_by_elasticsearch(answer).meta.status != 200 or not isinstance(answer.body, dict):
        return None
    template = answer.body.get("template") or {}
    mappings = template.get("mappings", {}) if isinstance(template, dict) else None
    return mappings if isinstance(mappings, dict) else None


def _mappings(client: Elasticsearch, name: str) -> list[tuple[str, dict[str, Any]]] | None:
    """The indices behind a name with their mappings, what is written to last; None where the key may not look."""
    first = {one.partition(".")[0] for one in (*LINES, *RUNS)}
    wanted = ["*.mappings.dynamic", *(f"*.mappings.properties.{part}*" for part in sorted(first))]
    answer = client.options(ignore_status=[403, 404]).indices.get_mapping(index=name, filter_path=wanted)
    if _said_by_elasticsearch(answer).meta.status == 404:
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
    """Types by full names, whether they stand nested or with dots."""
    flat: dict[str, str] = {}
    for name, body in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(body, dict):
            continue
        if "type" in body and isinstance(body["type"], str):
            flat[above + name] = body["type"]
        flat |= _flat(body.get("properties"), f"{above}{name}.")
    return flat


def _words(said: list[str]) -> str:
    more = len(said) - MOST_FAULTS
    return ", ".join(said[:MOST_FAULTS]) + (f", and {more} more" if more > 0 else "")


def _named(template: Template) -> str:
    return f"`{template.name}` (priority {template.priority}, patterns {', '.join(template.patterns)})"
