"""Brings existing data streams, and the index of run documents, to what the templates say: ``setup --apply``.

A template applies to what is created after it.  What an existing stream can take is put: new fields, some settings,
the retention, the failure store.  Anything else (the order on disk, the storage mode, how a field is indexed) comes
with the next backing index, which a lazy rollover creates for the next document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.assets import assets
from shipper.elastic.capabilities import adapt
from shipper.elastic.in_force import LINES, faults
from shipper.elastic.names import run_index
from shipper.elastic.retention import of_stream
from shipper.elastic.steps import Remark, Step
from shipper.elastic.streams import Stream, flat_settings, simulated, stream, stream_names
from shipper.elastic.templates import capabilities_of

# Settings that only a new index takes; others are tried.
_STATIC = (
    "index.mode", "index.sort.", "index.codec", "index.number_of_shards", "index.mapping.ignore_malformed",
    "index.mapping.source.",
)  # fmt: skip
# Where an index is allocated is decided by the cluster, or by ILM, as time passes.
_NOT_COMPARED = ("index.routing.", "index.number_of_replicas")
# Parameters of a field that can be changed, and one that the first document sets.
_CHANGEABLE = ("ignore_above", "ignore_malformed", "meta")
_SET_BY_DOCUMENTS = ("value",)
# Of a mapping as a whole.
_TOP = ("dynamic", "date_detection")
_MAX_NAMED = 5

Field = Mapping[str, Any]


def plan(client: Elasticsearch, namespace: str, now_ms: float) -> list[Step | Remark]:
    """What the existing streams and the index of run documents need.

    Raises:
        elasticsearch.ApiError: the key may not read them.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    steps: list[Step | Remark] = []
    for name in stream_names(namespace):
        if (exists := stream(client, name)) is None:
            continue
        template = simulated(client, name)
        if template is None:
            steps.append(Remark(name, "the cluster does not tell what the templates would make of it"))
        elif faults(template.get("mappings", {}), LINES):
            steps.append(Remark(name, "left alone: the template in force for it is not neuroflow-ship's"))
        else:
            steps += of_templates(exists, template, now_ms)
    return steps + list(_runs(client, run_index(namespace)))


def of_templates(one: Stream, template: Mapping[str, Any], now_ms: float) -> list[Step | Remark]:
    """What a stream needs to be as its template says.

    Args:
        one: an existing data stream.
        template: the settings, mappings, lifecycle and options of a new index.
        now_ms: milliseconds since the epoch.
    """
    steps: list[Step | Remark] = []
    wanted = template.get("mappings", {})
    new, other = differing_fields(wanted, one.mappings)
    settings, fixed = differing_settings(flat_settings(template.get("settings", {})), one.settings)
    reasons = sorted({*fixed, *other})
    if reasons and one.rolls_over:
        steps.append(Remark(one.name, "rolls over with the next document, as was asked for before"))
    elif reasons:
        steps.append(_rollover(one.name, f"{_some(reasons)} can't be changed in an existing index"))
    elif new or (top := _top(wanted, one.mappings)):
        names = sorted(new) or sorted(top)
        what = f"new fields {_some(names)}" if new else f"mapping: {_some(names)}"
        body = {**_top(wanted, one.mappings), **({"properties": nested(new)} if new else {})}
        refused = _rollover(one.name, f"{_some(names)} can't be changed in an existing index")
        steps.append(
            Step(one.name, what, "PUT", f"/{one.name}/_mapping?write_index_only=true", body, otherwise=refused)
        )
    if settings:
        write = one.indices[-1].name
        what = f"settings {_some(sorted(settings))}"
        refused = _rollover(one.name, f"{_some(sorted(settings))} can't be changed in an existing index")
        steps.append(Step(one.name, what, "PUT", f"/{write}/_settings", settings, otherwise=refused))
    return steps + list(_options(one, template, now_ms))


