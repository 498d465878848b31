"""The JSON files that are installed: where they lie and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

PACKAGE = Path(__file__).resolve().parent.parent

Kind = Literal["component_template", "index_template"]

# The kind of object in each folder, in the order in which they have to be put: index templates name the others.
FOLDERS: tuple[tuple[str, Kind], ...] = (
    ("component_templates", "component_template"),
    ("lifecycle", "component_template"),
    ("index_templates", "index_template"),
)


@dataclass(frozen=True)
class Asset:
    """One object as its file has it, written for a node that lacks nothing."""

    kind: Kind
    name: str
    body: dict[str, Any]


def asset_dir(name: str = "mappings") -> Path:
    """Where the JSON files of one sort lie: in the package when installed from a wheel, else in the checkout.

    Args:
        name: ``mappings`` or ``kibana``.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for place in (PACKAGE / "assets" / name, PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {name} belongs beside the package {PACKAGE} and is missing")


def assets() -> list[Asset]:
    """Every template, in an order in which each finds what it is composed of."""
    root = asset_dir()
    return [
        Asset(kind, path.stem, orjson.loads(path.read_bytes()))
        for folder, kind in FOLDERS
        for path in sorted((root / folder).glob("*.json"))
    ]
