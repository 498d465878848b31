"""Execution logs and audit lines of VoxelOps and its scheduler.  Pure.

An execution log is one indented JSON object per file; audit lines are JSON.  Times without a zone are local.
"""

from __future__ import annotations

from shipper.parse.records import Record

_OF_SCHEDULER = frozenset({"submitted", "status_change", "error", "dry_run", "retry_cleared"})
# Keys that are added: an object that has one is not theirs.
_EXECUTION = frozenset({"event", "level", "logger", "timestamp", "pipeline"})
_AUDIT = frozenset({"event", "action", "level", "logger", "outcome", "pipeline"})
_SCHEDULE = frozenset({"action", "pipeline"})
_SUCCESS = frozenset({"execution_success", "procedure_complete"})


def is_execution(record: Record) -> bool:
    """Whether an object is an execution log."""
    return "tool" in record and "exit_code" in record and "end_time" in record and not _EXECUTION & record.keys()


def execution(record: Record) -> Record:
    """The record of an execution log; unmapped keys are kept."""
    fields = dict(record)
    success = fields.get("success")
    good = success if isinstance(success, bool) else fields.get("exit_code") == 0
    found: Record = {
        "event": "voxelops.completed" if good else "voxelops.failed",
        "level": "info" if good else "error",
        "logger": "voxelops",
        "timestamp": fields.pop("end_time"),
        "pipeline": fields.pop("tool"),
    }
    return found | {key: value for key, value in fields.items() if key not in found}


def adapted(record: Record) -> Record:
    """Rename the keys of a JSON line with a ``procedure``; others are returned unchanged."""
    if "procedure" not in record:
        return record
    if "event_type" in record:
        return record if _AUDIT & record.keys() else _audited(record)
    if _SCHEDULE & record.keys():
        return record
    event = record.get("event")
    if isinstance(event, str) and ("job_id" in record or event in _OF_SCHEDULER):
        return _scheduled(record, event)
    return record


def _audited(record: Record) -> Record:
    """An audit line of VoxelOps about a procedure."""
    event = record.pop("event_type")
    text = event if isinstance(event, str) else ""
    failed = text.endswith("_failed")
    record.update(event=event, action=event, level="error" if failed else "info", logger="voxelops")
    if failed or text in _SUCCESS:
        record["outcome"] = "failure" if failed else "success"
    record.setdefault("pipeline", record.pop("procedure"))
    data = record.get("data")
    error = data.get("error") if isinstance(data, dict) else None
    if error is not None and record.get("error") is None:
        record["error"] = error
    return record


def _scheduled(record: Record, event: str) -> Record:
    """An audit line of the scheduler about a job."""
    failed = event == "error"
    record["action"] = event
    record.setdefault("level", "error" if failed else "info")
    if failed:
        record.setdefault("outcome", "failure")
        if isinstance(record.get("detail"), str) and "error" not in record:
            record["error"] = record.pop("detail")
    record.setdefault("pipeline", record.pop("procedure"))
    return record
