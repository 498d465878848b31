"""Panels of a dashboard, laid out in rows, and the controls above them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shipper.kibana.objects.saved_object import Reference, reference
from shipper.kibana.objects.scopes import DataView

COLUMNS = 48
"""The width of a dashboard in cells."""

# The oldest Kibana for which these shapes are; a newer one migrates them.
_VERSION = "8.12.2"


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard.

    Attributes:
        kind: the type of the embedded object.
        width: in cells.
        config: its ``embeddableConfig``.
        title: above it; None: the title of the embedded object.
        references: to other objects, by names of its own.
        saved: the id of the saved object that it shows; None: the panel holds its object itself.
    """

    kind: str
    width: int
    config: dict[str, Any]
    title: str | None = None
    references: list[Reference] = field(default_factory=list)
    saved: str | None = None


@dataclass(frozen=True)
class Control:
    """A list of a field's values to choose from."""

    title: str
    field: str
    over: DataView


Row = tuple[int, Sequence[Panel]]
"""The height in cells, and the panels from left to right."""


def lens(width: int, chart: dict[str, Any], *, titled: bool = True) -> Panel:
    """A chart; ``titled`` is False for one that shows its title itself."""
    config = {"attributes": chart, "hidePanelTitles": not titled, "enhancements": {}}
    return Panel("lens", width, config, chart["title"], chart["references"])


def found(width: int, search: str, title: str) -> Panel:
    """The documents of a saved search."""
    return Panel("search", width, {"enhancements": {}}, title, saved=search)


def text(width: int, markdown: str) -> Panel:
    """A text."""
    visualization = {
        "title": "",
        "description": "",
        "type": "markdown",
        "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown},
        "uiState": {},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }
    config = {"savedVis": visualization, "hidePanelTitles": True, "enhancements": {}}
    return Panel("visualization", width, config, "")


def laid_out(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[Reference]]:
    """The panels with their positions, and their references.

    Raises:
        ValueError: a row is not as wide as the dashboard.
    """
    placed: list[dict[str, Any]] = []
    references: list[Reference] = []
    top = 0
    for height, panels in rows:
        if sum(panel.width for panel in panels) != COLUMNS:
            raise ValueError(f"the row of {[panel.title for panel in panels]} is not {COLUMNS} cells wide")
        left = 0
        for panel in panels:
            name = f"p{len(placed) + 1}"
            placed.append(
                {
                    "version": _VERSION,
                    "type": panel.kind,
                    "gridData": {"x": left, "y": top, "w": panel.width, "h": height, "i": name},
                    "panelIndex": name,
                    "embeddableConfig": panel.config,
                    **({"title": panel.title} if panel.title is not None else {}),
                    **({"panelRefName": f"panel_{name}"} if panel.saved else {}),
                }
            )
            if panel.saved:
                references.append(reference(panel.kind, panel.saved, f"{name}:panel_{name}"))
            references += [reference(one["type"], one["id"], f"{name}:{one['name']}") for one in panel.references]
            left += panel.width
        top += height
    return placed, references


def controlled(controls: Sequence[Control]) -> tuple[dict[str, Any], list[Reference]]:
    """The controls as a dashboard stores them, each narrowing those to its right, and their references."""
    panels = {}
    references = []
    for order, control in enumerate(controls):
        name = f"c{order + 1}"
        panels[name] = {
            "type": "optionsListControl",
            "order": order,
            "grow": True,
            "width": "medium" if len(controls) < 4 else "small",  # so that all fit on one line
            "explicitInput": {"id": name, "fieldName": control.field, "title": control.title, "enhancements": {}},
        }
        references.append(reference("index-pattern", control.over, f"controlGroup_{name}:optionsListDataView"))
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": panels,
        "ignoreParentSettingsJSON": {
            "ignoreFilters": False,
            "ignoreQuery": False,
            "ignoreTimerange": False,
            "ignoreValidations": False,
        },
    }
    return group, references
