"""Addresses of views in Discover.  Pure.

Discover takes its whole state from the address: parts that are left out are not filled in from the saved search.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from shipper.kibana.objects.scopes import over, search_id
from shipper.query.conditions import Condition, kql
from shipper.views.views import View

VALUE = "{{value}}"
"""The placeholder that Kibana's links replace by the field's value, encoded for an address."""

# Characters of Rison, the notation for state in Kibana's addresses, and of VALUE.
_SAFE = "!'(),:@*{}"
# Texts that Rison writes without quotes.
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def discover(
    view: View, field: str, *, conditions: tuple[Condition, ...], sort: list[list[str]], since: str | None = None
) -> str:
    """The address of a view in Discover for one value of a field; without ``since``, with the view's search."""
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
    states = {"_g": {"time": {"from": since, "to": "now"}}, "_a": state} if since else {"_a": state}
    path = "" if since else f"view/{search_id(view)}"
    return f"discover#/{path}?{'&'.join(f'{key}={quote(rison(part), safe=_SAFE)}' for key, part in states.items())}"


def rison(value: Any) -> str:
    """A JSON value without numbers, in Rison."""
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
