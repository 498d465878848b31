from __future__ import annotations

from typing import Any

import pytest

from shipper.document.audit import document_of
from shipper.parse.timestamps import Zone

UTC = Zone("UTC")


def entry(**fields: Any) -> dict[str, Any]:
    """The document of an entry."""
    return document_of({"entity_type": "session", "action": "created", **fields}, UTC)


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