def _options(one: Stream, template: Mapping[str, Any], now_ms: float) -> Iterator[Step | Remark]:
    """The retention and the failure store, which belong to the stream as a whole."""
    lifecycle = template.get("lifecycle")
    if one.described is None:
        yield Remark(one.name, "the cluster does not tell its retention: it stays as it is")
        return
    if lifecycle is not None and one.policy is None:
        yield from of_stream(one, lifecycle.get("data_retention"), now_ms, None)
    options = template.get("data_stream_options") or {}
    store = (options.get("failure_store") or {}).get("enabled")
    has = (one.described.get("failure_store") or {}).get("enabled")
    if store is True and has is False:
        body = {"failure_store": {"enabled": True}}
        yield Step(one.name, "failure store switched on", "PUT", f"/_data_stream/{one.name}/_options", body)


def _rollover(name: str, why: str) -> Step:
    # Before 8.13 there is no lazy rollover: the parameter is refused.
    now = Step(name, f"rolled over: {why}", "POST", f"/{name}/_rollover")
    return Step(
        name, f"rolls over with the next document: {why}", "POST", f"/{name}/_rollover?lazy=true", otherwise=now
    )


def _runs(client: Elasticsearch, name: str) -> Iterator[Step | Remark]:
    exists = stream(client, name)
    if exists is None:
        return
    (asset,) = (asset for asset in assets() if asset.name == "neuroflow-runs")
    version = (exists.mappings.get("_meta") or {}).get("version")
    if isinstance(version, int) and version > asset.body["version"]:
        return  # a later release made it
    wanted = adapt(asset.body, capabilities_of(client))["template"]["mappings"]
    new, other = differing_fields(wanted, exists.mappings)
    if other:
        yield Remark(name, f"{_some(sorted(other))}: run `neuroflow-ship rebuild-runs`, which creates it again")
    elif new:
        yield Step(name, f"new fields {_some(sorted(new))}", "PUT", f"/{name}/_mapping", {"properties": nested(new)})


def differing_fields(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[dict[str, Field], list[str]]:
    """The fields that can be put into an existing mapping, and the names of those whose change it can't take."""
    ours, theirs = _fields(wanted.get("properties")), _fields(found.get("properties"))
    put: dict[str, Field] = {}
    fixed = []
    for name, field in ours.items():
        there = theirs.get(name)
        if there is None:
            # A field can't stand below another one, or in the place of an object.
            blocked = any(other.startswith(f"{name}.") or name.startswith(f"{other}.") for other in theirs)
            if blocked:
                fixed.append(name)
            else:
                put[name] = field
            continue
        keys = {key for key in field.keys() | there.keys() if _plain(field.get(key)) != _plain(there.get(key))}
        keys -= {key for key in _SET_BY_DOCUMENTS if key not in field}
        if keys - set(_CHANGEABLE):
            fixed.append(name)
        elif keys:
            put[name] = field
    return put, fixed


def differing_settings(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings that can be put into an existing index, and the names of those that it can't take."""
    differing = {
        name: value
        for name, value in wanted.items()
        if not name.startswith(_NOT_COMPARED) and _plain(value) != _plain(found.get(name))
    }
    return (
        {name: value for name, value in differing.items() if not name.startswith(_STATIC)},
        [name for name in differing if name.startswith(_STATIC)],
    )


def nested(fields: Mapping[str, Field]) -> dict[str, Any]:
    """Fields with full names as the ``properties`` of a mapping."""
    properties: dict[str, Any] = {}
    for name, field in fields.items():
        inner = properties
        *above, last = name.split(".")
        for part in above:
            inner = inner.setdefault(part, {}).setdefault("properties", {})
        inner[last] = field
    return properties


def _fields(properties: Any, above: str = "") -> dict[str, Field]:
    """Every field by its full name; objects are no fields."""
    fields: dict[str, Field] = {}
    for name, body in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(body, Mapping):
            continue
        inner = body.get("properties")
        if isinstance(inner, Mapping):
            fields |= _fields(inner, f"{above}{name}.")
        else:
            fields[f"{above}{name}"] = body
    return fields


def _top(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: wanted[key] for key in _TOP if key in wanted and _plain(wanted[key]) != _plain(found.get(key))}


def _plain(value: Any) -> Any:
    """Values as Elasticsearch gives them back, which writes scalars as texts and lists of one as one."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value] if len(value) != 1 else _plain(value[0])
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
