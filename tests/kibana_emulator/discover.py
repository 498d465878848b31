"""The request that Discover sends for a saved search."""

from __future__ import annotations

from typing import Any

from tests.kibana_emulator.kuery import Query, query_of
from tests.kibana_emulator.objects import Object, fields_of, view_of

SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
ROWS = 500  # unless the reader wants more


def request(search: Object, *filters: Query, since: str | None = None) -> dict[str, Any]:
    """The request: index and body.

    Args:
        search: the saved object.
        filters: those of controls and of links.
        since: the beginning of the time range; None: that of the search.
    """
    attributes, view = search["attributes"], view_of(search, SOURCE)
    source = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]
    assert SOURCE == source["indexRefName"]
    time, types = view["attributes"].get("timeFieldName"), fields_of(view)
    spans: list[Query] = []
    if time:
        start = since or attributes["timeRange"]["from"]
        spans = [{"range": {time: {"format": "strict_date_optional_time", "gte": start, "lte": "now"}}}]
    order = [_by(field, way, time, types) for field, way in attributes["sort"]]
    if time:
        order.append({"_doc": {"order": attributes["sort"][0][1], "unmapped_type": "boolean"}})
    return {
        "index": view["attributes"]["title"],
        "size": ROWS,
        "sort": order,
        "query": query_of(source["query"]["query"], types, *filters, *spans),
        "fields": [{"field": field} for field in attributes["columns"]],
    }


def _by(field: str, way: str, time: str | None, types: dict[str, str]) -> dict[str, Any]:
    assert field in types, f"Discover leaves {field} out: the data view has no such field"
    nanos = {"format": "strict_date_optional_time_nanos", "numeric_type": "date_nanos"}
    return {field: {"order": way, **(nanos if field == time else {}), "unmapped_type": "boolean"}}
