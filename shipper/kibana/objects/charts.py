"""Figures, tables and curves: how Lens draws columns.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shipper.kibana.objects.lens import LAYER, Column, chart
from shipper.kibana.objects.scopes import DataView

GREEN, RED, BLUE, YELLOW, SAND, GREY = "#54B399", "#E7664C", "#6092C0", "#D6BF57", "#B9A888", "#98A2B3"

STATUS_COLOURS = {"completed": GREEN, "failed": RED, "running": BLUE, "queued": YELLOW, "pending": SAND}
# Behind a number, where the full colour would cry although all is well.
STATUS_TINTS = {
    "completed": "#C6E5DA",
    "failed": "#F7CFC6",
    "running": "#CBDCEB",
    "queued": "#F0E6BE",
    "pending": "#E4DBCF",
}
LEVEL_COLOURS = {"debug": GREY, "info": GREEN, "warning": YELLOW, "error": RED, "critical": "#9E3533", "other": SAND}

_MOMENT_PIXELS = 200

Series = Literal["bar", "bar_stacked", "bar_horizontal", "bar_horizontal_stacked"]


@dataclass(frozen=True)
class About:
    """What a chart is about.

    Attributes:
        title: above it.
        text: a sentence.
        over: the data view.
        query: KQL that every document meets.
    """

    title: str
    text: str
    over: DataView
    query: str


def figure(about: About, column: Column, colour: str | None = None) -> dict[str, Any]:
    """One number."""
    drawn = {
        "layerId": LAYER,
        "layerType": "data",
        "metricAccessor": column.id,
        **({"color": colour} if colour else {}),
    }
    return chart("lnsMetric", about.title, about.text, about.over, about.query, [column], drawn)


def table(
    about: About,
    columns: Sequence[Column],
    *,
    sorted_by: tuple[str, Literal["asc", "desc"]] | None = None,
    rows: int = 10,
) -> dict[str, Any]:
    """A table, in pages."""
    drawn: dict[str, Any] = {
        "layerId": LAYER,
        "layerType": "data",
        "columns": [_drawn_column(column) for column in columns],
        "paging": {"size": rows, "enabled": True},
        "rowHeight": "single",
        "rowHeightLines": 1,
    }
    if sorted_by:
        drawn["sorting"] = {"columnId": sorted_by[0], "direction": sorted_by[1]}
    return chart("lnsDatatable", about.title, about.text, about.over, about.query, columns, drawn)


def _drawn_column(column: Column) -> dict[str, Any]:
    # A moment is wider than what a column gets by itself.
    wide = {"width": _MOMENT_PIXELS} if column.parts[column.id]["dataType"] == "date" else {}
    return {"columnId": column.id, "isTransposed": False, **wide}


def curves(
    about: About,
    series: Series,
    across: Column,
    figures: Sequence[Column],
    *,
    split: Column | None = None,
    colours: Mapping[str, str] | None = None,
    highest: float | None = None,
) -> dict[str, Any]:
    """Bars: runs are few, and a line of one point can't be seen.

    Args:
        about: what the chart is about.
        series: how figures are drawn.
        across: the column along the axis.
        figures: the columns that are drawn.
        split: a column that makes several of each figure.
        colours: of figures, by their ids.
        highest: where the axis of the figures ends; None: where they do.
    """
    layer: dict[str, Any] = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": series,
        "xAccessor": across.id,
        "accessors": [column.id for column in figures],
        **({"splitAccessor": split.id} if split else {}),
        "yConfig": [{"forAccessor": name, "color": colour} for name, colour in (colours or {}).items()],
    }
    drawn: dict[str, Any] = {
        "preferredSeriesType": series,
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "layers": [layer],
    }
    if highest is not None:
        drawn["yLeftExtent"] = {"mode": "custom", "lowerBound": 0, "upperBound": highest}
    columns = [across, *([split] if split else []), *figures]
    return chart("lnsXY", about.title, about.text, about.over, about.query, columns, drawn)
