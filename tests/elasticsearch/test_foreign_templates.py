"""Foreign index templates that take precedence over ours, on a real node that no other test uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.in_force import in_force
from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.conformance.harness import eventually

STRANGE = {"properties": {"event": {"properties": {"action": {"type": "keyword"}}}}}
STRICT = {"dynamic": "strict", "properties": {"@timestamp": {"type": "date"}}}
OURS = ["neuroflow-settings", "neuroflow-ecs", "neuroflow-fields"]


class Lab:
    """A namespace of its own on the node, a configuration, and one log of three lines."""

    def __init__(self, node: Node, es: Elasticsearch, folder: Path) -> None:
        self.es = es
        self.namespace = f"t{uuid.uuid4().hex[:10]}"
        self.folder = folder
        self.app = f"logs-neuroflow.app-{self.namespace}"
        (folder / "logs").mkdir()
        self.log = folder / "logs" / "neuroflow.log"
        self.write("one", "two", "three")
        self.config = folder / "neuroflow.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "logging": {"log_dir": str(folder / "logs")},
                    "elasticsearch": {"hosts": [node.url]},
                    "shipper": {"namespace": self.namespace, "state_dir": str(folder / "state"), "host_name": "here",
                     "shutdown_timeout": 2},
                }
            )
        )  # fmt: skip

    def write(self, *events: str) -> None:
        with self.log.open("a") as log:
            for event in events:
                line = {
                    "timestamp": "2026-11-27T01:00:00Z", "level": "info", "event": f"stage.{event}", "exit_code": 1,
                }  # fmt: skip
                log.write(json.dumps(line) + "\n")

    def foreign(self, patterns: list[str], mappings: dict[str, Any] | None = None, **more: Any) -> None:
        body = {
            "index_patterns": [pattern.replace("NS", self.namespace) for pattern in patterns],
            "priority": 500,
            "template": {"mappings": mappings or {}},
            **more,
        }
        self.put("index_template", f"foreign-{self.namespace}", body)

    def put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        headers = {"accept": "application/json", "content-type": "application/json"}
        self.es.perform_request("PUT", f"/_{kind}/{name}", headers=headers, body=body)

    def delete(self, kind: str, name: str) -> None:
        headers = {"accept": "application/json"}
        self.es.options(ignore_status=404).perform_request("DELETE", f"/_{kind}/{name}", headers=headers)

    def mended(self) -> None:
        """Apply the remedy from the message; a stream needs a template, so deleting it is not enough."""
        self.foreign(["logs-other-NS"], data_stream={})

    def ship(self, *args: str) -> Result:
        return CliRunner().invoke(ship, ["--config", str(self.config), *args])

    def once(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shipper.cli.ship", "--config", str(self.config), "--once", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ)

    def logs(self, *args: str) -> Result:
        return CliRunner().invoke(logs, ["--config", str(self.config), *args])

    def documents(self) -> int:
        # 503: the shard of a stream that was just made is not there yet.
        patient = self.es.options(ignore_status=503)
        patient.indices.refresh(index=self.app, ignore_unavailable=True)
        return int(patient.count(index=self.app, ignore_unavailable=True).body.get("count", -1))


@pytest.fixture(scope="module")
def es(own: Node) -> Iterator[Elasticsearch]:
    """A client of a node on which nobody else's streams are made."""
    client = connect(Settings(hosts=[own.url]))
    yield client
    client.close()


@pytest.fixture
def lab(own: Node, es: Elasticsearch, tmp_path: Path) -> Iterator[Lab]:
    """A lab; afterwards its foreign template is deleted or harmless."""
    install(es)
    one = Lab(own, es, tmp_path)
    yield one
    for dataset in ("app", "celery", "pipeline", "workflow", "audit"):
        one.delete("component_template", f"logs-neuroflow.{dataset}@custom")
    one.mended()
    es.indices.delete(index=f"neuroflow-runs-{one.namespace}", ignore_unavailable=True)


