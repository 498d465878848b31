"""The tag that groups the objects in Kibana's lists.  Pure."""

from __future__ import annotations

from shipper.kibana.objects.saved_object import TAG, SavedObject, saved_object


def tags() -> list[SavedObject]:
    """All of them: one."""
    attributes = {"name": TAG, "description": "Logs, runs and audit trail of neuroflow", "color": "#6092C0"}
    return [saved_object("tag", TAG, attributes)]
