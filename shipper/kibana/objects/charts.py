"""Charts of Lens: single figures, tables and bars.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shipper.kibana.objects.lens import LAYER, Column, chart
from shipper.kibana.objects.scopes import DataView

GREEN, RED, BLUE, YELLOW, SAND, GREY = "#54B399", "#E7664C", "#6092C0", "#D6BF57", "#B9A888", "#98A2B3"

STATUS_COLOURS = {"completed": GREEN, "failed": RED, "running": BLUE, "queued": YELLOW, "pending": SAND}
# Backgrounds of figures: paler, so that a figure does not look like an alarm.
STATUS_TINTS = {
    "completed": "#C6E5DA",
    "failed": "#F7CFC6",
    "running": "#CBDCEB",
    "queued": "#F0E6BE",
    "pending": "#E4DBCF",
}
LEVEL_COLOURS = {"debug": GREY, "info": GREEN, "warning": YELLOW, "error": RED, "critical": "#9E3533", "other": SAND}

_DATE_PIXELS = 200

Series = Literal["bar", "bar_stacked", "bar_horizontal", "bar_horizontal_stacked"]


@dataclass(frozen=True)
class ChartHead:
    """The title, description and documents (data view, KQL) of a chart."""

    title: str
    text: str
    over: DataView
    query: str


def figure(about: ChartHead, column: Column, colour: str | None = None) -> dict[str, Any]:
    """One number."""
    drawn = {
        "layerId": LAYER,
        "layerType": "data",
        "metricAccessor": column.id,
        **({"color": colour} if colour else {}),
    }
    return chart("lnsMetric", about.title, about.text, about.over, about.query, [column], drawn)


def table(
    about: ChartHead,
    columns: Sequence[Column],
    *,
    sorted_by: tuple[str, Literal["asc", "desc"]] | None = None,
    rows: int = 10,
) -> dict[str, Any]:
    """A table with pages."""
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
    # A time needs more than the default width of a column.
    wide = {"width": _DATE_PIXELS} if column.parts[column.id]["dataType"] == "date" else {}
    return {"columnId": column.id, "isTransposed": False, **wide}


def curves(
    about: ChartHead,
    series: Series,
    across: Column,
    figures: Sequence[Column],
    *,
    split: Column | None = None,
    colours: Mapping[str, str] | None = None,
    highest: float | None = None,
) -> dict[str, Any]:
    """A bar chart of ``figures`` over ``across``: a line chart would not show a single point."""
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
