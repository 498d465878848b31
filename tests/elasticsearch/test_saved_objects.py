"""Kibana's objects over real documents: what Discover and Lens would ask for, against what the commands answer.

``tests/kibana_emulator`` makes the requests, which were compared with those of a real Kibana; no Kibana is needed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.kibana.objects.rules import rules
from shipper.testnode.node import Node
from shipper.views.hits import flat
from shipper.views.stats import DashboardQueries
from shipper.views.views import AUDIT, FAILURES, PIPELINE, SHOW, TASKS, WORKFLOWS, View
from tests.conformance.harness import Harness
from tests.elasticsearch import lab, planned_runs
from tests.elasticsearch.planned_runs import Line, Run, planned, row, write
from tests.elasticsearch.screens import Laboratory
from tests.kibana_emulator import discover
from tests.kibana_emulator.lens import MISSING, Row, chart, charts
from tests.kibana_emulator.objects import objects

OVERVIEW, PIPELINES, TRAIL = "neuroflow-overview", "neuroflow-pipelines", "neuroflow-audit"
DAY = timedelta(hours=24)
EVER = "2000-01-01T00:00:00Z"


class Reader:
    """A user of Kibana who selected one namespace in the dashboard's control."""

    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self._es = es
        self._chosen = [{"match_phrase": {"data_stream.namespace": namespace}}]

    def hits(self, view: View, *filters: dict[str, Any]) -> list[dict[str, Any]]:
        """What a view's search lists."""
        search = objects()["search", f"neuroflow-{view.name}"]
        asked = discover.request(search, *self._chosen, *filters, since=EVER)
        found: list[dict[str, Any]] = self._es.search(**asked)["hits"]["hits"]
        return found

    def cells(self, view: View, *filters: dict[str, Any]) -> list[list[Any]]:
        """The columns of a view's search, but for the time."""
        search = objects()["search", f"neuroflow-{view.name}"]
        return [
            [flat(hit["_source"]).get(field) for field in search["attributes"]["columns"]]
            for hit in self.hits(view, *filters)
        ]

    def rows(self, dashboard: str, title: str) -> list[Row]:
        asked = chart(dashboard, title)
        return asked.rows(dict(self._es.search(**asked.request(*self._chosen, since=EVER))))

    def figure(self, title: str) -> Any:
        [found] = self.rows(OVERVIEW, title)
        return found[chart(OVERVIEW, title).visualization["metricAccessor"]]


def columns(view: View, rows: list[dict[str, Any]]) -> list[list[Any]]:
    """The cells of a command's rows."""
    return [[one.get(column.field) for column in view.columns if column.field != "@timestamp"] for one in rows]


@pytest.fixture(scope="module")
def laboratory(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Laboratory, Harness]]:
    """A small laboratory's logs in a namespace of their own."""
    harness = Harness(tmp_path_factory.mktemp("lab"), node.url, f"t{uuid.uuid4().hex[:10]}")
    lab.write(harness.logs)
    done = harness.once()
    assert 0 == done.returncode, done.stderr
    yield Laboratory(harness), harness
    harness.close()


