from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.kibana.ndjson import FOLDERS, kibana_objects, kibana_rules, ndjson, packed, stamped, unpacked
from tests.kibana_files import edit, write_files

TAG_DESCRIPTION = 100  # characters: more can't be edited in Kibana


def test_objects_come_in_the_order_of_their_references(files: Path) -> None:
    """An object comes after those that it refers to."""
    assert ["tag", "index-pattern", "search", "dashboard"] == [one["type"] for one in kibana_objects(files)]


def test_readable_values_become_strings(files: Path) -> None:
    """Only the values that Kibana stores as strings."""
    _, view, search, dashboard = (one["attributes"] for one in kibana_objects(files))
    assert {"id": "duration", "params": {"inputFormat": "nanoseconds"}} == json.loads(view["fieldFormatMap"])[
        "event.duration"
    ]
    assert ["{}", "{}", "[]"] == [view[key] for key in ("fieldAttrs", "runtimeFieldMap", "sourceFilters")]
    assert "kuery" == json.loads(search["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["language"]
    assert [["@timestamp", "desc"]] == search["sort"]
    assert ["p1", "p2"] == [panel["panelIndex"] for panel in json.loads(dashboard["panelsJSON"])]
    assert {"useMargins": True, "hidePanelTitles": False} == json.loads(dashboard["optionsJSON"])
    assert '{"ignoreFilters":false}' == dashboard["controlGroupInput"]["ignoreParentSettingsJSON"]
    assert "{}" == dashboard["controlGroupInput"]["panelsJSON"]
    (rule,) = kibana_rules(files)
    assert {"query": {"term": {"log.level": "error"}}} == json.loads(rule["params"]["esQuery"])


def test_strings_stay_as_they_are() -> None:
    """A file in Kibana's own form stays unchanged."""
    one = {"type": "index-pattern", "id": "a", "attributes": {"fieldFormatMap": '{ "a":  1}', "title": "x"}}
    assert one == packed(one)


def test_what_is_inside_a_panel_is_packed_first() -> None:
    """A search inside a panel is a string inside a string; its ad hoc data view stays an object."""
    view: dict[str, Any] = {"fieldAttrs": {}, "runtimeFieldMap": {}, "sourceFilters": []}
    panel = {"attributes": {"kibanaSavedObjectMeta": {"searchSourceJSON": {"filter": []}}, "adHocDataViews": view}}
    one = packed({"type": "dashboard", "id": "a", "attributes": {"panelsJSON": [panel]}})
    (inner,) = json.loads(one["attributes"]["panelsJSON"])
    assert '{"filter":[]}' == inner["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]
    assert view == inner["attributes"]["adHocDataViews"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_unpacking_is_the_inverse(files: Path, folder: str) -> None:
    """Packing and unpacking keep every value and type."""
    (path,) = (files / folder).iterdir()
    one = json.loads(path.read_text())
    assert one == unpacked(packed(one))


def test_a_string_that_is_no_json_is_compared_as_text() -> None:
    """Invalid JSON in a foreign object raises nothing."""
    assert {"panelsJSON": "not JSON"} == unpacked({"panelsJSON": "not JSON"})


def test_ndjson_is_the_same_every_time(files: Path, tmp_path: Path) -> None:
    """The layout of the files does not change the output."""
    expected = ndjson(kibana_objects(files))
    again = write_files(tmp_path / "again")
    for path in again.rglob("*.json"):
        body = json.loads(path.read_text())
        path.write_text(json.dumps(dict(reversed(body.items())), indent=4))
    assert expected == ndjson(kibana_objects(again))
    assert "Größe" in expected.decode()


def test_ndjson_ends_with_kibanas_summary(files: Path) -> None:
    """The last line is a summary, as in Kibana's exports."""
    *objects, summary = (json.loads(line) for line in ndjson(kibana_objects(files)).splitlines())
    assert 4 == len(objects) == summary["exportedCount"]
    assert {"excludedObjects": [], "excludedObjectsCount": 0, "missingRefCount": 0, "missingReferences": []} == {
        key: value for key, value in summary.items() if key != "exportedCount"
    }


def test_the_first_tag_carries_a_digest_of_all(files: Path) -> None:
    """Any change of an object changes the digest."""
    before = kibana_objects(files)[0]["attributes"]["description"]
    edit(files / "dashboards" / "small-overview.json", timeFrom="now-7d")
    after = kibana_objects(files)[0]["attributes"]["description"]
    assert before != after
    for text in (before, after):
        said, _, digest = text.rpartition(" ")
        assert "From neuroflow-ship. neuroflow-ship objects" == said
        assert (12, set()) == (len(digest), set(digest) - set("0123456789abcdef"))


def test_without_a_tag_nothing_is_stamped() -> None:
    """Without a tag there is no digest; a tag without a description gets only the digest."""
    view = {"type": "index-pattern", "id": "a", "attributes": {}}
    assert [view] == stamped([view])
    tag: dict[str, Any] = {"type": "tag", "id": "t", "attributes": {"name": "t"}}
    _, marked = stamped([view, tag])
    assert marked["attributes"]["description"].startswith("neuroflow-ship objects ")
    assert {"name": "t"} == tag["attributes"]


def test_rules_are_no_objects(files: Path) -> None:
    """Rules are not in the NDJSON, and their id stands beside the body."""
    assert {"alert", "rule"}.isdisjoint(one["type"] for one in kibana_objects(files))
    assert ["small errors"] == [rule["name"] for rule in kibana_rules(files)]


def test_files_of_this_release_are_whole() -> None:
    """Each object refers to earlier ones, and has our prefix and the required version."""
    before: set[tuple[str, str]] = set()
    for one in kibana_objects():
        assert one["id"].startswith("neuroflow")
        assert {"coreMigrationVersion", "typeMigrationVersion"} <= one.keys()
        assert {(ref["type"], ref["id"]) for ref in one["references"]} <= before
        before.add((one["type"], one["id"]))
        if one["type"] == "tag":
            assert len(one["attributes"]["description"]) <= TAG_DESCRIPTION
    assert before
    for rule in kibana_rules():
        assert rule["id"].startswith("neuroflow-")
        assert {"name", "rule_type_id", "consumer", "schedule", "params"} <= rule.keys()
