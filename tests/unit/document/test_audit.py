from __future__ import annotations

from typing import Any

import pytest

from shipper.document.audit import document_of
from shipper.parse.timestamps import Zone

UTC = Zone("UTC")


def entry(**fields: Any) -> dict[str, Any]:
    """The document of an entry."""
    return document_of({"entity_type": "session", "action": "created", **fields}, UTC)


def test_a_whole_entry() -> None:
    """Every column has a field; columns with null are omitted."""
    found = entry(
        id=2, timestamp="2026-11-23 12:40:24.666895", entity_id=12, old_value=None, new_value="validated",
        triggered_by="workflow", user_id="dana", message="Session status", details={"a": [1]},
        subject_id=1, session_id=12,
    )  # fmt: skip
    assert found == {
        "@timestamp": "2026-11-23T12:40:24.666895Z", "message": "Session status",
        "event": {"kind": "event", "category": ["configuration"], "type": ["change"], "action": "created",
         "timezone": "UTC"},
        "log": {}, "user": {"id": "dana"},
        "neuroflow": {"audit": {"entity_type": "session", "entity": "session:12", "entity_id": "12",
         "new_value": "validated", "triggered_by": "workflow"}, "subject_id": "1", "session_id": "12",
         "extra": {"id": 2, "details": {"a": [1]}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entity_id", "entity"),
    [
        (0, "session:0"), ("x", "session:x"), (None, "session"), ("", "session"), ([1], "session:[1]"),
        ({}, "session:{}"),
    ],
)  # fmt: skip
def test_entities(entity_id: Any, entity: str) -> None:
    """Kind and id; zero is an id, null is none, and ids of any type are accepted."""
    assert entity == entry(entity_id=entity_id)["neuroflow"]["audit"]["entity"]


@pytest.mark.parametrize("stamp", ["never", 17, [1], None, "2026-11-23"])
def test_entries_without_a_usable_time(stamp: Any) -> None:
    """They get no time here, and the original value is kept in ``extra``."""
    found = entry(timestamp=stamp)
    assert "@timestamp" not in found
    assert ({"extra": {"timestamp": stamp}} if stamp is not None else {}) == {
        key: value for key, value in found["neuroflow"].items() if key == "extra"
    }


def test_runs_are_found_by_their_entries() -> None:
    """An entry about a run has the run's id in the field that all other lines use."""
    assert entry(entity_type="pipeline_run", entity_id=640)["neuroflow"]["run_id"] == "640"
    assert entry(entity_type="workflow_run", entity_id=31)["neuroflow"]["workflow_run_id"] == "31"


def test_a_failures_message_is_an_error() -> None:
    """It is in the details of a failed run."""
    assert entry(details={"exit_code": 137, "error_message": "Memory limit"})["error"] == {"message": "Memory limit"}


def test_values_of_any_type_are_text() -> None:
    """Old and new value, action and user may have any type."""
    found = entry(action={"a": 1}, old_value=[1], new_value=False, user_id=7, message=None)
    assert ('{"a":1}', "7", "") == (found["event"]["action"], found["user"]["id"], found["message"])
    assert ("[1]", "false") == (found["neuroflow"]["audit"]["old_value"], found["neuroflow"]["audit"]["new_value"])
