"""Objects and rules in a real Kibana, each test in spaces of its own."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.kibana.client import KibanaClient
from shipper.kibana.install import Report, install_kibana
from shipper.kibana.ndjson import Object, kibana_objects, kibana_rules
from shipper.kibana.rule_api import rule_id
from tests.kibana.conftest import Clients
from tests.kibana_files import edit, write_files

pytestmark = pytest.mark.second_node

INTERNAL = {"elastic-api-version": "1", "x-elastic-internal-origin": "Kibana", "content-type": "application/json"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small set of files with ids that are new to this Kibana."""
    return write_files(tmp_path, prefix=f"t{uuid.uuid4().hex[:10]}", rule=str(uuid.uuid4()))


def put(client: KibanaClient, files: Path | None = None, *, dry_run: bool = False) -> Report:
    """Install the files of a folder, or of this release."""
    return install_kibana(client, kibana_objects(files), kibana_rules(files), dry_run=dry_run)


def actions(report: Report) -> list[str]:
    """The actions of an installation without refusals."""
    assert [] == report.refused
    return [change.action for change in report.changes]


def ids_in(client: KibanaClient, objects: list[Object]) -> dict[tuple[str, str], str]:
    """The ids of our objects in the space."""
    answer = client.ask("POST", "/api/saved_objects/_export", {"type": sorted({one["type"] for one in objects})})
    assert answer.lines is not None
    return {
        (one["type"], one.get("originId") or one["id"]): one["id"]
        for one in answer.lines
        if "exportedCount" not in one
    }


def test_a_second_time_changes_nothing(client: Clients, space: str, files: Path) -> None:
    """Changed objects are found and put again, a dry run only reports them, in whatever form this Kibana stores
    objects.
    """
    kibana = client(space)
    assert ["created"] * 5 == actions(put(kibana, files, dry_run=True))
    assert ["created"] * 5 == actions(put(kibana, files))
    assert ["unchanged"] * 5 == actions(put(kibana, files))
    (path,) = (files / "searches").iterdir()
    edit(path, columns=["message"])
    for dry_run in (True, False):
        changed = actions(put(kibana, files, dry_run=dry_run))
        assert ["updated", "unchanged", "updated", "updated", "unchanged"] == changed
    assert ["unchanged"] * 5 == actions(put(kibana, files))


def test_an_edit_is_put_back_and_a_counter_stays(client: Clients, space: str, files: Path) -> None:
    """An edited object is replaced; the counters of Discover stay."""
    kibana = client(space)
    actions(put(kibana, files))
    ids = ids_in(kibana, kibana_objects(files))
    (view,) = (name for (kind, _), name in ids.items() if kind == "index-pattern")
    counted = {"fields": {"message": {"count": 3}}}
    assert kibana.ask("POST", f"/api/data_views/data_view/{view}/fields", counted).ok
    assert ["unchanged"] * 5 == actions(put(kibana, files))
    assert kibana.ask("POST", f"/api/data_views/data_view/{view}", {"data_view": {"title": "logs-*"}}).ok
    assert ["unchanged", "updated", "unchanged", "unchanged", "unchanged"] == actions(put(kibana, files))
    assert ["unchanged"] * 5 == actions(put(kibana, files))


def test_two_spaces_of_one_kibana_are_alike(client: Clients, space: str, other_space: str, files: Path) -> None:
    """The second space gets copies with other ids, which later runs find again."""
    for name in (space, other_space):
        assert ["created"] * 5 == actions(put(client(name), files))
        assert ["unchanged"] * 5 == actions(put(client(name), files))
    (path,) = (files / "dashboards").iterdir()
    edit(path, timeFrom="now-1h")
    assert "updated" == actions(put(client(other_space), files))[3]
    assert ["unchanged"] * 5 == actions(put(client(other_space), files))
    assert "updated" == actions(put(client(space), files, dry_run=True))[3]


def test_what_refers_to_nothing_is_refused_by_name(client: Clients, space: str, files: Path) -> None:
    """An object with a missing reference is named as refused, though Kibana answers 200."""
    (path,) = (files / "data_views").iterdir()
    path.unlink()
    report = put(client(space), files)
    assert 2 == len(report.refused)
    assert all(said.endswith(f"refers to missing objects: index-pattern {path.stem}") for said in report.refused)
    assert ["rule"] == [change.kind for change in report.changes]
    assert ["created"] * 3 + ["unchanged"] == actions(put(client(space), files, dry_run=True))


