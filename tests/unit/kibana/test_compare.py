from __future__ import annotations

from typing import Any

import pytest

from shipper.kibana.compare import as_ours, changes, holds, same

AT = "2026-03-01T10:00:00.500Z"


def tag(description: str = "neuroflow-ship objects 0123", **more: Any) -> dict[str, Any]:
    """The tag with the digest."""
    return {"type": "tag", "id": "t", "attributes": {"name": "n", "description": description}, **more}


def board(version: str = "8.9.0", **more: Any) -> dict[str, Any]:
    """A dashboard as our file has it, unless told."""
    one = {
        "type": "dashboard",
        "id": "d",
        "attributes": {"title": "T", "panelsJSON": '[{"a": 1}]'},
        "references": [{"type": "tag", "id": "t", "name": "tag-ref-t"}],
        "typeMigrationVersion": version,
    }
    return {**one, **more}


def actions(*found: dict[str, Any]) -> list[str]:
    """What would be done about the tag and the dashboard."""
    return [change.action for change in changes([tag(), board()], as_ours(found))]


@pytest.mark.parametrize(
    ("verdict", "wanted", "found"),
    [
        (True, {"a": 1}, {"a": 1, "b": 2}),
        (True, {"a": 1}, {"a": 1.0}),
        (True, {"a": {}, "b": [], "c": None, "d": ""}, {}),
        (True, {"a": ""}, {"a": None}),
        (True, {}, None),
        (False, {"a": 1}, {}),
        (False, {"a": 1}, None),
        (False, {"a": 1}, [1]),
        (False, {"a": 1}, {"a": True}),
        (False, {"a": 1}, {"a": "1"}),
        (False, {"a": None}, {"a": 0}),
        (False, [], [1]),
        (False, [1], None),
        (False, [1], [1, 2]),
        (False, [1, 2], [2, 1]),
        (False, ["a"], "a"),
    ],
)
def test_leaves_are_compared(verdict: bool, wanted: Any, found: Any) -> None:
    """What was added doesn't count, what is empty with us may be missing, and types count."""
    assert verdict is holds(wanted, found)


def test_packed_strings_are_compared_by_what_they_hold() -> None:
    """Spaces and the order of keys in them say nothing, and neither does the order of references."""
    references = [{"type": "tag", "id": i, "name": i} for i in "ab"]
    ours = board(attributes={"panelsJSON": '[{"a":1,"b":2}]'}, references=references)
    theirs = board(attributes={"panelsJSON": '[ {"b":2, "a":1} ]'}, references=references[::-1])
    assert same(ours, theirs)
    assert not same(ours, board(attributes={"panelsJSON": '[{"a":1,"b":3}]'}, references=references))
    assert not same(ours, board(attributes={"panelsJSON": '[{"a":1,"b":2}]'}, references=references[1:]))
    assert not same(ours, {"type": "dashboard", "id": "d"})


def test_what_is_missing_is_created_and_what_differs_is_updated() -> None:
    """The tag is an object like the others."""
    assert ["created", "created"] == actions()
    assert ["unchanged", "unchanged"] == actions(tag(), board())
    assert ["updated", "unchanged"] == actions(tag("another digest"), board())
    assert ["unchanged", "updated"] == actions(tag(), board(attributes={"title": "U", "panelsJSON": "[]"}))


def migrated(at: str | None, version: str = "10.3.0") -> dict[str, Any]:
    """The dashboard as a newer Kibana keeps it."""
    return board(version, attributes={"panels": []}, updated_at=at)


@pytest.mark.parametrize(
    ("action", "at", "version", "description"),
    [
        ("unchanged", "2026-03-01T10:00:00.900Z", "10.3.0", "neuroflow-ship objects 0123"),
        ("updated", "2026-03-01T10:00:03.000Z", "10.3.0", "neuroflow-ship objects 0123"),
        ("updated", "2026-03-01T10:00:00.900Z", "10.3.0", "neuroflow-ship objects 4567"),
        ("updated", "2026-03-01T10:00:00.900Z", "8.9.0", "neuroflow-ship objects 0123"),
        ("updated", None, "10.3.0", "neuroflow-ship objects 0123"),
        ("updated", "lately", "10.3.0", "neuroflow-ship objects 0123"),
    ],
    ids=["one import", "edited since", "of another release", "in our own shape", "no time", "no time at all"],
)
def test_in_a_newer_shape_the_digest_speaks(action: str, at: str | None, version: str, description: str) -> None:
    """An object that was written together with a tag that carries our digest is what we wrote."""
    assert action == actions(tag(description, updated_at=AT), migrated(at, version))[1]


def test_without_the_tag_a_newer_shape_is_written_again() -> None:
    """Nobody says then what it was made from."""
    assert ["created", "updated"] == actions(migrated(AT))


def test_copies_in_a_second_space_are_taken_for_ours() -> None:
    """By their origin, and so is what they refer to; an object that has the id itself goes first."""
    copies = [
        board(id="x", originId="d", references=[{"type": "tag", "id": "y", "name": "tag-ref-t"}]),
        tag(id="y", originId="t"),
    ]
    for order in (copies, copies[::-1]):
        assert ["unchanged", "unchanged"] == actions(*order)
    other = board(id="x", originId="d", attributes={"title": "other"})
    assert ["unchanged", "unchanged"] == actions(other, tag(), board())
    assert ["unchanged", "unchanged"] == actions(tag(), board(), other)
