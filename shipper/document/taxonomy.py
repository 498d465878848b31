"""What an event's name means in ECS terms: kind, category, type, outcome.  Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+")
# Longer is no name; nor would a megabyte of text be worth remembering.
_MOST_NAME = 128
_SUCCESS = ("completed", "complete", "succeeded", "success", "voxelops_complete")
_FAILURE = ("failed", "failure", "error", "exception", "timeout", "failed_permanently", "voxelops_failed")
_START = ("started", "start", "starting", "received", "execution_start", "procedure_start")


def is_action(event: str) -> bool:
    """Whether an event is a name of the taxonomy (``pipeline.failed``) and not a sentence."""
    return len(event) < _MOST_NAME and _DOTTED.fullmatch(event) is not None


def event_fields(event: str) -> dict[str, Any]:
    """The ``event.*`` fields that a name alone decides; not to be changed by the caller."""
    return _fields(event) if len(event) < _MOST_NAME else _fields("")


@lru_cache(maxsize=4096)
def _fields(event: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": "event", "category": ["process"], "type": ["info"]}
    if not is_action(event):
        return fields
    fields["action"] = event
    last = event.rpartition(".")[2]
    if event.startswith("metrics."):
        fields["kind"] = "metric"
    elif last in _SUCCESS:
        fields.update(outcome="success", type=["end"])
    elif last in _FAILURE:
        fields.update(outcome="failure", type=["end", "error"])
    elif last in _START:
        fields["type"] = ["start"]
    return fields
