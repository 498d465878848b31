"""What a cluster's nodes can do, and the templates rewritten for it.  Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shipper.elastic.answers import Shape

NODES: Shape = {"nodes?": {str: {"version?": str, "modules?": [{"name": str}]}}}
"""The answer of ``GET _nodes/plugins``, as far as it is read; empty without a node."""

# Field type → the module that provides it, and its substitute on a node without that module.
SUBSTITUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "match_only_text": ("mapper-extras", {"type": "text"}),
    "constant_keyword": ("constant-keyword", {"type": "keyword"}),
    # Lucene takes terms of up to 32766 bytes, and 8191 characters are never more than that.
    "wildcard": ("wildcard", {"type": "keyword", "ignore_above": 8191}),
}
# Found by ranges only, and in blocks of documents that were read together: where nodes can skip the other blocks, an
# index finds it no sooner and takes two bytes of disk a document.
SKIPPABLE = ("event", "created")


@dataclass(frozen=True)
class Capabilities:
    """What every node of the cluster has.

    Attributes:
        missing_types: field types that some node lacks.
        failure_store: whether templates may use one; None when the cluster does not tell.
        logsdb: whether every node supports this index mode; without it logs take three times the disk space.
        serverless: it is a project of Elastic Cloud Serverless, which takes some index settings only.
        skippers: whether every node keeps the range of values of each block of documents, of fields without an index.
    """

    missing_types: frozenset[str] = frozenset()
    failure_store: bool | None = None
    logsdb: bool = True
    serverless: bool = False
    skippers: bool = False


# Assumed for a key that may not read node information: mostly of a managed cluster with all features.
FULL = Capabilities()
SERVERLESS = Capabilities(serverless=True)
# What a serverless project takes under ``index`` (elasticsearch, docs/reference/elasticsearch/index-settings/
# serverless.md); it refuses any other setting, such as the number of shards and replicas, which it chooses itself.
_SERVERLESS_SETTINGS = frozenset({
    "analysis", "blocks", "codec", "default_pipeline", "final_pipeline", "hidden", "mapping", "mode",
    "refresh_interval", "similarity", "sort",
})  # fmt: skip


def capabilities(nodes: Mapping[str, Any]) -> Capabilities:
    """Read an answer of the shape ``NODES``; a mixed cluster has the features that all its nodes have."""
    described = [node for node in nodes.get("nodes", {}).values() if "modules" in node]
    if not described:
        return FULL
    modules = frozenset.intersection(*(frozenset(module["name"] for module in node["modules"]) for node in described))
    return Capabilities(
        missing_types=frozenset(name for name, (module, _) in SUBSTITUTES.items() if module not in modules),
        # Without its data stream module a node accepts the option, but does not implement it.
        failure_store="data-streams" in modules
        and all(_has_failure_store(node.get("version", "")) for node in described),
        # General since 8.17.
        logsdb=all(_number(node.get("version", "8.17")) >= (8, 17) for node in described),
        # logsdb's default since 9.4 (index.mapping.use_doc_values_skipper).
        skippers=all(_number(node.get("version", "")) >= (9, 4) for node in described),
    )


def adapt(body: dict[str, Any], able: Capabilities) -> dict[str, Any]:
    """A copy of a template with only the features that this cluster has."""
    template = dict(body.get("template", {}))
    if "mappings" in template:
        template["mappings"] = _substitute(template["mappings"], able.missing_types)
        if able.skippers:
            template["mappings"] = _without_index(template["mappings"], SKIPPABLE)
    if able.failure_store is False:
        template.pop("data_stream_options", None)
    index = template.get("settings", {}).get("index", {})
    kept = {
        key: value
        for key, value in index.items()
        if (able.logsdb or key != "mode") and (not able.serverless or key in _SERVERLESS_SETTINGS)
    }
    if kept != index:
        template["settings"] = {"index": kept}
    return {**body, "template": template}


def variants(body: dict[str, Any], able: Capabilities) -> list[dict[str, Any]]:
    """The templates to try in turn, where the cluster refuses the first: of those that it does not tell it takes."""
    found = [body]
    if able.failure_store is None:
        neither = Capabilities(failure_store=False, serverless=True)
        for other in (Capabilities(failure_store=False), SERVERLESS, neither):
            if (without := adapt(body, other)) not in found:
                found.append(without)
    return found


def equivalents(body: dict[str, Any], able: Capabilities) -> list[dict[str, Any]]:
    """What counts as installed: what this process would put, or another one whose key may see the nodes' versions."""
    forms = variants(body, able)
    if able.failure_store is None:
        forms += [adapt(form, replace(able, skippers=True)) for form in forms]
    return forms


def _has_failure_store(version: str) -> bool:
    number = _number(version)
    # General since 8.19 and 9.1, which came out together; 9.0 is older than 8.19.
    return (8, 19) <= number < (9, 0) or number >= (9, 1)


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _substitute(node: Any, missing: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_substitute(item, missing) for item in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    # A field may itself be named "type"; then its definition stands here, not the name of a type.
    if isinstance(kind, str) and kind in missing:
        return dict(SUBSTITUTES[kind][1])
    return {key: _substitute(value, missing) for key, value in node.items()}


def _without_index(mapping: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The mapping, with that field without an index; the same where it lacks the field."""
    name, *below = path
    properties = mapping.get("properties", {})
    if name not in properties:
        return mapping
    field = _without_index(properties[name], tuple(below)) if below else {**properties[name], "index": False}
    return {**mapping, "properties": {**properties, name: field}}
