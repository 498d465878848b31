"""Alerting rules, as Kibana's API takes them.  Pure.

They have no actions: where an alert goes is the lab's business.  What to do when one fires stands in its query, where
a rule has room for words: as the name of a DSL query, as comments in ES|QL.
"""

from __future__ import annotations

from typing import Any

from shipper.kibana.objects.saved_object import TAG
from shipper.query.conditions import Is, every, queries
from shipper.views.stats import COMPLETED
from shipper.views.views import FAILURES, PIPELINE_RUNS

Rule = dict[str, Any]

_RUNS = "neuroflow-runs-*"
_LOGS = "logs-neuroflow.*-*"


def rules() -> list[Rule]:
    """All of them; ``id`` is the name of the file, from which the installer makes the id that Kibana wants."""
    return [_failures(), _silent_host(), _stuck_run()]


def _failures() -> Rule:
    todo = (
        "Look at the dashboard neuroflow-pipelines for this pipeline and at its recent failures: one error for all "
        "of them is the machine's or the pipeline's, different ones are the data's."
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
    # By the time of reading: that of the event is date_nanos, which ES|QL reads from 8.18 on.
    esql = (
        "// A host logged within the last day, but not for 15 minutes: is neuroflow-ship up there (neuroflow-ship\n"
        "// status), does the application run, is the disk full?  Raise the minutes where quiet nights are usual.\n"
        f"FROM {_LOGS}\n"
        "| EVAL read = TO_LONG(event.created)\n"
        "| STATS latest = MAX(read) BY host.name\n"
        "| EVAL silent_minutes = (TO_LONG(NOW()) - latest) / 60000\n"
        "| WHERE host.name IS NOT NULL AND silent_minutes >= 15\n"
        "| KEEP host.name, silent_minutes"
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
        "// A run goes on for more than twice as long, and ten minutes, than nine in ten of its pipeline that have\n"
        "// completed within 30 days: find it on the dashboard neuroflow-pipelines, look at its log and its host.\n"
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


def _equal(condition: Is) -> str:
    return f'{condition.field} == "{condition.value}"'


def _esql(query: str, *, time_field: str, days: int) -> dict[str, Any]:
    """An alert when the query gives a row."""
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
