"""The actions of workers' tasks that have an outcome, whichever queue wrote the line: Celery or Huey.  Pure."""

from __future__ import annotations

from shipper.parse.records import Record

OUTCOMES = {
    "task.succeeded": "success",
    "task.failed": "failure",
    "task.interrupted": "failure",
    "task.rejected": "failure",
    "task.timeout": "failure",
    "task.unregistered": "failure",
}
"""Each action that ends a task → ECS's ``event.outcome``."""


def with_outcome(action: str) -> Record:
    """The fields of a record about a task: its action, and the outcome if the action has one."""
    return {"action": action, "outcome": OUTCOMES[action]} if action in OUTCOMES else {"action": action}
