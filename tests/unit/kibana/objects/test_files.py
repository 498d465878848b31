"""The committed files of Kibana's objects equal what the views' declarations make."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shipper.elastic.assets import asset_dir
from shipper.kibana.objects.__main__ import write
from shipper.kibana.objects.addresses import discover, rison
from shipper.kibana.objects.files import files
from shipper.kibana.objects.panels import laid_out
from shipper.kibana.objects.panels import text as words
from shipper.query.conditions import OneOf, kql
from shipper.views.formatters import text
from shipper.views.views import SHOW, VIEWS, Column, View
from tests.kibana_emulator.lens import charts
from tests.kibana_emulator.objects import objects, of

OLDEST = {"tag": "8.0.0", "index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}
DASHBOARDS = ("neuroflow-overview", "neuroflow-pipelines", "neuroflow-audit", "neuroflow-sidecar")


def test_files_are_as_generated() -> None:
    """No file is missing, changed or additional."""
    root = asset_dir("kibana")
    there = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    wanted = files()
    assert sorted(wanted) == sorted(there), "make kibana"
    assert [] == [name for name, content in wanted.items() if there[name] != content], "make kibana"


def test_writing_mends_a_folder(tmp_path: Path) -> None:
    """Changed files are written, additional ones removed; a second run does nothing."""
    assert len(files()) == len(write(tmp_path))
    (tmp_path / "searches/neuroflow-show.json").write_text("{}")
    (tmp_path / "rules/old.json").write_text("{}")
    assert ["rules/old.json", "searches/neuroflow-show.json"] == write(tmp_path)
    assert [] == write(tmp_path)


@pytest.mark.parametrize("name", files())
def test_a_file_is_named_after_its_object(name: str) -> None:
    """Its id has our prefix, and its version is the oldest that has all used features."""
    one = json.loads(files()[name])
    assert one["id"] == Path(name).stem
    assert re.fullmatch("neuroflow(-[a-z]+)*", one["id"])
    if not name.startswith("rules/"):
        assert (OLDEST[one["type"]], "8.8.0") == (one["typeMigrationVersion"], one["coreMigrationVersion"])


@pytest.mark.parametrize("one", objects().values(), ids=lambda one: f"{one['type']} {one['id']}")
def test_references_lead_somewhere(one: dict[str, Any]) -> None:
    """Each reference leads to one of our objects and is used; all objects but the tag have the tag."""
    names = [ref["name"] for ref in one["references"]]
    assert len(names) == len(set(names))
    assert [] == [ref for ref in one["references"] if (ref["type"], ref["id"]) not in objects()]
    assert (one["type"] != "tag") == ("tag-ref-neuroflow" in names)
    assert used(one) == set(names) - {"tag-ref-neuroflow"}


def used(one: dict[str, Any]) -> set[str]:
    """The names of an object's references."""
    attributes = one["attributes"]
    if one["type"] == "search":
        return {attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]["indexRefName"]}
    if one["type"] != "dashboard":
        return set()
    called = {f"controlGroup_{name}:optionsListDataView" for name in attributes["controlGroupInput"]["panelsJSON"]}
    for panel in attributes["panelsJSON"]:
        inner = [panel["panelRefName"]] if "panelRefName" in panel else []
        inner += [ref["name"] for ref in panel["embeddableConfig"].get("attributes", {}).get("references", ())]
        called |= {f"{panel['panelIndex']}:{name}" for name in inner}
    return called


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_has_its_search(view: View) -> None:
    """Columns, headings, order and conditions are equal."""
    search = objects()["search", f"neuroflow-{view.name}"]["attributes"]
    assert search["columns"] == [column.field for column in view.columns if column.field != "@timestamp"]
    assert search["sort"] == [list(pair) for pair in view.order]
    query = search["kibanaSavedObjectMeta"]["searchSourceJSON"]["query"]["query"]
    assert query.endswith(kql(view.conditions))
    [shown] = [
        one["attributes"]["fieldAttrs"]
        for one in of("index-pattern")
        if one["id"] == ("neuroflow-logs" if view.datasets else "neuroflow-runs-state")
    ]
    assert [column.title for column in view.columns] == [
        shown[column.field]["customLabel"] for column in view.columns
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_lie_side_by_side(name: str) -> None:
    """Panels fill the page without overlapping, and their ids are unique."""
    panels = objects()["dashboard", name]["attributes"]["panelsJSON"]
    cells: list[tuple[int, int]] = []
    for panel in panels:
        place = panel["gridData"]
        assert place["i"] == panel["panelIndex"]
        cells += [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
    height = 1 + max(y for _, y in cells)
    assert len(cells) == len(set(cells)) == 48 * height
    assert len(panels) == len({panel["panelIndex"] for panel in panels})


@pytest.mark.parametrize("name", DASHBOARDS)
def test_charts_show_columns_that_they_have(name: str) -> None:
    """Each accessor is a column, and each column is shown or used in a shown formula."""
    for chart in charts(name):
        assert sorted(chart.order) == sorted(chart.columns), chart.title
        parts = {ref for column in chart.columns.values() for ref in column.get("references", ())}
        assert set(chart.columns) == accessors(chart.visualization) | parts, chart.title
        assert not accessors(chart.visualization) & parts, chart.title


def accessors(visualization: dict[str, Any]) -> set[str]:
    """The columns that a chart draws."""
    layers = visualization.get("layers", [visualization])
    found = {column["columnId"] for column in visualization.get("columns", ())}
    for layer in layers:
        found |= {layer[key] for key in ("xAccessor", "splitAccessor", "metricAccessor") if key in layer}
        found |= set(layer.get("accessors", ())) | {one["forAccessor"] for one in layer.get("yConfig", ())}
    return found


def test_a_row_that_is_too_wide_is_refused() -> None:
    """A row of panels wider than the page raises."""
    with pytest.raises(ValueError, match="is not 48 cells wide"):
        laid_out([(4, [words(40, "a"), words(9, "b")])])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a.b": None, "c": True, "d": [False, "x y"]}, "(a.b:!n,c:!t,d:!(!f,'x y'))"),
        ("it's!", "'it!'s!!'"), ("now-1d", "'now-1d'"), ("", "''"), ("@timestamp", "'@timestamp'"),
    ],
)  # fmt: skip
def test_rison(value: Any, written: str) -> None:
    """Values with special characters are quoted."""
    assert written == rison(value)


def test_a_link_keeps_kibanas_placeholder() -> None:
    """Blanks and quotes are encoded, the placeholder is not."""
    view = View("v", "", "", ("app",), (), (), (Column("A", "a", text("a")),), "")
    link = discover(view, "a.id", conditions=(OneOf("b", ("x", "y")),), sort=[["a", "asc"]])
    assert link.startswith("discover#/view/neuroflow-v?_a=(index:'neuroflow-logs',columns:!(a),sort:!(!(a,asc)),")
    assert "query:'b%20:%20(%22x%22%20or%20%22y%22)'" in link
    assert link.endswith("query:(match_phrase:(a.id:'{{value}}')))))")
    assert "discover#/?_g=(time:(from:'now-1d',to:now))&_a=(" in discover(
        SHOW, "a", conditions=(), sort=[], since="now-1d"
    )