def test_ours_alone_are_good(lab: Lab) -> None:
    """Without foreign templates setup changes nothing, and check passes before and after the first line."""
    for _ in range(2):
        setup, check = lab.ship("setup"), lab.ship("check")
        assert (0, 0) == (setup.exit_code, check.exit_code), setup.output + check.output
        assert f"templates: ours are, or will be, in force for logs-neuroflow.*-{lab.namespace}" in check.output
        done = lab.once()
        assert (0, 3) == (done.returncode, lab.documents()), done.stderr


@pytest.mark.parametrize(
    ("mappings", "said"), [(STRANGE, "sets dynamic to true"), (STRICT, "sets dynamic to strict")]
)
def test_who_wins_is_named_by_setup_and_check(lab: Lab, mappings: dict[str, Any], said: str) -> None:
    """Both name the foreign template, its effect and the remedy, and exit 1; after the remedy both exit 0."""
    lab.foreign(["logs-*-NS"], mappings, data_stream={})
    for result in (lab.ship("setup"), lab.ship("setup", "--dry-run"), lab.ship("check")):
        assert 1 == result.exit_code, result.output
        assert (
            f"index template `foreign-{lab.namespace}` (priority 500, patterns logs-*-{lab.namespace})"
            in result.output
        )
        assert lab.app in result.output
        assert said in result.output
        assert "give it a priority below 250" in result.output
    lab.mended()
    assert (0, 0) == (lab.ship("setup").exit_code, lab.ship("check").exit_code)


def test_first_stream_is_waited_for(lab: Lab) -> None:
    """No document creates a stream from a foreign template; after the remedy all lines are shipped."""
    lab.foreign(["logs-*-NS"], STRICT, data_stream={})
    done = lab.once()
    assert (3, 0) == (done.returncode, lab.documents()), done.stderr
    assert f"index template `foreign-{lab.namespace}`" in done.stderr
    assert "documents wait until then" in done.stderr
    assert not lab.es.options(ignore_status=404).indices.get_mapping(index=lab.app).body.get("mappings")
    lab.mended()
    done = lab.once()
    assert (0, 3) == (done.returncode, lab.documents()), done.stderr


def test_sidecar_goes_on_when_it_is_mended(lab: Lab) -> None:
    """A running sidecar logs it and waits, and goes on after the remedy without a restart."""
    lab.foreign(["logs-*-NS"], STRICT, data_stream={})
    command = [sys.executable, "-m", "shipper.cli.ship", "--config", str(lab.config)]
    said = lab.folder / "said"
    with said.open("w") as out, subprocess.Popen(command, stderr=out, stdout=out) as sidecar:
        try:
            assert eventually(lambda: "documents wait until then" in said.read_text())
            lab.mended()
            assert eventually(lambda: lab.documents() == 3)
        finally:
            sidecar.terminate()
            assert 0 == sidecar.wait(60), said.read_text()


def test_running_streams_are_not_stopped(lab: Lab) -> None:
    """A template that takes precedence later is logged; shipping goes on, and rejected documents are kept."""
    assert 0 == lab.once().returncode
    lab.foreign(["logs-*-NS"], STRICT, data_stream={})
    lab.write("four")
    done = lab.once()
    assert (0, 4) == (done.returncode, lab.documents()), done.stderr
    assert "shipping continues" in done.stderr
    lab.es.indices.rollover(alias=lab.app)
    lab.write("five")
    done = lab.once()
    assert (True, 4) == ("rejected permanently" in done.stderr, lab.documents()), done.stderr
    check = lab.ship("check")
    assert 1 == check.exit_code
    assert f"roll over: POST /{lab.app}/_rollover" in check.output
    lab.mended()
    check = lab.ship("check")
    assert (1, False) == (check.exit_code, "foreign-" in check.output), check.output
    lab.es.indices.rollover(alias=lab.app)
    check = lab.ship("check")
    assert 0 == check.exit_code, check.output
    assert "created by another template; views may fail until it" in check.output
    assert "1 indexed, 0 rejected again" in lab.ship("dead-letters", "replay").output
    assert 5 == lab.documents()


