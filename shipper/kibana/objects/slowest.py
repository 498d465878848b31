"""The slowest runs: a view for a dashboard only, which no command lists.  Pure."""

from __future__ import annotations

from shipper.query.conditions import Exists
from shipper.views.formatters import hours, text, when
from shipper.views.views import PIPELINE_RUNS, Column, View

SLOWEST = View(
    name="slowest",
    title="Slowest Runs",
    about="Pipeline runs that have ended, the longest first; the link leads to the run's log.",
    datasets=(),
    conditions=(PIPELINE_RUNS, Exists("duration_seconds")),
    order=(("duration_seconds", "desc"), ("neuroflow.run_id.number", "desc")),
    columns=(
        Column("Created", "@timestamp", when("@timestamp", "%Y-%m-%d %H:%M:%S")),
        Column("Run", "neuroflow.run_id", text("neuroflow.run_id")),
        Column("Pipeline", "neuroflow.pipeline", text("neuroflow.pipeline")),
        Column("Session", "neuroflow.session_id", text("neuroflow.session_id")),
        Column("Status", "status", text("status")),
        Column("Started", "started_at", when("started_at", "%Y-%m-%d %H:%M", "-")),
        Column("Duration", "duration_seconds", hours("duration_seconds")),
    ),
    nothing="No runs found",
)
