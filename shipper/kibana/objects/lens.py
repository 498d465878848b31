"""Columns of Lens, the editor of Kibana's charts: counts, measurements and groups.  Pure.

A column is what one accessor of a chart shows.  Kibana stores a formula as several columns: the formula, its figures
(``<id>X0``, ``<id>X1``, …) and the arithmetic between them, which Kibana does not derive from the formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shipper.kibana.objects.scopes import DataView
from shipper.query.conditions import Condition, kql

LAYER = "layer"
"""The one layer of a chart."""

PERCENT = {"id": "percent", "params": {"decimals": 1}}
TENTHS = {"id": "number", "params": {"decimals": 1}}

_RECORDS = "___records___"


@dataclass(frozen=True)
class Column:
    """One accessor.

    Attributes:
        id: by which charts refer to it.
        parts: the columns that Kibana stores for it, by id; the column itself first.
    """

    id: str
    parts: dict[str, dict[str, Any]]

    @property
    def bucketed(self) -> bool:
        """Whether it groups."""
        return bool(self.parts[self.id]["isBucketed"])


@dataclass(frozen=True)
class Figure:
    """A figure in a formula: as text, and as the column that Kibana stores."""

    text: str
    column: dict[str, Any]


def count(identity: str, label: str, where: str = "") -> Column:
    """The number of documents, or of those that match a KQL query."""
    return Column(identity, {identity: _labelled(label, _count(where))})


def percentile(identity: str, label: str, field: str, percent: int) -> Column:
    """A percentile of a field's values."""
    column = {**_metric("percentile", field), "params": {"percentile": percent}}
    return Column(identity, {identity: _labelled(label, column)})


def largest(identity: str, label: str, field: str) -> Column:
    """The largest of a field's values."""
    return Column(identity, {identity: _labelled(label, _metric("max", field))})


def total(identity: str, label: str, field: str) -> Column:
    """The sum of a field's values."""
    return Column(identity, {identity: _labelled(label, {**_metric("sum", field), "params": {"emptyAsNull": False}})})


def mean(identity: str, label: str, field: str) -> Column:
    """The mean of a field's values."""
    return Column(identity, {identity: _labelled(label, _metric("average", field))})


def count_of_values(identity: str, label: str, field: str) -> Column:
    """The number of different values of a field."""
    column = {**_metric("unique_count", field), "params": {"emptyAsNull": False}}
    return Column(identity, {identity: _labelled(label, column)})


def latest(identity: str, label: str, field: str) -> Column:
    """The latest date."""
    return Column(identity, {identity: _labelled(label, {**_metric("max", field), "dataType": "date"})})


def terms(
    identity: str,
    label: str,
    field: str,
    *,
    size: int,
    by: str | None = None,
    others: bool = False,
    unknown: bool = False,
) -> Column:
    """A group for each value of a field.

    Args:
        identity: of the column.
        label: its heading.
        field: a keyword.
        size: the maximum of groups.
        by: the id of the column by which they are sorted, the largest first; None: by value.
        others: whether all other values are one more group.
        unknown: whether documents without a value are one more group; in Kibana this implies ``others``.
    """
    column = {
        "dataType": "string",
        "operationType": "terms",
        "scale": "ordinal",
        "sourceField": field,
        "isBucketed": True,
        "params": {
            "size": size,
            "orderBy": {"type": "column", "columnId": by} if by else {"type": "alphabetical"},
            "orderDirection": "desc" if by else "asc",
            "otherBucket": others or unknown,
            "missingBucket": unknown,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        },
    }
    return Column(identity, {identity: _labelled(label, column)})


def over_time(identity: str, field: str, label: str) -> Column:
    """A group for each span of time; the time picker's range applies to this field."""
    column = {
        "dataType": "date",
        "operationType": "date_histogram",
        "scale": "interval",
        "sourceField": field,
        "isBucketed": True,
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }
    return Column(identity, {identity: _labelled(label, column)})


def counted(conditions: Sequence[Condition] = ()) -> Figure:
    """The number of documents, for a formula."""
    where = kql(conditions)
    return Figure(f"count(kql='{where}')" if where else "count()", _count(where))


def averaged(field: str) -> Figure:
    """The mean of a field, for a formula."""
    return Figure(f"average({field})", {**_metric("average", field), "params": {"emptyAsNull": False}})


def quotient(identity: str, label: str, above: Figure, below: Figure | int, shown: dict[str, Any]) -> Column:
    """One figure divided by another, or by a number."""
    figures = [above] if isinstance(below, int) else [above, below]
    formula = f"{above.text} / {below if isinstance(below, int) else below.text}"
    ids = [f"{identity}X{place}" for place in range(len(figures))]
    part = f"Part of {label}"
    result = f"{identity}X{len(figures)}"
    arithmetic = {
        "dataType": "number",
        "operationType": "math",
        "scale": "ratio",
        "isBucketed": False,
        "params": {
            "tinymathAst": {
                "type": "function",
                "name": "divide",
                "args": [*ids, below] if isinstance(below, int) else ids,
                "location": {"min": 0, "max": len(formula)},
                "text": formula,
            }
        },
        "references": ids,
    }
    itself = {
        "dataType": "number",
        "operationType": "formula",
        "scale": "ratio",
        "isBucketed": False,
        "params": {"formula": formula, "isFormulaBroken": False, "format": shown},
        "references": [result],
    }
    parts = {name: _labelled(part, figure.column) for name, figure in zip(ids, figures, strict=True)}
    return Column(identity, {identity: _labelled(label, itself), **parts, result: _labelled(part, arithmetic)})


def chart(
    kind: str,
    title: str,
    about: str,
    over: DataView,
    query: str,
    columns: Iterable[Column],
    visualization: dict[str, Any],
) -> dict[str, Any]:
    """A chart (``lnsMetric``, ``lnsDatatable``, ``lnsXY``) as a dashboard's panel stores it; groups come first."""
    ordered = sorted(columns, key=lambda column: not column.bucketed)
    parts = {name: part for column in ordered for name, part in column.parts.items()}
    return {
        "title": title,
        "description": about,
        "visualizationType": kind,
        "type": "lens",
        "references": [{"type": "index-pattern", "id": over, "name": f"indexpattern-datasource-layer-{LAYER}"}],
        "state": {
            "visualization": visualization,
            "query": {"query": query, "language": "kuery"},
            "filters": [],
            "datasourceStates": {
                "formBased": {
                    "layers": {LAYER: {"columnOrder": list(parts), "columns": parts, "incompleteColumns": {}}}
                }
            },
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _count(where: str) -> dict[str, Any]:
    found = {"filter": {"query": where, "language": "kuery"}} if where else {}
    # By default Kibana shows nothing for a zero.
    return {**_metric("count", _RECORDS), "params": {"emptyAsNull": False}, **found}


def _metric(operation: str, field: str) -> dict[str, Any]:
    return {
        "dataType": "number",
        "operationType": operation,
        "scale": "ratio",
        "sourceField": field,
        "isBucketed": False,
    }


def _labelled(label: str, column: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "customLabel": True, **column}
