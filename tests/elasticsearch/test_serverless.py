"""Everything works against what behaves like a project of Elastic Cloud Serverless."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.conformance.harness import Harness, eventually
from tests.conformance.watched import Watched
from tests.elasticsearch import lab
from tests.elasticsearch.serverless import ABSENT, Project


@pytest.fixture
def project(own: Node) -> Iterator[Project]:
    """A project, on a node of these tests' own, with the templates of any other cluster."""
    es = connect(Settings(hosts=[own.url]))
    install(es)
    es.close()
    one = Project(own.url)
    yield one
    one.close()


@pytest.fixture
def laboratory(project: Project, own: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Log files, and a configuration that leads to the project."""
    es = connect(Settings(hosts=[own.url]))
    one = Harness(tmp_path, project.url, f"project{abs(hash(request.node.name)) % 10**8}", es)
    one.configure(host_name="lab", telemetry={"listen": "127.0.0.1:0"})
    for name, lines in (("workflow.log", lab.WORKFLOW_LOG), ("neuroflow.log", lab.APPLICATION_LOG)):
        (one.logs / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    yield one
    one.close()
    es.close()


LINES = len(lab.WORKFLOW_LOG) + len(lab.APPLICATION_LOG)


def lines_of(laboratory: Harness) -> int:
    """The number of documents that come from the log files."""
    return laboratory.count("app") + laboratory.count("workflow")


def test_setup_leaves_out_what_a_project_chooses(project: Project, laboratory: Harness) -> None:
    """Shards and replicas are left out, all else is kept; a second run changes nothing."""
    done = laboratory.ask("setup")
    assert (0, "") == (done.returncode, done.stderr)
    assert {"updated", "unchanged"} == {line.split()[0] for line in done.stdout.splitlines()}
    done = laboratory.ask("setup")
    assert {"unchanged"} == {line.split()[0] for line in done.stdout.splitlines()}
    template = laboratory.es.cluster.get_component_template(name="neuroflow-settings")
    index = template["component_templates"][0]["component_template"]["template"]["settings"]["index"]
    assert {"mode", "sort", "mapping"} == index.keys()
    assert [] == [status for line, status in project.journal if line.startswith("PUT") and status != 200]


def test_commands_and_views(project: Project, laboratory: Harness) -> None:
    """``check``, ``--once``, the views and ``rebuild-runs`` do their work without the APIs that are absent."""
    done = laboratory.ask("check")
    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{project.url}: it answers, but without its health" in done.stdout
    done = laboratory.run("--once")
    assert 0 == done.returncode, done.stderr
    assert LINES == lines_of(laboratory)
    assert 0 == laboratory.ask("check").returncode
    views = {
        ("show", "--tail", "3"): "naïve",
        ("search", "workflow.failed"): "Stage qsirecon failed",
        ("workflow", "1"): "qsiprep",
        ("workflow", "--list"): "completed",
        ("stats",): "mriqc",
    }
    for arguments, text in views.items():
        done = laboratory.ask(*arguments, module="shipper.cli.logs")
        assert (0, True) == (done.returncode, text in done.stdout), (arguments, done.stdout, done.stderr)
    done = laboratory.ask("rebuild-runs")
    assert 0 == done.returncode, done.stderr
    assert "documents of 10 workflow runs" in done.stdout
    refused = {(line.split()[1], status) for line, status in project.journal if ABSENT.match(line.split()[1])}
    assert {("/_nodes/plugins", 410), ("/_cluster/health", 410), ("/_tasks", 410)} <= refused
    assert {410} == {status for _, status in refused}


def test_the_sidecar_runs(laboratory: Harness) -> None:
    """It installs the templates, ships, is killed, and ships the rest once, without a warning about the project."""
    sidecar = Watched(laboratory)
    assert sidecar.comes(lambda: lines_of(laboratory) == LINES), sidecar.said
    sidecar.kill()
    laboratory.roll_over()
    with (laboratory.logs / "neuroflow.log").open("a") as log:
        log.writelines(f'{{"event": "n{number}"}}\n' for number in range(5))
    sidecar = Watched(laboratory)
    assert sidecar.comes(lambda: lines_of(laboratory) == LINES + 5), sidecar.said
    sidecar.send(signal.SIGTERM)
    assert 0 == sidecar.wait()
    assert "serverless" not in sidecar.said
    assert eventually(lambda: lines_of(laboratory) == LINES + 5)
