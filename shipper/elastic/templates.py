"""Installs index templates: only those that differ, so a second run costs three small requests.

Existing streams and indices do not change: a template applies to what is created after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from elastic_transport import ApiResponse
from elasticsearch import ApiError, BadRequestError, Elasticsearch

from shipper.elastic.answers import Shape, validated
from shipper.elastic.assets import Asset, Kind, assets
from shipper.elastic.capabilities import (
    FULL,
    NODES,
    SERVERLESS,
    Capabilities,
    adapt,
    capabilities,
    equivalents,
    variants,
)
from shipper.elastic.client import is_genuine, is_there, send_json

# One request each finds all of ours: the names of component templates begin alike, those of index templates
# ("logs-neuroflow.app", "neuroflow-runs") only contain the word.
PATTERNS: dict[Kind, str] = {"component_template": "neuroflow-*", "index_template": "*neuroflow*"}

# Keys to which Elasticsearch adds defaults or timestamps: our values must be there, and others may be.
OPEN_KEYS = ("data_stream", "lifecycle", "data_stream_options")

# The parts of an installed template that are read.
_TEMPLATE: Shape = {
    "_meta?": ({}, None),
    "template?": {
        "settings?": {},
        "mappings?": {},
        "aliases?": {},
        "lifecycle?": object,
        "data_stream_options?": object,
    },
}
DONE: Shape = {"acknowledged?": bool}
"""The answer to a request that puts a template or an index."""

Action = Literal["created", "updated", "unchanged", "newer"]


@dataclass(frozen=True)
class Change:
    """What was done (or, in a dry run, would be) about one template.

    ``newer``: a later release installed it, and it stays, so that two releases do not overwrite each other in turn.
    """

    kind: Kind
    name: str
    action: Action


def install(client: Elasticsearch, *, dry_run: bool = False) -> list[Change]:
    """Bring the cluster's templates to this release's state.

    Raises:
        elasticsearch.ApiError: the cluster refused (401, 403: the privilege ``manage_index_templates``).
        elastic_transport.TransportError: the cluster can't be reached.
    """
    able = capabilities_of(client)
    installed = _installed(client)
    changes: list[Change] = []
    for asset in assets():
        wanted = adapt(asset.body, able)
        action = _action(wanted, installed.get((asset.kind, asset.name)), able)
        if action in ("created", "updated") and not dry_run:
            _put(client, asset, wanted, able)
        changes.append(Change(asset.kind, asset.name, action))
    return changes


def same(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether an installed template equals ours, apart from the cluster's spelling of values."""
    # Timestamps and defaults that the cluster adds at the top are not compared; a deleted key of ours is.
    top = {"_meta", "version", "index_patterns", "priority", "composed_of", "ignore_missing_component_templates"}
    if any(_plain(wanted.get(key, [])) != _plain(found.get(key, [])) for key in top):
        return False
    ours, theirs = wanted.get("template", {}), found.get("template", {})
    if _settings(ours) != _settings(theirs):
        return False
    if any(_plain(ours.get(key, {})) != _plain(theirs.get(key, {})) for key in ("mappings", "aliases")):
        return False
    return all(
        _holds(part.get(key), other.get(key))
        for part, other in ((wanted, found), (ours, theirs))
        for key in OPEN_KEYS
    )


def capabilities_of(client: Elasticsearch) -> Capabilities:
    """What the cluster's nodes can do, as far as the key may see it."""
    try:
        answer = client.nodes.info(metric="plugins", filter_path=["nodes.*.version", "nodes.*.modules.name"])
    except ApiError as error:
        if error.meta.status == 410 and is_genuine(error):
            return SERVERLESS
        # 403: the key may not read it; 400, 404, 405: the request is not supported.
        if error.meta.status == 403 or (error.meta.status in (400, 404, 405) and is_genuine(error)):
            return FULL
        raise
    return capabilities(validated(answer, NODES, "the request for the nodes' modules"))


def _installed(client: Elasticsearch) -> dict[tuple[Kind, str], dict[str, Any]]:
    # A pattern that matches nothing is answered by 404 and an empty list.
    quiet = client.options(ignore_status=404)
    answers: dict[Kind, ApiResponse[Any]] = {
        "component_template": quiet.cluster.get_component_template(name=PATTERNS["component_template"]),
        "index_template": quiet.indices.get_index_template(name=PATTERNS["index_template"]),
    }
    return {
        (kind, entry["name"]): entry[kind]
        for kind, answer in answers.items()
        for entry in templates_in(answer, kind, _TEMPLATE)
    }


def templates_in(answer: ApiResponse[Any], kind: Kind, shape: Shape = None) -> list[dict[str, Any]]:
    """The entries of an answer about templates, each with its ``name``.

    Args:
        answer: to a request for which 404 is no error: then there are none.
        kind: of template.
        shape: of the template itself; None where only names were asked for, which leaves out an empty list.

    Raises:
        NoAnswerError: it is no such answer.
    """
    request = f"the request for {kind.replace('_', ' ')}s"
    if not is_there(answer, request):
        return []
    wanted: Shape = {f"{kind}s?": [{"name": str}]} if shape is None else {f"{kind}s": [{"name": str, kind: shape}]}
    found: list[dict[str, Any]] = validated(answer, wanted, request).get(f"{kind}s", [])
    return found


def _action(wanted: dict[str, Any], found: dict[str, Any] | None, able: Capabilities) -> Action:
    if found is None:
        return "created"
    if _managed_version(found) > wanted["version"]:
        return "newer"
    # A cluster that does not tell its capabilities may have refused a part the last time.
    return "unchanged" if any(same(one, found) for one in equivalents(wanted, able)) else "updated"


def _managed_version(found: dict[str, Any]) -> int:
    meta = found.get("_meta") or {}
    version = found.get("version")
    return version if meta.get("managed_by") == "neuroflow-ship" and isinstance(version, int) else 0


def _put(client: Elasticsearch, asset: Asset, wanted: dict[str, Any], able: Capabilities) -> None:
    *others, last = variants(wanted, able)
    for one in others:
        try:
            return _send(client, asset, one)
        except BadRequestError:
            continue
    return _send(client, asset, last)


def _send(client: Elasticsearch, asset: Asset, body: dict[str, Any]) -> None:
    # The client's typed methods support only some of the keys.
    answer = send_json(client, "PUT", f"/_{asset.kind}/{asset.name}", body)
    validated(answer, DONE, f"the request to put {asset.name}")


def _settings(template: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    _flatten(template.get("settings", {}), "", flat)
    return {key if key.startswith("index.") else f"index.{key}": value for key, value in flat.items()}


def _flatten(node: Any, path: str, into: dict[str, Any]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            _flatten(value, f"{path}.{key}" if path else key, into)
    else:
        into[path] = _plain(node)


def _plain(node: Any) -> Any:
    """Scalars as text, as Elasticsearch returns settings and parts of mappings."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node)


def _holds(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_holds(value, found.get(key)) for key, value in wanted.items())
    if wanted is None:
        return found is None
    return bool(_plain(wanted) == _plain(found))