class TestRowsOfTheCommands:
    """A search of Discover lists what its command lists, in its order."""

    @pytest.fixture
    def reader(self, es: Elasticsearch, laboratory: tuple[Laboratory, Harness]) -> Reader:
        """The user, looking at the shipped logs."""
        return Reader(es, laboratory[1].namespace)

    @pytest.mark.parametrize(
        ("view", "command"),
        [
            (SHOW, ["show", "--tail", "500"]),
            (AUDIT, ["audit", "--limit", "500"]),
            (TASKS, ["tasks", "--limit", "500"]),
            (WORKFLOWS, ["workflow", "--list", "--limit", "500"]),
        ],
        ids=lambda one: getattr(one, "name", ""),
    )
    def test_same_rows(
        self, laboratory: tuple[Laboratory, Harness], reader: Reader, view: View, command: list[str]
    ) -> None:
        """Row by row the same cells; ``show`` prints the oldest first."""
        printed = laboratory[0].rows(*command)
        if "--tail" in command:
            printed.reverse()
        assert len(printed) > 1
        assert columns(view, printed) == reader.cells(view)
        assert [one["@timestamp"] for one in printed] == [
            flat(hit["_source"])["@timestamp"] for hit in reader.hits(view)
        ]

    def test_log_of_a_run(self, laboratory: tuple[Laboratory, Harness], reader: Reader) -> None:
        """The link of a run leads to its log: the newest attempt in the order of its file, then the older one."""
        printed = columns(PIPELINE, laboratory[0].rows("pipeline", "2"))
        listed = reader.cells(PIPELINE, {"match_phrase": {"neuroflow.run_id": "2"}})
        older = [[line] for line in lab.OLDER_PIPELINE_LOG.splitlines()]
        assert printed + older == listed

    def test_failures(self, laboratory: tuple[Laboratory, Harness], reader: Reader) -> None:
        """The latest failure comes first."""
        printed = laboratory[0].rows("stats", "failures")
        assert printed
        assert [[str(one["run_id"]), one["pipeline"], one["error"]] for one in printed] == [
            [run, pipeline, error] for run, pipeline, _, error, _ in reader.cells(FAILURES)
        ]

    def test_columns_can_be_fetched(self, reader: Reader) -> None:
        """Discover reads cells through the mapping: each has a value there if the document has one."""
        for view in (SHOW, PIPELINE, AUDIT, TASKS, WORKFLOWS, FAILURES):
            shown = objects()["search", f"neuroflow-{view.name}"]["attributes"]["columns"]
            for hit in reader.hits(view):
                told = flat(hit["_source"])
                assert {field for field in shown if told.get(field) not in {None, ""}} <= hit["fields"].keys() | {
                    field for field in shown if told.get(field) == ""
                }

    def test_audit_dashboard(self, laboratory: tuple[Laboratory, Harness], reader: Reader) -> None:
        """Every entry is counted once, by who, what and which entity."""
        entries = laboratory[0].rows("audit", "--limit", "500")
        assert 7 == sum(one["n"] for one in reader.rows(TRAIL, "Changes over time")) == len(entries)
        keys = ("neuroflow.audit.triggered_by", "user.id", "neuroflow.audit.entity_type", "event.action")
        counted: dict[tuple[str, ...], int] = {}
        for entry in entries:
            key = tuple(entry.get(name, MISSING) for name in keys)
            counted[key] = counted.get(key, 0) + 1
        assert counted == {
            (one["who"], one["user"], one["type"], one["action"]): one["n"]
            for one in reader.rows(TRAIL, "Who changed what")
        }
        assert {"workflow": 1, "system": 6} == {
            one["who"]: one["n"] for one in reader.rows(TRAIL, "Changes by who triggered them")
        }
        [first, *_] = reader.rows(TRAIL, "Most changed")
        assert ("session:1", 2) == (first["entity"], first["n"])

    def test_levels(self, laboratory: tuple[Laboratory, Harness], reader: Reader) -> None:
        """The chart counts every line of ``show`` under its level."""
        lines = laboratory[0].rows("show", "--tail", "500")
        spans = reader.rows(OVERVIEW, "Log lines by level")
        for level in ("debug", "info", "warning", "error", "critical"):
            assert sum(one.get("log.level") == level for one in lines) == sum(span[level] for span in spans)
        assert len(lines) == sum(sum(span[name] for name in span if name != "when") for span in spans)


@dataclass(frozen=True)
class Shipped:
    """Runs of the last three days, and where they are."""

    namespace: str
    now: datetime
    plan: list[Run]


