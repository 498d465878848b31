from __future__ import annotations

from typing import Any

import pytest

from shipper.kibana.compare import as_ours, changes, holds

AT = "2026-03-01T10:00:00.500Z"
DIGEST = "neuroflow-ship objects 0123"


def tag(description: str = DIGEST, **more: Any) -> dict[str, Any]:
    """The tag with the digest."""
    return {"type": "tag", "id": "t", "attributes": {"name": "n", "description": description}, **more}


def board(**more: Any) -> dict[str, Any]:
    """A dashboard, unchanged by default."""
    one = {
        "type": "dashboard",
        "id": "d",
        "attributes": {"title": "T", "panelsJSON": '[{"a": 1}]'},
        "references": [{"type": "tag", "id": "t", "name": "tag-ref-t"}],
        "typeMigrationVersion": "8.9.0",
    }
    return {**one, **more}


def actions(*found: dict[str, Any]) -> list[str]:
    """The actions for the tag and the dashboard."""
    return [change.action for change in changes([tag(), board()], as_ours(found))]


@pytest.mark.parametrize(
    ("verdict", "wanted", "found"),
    [
        (True, {"a": 1}, {"a": 1, "b": 2}),
        (True, {"a": 1}, {"a": 1.0}),
        (True, {"a": {}, "b": [], "c": None, "d": ""}, {}),
        (True, {"a": ""}, {"a": None}),
        (True, {}, None), (False, {"a": 1}, {}), (False, {"a": 1}, None), (False, {"a": 1}, [1]),
        (False, {"a": 1}, {"a": True}),
        (False, {"a": 1}, {"a": "1"}),
        (False, {"a": None}, {"a": 0}),
        (False, [], [1]), (False, [1], None), (False, [1], [1, 2]), (False, [1, 2], [2, 1]), (False, ["a"], "a"),
    ],
)  # fmt: skip
def test_leaves_are_compared(verdict: bool, wanted: Any, found: Any) -> None:
    """Additional values do not count, empty ones may be missing, and types count."""
    assert verdict is holds(wanted, found)


def written(at: str | None = AT, *, description: str = DIGEST, **more: Any) -> list[dict[str, Any]]:
    """The content of the space: the tag, written at ``AT``, and a dashboard."""
    return [{**tag(description), "updated_at": AT}, {**board(), "updated_at": at, **more}]


def test_what_was_written_with_our_tag_is_unchanged() -> None:
    """An object with the tag's time counts as unchanged, in any form; the tag is compared like others."""
    assert ["created", "created"] == actions()
    assert ["unchanged", "unchanged"] == actions(*written())
    assert ["unchanged", "unchanged"] == actions(*written(attributes={"panels": []}, typeMigrationVersion="10.3.0"))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (["unchanged", "updated"], written("2026-03-01T10:00:00.501Z")),
        (["unchanged", "updated"], written(None)),
        (["updated", "updated"], written(description="neuroflow-ship objects 4567")),
        (["updated", "updated"], [tag(), board()]),
        (["created", "updated"], written()[1:]),
    ],
    ids=["edited a moment later", "no time", "of another release", "no time at all", "no tag"],
)
def test_what_was_written_at_another_time_is_put_back(expected: list[str], found: list[dict[str, Any]]) -> None:
    """Without the tag, or with another release's digest, all objects are put again."""
    assert expected == actions(*found)


@pytest.mark.parametrize(
    ("action", "labels"),
    [
        ("unchanged", '{"message": {"count": 3, "customLabel": "Message"}, "host.name": {"count": 1}}'),
        ("updated", '{"message": {"customLabel": "Text"}}'),
        ("updated", "no JSON"),
    ],
)
def test_a_data_view_is_compared_by_what_we_set(action: str, labels: str) -> None:
    """Discover's counters do not count; an edited label is put back."""
    ours = {"type": "index-pattern", "id": "v", "attributes": {"fieldAttrs": '{"message":{"customLabel":"Message"}}'}}
    found = {**ours, "attributes": {"fieldAttrs": labels}, "updated_at": "2026-03-02T00:00:00.000Z"}
    [_, change] = changes([tag(), ours], as_ours([*written()[:1], found]))
    assert action == change.action


def test_copies_in_a_second_space_are_taken_for_ours() -> None:
    """Copies are recognised by their origin; an object with the id itself takes precedence."""
    copies = [{**board(id="x", originId="d"), "updated_at": AT}, {**tag(id="y", originId="t"), "updated_at": AT}]
    for order in (copies, copies[::-1]):
        assert ["unchanged", "unchanged"] == actions(*order)
    other = board(id="x", originId="d", attributes={"title": "other"})
    assert ["unchanged", "unchanged"] == actions(other, *written())
    assert ["unchanged", "unchanged"] == actions(*written(), other)
