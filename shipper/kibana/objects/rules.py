"""Alerting rules, as Kibana's API takes them.  Pure.

They have no actions: a lab adds its own.  What to do about an alert is written in the rule's query: as the name of a
Query DSL query, as comments in ES|QL.
"""

from __future__ import annotations

from typing import Any

from shipper.kibana.objects.saved_object import TAG
from shipper.kibana.objects.sidecar import reported
from shipper.query.conditions import Is, every, queries
from shipper.views.stats import COMPLETED
from shipper.views.views import FAILURES, PIPELINE_RUNS

Rule = dict[str, Any]

_RUNS = "neuroflow-runs-*"
_LOGS = "logs-neuroflow.*-*"
_SIDECARS = "logs-neuroflow.sidecar-*"


def rules() -> list[Rule]:
    """All of them; ``id`` is the name of the file, from which `rule_api.rule_id` derives the UUID."""
    return [_failures(), _silent_host(), _stuck_run(), _dead_letters(), _lag()]


def _failures() -> Rule:
    todo = (
        "Look at the dashboard neuroflow-pipelines for this pipeline and at its recent failures: if all have one "
        "error, check the machine and the pipeline; if the errors differ, check the data."
    )
    query = every(queries(FAILURES.conditions))
    query["bool"]["_name"] = todo
    return _rule(
        "neuroflow-pipeline-failures",
        "neuroflow: three or more runs of a pipeline failed within an hour",
        "5m",
        {
            "searchType": "esQuery",
            "index": [_RUNS],
            "timeField": "failed_at",
            "esQuery": {"query": query},
            "timeWindowSize": 1,
            "timeWindowUnit": "h",
            "groupBy": "top",
            "termField": "neuroflow.pipeline",
            "termSize": 50,
            "thresholdComparator": ">=",
            "threshold": [3],
            "size": 10,
        },
    )


def _silent_host() -> Rule:
    # By the time of reading: the event's own time is date_nanos, which ES|QL supports only from 8.18 on.
    esql = (
        "// A host has logged within the last day, but not for 15 minutes: check its disk, and that the application\n"
        "// and neuroflow-ship (neuroflow-ship status) run there.  Raise the minutes if quiet nights are usual.\n"
        "// report_minutes: since the sidecar itself reported last.  One or two: it runs, and the application is\n"
        "// quiet or has stopped.\n"
        f"FROM {_LOGS}\n"
        "| EVAL read = TO_LONG(event.created)\n"
        '| EVAL line = CASE(event.dataset != "neuroflow.sidecar", read),'
        ' report = CASE(event.dataset == "neuroflow.sidecar", read)\n'
        "| STATS latest = MAX(line), reported = MAX(report) BY host.name\n"
        "| EVAL silent_minutes = (TO_LONG(NOW()) - latest) / 60000,"
        " report_minutes = (TO_LONG(NOW()) - reported) / 60000\n"
        "| WHERE host.name IS NOT NULL AND silent_minutes >= 15\n"
        "| KEEP host.name, silent_minutes, report_minutes"
    )
    return _rule(
        "neuroflow-silent-host",
        "neuroflow: a host has stopped logging",
        "5m",
        _esql(esql, time_field="event.created", days=1),
    )


def _stuck_run() -> Rule:
    running = Is("status", "running")
    esql = (
        "// A run has taken longer than 2 x p90 of its pipeline (completed runs of 30 days) plus 10 minutes: find\n"
        "// it on the dashboard neuroflow-pipelines, look at its log and its host.\n"
        f"FROM {_RUNS}\n"
        f"| WHERE {_equal(PIPELINE_RUNS)}\n"
        f"| EVAL began = CASE({_equal(running)}, TO_LONG(started_at)),"
        f" took = CASE({_equal(COMPLETED)}, duration_seconds)\n"
        "| STATS oldest = MIN(began), usual = PERCENTILE(took, 90), known = COUNT(took) BY neuroflow.pipeline\n"
        "| EVAL going = (TO_LONG(NOW()) - oldest) / 1000\n"
        "| WHERE known >= 5 AND going > 2 * usual + 600\n"
        "| KEEP neuroflow.pipeline, going, usual"
    )
    return _rule(
        "neuroflow-stuck-run",
        "neuroflow: a pipeline run takes much longer than usual",
        "15m",
        _esql(esql, time_field="started_at", days=30),
    )


def _dead_letters() -> Rule:
    todo = (
        "Elasticsearch rejected documents of this host for good: `neuroflow-ship dead-letters list` there shows "
        "which and why. Remove the cause, then `neuroflow-ship dead-letters replay`."
    )
    return _reports(
        "neuroflow-dead-letters",
        "neuroflow: Elasticsearch rejects documents of a host",
        todo,
        [reported("rejected").query()],
        minutes=60,
        threshold=1,
    )


def _lag() -> Rule:
    todo = (
        "The oldest line that this host has not shipped is older than 15 minutes: look at the dashboard "
        "neuroflow-sidecar, at `neuroflow-ship status` there, and at Elasticsearch's load."
    )
    late = {"range": {"neuroflow.sidecar.lag_seconds": {"gte": 900}}}
    return _reports(
        "neuroflow-lag",
        "neuroflow: a host is more than 15 minutes behind",
        todo,
        [reported("lag").query(), late],
        minutes=5,
        # Reports come once a minute: not the one after a start.
        threshold=3,
    )


def _reports(
    identity: str, name: str, todo: str, conditions: list[dict[str, Any]], *, minutes: int, threshold: int
) -> Rule:
    """A rule that alerts for each host with so many reports within so many minutes."""
    query = every(conditions)
    query["bool"]["_name"] = todo
    return _rule(
        identity,
        name,
        "5m",
        {
            "searchType": "esQuery",
            "index": [_SIDECARS],
            "timeField": "@timestamp",
            "esQuery": {"query": query},
            "timeWindowSize": minutes,
            "timeWindowUnit": "m",
            "groupBy": "top",
            "termField": "host.name",
            "termSize": 1000,
            "thresholdComparator": ">=",
            "threshold": [threshold],
            "size": 10,
        },
    )


def _equal(condition: Is) -> str:
    return f'{condition.field} == "{condition.value}"'


def _esql(query: str, *, time_field: str, days: int) -> dict[str, Any]:
    """A rule that alerts when the query returns a row."""
    return {
        "searchType": "esqlQuery",
        "esqlQuery": {"esql": query},
        "timeField": time_field,
        "timeWindowSize": days,
        "timeWindowUnit": "d",
        "groupBy": "all",
        "thresholdComparator": ">",
        "threshold": [0],
        "size": 100,
    }


def _rule(identity: str, name: str, interval: str, params: dict[str, Any]) -> Rule:
    return {
        "id": identity,
        "name": name,
        "tags": [TAG],
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "schedule": {"interval": interval},
        "enabled": True,
        "params": {"aggType": "count", "excludeHitsFromPreviousRun": False, **params},
        "actions": [],
    }
