"""The files of all objects: one file for each, named by its id.  Pure."""

from __future__ import annotations

import json
from typing import Any

from shipper.kibana.objects.dashboards import dashboards
from shipper.kibana.objects.data_views import data_views
from shipper.kibana.objects.rules import rules
from shipper.kibana.objects.searches import searches
from shipper.kibana.objects.tags import tags


def files() -> dict[str, bytes]:
    """The content of ``kibana/``: path → bytes, always the same for a release."""
    folders: dict[str, list[dict[str, Any]]] = {
        "tags": tags(),
        "data_views": data_views(),
        "searches": searches(),
        "dashboards": dashboards(),
        "rules": list(rules()),
    }
    return {f"{folder}/{one['id']}.json": _written(one) for folder, objects in folders.items() for one in objects}


def _written(one: dict[str, Any]) -> bytes:
    return (json.dumps(one, indent=2, ensure_ascii=False) + "\n").encode()