def test_a_rule_keeps_the_actions_of_the_lab(client: Clients, space: str, files: Path) -> None:
    """A release that changes a rule replaces it and keeps its actions."""
    kibana = client(space)
    actions(put(kibana, files))
    (rule,) = kibana_rules(files)
    path = f"/api/alerting/rule/{rule_id(rule['id'], space)}"
    connector = kibana.ask("POST", "/api/actions/connector", {"name": "log", "connector_type_id": ".server-log"})
    assert connector.ok, connector.raw
    action = {"id": connector.json["id"], "group": "query matched", "params": {"level": "info", "message": "m"}}
    frequency = {"summary": False, "notify_when": "onActiveAlert", "throttle": None}
    body = {key: rule[key] for key in ("name", "tags", "schedule", "params")}
    added = kibana.ask("PUT", path, {**body, "actions": [{**action, "frequency": frequency}]})
    assert added.ok, added.raw
    assert "unchanged" == actions(put(kibana, files))[4]
    (file,) = (files / "rules").iterdir()
    edit(file, schedule={"interval": "1h"})
    assert "updated" == actions(put(kibana, files))[4]
    found = kibana.ask("GET", path).json
    assert ({"interval": "1h"}, [action["id"]]) == (found["schedule"], [one["id"] for one in found["actions"]])
    assert "unchanged" == actions(put(kibana, files))[4]


def test_an_unknown_rule_is_refused_and_the_rest_is_put(client: Clients, space: str, files: Path) -> None:
    """A rule type that this Kibana lacks is refused; everything else is put."""
    (file,) = (files / "rules").iterdir()
    edit(file, params={"searchType": "of the future"})
    report = put(client(space), files)
    assert ["created"] * 4 == [change.action for change in report.changes]
    (said,) = report.refused
    assert "refuses the rule (400), perhaps because it is too old for it" in said


def test_objects_of_this_release_are_taken_and_open(client: Clients, space: str) -> None:
    """Kibana accepts all objects, opens the data views, and finds every reference."""
    kibana, objects = client(space), kibana_objects()
    assert {"created"} == set(actions(put(kibana)))
    assert {"unchanged"} == set(actions(put(kibana)))
    ids = ids_in(kibana, objects)
    for one in objects:
        kind, name = one["type"], ids[one["type"], one["id"]]
        if kind == "index-pattern":
            opened = kibana.ask("GET", f"/api/data_views/data_view/{name}")
            assert one["attributes"]["title"] == opened.json["data_view"]["title"]
        deep = {"objects": [{"type": kind, "id": name}], "includeReferencesDeep": True}
        answer = kibana.ask("POST", "/api/saved_objects/_export", deep)
        assert answer.ok
        assert answer.lines is not None
        *found, summary = answer.lines
        assert [] == summary["missingReferences"]
        assert len({(ref["type"], ref["id"]) for ref in one["references"]}) < len(found)


@pytest.mark.parametrize(
    "one", [one for one in kibana_objects() if one["type"] == "search"], ids=lambda one: one["id"]
)
def test_searches_of_this_release_run(client: Clients, one: Object) -> None:
    """Each search runs on its data view's indices, with its filters and its order."""
    titles = {one["id"]: one["attributes"]["title"] for one in kibana_objects() if one["type"] == "index-pattern"}
    source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    (view,) = (ref["id"] for ref in one["references"] if ref["name"] == source["indexRefName"])
    body = {
        "size": 1,
        "query": {"bool": {"filter": [query for each in source.get("filter", ()) if (query := each.get("query"))]}},
        "sort": [{name: {"order": order, "unmapped_type": "date"}} for name, order in one["attributes"]["sort"]],
    }
    answer = search(client("default"), titles[view], body)
    assert (False, 0) == (answer["timed_out"], answer["_shards"]["failed"])


def search(kibana: KibanaClient, index: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask Elasticsearch through Kibana."""
    asked = orjson.dumps({"params": {"index": index, "body": body}})
    answer = kibana._send("POST", f"{kibana._prefix}/internal/search/es", asked, INTERNAL)
    assert answer.ok, answer.raw
    found: dict[str, Any] = answer.json["rawResponse"]
    return found
