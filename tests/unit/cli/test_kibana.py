from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.cli.ship import ship
from shipper.elastic import assets, templates
from tests.kibana_files import write_files
from tests.unit.kibana_stand_in import KibanaStandIn, page, problem, running


@pytest.fixture
def kibana() -> Iterator[KibanaStandIn]:
    """It is up and empty."""
    with running(KibanaStandIn()) as stand_in:
        yield stand_in


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small Kibana files in the place of the release's, and no cluster to speak of."""
    write_files(tmp_path / "kibana")
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "shipper")
    change = templates.Change("index_template", "t", "unchanged")
    monkeypatch.setattr(templates, "install", lambda _client, dry_run: [change] * (1 + dry_run))
    monkeypatch.setattr("shipper.cli.ship.check_in_force", lambda *_: True)
    return tmp_path


def setup(place: Path, url: str | None, *options: str, **section: Any) -> Result:
    """Run the command with a configuration."""
    path = place / "neuroflow.yaml"
    path.write_text(json.dumps({"kibana": {"url": url, **section}}))
    return CliRunner().invoke(ship, ["--config", str(path), "setup", *options])


def test_setup_prints_a_line_an_object(place: Path, kibana: KibanaStandIn) -> None:
    """Templates first, then Kibana's objects and rules; without the option Kibana is left alone."""
    assert ("unchanged  index_template t\n", []) == (setup(place, kibana.url).output, kibana.requests)
    ended = setup(place, kibana.url, "--kibana")
    assert (0, "") == (ended.exit_code, ended.stderr)
    assert [
        "unchanged  index_template t",
        "created    tag small-tag",
        "created    index-pattern small-logs",
        "created    search small-errors",
        "created    dashboard small-overview",
        "created    rule small errors",
    ] == ended.stdout.splitlines()
    again = setup(place, kibana.url, "--kibana")
    assert {"unchanged"} == {line.split()[0] for line in again.stdout.splitlines()}


def test_dry_run_is_handed_on(place: Path, kibana: KibanaStandIn) -> None:
    """To both."""
    ended = setup(place, kibana.url, "--kibana", "--dry-run")
    assert ["unchanged"] * 2 + ["created"] * 5 == [line.split()[0] for line in ended.stdout.splitlines()]
    assert ({}, {}) == (kibana.objects, kibana.rules)


def test_without_an_address_nothing_is_begun(place: Path) -> None:
    """It is the configuration that is wrong, and that is said first."""
    ended = setup(place, None, "--kibana")
    assert 2 == ended.exit_code
    assert "" == ended.stdout
    assert f"neuroflow-ship: {place}/neuroflow.yaml: kibana.url is missing; write it like" in ended.stderr


def test_a_refused_rule_is_exit_code_1(place: Path, kibana: KibanaStandIn) -> None:
    """The others are put all the same."""
    kibana.always["POST", "/api/alerting/rule/5f0c1f6e-3d0a-4c83-9d83-0d6a3f4b7a11"] = problem(403, "no")
    ended = setup(place, kibana.url, "--kibana")
    assert 1 == ended.exit_code
    assert 4 == ended.stdout.count("created")
    assert "neuroflow-ship: rule small errors: " in ended.stderr


def test_a_kibana_that_is_none_is_exit_code_3(place: Path, kibana: KibanaStandIn) -> None:
    """In a sentence that shows no credentials."""
    kibana.always["POST", "/api/saved_objects/_export"] = page(200, "Log in")
    ended = setup(place, kibana.url.replace("//", "//me:hunter2@"), "--kibana", api_key="hunter3")
    assert 3 == ended.exit_code
    assert ended.stderr.startswith(f"neuroflow-ship: {kibana.url} answered 200 with a web page")
    assert "hunter" not in ended.output


def test_export_needs_no_configuration(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes to standard output and into a file."""
    monkeypatch.chdir(place)
    printed = CliRunner().invoke(ship, ["export", "kibana"])
    written = CliRunner().invoke(ship, ["export", "kibana", "--output", "out.ndjson"])
    assert (0, 0, "") == (printed.exit_code, written.exit_code, written.output)
    assert printed.stdout_bytes == (place / "out.ndjson").read_bytes()
    *objects, summary = map(json.loads, printed.stdout.splitlines())
    assert ["small-tag", "small-logs", "small-errors", "small-overview"] == [one["id"] for one in objects]
    assert 4 == summary["exportedCount"]


def test_rules_are_exported_as_bodies(place: Path) -> None:
    """For whoever posts them by hand."""
    (rule,) = json.loads(CliRunner().invoke(ship, ["export", "rules"]).stdout)
    (file,) = (json.loads(path.read_text()) for path in (place / "kibana" / "rules").iterdir())
    assert file["name"] == rule["name"]
    assert file["params"]["esQuery"] == json.loads(rule["params"]["esQuery"])


def test_a_file_that_cannot_be_written_is_said(place: Path) -> None:
    """With its name."""
    ended = CliRunner().invoke(ship, ["export", "kibana", "-o", str(place / "none" / "x.ndjson")])
    assert 2 == ended.exit_code
    assert f"neuroflow-ship: {place}/none/x.ndjson: can't be written: No such file or directory" in ended.stderr
