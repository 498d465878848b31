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
    """A stand-in without objects."""
    with running(KibanaStandIn()) as stand_in:
        yield stand_in


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a few Kibana files instead of the release's, and an unreachable cluster."""
    write_files(tmp_path / "kibana")
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "shipper")
    change = templates.Change("index_template", "t", "unchanged")
    monkeypatch.setattr(templates, "install", lambda _client, dry_run: [change] * (1 + dry_run))
    monkeypatch.setattr("shipper.cli.checking.check_in_force", lambda *_: True)
    return tmp_path


def setup(place: Path, url: str | None, *options: str, **section: Any) -> Result:
    """Run the command with a configuration."""
    path = place / "neuroflow.yaml"
    path.write_text(json.dumps({"kibana": {"url": url, **section}}))
    return CliRunner().invoke(ship, ["--config", str(path), "setup", *options])


def test_setup_prints_a_line_an_object(place: Path, kibana: KibanaStandIn) -> None:
    """Templates come first, then Kibana's objects and rules; without the option Kibana gets no request."""
    assert ("unchanged  index_template t\n", []) == (setup(place, kibana.url).output, kibana.requests)
    ended = setup(place, kibana.url, "--kibana")
    assert (0, "") == (ended.exit_code, ended.stderr)
    assert [
        "unchanged  index_template t", "created    tag small-tag", "created    index-pattern small-logs",
        "created    search small-errors", "created    dashboard small-overview", "created    rule small errors",
    ] == ended.stdout.splitlines()  # fmt: skip
    again = setup(place, kibana.url, "--kibana")
    assert {"unchanged"} == {line.split()[0] for line in again.stdout.splitlines()}


def test_dry_run_is_handed_on(place: Path, kibana: KibanaStandIn) -> None:
    """A dry run changes neither the cluster nor Kibana."""
    ended = setup(place, kibana.url, "--kibana", "--dry-run")
    assert ["unchanged"] * 2 + ["created"] * 5 == [line.split()[0] for line in ended.stdout.splitlines()]
    assert ({}, {}) == (kibana.objects, kibana.rules)


def test_without_an_address_nothing_is_begun(place: Path) -> None:
    """A missing address is reported before anything is changed."""
    ended = setup(place, None, "--kibana")
    assert 2 == ended.exit_code
    assert "" == ended.stdout
    assert f"neuroflow-ship: {place}/neuroflow.yaml: kibana.url is missing; write it like" in ended.stderr


def test_a_refused_rule_is_exit_code_1(place: Path, kibana: KibanaStandIn) -> None:
    """All other objects are put, and the command exits 1."""
    kibana.always["POST", "/api/alerting/rule/5f0c1f6e-3d0a-4c83-9d83-0d6a3f4b7a11"] = problem(403, "no")
    ended = setup(place, kibana.url, "--kibana")
    assert 1 == ended.exit_code
    assert 4 == ended.stdout.count("created")
    assert "neuroflow-ship: rule small errors: " in ended.stderr


def test_a_kibana_that_is_none_is_exit_code_3(place: Path, kibana: KibanaStandIn) -> None:
    """Another service in Kibana's place gives a sentence without credentials, and exit code 3."""
    kibana.always["POST", "/api/saved_objects/_export"] = page(200, "Log in")
    ended = setup(place, kibana.url.replace("//", "//me:hunter2@"), "--kibana", api_key="hunter3")
    assert 3 == ended.exit_code
    assert ended.stderr.startswith(f"neuroflow-ship: {kibana.url} answered 200 with a web page")
    assert "hunter" not in ended.output


def test_export_needs_no_configuration(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export has the same bytes on standard output and in a file."""
    monkeypatch.chdir(place)
    printed = CliRunner().invoke(ship, ["export", "kibana"])
    written = CliRunner().invoke(ship, ["export", "kibana", "--output", "out.ndjson"])
    assert (0, 0, "") == (printed.exit_code, written.exit_code, written.output)
    assert printed.stdout_bytes == (place / "out.ndjson").read_bytes()
    *objects, summary = map(json.loads, printed.stdout.splitlines())
    assert ["small-tag", "small-logs", "small-errors", "small-overview"] == [one["id"] for one in objects]
    assert 4 == summary["exportedCount"]


def test_rules_are_exported_as_bodies(place: Path) -> None:
    """Rules are exported as bodies for Kibana's API."""
    (rule,) = json.loads(CliRunner().invoke(ship, ["export", "rules"]).stdout)
    (file,) = (json.loads(path.read_text()) for path in (place / "kibana" / "rules").iterdir())
    assert file["name"] == rule["name"]
    assert file["params"]["esQuery"] == json.loads(rule["params"]["esQuery"])


def test_a_file_that_cannot_be_written_is_named(place: Path) -> None:
    """The error names the file."""
    ended = CliRunner().invoke(ship, ["export", "kibana", "-o", str(place / "none" / "x.ndjson")])
    assert 2 == ended.exit_code
    assert f"neuroflow-ship: {place}/none/x.ndjson: can't be written: No such file or directory" in ended.stderr
