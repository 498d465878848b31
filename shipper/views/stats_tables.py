"""Answers of ``DashboardQueries`` as tables for people, each declared once.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from shipper.views.formatters import Cell, text
from shipper.views.hits import Flat
from shipper.views.stats import OVERVIEW, DashboardQueries
from shipper.views.views import FAILURES, Column, bold, status_style


@dataclass(frozen=True)
class Sheet:
    """One of the four answers.

    Attributes:
        name: the argument of the command.
        title: of the table.
        ask: runs the query; the number is the maximum of failures.
        rows: makes rows of an answer.
        columns: of a row.
        nothing: the message for an answer without rows.
    """

    name: str
    title: str
    ask: Callable[[DashboardQueries, int], Any]
    rows: Callable[[Any], list[Flat]]
    columns: tuple[Column, ...]
    nothing: str


def _minutes(doc: Flat, _zone: tzinfo | None) -> str:
    minutes = doc["avg_duration_minutes"]
    return "-" if minutes is None else f"{minutes:.1f}"


def _name(field: str) -> Cell:
    """A dash for an unknown value."""
    shown = text(field)
    return lambda doc, zone: shown(doc, zone) or "-"


def _failure(one: dict[str, Any]) -> Flat:
    """The fields as the view's columns name them."""
    return {
        "neuroflow.run_id": one["run_id"],
        "neuroflow.pipeline": one["pipeline"],
        "neuroflow.session_id": one["session_id"],
        "error.message": one["error"],
        "failed_at": one["failed_at"],
    }


SHEETS = (
    Sheet(
        name="overview",
        title="Overview",
        ask=lambda queries, _limit: queries.get_overview_stats(),
        rows=lambda stats: [{"title": count.title, "count": stats[count.name]} for count in OVERVIEW],
        columns=(Column("What", "title", text("title")), Column("Count", "count", text("count"), None, bold)),
        nothing="No runs found",
    ),
    Sheet(
        name="pipelines",
        title="Pipelines by Type",
        ask=lambda queries, _limit: queries.get_pipeline_stats_by_type(),
        rows=list,
        columns=(
            Column("Pipeline", "pipeline", _name("pipeline"), None, bold),
            Column("Total", "total", text("total")),
            Column("Completed", "completed", text("completed")),
            Column("Failed", "failed", text("failed")),
            Column("Success rate", "success_rate", lambda doc, _zone: f"{doc['success_rate']:.1%}"),
            Column("Average minutes", "avg_duration_minutes", _minutes),
        ),
        nothing="No pipeline runs found",
    ),
    Sheet(
        name="failures",
        title=FAILURES.title,
        ask=lambda queries, limit: queries.get_recent_failures(limit),
        rows=lambda failures: [_failure(one) for one in failures],
        columns=FAILURES.columns,
        nothing=FAILURES.nothing,
    ),
    Sheet(
        name="queue",
        title="Queue Depth",
        ask=lambda queries, _limit: queries.get_processing_queue_depth(),
        rows=lambda depth: [{"status": status, "runs": runs} for status, runs in depth.items()],
        columns=(
            Column("Status", "status", text("status"), None, status_style),
            Column("Runs", "runs", text("runs"), None, bold),
        ),
        nothing="Nothing is waiting or running",
    ),
)
