"""The fields that Kibana's objects use, compared with the mappings."""

from __future__ import annotations

import re

import pytest

from shipper.kibana.objects.rules import rules
from shipper.query.conditions import Begins, Exists, Is, OneOf, kql
from tests.kibana_emulator.discover import SOURCE, request
from tests.kibana_emulator.kuery import fields, kuery, query_of
from tests.kibana_emulator.lens import charts
from tests.kibana_emulator.mapped import LOGS, RUNS, SIDECAR, Types
from tests.kibana_emulator.objects import Object, fields_of, objects, of, view_of
from tests.unit.kibana.objects.test_files import DASHBOARDS

NUMBERS = {"long", "double"}
DATES = {"date", "date_nanos"}
TERMS = {"keyword", "constant_keyword"}
SORTED = NUMBERS | DATES | {"keyword"}


@pytest.mark.parametrize("search", of("search"), ids=lambda one: one["id"])
def test_searches(search: Object) -> None:
    """Columns are mapped, sort fields are sortable, and break-downs are keywords."""
    types, attributes = fields_of(view_of(search, SOURCE)), search["attributes"]
    query = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]["query"]["query"]
    assert set() == {*attributes["columns"], *attributes["grid"]["columns"], *fields(query)} - types.keys()
    assert {types[field] for field, _ in attributes["sort"]} <= SORTED
    assert types.get(attributes.get("breakdownField", ""), "keyword") == "keyword"
    assert request(search, since="now-1d")["query"]["bool"]["filter"]


@pytest.mark.parametrize("view", of("index-pattern"), ids=lambda one: one["id"])
def test_data_views(view: Object) -> None:
    """Labels and formats belong to mapped fields of a suitable type."""
    types, attributes = fields_of(view), view["attributes"]
    assert set() == attributes["fieldAttrs"].keys() - types.keys()
    wanted = {"duration": NUMBERS, "date": DATES, "url": {"keyword"}}
    for field, form in attributes["fieldFormatMap"].items():
        if field in types:  # one of runs or of logs alone
            assert types[field] in wanted[form["id"]], field
    assert attributes.get("timeFieldName", "@timestamp") in types


def test_formats_are_of_some_view() -> None:
    """Each format belongs to a field of a data view."""
    named = {field for view in of("index-pattern") for field in view["attributes"]["fieldFormatMap"]}
    assert set() == named - {*LOGS, *RUNS, *SIDECAR}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_charts(name: str) -> None:
    """Charts group by keywords and dates, average numbers, and query mapped fields."""
    fitting = {
        "terms": TERMS, "date_histogram": DATES, "average": NUMBERS, "percentile": NUMBERS, "max": DATES | NUMBERS,
        "sum": NUMBERS, "unique_count": TERMS,
    }  # fmt: skip
    for chart in charts(name):
        queries = [chart.query, *(one.get("filter", {}).get("query", "") for one in chart.columns.values())]
        assert set() == {field for query in queries for field in fields(query)} - chart.types.keys(), chart.title
        for column in chart.columns.values():
            if column["operationType"] in fitting:
                assert chart.types[column["sourceField"]] in fitting[column["operationType"]], column["label"]
            elif column["operationType"] == "count":
                assert "___records___" == column["sourceField"]
            else:
                assert column["operationType"] in {"formula", "math"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_controls_narrow_logs_and_runs(name: str) -> None:
    """A control's field exists in every data view of the dashboard, since Kibana applies it to every panel."""
    dashboard = objects()["dashboard", name]
    controls = dashboard["attributes"]["controlGroupInput"]["panelsJSON"]
    named = [control["explicitInput"]["fieldName"] for control in controls.values()]
    others = {"host.name"} if name == "neuroflow-sidecar" else {"service.name", "neuroflow.pipeline"}
    assert {"data_stream.namespace", *others} <= set(named)
    references = [ref["id"] for ref in dashboard["references"] if ref["type"] == "index-pattern"]
    views = [fields_of(objects()["index-pattern", identity]) for identity in set(references)]
    for field in named:
        assert {True} == {types.get(field) in TERMS for types in views}, field


def test_rules_ask_for_mapped_fields() -> None:
    """A rule's fields, and each dotted or compared name in its ES|QL, are mapped."""
    for rule in rules():
        params = rule["params"]
        of_sidecars = {"neuroflow-dead-letters": SIDECAR, "neuroflow-lag": SIDECAR}
        types: Types = {"neuroflow-silent-host": LOGS, **of_sidecars}.get(rule["id"], RUNS)
        if rule["id"] in of_sidecars:
            assert "date_nanos" == types[params["timeField"]]
            assert "neuroflow.sidecar.lag_seconds" in types
        else:
            assert "date" == types[params["timeField"]], "ES|QL reads no date_nanos before 8.18"
        if "termField" in params:
            assert "keyword" == types[params["termField"]]
        if "esqlQuery" in params:
            code = re.sub(r"//.*|\"[^\"]*\"|FROM .*", "", params["esqlQuery"]["esql"])
            known = {"started_at", "duration_seconds", "kind", "status", "host.name", "event.created"}
            found = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+|\b(?:started_at|duration_seconds|kind|status)\b", code))
            assert found <= types.keys()
            assert found & known


def test_rules_name_nothing_by_a_word_of_the_language() -> None:
    """Names in ES|QL avoid the reserved words of 8.12, which include units of time."""
    own = {
        "and", "as", "asc", "by", "desc", "false", "first", "in", "is", "last", "like", "not", "null", "nulls",
        "or",
    }  # fmt: skip
    units = {"second", "minute", "hour", "day", "week", "month", "year"}
    for rule in rules():
        code = re.sub(r"//.*", "", rule["params"].get("esqlQuery", {}).get("esql", ""))
        assert not set(re.findall(r"([a-z_]+) = ", code)) & {
            *own, "rlike", "true", *units,
            *(f"{one}s" for one in units),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Is("status", 'a "b"\\'), [{"term": {"status": {"value": 'a "b"\\'}}}]),
        (OneOf("status", ("a", "b")), [
            {"bool": {"should": [{"term": {"status": {"value": value}}}], "minimum_should_match": 1}}
            for value in ("a", "b")
        ]),
        (Exists("failed_at"), [{"exists": {"field": "failed_at"}}]),
        (Begins("kind", "task."), [{"wildcard": {"kind": {"value": "task.*"}}}]),
    ],
)  # fmt: skip
def test_conditions_as_kibana_understands_them(condition: Is | OneOf | Exists | Begins, expected: object) -> None:
    """Conditions in KQL equal Kibana's own translation."""
    assert [{"bool": {"should": expected, "minimum_should_match": 1}}] == kuery(condition.kql(), RUNS)


def test_several_conditions() -> None:
    """Conditions are joined by AND, and a time range uses the server's clock."""
    text = kql([Is("kind", "a"), Exists("status")]) + ' and created_at >= "now-24h" and not status : ("b" or "c")'
    [whole] = query_of(text, RUNS)["bool"]["filter"]
    kind, status, span, others = whole["bool"]["filter"]
    assert {"term": {"kind": {"value": "a"}}} == kind["bool"]["should"][0]
    assert {"exists": {"field": "status"}} == status["bool"]["should"][0]
    assert {"range": {"created_at": {"gte": "now-24h", "time_zone": "UTC"}}} == span["bool"]["should"][0]
    assert 2 == len(others["bool"]["must_not"]["bool"]["should"])
