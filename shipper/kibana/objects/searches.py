"""Searches for Discover: each view of the commands, with the same columns, order and rows.  Pure."""

from __future__ import annotations

from typing import Any

from shipper.kibana.objects.saved_object import SavedObject, reference, saved_object
from shipper.kibana.objects.scopes import conditions_of, over, search_id
from shipper.kibana.objects.slowest import SLOWEST
from shipper.query.conditions import kql
from shipper.views.views import AUDIT, FAILURES, PIPELINE, SHOW, TASKS, VIEWS, View

# The time range when a search is opened: long enough not to be empty, short enough to be quick.
_SINCE = {SHOW.name: "now-30d", TASKS.name: "now-30d", PIPELINE.name: "now-1y", AUDIT.name: "now-1y"}
# Views with long texts, whose rows are as high as needed; elsewhere a row is one line.
_TEXTS = {SHOW.name, PIPELINE.name, FAILURES.name}
_AS_NEEDED, _ONE_LINE = -1, 0


def searches() -> list[SavedObject]:
    """All of them."""
    return [search(view) for view in (*VIEWS, SLOWEST)]


def search(view: View) -> SavedObject:
    """A view's search."""
    source = "kibanaSavedObjectMeta.searchSourceJSON.index"
    columns = [column for column in view.columns if column.field != "@timestamp"]
    since = _SINCE.get(view.name)
    attributes: dict[str, Any] = {
        "title": f"neuroflow · {view.title}",
        "description": view.about,
        "columns": [column.field for column in columns],
        "sort": [list(pair) for pair in view.order],
        # In pixels.
        "grid": {"columns": {column.field: {"width": 24 + 9 * column.width} for column in columns if column.width}},
        "rowHeight": _AS_NEEDED if view.name in _TEXTS else _ONE_LINE,
        "hideChart": view.name not in {SHOW.name, TASKS.name, AUDIT.name},
        **({"breakdownField": "log.level"} if view.name in {SHOW.name, TASKS.name} else {}),
        "isTextBasedQuery": False,
        "timeRestore": since is not None,
        **(
            {"timeRange": {"from": since, "to": "now"}, "refreshInterval": {"pause": True, "value": 60000}}
            if since
            else {}
        ),
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": {
                "query": {"query": kql(conditions_of(view)), "language": "kuery"},
                "filter": [],
                "indexRefName": source,
            }
        },
    }
    return saved_object("search", search_id(view), attributes, [reference("index-pattern", over(view), source)])
