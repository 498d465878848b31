"""The JSON files of templates that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

PACKAGE = Path(__file__).resolve().parent.parent

Kind = Literal["component_template", "index_template"]

# The kind of object in each folder, in the order of installation: index templates refer to component templates.
FOLDERS: tuple[tuple[str, Kind], ...] = (
    ("component_templates", "component_template"),
    ("lifecycle", "component_template"),
    ("index_templates", "index_template"),
)


@dataclass(frozen=True)
class Asset:
    """One template from its file, for a node with all features."""

    kind: Kind
    name: str
    body: dict[str, Any]


def asset_dir(name: str = "mappings") -> Path:
    """The folder ``mappings`` or ``kibana``: in the package when installed from a wheel, else in the checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for place in (PACKAGE / "assets" / name, PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {name} belongs beside the package {PACKAGE} and is missing")


def assets() -> list[Asset]:
    """All templates, each after the component templates that it uses."""
    root = asset_dir()
    return [
        Asset(kind, path.stem, orjson.loads(path.read_bytes()))
        for folder, kind in FOLDERS
        for path in sorted((root / folder).glob("*.json"))
    ]
