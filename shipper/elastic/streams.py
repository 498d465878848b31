"""What a data stream is like now, and what the index template would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.answers import Shape, validated
from shipper.elastic.assets import assets
from shipper.elastic.client import is_there, send_json

_SETTINGS: Shape = {str: {"settings": {}}}
_MAPPINGS: Shape = {str: {"mappings": {}}}
_STREAMS: Shape = {
    "data_streams": [{"name": str, "lifecycle?": {}, "failure_store?": {}, "rollover_on_write?": bool}]
}
_SIMULATED: Shape = {"template": {"settings?": {}, "mappings?": {}, "lifecycle?": {}, "data_stream_options?": {}}}


@dataclass(frozen=True)
class Index:
    """A backing index, and when it was created, milliseconds since the epoch."""

    name: str
    created_ms: int


@dataclass(frozen=True)
class Stream:
    """An existing data stream, or an index.

    Attributes:
        name: of it.
        indices: behind it, the write index last.
        settings: of the write index, flat.
        mappings: of the write index.
        described: the cluster's own description of the data stream; None where it has none, or does not tell.
    """

    name: str
    indices: tuple[Index, ...]
    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]
    described: Mapping[str, Any] | None = None

    @property
    def policy(self) -> str | None:
        """The ILM policy that manages the write index; None where the data stream lifecycle does."""
        name = self.settings.get("index.lifecycle.name")
        prefers = str(self.settings.get("index.lifecycle.prefer_ilm", True)).lower() == "true"
        return str(name) if name and (prefers or (self.described or {}).get("lifecycle") is None) else None

    @property
    def rolls_over(self) -> bool:
        """Whether the next document rolls it over, since a lazy rollover was asked for."""
        return bool((self.described or {}).get("rollover_on_write"))


def stream_names(namespace: str) -> list[str]:
    """All data streams for which there is a template of ours."""
    return [
        f"{asset.name}-{namespace}"
        for asset in assets()
        if asset.kind == "index_template" and "data_stream" in asset.body
    ]


def stream(client: Elasticsearch, name: str) -> Stream | None:
    """The data stream or index of this name; None where there is none.

    Raises:
        elasticsearch.ApiError: the key may not read it.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    quiet = client.options(ignore_status=404)
    found = quiet.indices.get_settings(index=name, flat_settings=True)
    if not is_there(found, asked := f"the request for the settings of {name}"):
        return None
    settings = {index: about["settings"] for index, about in validated(found, _SETTINGS, asked).items()}
    ordered = sorted(
        (Index(index, int(flat.get("index.creation_date", 0))) for index, flat in settings.items()),
        key=lambda one: (one.name.rpartition("-")[2] if one.name != name else "", one.created_ms),
    )
    if not ordered:
        return None
    write = ordered[-1].name
    answer = client.indices.get_mapping(index=write)
    mappings = validated(answer, _MAPPINGS, f"the request for the mapping of {write}")[write]["mappings"]
    described = None if write == name else _described(client, name)
    return Stream(name, tuple(ordered), settings[write], mappings, described)


def _described(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    # 400, 405: a node without this API (Elastic's test distribution).
    answer = send_json(client, "GET", f"/_data_stream/{name}", ignore=(400, 403, 404, 405))
    if answer.meta.status != 200:
        return None
    entries = validated(answer, _STREAMS, f"the request for the data stream {name}")["data_streams"]
    return next((dict(entry) for entry in entries if entry["name"] == name), None)


def simulated(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    """The template of an index of this name, from all templates of the cluster; None where it does not tell."""
    answer = send_json(client, "POST", f"/_index_template/_simulate_index/{name}", ignore=(400, 403, 404, 405, 410))
    if answer.meta.status != 200:
        return None
    found: dict[str, Any] = validated(answer, _SIMULATED, f"the simulation of {name}")["template"]
    return found


def flat_settings(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings with full names, as an index has them flat."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return (
        flat if above else {name if name.startswith("index.") else f"index.{name}": one for name, one in flat.items()}
    )
