from __future__ import annotations

from collections import Counter, deque
from pathlib import Path

import orjson
import pytest

from shipper.kibana.client import KibanaClient
from shipper.kibana.install import Report, install_kibana
from shipper.kibana.ndjson import kibana_objects, kibana_rules
from shipper.kibana.responses import KibanaError
from tests.kibana_files import edit
from tests.unit.kibana.conftest import Clients
from tests.unit.kibana_stand_in import KibanaStandIn, Reply, page, problem, running


def put(client: KibanaClient, files: Path, *, dry_run: bool = False) -> Report:
    """Install the files of a folder."""
    return install_kibana(client, kibana_objects(files), kibana_rules(files), dry_run=dry_run)


def actions(report: Report) -> list[str]:
    """The actions for tag, data view, search, dashboard and rule."""
    return [change.action for change in report.changes]


def test_a_second_time_changes_nothing(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """Without a difference nothing is imported; with one the changed objects are updated."""
    first = put(client(), files)
    assert [
        ("created", "tag", "small-tag"),
        ("created", "index-pattern", "small-logs"),
        ("created", "search", "small-errors"),
        ("created", "dashboard", "small-overview"),
        ("created", "rule", "small errors"),
    ] == [(change.action, change.kind, change.name) for change in first.changes]
    assert [] == first.refused
    assert ["unchanged"] * 5 == actions(put(client(), files))
    assert 1 == kibana.asked("POST", "_import")
    edit(files / "searches" / "small-errors.json", columns=["message"])
    assert ["updated", "unchanged", "updated", "updated", "unchanged"] == actions(put(client(), files))
    assert ["unchanged"] * 5 == actions(put(client(), files))
    assert 2 == kibana.asked("POST", "_import")


def test_what_somebody_changed_or_deleted_is_put_back(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """Each changed or deleted object is reported and put again."""
    put(client(), files)
    del kibana.objects["tag", "small-tag"], kibana.objects["dashboard", "small-overview"]
    kibana.write("search", "small-errors", columns=[])
    assert ["created", "unchanged", "updated", "created", "unchanged"] == actions(put(client(), files))
    assert ["unchanged"] * 5 == actions(put(client(), files))
    kibana.write("index-pattern", "small-logs", title="logs-*")
    kibana.write("dashboard", "small-overview", panelsJSON="[]")
    assert ["unchanged", "updated", "unchanged", "updated", "unchanged"] == actions(put(client(), files))
    assert ["unchanged"] * 5 == actions(put(client(), files))


def test_using_discover_is_no_edit(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """Discover's field counters cause no import and stay."""
    put(client(), files)
    kibana.write("index-pattern", "small-logs", fieldAttrs='{"message":{"count":3}}')
    assert ["unchanged"] * 5 == actions(put(client(), files))
    assert 1 == kibana.asked("POST", "_import")
    assert "count" in kibana.objects["index-pattern", "small-logs"]["attributes"]["fieldAttrs"]


def test_a_dry_run_changes_nothing(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """It reports the actions of a real run."""
    expected = ["created"] * 5
    assert expected == actions(put(client(), files, dry_run=True))
    assert ({}, {}, 0) == (kibana.objects, kibana.rules, kibana.asked("PUT", ""))
    assert expected == actions(put(client(), files))
    edit(files / "rules" / "small-errors.json", tags=["other"])
    edit(files / "dashboards" / "small-overview.json", timeFrom="now-1h")
    assert ["updated", "unchanged", "updated", "updated", "updated"] == actions(put(client(), files, dry_run=True))
    assert 1 == kibana.asked("POST", "_import")
    assert 0 == kibana.asked("PUT", "")


def test_a_newer_kibana_is_left_alone_when_nothing_changed(client: Clients, files: Path) -> None:
    """In a newer Kibana the tag's digest and the write times tell unchanged objects."""
    with running(KibanaStandIn(newer=True)) as kibana:
        assert ["created"] * 5 == actions(put(client(kibana.url), files))
        assert ["unchanged"] * 5 == actions(put(client(kibana.url), files))
        kibana.write("dashboard", "small-overview", title="Mine")
        assert ["unchanged"] * 3 + ["updated", "unchanged"] == actions(put(client(kibana.url), files))
        assert ["unchanged"] * 5 == actions(put(client(kibana.url), files))
        edit(files / "dashboards" / "small-overview.json", timeFrom="now-1h")
        assert "updated" == actions(put(client(kibana.url), files, dry_run=True))[3]


def test_two_spaces_of_one_kibana_are_alike(client: Clients, files: Path) -> None:
    """The second space gets copies with other ids, which are found again by their origin."""
    with running(KibanaStandIn(spaces={"default", "one", "two"})) as kibana:
        for space in ("one", "two", "default"):
            assert ["created"] * 5 == actions(put(client(kibana.url, space=space), files))
            assert ["unchanged"] * 5 == actions(put(client(kibana.url, space=space), files))
        assert {"one": 4, "two": 4, "default": 4} == Counter(one["space"] for one in kibana.objects.values())
        assert 3 == len(kibana.rules)
        edit(files / "searches" / "small-errors.json", columns=["message"])
        assert ["updated", "unchanged", "updated", "updated", "unchanged"] == actions(
            put(client(kibana.url, space="two"), files)
        )
        assert 12 == len(kibana.objects)


def test_one_id_that_another_space_has(client: Clients, files: Path) -> None:
    """Only that object becomes a copy, and is found again."""
    with running(KibanaStandIn(spaces={"default", "one"})) as kibana:
        put(client(kibana.url), files)
        kibana.objects["search", "small-errors"]["space"] = "one"
        assert ["unchanged", "unchanged", "created", "unchanged", "unchanged"] == actions(
            put(client(kibana.url), files)
        )
        assert ["unchanged"] * 5 == actions(put(client(kibana.url), files))


def test_too_many_objects_to_look_for_copies_are_no_hindrance(
    client: Clients, kibana: KibanaStandIn, files: Path
) -> None:
    """Where the search for copies fails, Kibana's import finds them."""
    errors = [{"type": one["type"], "id": one["id"], "error": {"statusCode": 404}} for one in kibana_objects(files)]
    kibana.instead = deque(
        [
            problem(400, "Error fetching objects to export", attributes={"objects": errors}),
            problem(400, "Can't export more than 10000 objects"),
        ]
    )
    assert ["created"] * 5 == actions(put(client(), files))


def test_refused_objects_are_told_one_by_one(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """Refused objects are named and nothing counts as written, though Kibana answers 200; rules go on."""
    (files / "data_views" / "small-logs.json").unlink()
    edit(files / "tags" / "small-tag.json", name="x")
    report = put(client(), files)
    assert [
        "search small-errors: refers to missing objects: index-pattern small-logs",
        "dashboard small-overview: refers to missing objects: index-pattern small-logs",
    ] == report.refused
    assert ["rule"] == [change.kind for change in report.changes]
    assert {} == kibana.objects


def test_what_an_import_did_in_part_is_told(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """After a partial import the objects are read again to report what was written."""
    objects = kibana_objects(files)
    install_kibana(client(), objects[:1], [])
    error = {"type": "search", "id": "small-errors", "error": {"type": "unknown", "message": "no", "statusCode": 500}}
    body = b'{"success":false,"successCount":3,"errors":[%b]}' % orjson.dumps(error)
    kibana.always["POST", "/api/saved_objects/_import"] = 200, {"kbn-name": "x"}, body
    report = install_kibana(client(), objects, [])
    assert ["search small-errors: no (status 500)"] == report.refused
    assert [("unchanged", "small-tag")] == [(change.action, change.name) for change in report.changes]


@pytest.mark.parametrize(
    ("sentence", "reply"),
    [
        ("authentication failed (401)", problem(401, "unauthenticated")),
        ("needs the Kibana privilege Saved Objects Management: All in this space", problem(403, "Unable")),
        ("too old for them; it answered: a more recent version", problem(422, "a more recent version")),
        ("refuses a body of this size (413)", problem(413, "Payload content length greater than maximum allowed")),
        ("failed (500)", problem(500, "An internal server error occurred.")),
        ("answered 413 with a web page", page(413, "Request Entity Too Large")),
        ("answered 200 with a web page", page(200, "Log in")),
        ("redirects to /login (302)", (302, {"location": "/login?next=x"}, b"")),
        ("200, but with an unexpected body; it answered: what?", (200, {"kbn-name": "x"}, b'{"message": "what?"}')),
    ],
)  # fmt: skip
def test_an_import_that_fails_is_a_sentence(
    client: Clients, kibana: KibanaStandIn, files: Path, sentence: str, reply: Reply
) -> None:
    """Every failed import gives a sentence."""
    kibana.always["POST", "/api/saved_objects/_import"] = reply
    with pytest.raises(KibanaError) as said:
        put(client(), files)
    assert sentence in str(said.value)


@pytest.mark.parametrize(
    ("sentence", "reply"),
    [
        ("authentication failed (401)", problem(401, "unauthenticated")),
        ("forbids this (403)", problem(403, "Unable to bulk_get tag")),
        ("no such API (404)", problem(404, "Not Found")),
        ("answered 400; it answered: odd", problem(400, "odd")),
        ("is Elasticsearch, not Kibana", (400, {"x-elastic-product": "Elasticsearch"}, b'{"error":"no handler"}')),
        ("answered 200 with a web page", page(200, "Log in")),
        ("instead of Kibana's JSON", (200, {}, b'{"hello": "world"}')),
    ],
)
def test_a_look_that_fails_is_a_sentence(
    client: Clients, kibana: KibanaStandIn, files: Path, sentence: str, reply: Reply
) -> None:
    """A failed read gives a sentence, and nothing is imported."""
    kibana.always["POST", "/api/saved_objects/_export"] = reply
    with pytest.raises(KibanaError) as said:
        put(client(), files)
    assert sentence in str(said.value)
    assert 0 == kibana.asked("POST", "_import")


def test_nothing_to_install_is_no_trouble(client: Clients, kibana: KibanaStandIn) -> None:
    """Without objects no request is sent."""
    assert Report() == install_kibana(client(), [], [])
    assert [] == kibana.requests
