"""The alert rules of Prometheus and the dashboard of Grafana: their form, and that what they ask for exists."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.telemetry import Gauges
from tests.pages import ROOT
from tests.unit.health.test_metrics import families, page

DEPLOY = ROOT / "deploy"
RULES: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text("utf-8"))
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
OF_PROMETHEUS = {"job", "instance"}
_PART = re.compile("_(bucket|sum|count)$")


def served() -> dict[str, set[str]]:
    """Every metric that the sidecar serves, with its labels; a histogram counts as one."""
    found: dict[str, set[str]] = {}
    for family in families(page(Gauges(lags={"/l/a": (1, 2.0)}))):
        for sample in family.samples:
            name = _PART.sub("", sample.name) if family.type == "histogram" else sample.name
            found.setdefault(name, set()).update(sample.labels)
    return {name: labels for name, labels in found.items() if name.startswith("neuroflow_ship_")}


LABELS = served()


def alerts() -> dict[str, dict[str, Any]]:
    """The rules by name."""
    return {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard."""
    return list(DASHBOARD["panels"])


def expressions() -> list[str]:
    """Every expression of the dashboard, as Prometheus gets it."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [
        one.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$host", ".+")
        for one in (*found, *(f"count({text})" for text in listed()))
    ]


def listed() -> list[str]:
    """The metrics whose labels the variables list."""
    variables = DASHBOARD["templating"]["list"]
    return [
        found[1] for one in variables if (found := re.match(r"label_values\((.*), \w+\)", str(one.get("definition"))))
    ]


def metrics_in(expression: str) -> set[str]:
    """The metrics of ours in an expression; of histograms their names."""
    return {_PART.sub("", name) for name in re.findall(r"neuroflow_ship_\w+", expression)}


def labels_in(expression: str) -> set[str]:
    """The labels that an expression selects, groups by, or matches."""
    selected = {name for inner in re.findall(r"{([^}]*)}", expression) for name in re.findall(r"(\w+)\s*=", inner)}
    grouped = {name.strip() for inner in re.findall(r"\bby \(([^)]*)\)", expression) for name in inner.split(",")}
    return selected | grouped


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in alerts().values()), *expressions()])
def test_expressions_ask_for_what_is_served(expression: str) -> None:
    """Metrics and labels exist, counters are asked for by their rate, and parentheses are balanced."""
    named = metrics_in(expression)
    assert set() == named - LABELS.keys()
    assert set() == labels_in(expression) - OF_PROMETHEUS - {one for name in named for one in LABELS[name]}
    for name in re.findall(r"neuroflow_ship_\w+_(?:total|bucket|sum|count)\b", expression):
        assert re.search(rf"\b(rate|increase)\({name}\b", expression), name
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_every_metric_is_on_the_dashboard() -> None:
    """None is served that nobody sees."""
    shown = {name for one in expressions() for name in metrics_in(one)}
    assert LABELS.keys() == shown


def test_alerts() -> None:
    """Each has a severity, a sentence and what to do; commands that they name exist."""
    assert {
        "NeuroflowShipDown", "NeuroflowShipAbsent", "NeuroflowShipNotReady", "NeuroflowShipLagHigh",
        "NeuroflowShipLagGrows", "NeuroflowShipDeadLetters", "NeuroflowShipRejected", "NeuroflowShipRetries",
        "NeuroflowShipFilesNotRead", "NeuroflowShipScanSlow", "NeuroflowShipBulkSlow", "NeuroflowShipWatchdog",
    } == alerts().keys()  # fmt: skip
    for rule in alerts().values():
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}
        assert {"summary", "description"} == rule["annotations"].keys()
        for command in re.findall(r"`neuroflow-ship ([^`]+)`", rule["annotations"]["description"]):
            assert command in {"status", "check", "dead-letters list", "dead-letters replay"}


def test_every_alert_is_tested() -> None:
    """The rules' own tests name each alert."""
    tests = (DEPLOY / "prometheus-rules.test.yaml").read_text("utf-8")
    assert [] == [name for name in alerts() if name not in tests]
    assert ["prometheus-rules.yaml"] == yaml.safe_load(tests)["rule_files"]


@pytest.mark.skipif(not shutil.which(os.environ.get("PROMTOOL", "promtool")), reason="needs promtool")
def test_promtool(tmp_path: Path) -> None:
    """Prometheus takes the rules, their tests pass, and it takes every expression of the dashboard."""
    promtool = os.environ.get("PROMTOOL", "promtool")
    recorded = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(expressions())]
    dashboard = tmp_path / "dashboard.yaml"
    dashboard.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    for arguments in (
        ["check", "rules", str(DEPLOY / "prometheus-rules.yaml"), str(dashboard)],
        ["test", "rules", str(DEPLOY / "prometheus-rules.test.yaml")],
    ):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr


def test_panels() -> None:
    """Each has an id of its own, a description, a place of its own, and asks the chosen data source."""
    assert len(panels()) == len({panel["id"] for panel in panels()})
    cells: list[tuple[int, int]] = []
    for panel in panels():
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert panel["title"]
        assert panel["description"]
        assert {"${datasource}"} == {one["datasource"]["uid"] for one in (panel, *panel["targets"])}
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)) > 0
        place = panel["gridPos"]
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        cells += itertools.product(rows, columns)
    assert len(cells) == len(set(cells)) == 24 * (1 + max(row for row, _ in cells))


def test_the_dashboard_can_be_imported() -> None:
    """It has what Grafana's import asks for: a title, a schema, no id of another Grafana, variables by name."""
    assert DASHBOARD["id"] is None
    assert (39, "neuroflow-ship", "neuroflow-ship") == tuple(
        DASHBOARD[one] for one in ("schemaVersion", "uid", "title")
    )
    variables = {one["name"]: one["type"] for one in DASHBOARD["templating"]["list"]}
    assert {"datasource": "datasource", "job": "query", "host": "query"} == variables
    text = json.dumps(DASHBOARD)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}
    assert used == variables.keys()
