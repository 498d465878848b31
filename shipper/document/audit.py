"""Audit records → documents.  Pure."""

from __future__ import annotations

from typing import Any

from shipper.document.unmapped import as_text, sanitized
from shipper.parse import json_dialects
from shipper.parse.records import Record
from shipper.parse.timestamps import Zone, to_utc

_AUDIT_TEXT = ("old_value", "new_value", "triggered_by")


def document_of(record: Record, zone: Zone) -> dict[str, Any]:
    """The document of an audit record.

    Args:
        record: the parsed record; its mapped keys are removed.
        zone: of timestamps without a zone (UTC).
    """
    pop = record.pop
    entity_type, entity_id, action = as_text(pop("entity_type")), pop("entity_id", None), as_text(pop("action"))
    entity = {"entity_type": entity_type, "entity": entity_type}
    if entity_id is not None and entity_id != "":
        entity["entity_id"] = as_text(entity_id)
        entity["entity"] = f"{entity_type}:{as_text(entity_id)}"
    for key in _AUDIT_TEXT:
        value = pop(key, None)
        if value is not None:
            entity[key] = as_text(value)
    neuroflow: dict[str, Any] = {"audit": entity}
    event = {"kind": "event", "category": ["configuration"], "type": ["change"], "action": action}
    message = pop("message", None)
    document: dict[str, Any] = {
        "message": as_text(message) if message is not None else "",
        "event": event,
        "log": {},
        "neuroflow": neuroflow,
    }
    stamp = pop("timestamp", None) or pop("@timestamp", None)
    try:
        stamp = json_dialects.stamp(stamp) or stamp
        if not isinstance(stamp, str):
            raise ValueError("no stamp")  # noqa: TRY301, TRY004 - one way out for all that is no usable time
        document["@timestamp"], assumed = to_utc(stamp, zone)
        if assumed:
            event["timezone"] = assumed
    except ValueError:
        if stamp is not None:
            record["timestamp"] = stamp
    user = pop("user_id", None)
    if user is not None:
        document["user"] = {"id": as_text(user)}
    for key in ("subject_id", "session_id", "workflow_run_id"):
        value = pop(key, None)
        if value is not None:
            neuroflow[key] = as_text(value)
    if entity_type == "pipeline_run" and "entity_id" in entity:
        neuroflow["run_id"] = entity["entity_id"]
    elif entity_type == "workflow_run" and "entity_id" in entity:
        neuroflow.setdefault("workflow_run_id", entity["entity_id"])
    details = record.get("details")
    error = details.get("error_message") if isinstance(details, dict) else None
    if isinstance(error, str):
        document["error"] = {"message": error}
    extra = {key: value for key, value in record.items() if value is not None}
    if extra:
        neuroflow["extra"] = sanitized(extra)
    return document
