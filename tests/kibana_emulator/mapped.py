"""Fields and their types from the mapping files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAPPINGS = Path(__file__).parents[2] / "mappings"

Types = dict[str, str]


def _read(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = json.loads((MAPPINGS / name).read_text())["template"]["mappings"]["properties"]
    return properties


def _leaves(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, mapping in properties.items():
        if "type" in mapping:
            yield prefix + name, mapping["type"]
        yield from _leaves(mapping.get("properties", {}), f"{prefix}{name}.")
        yield from _leaves(mapping.get("fields", {}), f"{prefix}{name}.")


LOGS: Types = {
    **dict(_leaves(_read("component_templates/neuroflow-ecs.json"))),
    **dict(_leaves(_read("component_templates/neuroflow-fields.json"))),
}
SIDECAR: Types = {
    **{name: kind for name, kind in LOGS.items() if name != "data_stream.dataset"},
    **dict(_leaves(_read("index_templates/logs-neuroflow.sidecar.json"))),
}
RUNS: Types = dict(_leaves(_read("index_templates/neuroflow-runs.json")))


def types_of(title: str) -> Types:
    """The fields of a data view, by its pattern."""
    return {
        "logs-neuroflow.*-*,-logs-neuroflow.sidecar-*": LOGS,
        "logs-neuroflow.sidecar-*": SIDECAR,
        "neuroflow-runs-*": RUNS,
    }[title]
