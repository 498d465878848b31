"""Places in Discover as an address writes them.  Pure.

Discover takes its state from the address as a whole: what is left out there is not filled in from the saved search.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from shipper.kibana.objects.scopes import over, search_id
from shipper.query.conditions import Condition, kql
from shipper.views.views import View

VALUE = "{{value}}"
"""What Kibana's links replace by the field's value, encoded for an address."""

# Marks of Rison, in which Kibana writes state into addresses, and of VALUE.
_SAFE = "!'(),:@*{}"
# What Rison takes without quotes.
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def discover(
    view: View,
    field: str,
    *,
    conditions: tuple[Condition, ...],
    sort: list[list[str]],
    since: str | None = None,
) -> str:
    """A view's columns in Discover, for one value of a field.

    Args:
        view: whose columns.
        field: the one whose value the link is on.
        conditions: what else documents have to meet.
        sort: fields and their directions.
        since: how far to look back; None: as the view's search says, which is then the one that is opened.
    """
    pinned = {
        "meta": {
            "alias": None,
            "disabled": False,
            "index": over(view),
            "key": field,
            "negate": False,
            "params": {"query": VALUE},
            "type": "phrase",
        },
        "query": {"match_phrase": {field: VALUE}},
    }
    state = {
        "index": over(view),
        "columns": [column.field for column in view.columns if column.field != "@timestamp"],
        "sort": sort,
        "query": {"language": "kuery", "query": kql(conditions)},
        "filters": [pinned],
    }
    told = {"_g": {"time": {"from": since, "to": "now"}}, "_a": state} if since else {"_a": state}
    where = "" if since else f"view/{search_id(view)}"
    return f"discover#/{where}?{'&'.join(f'{key}={quote(rison(part), safe=_SAFE)}' for key, part in told.items())}"


def rison(value: Any) -> str:
    """A value of JSON's kinds, without numbers, in Rison."""
    if value is None:
        return "!n"
    if isinstance(value, bool):
        return "!t" if value else "!f"
    if isinstance(value, dict):
        return f"({','.join(f'{rison(key)}:{rison(item)}' for key, item in value.items())})"
    if isinstance(value, list):
        return f"!({','.join(map(rison, value))})"
    text = str(value)
    return text if _BARE.fullmatch(text) else "'" + text.replace("!", "!!").replace("'", "!'") + "'"
