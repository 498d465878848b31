"""The data view of a view's search, and the conditions that select the view's documents in it.  Pure."""

from __future__ import annotations

from typing import Literal

from shipper.kibana.objects.slowest import SLOWEST
from shipper.query.conditions import Condition, Is, OneOf
from shipper.views.views import View

DataView = Literal["neuroflow-logs", "neuroflow-runs", "neuroflow-runs-state", "neuroflow-sidecar"]

LOGS: DataView = "neuroflow-logs"
RUNS: DataView = "neuroflow-runs"
RUNS_STATE: DataView = "neuroflow-runs-state"
"""Without a time field, for figures of the present state, which must not depend on the time picker."""

SIDECAR: DataView = "neuroflow-sidecar"
"""What sidecars report of themselves."""

_OVER = {SLOWEST.name: RUNS}


def search_id(view: View) -> str:
    """The id of a view's search."""
    return f"neuroflow-{view.name}"


def over(view: View) -> DataView:
    """The data view of a view's search."""
    return LOGS if view.datasets else _OVER.get(view.name, RUNS_STATE)


def conditions_of(view: View) -> tuple[Condition, ...]:
    """The conditions on a document of the data view to be one of the view."""
    names = tuple(f"neuroflow.{dataset}" for dataset in view.datasets)
    if not names:
        return view.conditions
    stream = Is("event.dataset", names[0]) if len(names) == 1 else OneOf("event.dataset", names)
    return (stream, *view.conditions)
