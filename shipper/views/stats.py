"""The application's dashboard queries, answered exactly from the run documents.

The conditions of each figure are declared here once, for the command line and for the panels of Kibana.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.answers import NoAnswerError, Shape, number
from shipper.elastic.names import run_index
from shipper.elastic.search_answers import aggregations_of, search
from shipper.query.conditions import Condition, Is, Query, between, every, queries
from shipper.views.hits import Flat, flat
from shipper.views.paging import head
from shipper.views.views import FAILED, FAILURES, PIPELINE_RUNS, SESSIONS, WAITING

LAST_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Count:
    """How many run documents meet some conditions.

    Attributes:
        name: its key in the overview.
        title: for a reader.
        conditions: which documents.
        within: the maximum age of the documents; None: any.
    """

    name: str
    title: str
    conditions: tuple[Condition, ...]
    within: timedelta | None = None

    def query(self, now: datetime) -> Query:
        """Query DSL."""
        # @timestamp is created_at, to the nanosecond.
        recent = between(now - self.within, None) if self.within is not None else []
        return every([*queries(self.conditions), *recent])


COMPLETED = Is("status", "completed")
OVERVIEW = (
    Count("total_sessions", "Sessions", (SESSIONS,)),
    Count("sessions_completed", "Sessions completed", (SESSIONS, COMPLETED)),
    Count("sessions_failed", "Sessions failed", (SESSIONS, FAILED)),
    Count("pipeline_runs_24h", "Pipeline runs, last 24 hours", (PIPELINE_RUNS,), LAST_DAY),
)
QUEUE = tuple(Count(status, status, (PIPELINE_RUNS, Is("status", status))) for status in WAITING.values)

# Pipelines of one request; a composite aggregation takes as many requests as it needs.
PIPELINES_A_PAGE = 1000
_BY_PIPELINE: dict[str, Any] = {
    "completed": {"filter": COMPLETED.query()},
    "failed": {"filter": FAILED.query()},
    "seconds": {"avg": {"field": "duration_seconds"}},
}
_COUNTED: Shape = {"doc_count": int}
_PIPELINES: Shape = {
    "pipelines": {
        "after_key?": {"pipeline": (str, None)},
        "buckets": [
            {
                **_COUNTED,
                "key": {"pipeline": (str, None)},
                "completed": _COUNTED,
                "failed": _COUNTED,
                "seconds": {"value": (number, None)},
            }
        ],
    }
}


class DashboardQueries:
    """Query methods for dashboard metrics.

    Args:
        client: of the cluster; its key needs ``read`` on the index of run documents.
        namespace: of the data streams.
        now: the present, with a zone.
        since: only runs and sessions created at this time or later.
        until: only those created at this time or earlier.

    Where nothing was ever shipped there is no index: all figures are zero or empty.  All methods
    raise elasticsearch.ApiError (the cluster refused, or could have given only a part of the answer) and
    elastic_transport.TransportError (it can't be reached).
    """

    def __init__(
        self,
        client: Elasticsearch,
        namespace: str = "default",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self._client = client
        self._index = run_index(namespace)
        self._now = now
        self._span = between(since, until)

    def get_overview_stats(self) -> dict[str, int]:
        """Get high-level overview statistics, by the names of ``OVERVIEW``."""
        return self._counted(OVERVIEW)

    def get_pipeline_stats_by_type(self) -> list[dict[str, Any]]:
        """Get pipeline statistics grouped by type.

        Returns:
            One dict a pipeline, ordered by name, runs of an unknown pipeline (None) last: ``pipeline``, ``total``,
            ``completed``, ``failed``, ``success_rate`` (of all runs, 0 to 1), ``avg_duration_minutes`` (of the runs
            that have a duration; None without any).
        """
        groups: dict[str, Any] = {
            "size": PIPELINES_A_PAGE,
            "sources": [{"pipeline": {"terms": {"field": "neuroflow.pipeline", "missing_bucket": True}}}],
        }
        found: list[dict[str, Any]] = []
        while True:
            aggregations = {"pipelines": {"composite": groups, "aggs": _BY_PIPELINE}}
            answer = self._aggregated([PIPELINE_RUNS.query()], aggregations, _PIPELINES)
            pipelines = answer.get("pipelines", {"buckets": []})
            found += map(_pipeline_of, pipelines["buckets"])
            if len(pipelines["buckets"]) < PIPELINES_A_PAGE:
                return sorted(found, key=lambda one: (one["pipeline"] is None, one["pipeline"] or ""))
            if "after_key" not in pipelines:
                raise NoAnswerError(
                    "the answer to a search for figures lacks the key of the next page (is there a proxy in between?)"
                )
            groups["after"] = pipelines["after_key"]

    def get_recent_failures(self, limit: int = 10) -> list[dict[str, Any]]:
        """Get recent pipeline failures, the latest first, to the millisecond; those without a time last.

        Returns:
            One dict a run: ``run_id`` and ``session_id`` (whole numbers where they are keys of the database, else
            text), ``pipeline``, ``error``, ``failed_at`` (ISO 8601, UTC); None for what is not known.
        """
        pages = head(self._client, [self._index], FAILURES, FAILURES.query(self._span), limit)
        return [_failure_of(flat(hit["_source"])) for hits in pages for hit in hits]

    def get_processing_queue_depth(self) -> dict[str, int]:
        """Get current queue depth by status; a status that no run has is left out."""
        return {status: count for status, count in self._counted(QUEUE).items() if count}

    def _counted(self, counts: tuple[Count, ...]) -> dict[str, int]:
        now = self._now()
        named = {count.name: count.query(now) for count in counts}
        shape = {"counts": {"buckets": dict.fromkeys(named, _COUNTED)}}
        answer = self._aggregated([], {"counts": {"filters": {"filters": named}}}, shape)
        buckets = answer.get("counts", {}).get("buckets", {})
        return {name: buckets.get(name, {"doc_count": 0})["doc_count"] for name in named}

    def _aggregated(self, wanted: list[Query], aggregations: dict[str, Any], shape: Shape) -> dict[str, Any]:
        query = every([*wanted, *self._span])
        answer = search(self._client, [self._index], query, aggs=aggregations, size=0, track_total_hits=False)
        return aggregations_of(answer, shape)


def _pipeline_of(bucket: dict[str, Any]) -> dict[str, Any]:
    total, completed = bucket["doc_count"], bucket["completed"]["doc_count"]
    seconds = bucket["seconds"]["value"]
    return {
        "pipeline": bucket["key"]["pipeline"],
        "total": total,
        "completed": completed,
        "failed": bucket["failed"]["doc_count"],
        "success_rate": completed / max(total, 1),
        "avg_duration_minutes": None if seconds is None else seconds / 60,
    }


def _failure_of(run: Flat) -> dict[str, Any]:
    return {
        "run_id": _number(run.get("neuroflow.run_id")),
        "pipeline": run.get("neuroflow.pipeline"),
        "session_id": _number(run.get("neuroflow.session_id")),
        "error": run.get("error.message"),
        "failed_at": run.get("failed_at"),
    }


def _number(text: Any) -> Any:
    """An id as a number if it is a key of the database, else unchanged."""
    is_number = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_number and str(int(text)) == text else text
