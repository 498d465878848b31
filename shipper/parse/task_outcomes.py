"""Outcomes of task actions, for Celery and Huey.  Pure."""

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
"""Action that ends a task → ECS ``event.outcome``."""


def with_outcome(action: str) -> Record:
    """Fields of a task record: the action and its outcome, if it has one."""
    return {"action": action, "outcome": OUTCOMES[action]} if action in OUTCOMES else {"action": action}
