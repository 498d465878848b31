"""The request that Lens sends for a chart, and the rows that it makes of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.kibana_emulator.kuery import Query, query_of
from tests.kibana_emulator.mapped import Types
from tests.kibana_emulator.objects import Object, fields_of, objects

Column = dict[str, Any]
Row = dict[str, Any]

MISSING = "(missing value)"
NEEDS = "__missing__"
SPAN = "1h"
"""Lens takes one that fits the range."""


class Chart:
    """A Lens chart of a dashboard's panel."""

    def __init__(self, panel: Object) -> None:
        self.title: str = panel["title"]
        state = panel["embeddableConfig"]["attributes"]["state"]
        self.visualization: dict[str, Any] = state["visualization"]
        self.query: str = state["query"]["query"]
        self.kind: str = panel["embeddableConfig"]["attributes"]["visualizationType"]
        ((self.layer, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
        self.columns: dict[str, Column] = layer["columns"]
        self.order: list[str] = layer["columnOrder"]
        [reference] = panel["embeddableConfig"]["attributes"]["references"]
        self.view = objects()["index-pattern", reference["id"]]

    @property
    def types(self) -> Types:
        return fields_of(self.view)

    @property
    def _buckets(self) -> list[str]:
        return [name for name in self.order if self.columns[name]["isBucketed"]]

    @property
    def _metrics(self) -> list[str]:
        return [name for name in self.order if "sourceField" in self.columns[name] and name not in self._buckets]

    def request(self, *filters: Query, since: str = "now-24h") -> dict[str, Any]:
        # A histogram over time binds its own field to the time range; without one it is the data view's.
        times = [
            self.columns[name]["sourceField"]
            for name in self._buckets
            if self.columns[name]["operationType"] == "date_histogram"
        ] or [field for field in [self.view["attributes"].get("timeFieldName")] if field]
        spans: list[Query] = [
            {"range": {field: {"format": "strict_date_optional_time", "gte": since, "lte": "now"}}} for field in times
        ]
        return {
            "index": self.view["attributes"]["title"],
            "size": 0,
            "track_total_hits": True,
            "query": query_of(self.query, self.types, *filters, *spans),
            "aggs": self._aggregations(self._buckets),
        }

    def _aggregations(self, buckets: list[str]) -> dict[str, Any]:
        if not buckets:
            found = {name: self._measured(self.columns[name]) for name in self._metrics}
            return {name: agg for name, agg in found.items() if agg is not None}
        name, *others = buckets
        own = {name: self._grouped(self.columns[name])}
        inner = self._aggregations(others)
        ordered = self.columns[name]["params"].get("orderBy", {}).get("columnId")
        if others and ordered and (agg := self._measured(self.columns[ordered])):
            inner = {ordered: agg, **inner}
        if inner:
            own[name]["aggs"] = inner
        return own

    def _grouped(self, column: Column) -> dict[str, Any]:
        params, field = column["params"], column["sourceField"]
        if column["operationType"] == "date_histogram":
            assert self.types[field].startswith("date")
            return {"date_histogram": {"field": field, "fixed_interval": SPAN, "min_doc_count": 1}}
        assert "terms" == column["operationType"]
        by = params["orderBy"]
        terms = {"field": field, "size": params["size"], "order": {self._path(by): params["orderDirection"]}}
        # Kibana asks for documents without a value only where it asks for the rest, too.
        return {
            "terms": {**terms, **({"missing": NEEDS} if params["otherBucket"] and params["missingBucket"] else {})}
        }

    def _path(self, by: dict[str, str]) -> str:
        if by["type"] == "alphabetical":
            return "_key"
        column = self.columns[by["columnId"]]
        if column["operationType"] == "count":
            assert "filter" not in column
            return "_count"
        if column["operationType"] in {"max", "average"}:
            return str(by["columnId"])
        assert "percentile" == column["operationType"]
        return f"{by['columnId']}.{column['params']['percentile']}"

    def _measured(self, column: Column) -> dict[str, Any] | None:
        operation, field = column["operationType"], column["sourceField"]
        inner: dict[str, Any] | None
        match operation:
            case "count":
                inner = None
            case "average":
                inner = {"avg": {"field": field}}
            case "max":
                inner = {"max": {"field": field}}
            case "sum":
                inner = {"sum": {"field": field}}
            case "unique_count":
                inner = {"cardinality": {"field": field}}
            case "percentile":
                inner = {
                    "percentiles": {"field": field, "percents": [column["params"]["percentile"]], "keyed": False}
                }
            case _:
                raise AssertionError(operation)
        if "filter" not in column:
            return inner
        assert inner is None
        return {"filter": query_of(column["filter"]["query"], self.types)}

    def rows(self, answer: dict[str, Any]) -> list[Row]:
        """The rows of the answer: every column, formulas computed."""
        whole = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
        return [self._computed(row) for row in self._walk(whole, self._buckets, {})]

    def _walk(self, bucket: dict[str, Any], left: list[str], row: Row) -> Iterator[Row]:
        if not left:
            yield {**row, **{name: self._value(name, bucket) for name in self._metrics}}
            return
        name, *others = left
        for inner in bucket[name]["buckets"]:
            yield from self._walk(inner, others, {**row, name: MISSING if inner["key"] == NEEDS else inner["key"]})

    def _value(self, name: str, bucket: dict[str, Any]) -> Any:
        column = self.columns[name]
        if column["operationType"] == "count":
            return bucket[name]["doc_count"] if "filter" in column else bucket["doc_count"]
        found = bucket[name]
        return found["values"][0]["value"] if "values" in found else found["value"]

    def _computed(self, row: Row) -> Row:
        for name in self.order:
            if self.columns[name]["operationType"] == "math":
                row[name] = _worked_out(self.columns[name]["params"]["tinymathAst"], row)
        for name in self.order:
            if self.columns[name]["operationType"] == "formula":
                [result] = self.columns[name]["references"]
                row[name] = row[result]
        return row


def _worked_out(part: Any, row: Row) -> float | None:
    if isinstance(part, int | float):
        return part
    if isinstance(part, str):
        value: float | None = row[part]
        return value
    assert ("function", "divide") == (part["type"], part["name"])
    above, below = (_worked_out(one, row) for one in part["args"])
    return None if above is None or not below else above / below


def charts(dashboard: str) -> list[Chart]:
    """The charts of a dashboard."""
    panels = objects()["dashboard", dashboard]["attributes"]["panelsJSON"]
    return [Chart(panel) for panel in panels if panel["type"] == "lens"]


def chart(dashboard: str, title: str) -> Chart:
    """The chart of this title."""
    [found] = [one for one in charts(dashboard) if one.title == title]
    return found