def test_views_blame_the_mapping(lab: Lab) -> None:
    """Where an index has other types, views and searches name the mapping, not the query."""
    lab.foreign(["logs-*-NS"], {"dynamic": True}, data_stream={})
    done = lab.once("--no-setup")
    assert (0, 3) == (done.returncode, lab.documents()), done.stderr
    assert f"index template `foreign-{lab.namespace}`" in done.stderr
    results = [
        lab.logs(*args)
        for args in (["show"], ["search", "log.level:info"], ["search", "stage", "-C", "1"], ["audit"])
    ]
    failed = [result for result in results if result.exit_code not in {0, 1}]
    for result in failed:
        assert 3 == result.exit_code, result.output
        assert "event.action is mapped as text (not keyword) in .ds-" in result.output
        assert "`neuroflow-ship check` names the template" in result.output
        assert "QUERY" not in result.output
    assert failed, [result.output for result in results]


def test_same_mapping_does_no_harm(lab: Lab) -> None:
    """A foreign template that is composed of ours, with another retention, is accepted."""
    lab.foreign(["logs-neuroflow.*-NS"], data_stream={}, composed_of=OURS)
    check = lab.ship("check")
    assert 0 == check.exit_code, check.output
    assert "wins over ours and maps as ours does" in check.output
    assert (0, 0) == (lab.ship("setup").exit_code, lab.once().returncode)
    assert 3 == lab.documents()


def test_component_of_somebody_is_named(lab: Lab) -> None:
    """A component `@custom` is named if it changes a field that the shipper depends on."""
    name = "logs-neuroflow.app@custom"
    lab.put("component_template", name, {"template": {"mappings": {"dynamic": True}}})
    check = lab.ship("check")
    assert 1 == check.exit_code
    assert f"correct {name}" in check.output
    lab.put("component_template", name, {"template": {"settings": {"index": {"refresh_interval": "9s"}}}})
    assert 0 == lab.ship("check").exit_code


def test_no_data_stream_is_a_fault(lab: Lab) -> None:
    """A foreign template that makes plain indices is a fault: Elasticsearch would refuse all documents."""
    lab.foreign(["logs-*-NS"], composed_of=OURS)
    check = lab.ship("check")
    assert (1, True) == (check.exit_code, "is no data stream" in check.output), check.output


def test_run_documents_have_a_template_too(lab: Lab) -> None:
    """A foreign template for the run index alone is logged, and logs are shipped."""
    lab.foreign(["neuroflow-runs-NS"], STRANGE)
    check = lab.ship("check")
    assert 1 == check.exit_code
    assert f"wins over ours for neuroflow-runs-{lab.namespace}: its index does not map kind" in check.output
    done = lab.once()
    assert (0, 3) == (done.returncode, lab.documents()), done.stderr


def test_equal_priority_is_refused_by_elasticsearch(lab: Lab) -> None:
    """Elasticsearch refuses two overlapping templates of one priority; setup names the other one."""
    lab.delete("index_template", "logs-neuroflow.audit")
    lab.put(
        "index_template",
        f"equal-{lab.namespace}",
        {"index_patterns": ["logs-neuroflow.audit-*"], "priority": 250, "data_stream": {}},
    )
    try:
        setup = lab.ship("setup")
        assert 3 == setup.exit_code
        assert f"equal-{lab.namespace}" in setup.output
        assert "different priority" in setup.output
    finally:
        lab.delete("index_template", f"equal-{lab.namespace}")


def test_periodic_check_is_cheap(lab: Lab) -> None:
    """Where ours take precedence, the periodic check sends no request about indices."""
    found = in_force(lab.es, lab.namespace, thorough=False)
    assert ([], [], [], False) == (found.templates, found.indices, found.remarks, found.blocking)