@pytest.fixture(scope="module")
def shipped(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """Some hundred planned runs and sessions."""
    now = datetime.now(UTC).replace(microsecond=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned_runs, "NOW", now)
        # None so near the edge of the last day that it would cross it between two questions.
        plan = [run for run in planned(400, seed=3) if abs(now - run.created - DAY) > timedelta(minutes=10)]
    harness = Harness(tmp_path_factory.mktemp("plan"), node.url, f"t{uuid.uuid4().hex[:10]}")
    write([*(line for run in plan for line in run.lines()), *sessions(now)], harness.logs)
    done = harness.once()
    assert 0 == done.returncode, done.stderr
    yield Shipped(harness.namespace, now, plan)
    harness.close()


class TestFiguresOfTheCommands:
    """Tiles and tables show what ``stats`` answers."""

    @pytest.fixture
    def plan(self, shipped: Shipped) -> list[Run]:
        return shipped.plan

    @pytest.fixture
    def reader(self, es: Elasticsearch, shipped: Shipped) -> Reader:
        """Looks at what the sidecar made of it."""
        return Reader(es, shipped.namespace)

    def test_figures(self, es: Elasticsearch, shipped: Shipped, reader: Reader) -> None:
        """All four queries, and the curves, whose sums equal them."""
        queries = DashboardQueries(es, shipped.namespace)
        told = queries.get_overview_stats()
        assert 0 not in told.values()
        assert list(told.values()) == [
            reader.figure(title)
            for title in ("Sessions", "Sessions completed", "Sessions failed", "Pipeline runs, last 24 hours")
        ]
        depth = queries.get_processing_queue_depth()
        tiles = {status: reader.figure(status.capitalize()) for status in ("pending", "queued", "running")}
        assert {"pending": 0, **depth} == tiles
        waiting = reader.rows(PIPELINES, "Queue")
        assert depth == {status: sum(one[status] for one in waiting) for status in depth}

        by_type = queries.get_pipeline_stats_by_type()
        shown = {
            None if one["pipeline"] == MISSING else one["pipeline"]: one
            for one in reader.rows(OVERVIEW, "Pipelines by type")
        }
        assert [
            (one["pipeline"], one["total"], one["completed"], one["failed"], one["success_rate"]) for one in by_type
        ] == [(name, one["total"], one["completed"], one["failed"], one["rate"]) for name, one in ordered(shown)]
        assert [one["avg_duration_minutes"] for one in by_type] == [
            pytest.approx(one["minutes"]) for _, one in ordered(shown)
        ]

        failed = queries.get_recent_failures(500)
        assert [str(one["run_id"]) for one in failed] == [run for run, *_ in reader.cells(FAILURES)]
        assert len(failed) == sum(one["n"] for one in reader.rows(OVERVIEW, "Failures over time"))
        ends = reader.rows(PIPELINES, "Runs and how they ended")
        for status in ("completed", "failed", "running", "queued"):
            assert sum(run.end == status for run in shipped.plan) == sum(one[status] for one in ends)

    def test_durations(self, plan: list[Run], reader: Reader) -> None:
        """Percentiles of each pipeline lie where the plan's durations lie, and in order."""
        found = {one["pipeline"]: one for one in reader.rows(PIPELINES, "Durations by pipeline")}
        for name in {run.pipeline for run in plan} - {None}:
            seconds = sorted(run.seconds for run in plan if run.pipeline == name and run.seconds is not None)
            one = found[name]
            assert seconds[0] <= one["p50"] <= one["p90"] <= one["p99"] <= seconds[-1]

    @pytest.mark.parametrize("name", [OVERVIEW, PIPELINES])
    def test_no_chart_is_empty(self, reader: Reader, name: str) -> None:
        """Every chart has rows."""
        assert {True} == {bool(reader.rows(name, one.title)) for one in charts(name)}

    def test_rule_for_failures(self, es: Elasticsearch, shipped: Shipped) -> None:
        """Its groups are the pipelines with enough failures in the window, by when they failed."""
        [params] = [rule["params"] for rule in rules() if rule["id"] == "neuroflow-pipeline-failures"]
        assert ("top", ">=", "h") == (params["groupBy"], params["thresholdComparator"], params["timeWindowUnit"])
        start = shipped.now - timedelta(hours=60)
        answer = es.search(
            index=params["index"],
            query={
                "bool": {
                    "filter": [
                        params["esQuery"]["query"],
                        {"range": {params["timeField"]: {"gte": start.isoformat()}}},
                        {"term": {"data_stream.namespace": shipped.namespace}},
                    ]
                }
            },
            size=0,
            aggs={"groupAgg": {"terms": {"field": params["termField"], "size": params["termSize"]}}},
        )
        failed = [
            run.pipeline for run in shipped.plan if run.end == "failed" and run.ended_at and run.ended_at >= start
        ]
        wanted = {name: failed.count(name) for name in set(failed) - {None}}
        assert wanted == {one["key"]: one["doc_count"] for one in answer["aggregations"]["groupAgg"]["buckets"]}
        assert max(wanted.values()) >= params["threshold"][0]


def ordered(shown: dict[str | None, Row]) -> list[tuple[str | None, Row]]:
    """By name, the unknown pipeline last, as the command lists them."""
    return sorted(shown.items(), key=lambda one: (one[0] is None, one[0] or ""))


def sessions(now: datetime) -> Iterator[Line]:
    """Thirty sessions of the database, and how they ended."""
    ends = ("discovered", "completed", "failed", "processing", "completed")
    for number in range(30):
        yield row(now - timedelta(hours=number), "session", number, "created", f"ses-{number:03d}", message="")
        moment = now - timedelta(hours=number) + timedelta(seconds=2)
        yield row(moment, "session", number, "status_changed", ends[number % 5].upper())
