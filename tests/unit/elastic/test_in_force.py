"""Which index template takes precedence, and how a mapping differs from ours."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.elastic.assets import assets
from shipper.elastic.capabilities import SUBSTITUTES, Capabilities, adapt
from shipper.elastic.in_force import LINES, RUNS, Template, faults, winner

OURS = Template("logs-neuroflow.app", ("logs-neuroflow.app-*",), 250)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("logs-neuroflow.app", []),
        ("logs-neuroflow.app", [Template("logs", ("logs-*-*",), 100)]),
        ("lab", [Template("lab", ("logs-*-*",), 500)]),
        ("lab", [Template("lab", ("logs-*-*",), 500), Template("more", ("*",), 400)]),
        ("lab", [Template("lab", ("other-*", "*-here"), 251)]),
        ("logs-neuroflow.app", [Template("lab", ("*-there", "logs-neuroflow.app-her", "logs?neuroflow*"), 500)]),
        ("logs-neuroflow.app", [Template("lab", ("logs-neuroflowxapp-*",), 500)]),
    ],
)
def test_the_highest_priority_wins(name: str, others: list[Template]) -> None:
    """Of all templates whose pattern matches the name; only * is a wildcard."""
    assert name == winner([OURS, *others], "logs-neuroflow.app-here").name  # type: ignore[union-attr]
    assert name == winner([*others, OURS], "logs-neuroflow.app-here").name  # type: ignore[union-attr]


def test_nobody_may_win() -> None:
    """No template has a matching pattern."""
    assert winner([OURS], "logs-neuroflow.celery-here") is None


def ours(able: Capabilities) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our mappings of lines and of runs."""
    bodies = {asset.name: adapt(asset.body, able)["template"].get("mappings", {}) for asset in assets()}
    ecs, fields = bodies["neuroflow-ecs"], bodies["neuroflow-fields"]
    return {**ecs, "properties": ecs["properties"] | fields["properties"]}, bodies["neuroflow-runs"]


@pytest.mark.parametrize("missing", [(), tuple(SUBSTITUTES)])
def test_ours_have_no_fault(missing: tuple[str, ...]) -> None:
    """Our own mappings have none, on a complete node and on one that lacks modules."""
    lines, runs = ours(Capabilities(missing_types=frozenset(missing)))
    assert [] == faults(lines, LINES)
    assert [] == faults(runs, RUNS)


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("sets dynamic to strict, not false", {"dynamic": "strict"}),
        ("sets dynamic to true, not false", {"dynamic": True}),
        ("maps @timestamp as date, not date_nanos", {"@timestamp": {"type": "date"}}),
        ("maps event.action as text, not keyword", {"event": {"properties": {"action": {"type": "text"}}}}),
        ("does not map event.action", {"event": {"properties": {}}}),
        ("does not map event.action", {"event": {"type": "flattened"}}),
        ("maps neuroflow.extra as object, not flattened",
         {"neuroflow": {"properties": {"run_id": {"type": "keyword"},
         "extra": {"properties": {"a": {"type": "text"}}}}}}),
    ],
)  # fmt: skip
def test_faults_are_named(said: str, change: dict[str, Any]) -> None:
    """Each fault is described by its effect, and nothing else is reported."""
    lines, _ = ours(Capabilities())
    changed = {**lines, "dynamic": change.pop("dynamic", False), "properties": lines["properties"] | change}
    assert [said] == faults(changed, LINES)


@pytest.mark.parametrize(
    "mappings", [{}, {"properties": None}, {"properties": {"event": "x", "message": {"type": 1}}}]
)
def test_other_shapes_are_faults(mappings: dict[str, Any]) -> None:
    """Without a valid mapping every field counts as missing."""
    assert len(LINES) + 1 == len(faults(mappings, LINES))


def test_names_with_dots_are_names() -> None:
    """A mapping without objects has the same fields."""
    flat = {name: {"type": min(kinds)} for name, kinds in LINES.items()}
    assert [] == faults({"dynamic": "false", "properties": flat}, LINES)
