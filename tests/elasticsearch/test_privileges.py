"""The privileges that each command needs, on a node with security, with keys that have only these."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from elasticsearch import ApiError, AuthenticationException, Elasticsearch

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.elastic.client import explain, is_genuine, send_json
from tests.conformance.harness import eventually
from tests.elasticsearch.secured import PASSWORD, SecuredNode

LOGS, RUNS = "logs-neuroflow.*-*", "neuroflow-runs-*"
# As the table of docs/permissions.md lists them; setup also sees that this distribution lacks modules, which no full
# one does.
ROLES: dict[str, Any] = yaml.safe_load(f"""
ships: {{indices: [{{names: ['{LOGS}'], privileges: [auto_configure, create_doc]}}]}}
looks: {{indices: [{{names: ['{LOGS}'], privileges: [auto_configure, create_doc, read]}}]}}
runs:
  indices:
  - {{names: ['{LOGS}'], privileges: [auto_configure, create_doc]}}
  - {{names: ['{RUNS}'], privileges: [index, create_index, view_index_metadata]}}
rebuilds:
  indices:
  - {{names: ['{LOGS}'], privileges: [read]}}
  - {{names: ['{RUNS}'], privileges: [index, create_index, view_index_metadata, delete_index]}}
setup: {{cluster: [manage_index_templates, 'cluster:monitor/nodes/info']}}
views: {{indices: [{{names: ['{LOGS}', '{RUNS}'], privileges: [read]}}]}}
lab: {{indices: [{{names: ['logs-neuroflow.*-lab'], privileges: [auto_configure, create_doc]}}]}}
watches:
  cluster: [monitor]
  indices: [{{names: ['{LOGS}'], privileges: [auto_configure, create_doc, view_index_metadata]}}]
""")


@pytest.fixture(scope="module")
def secured(role_node: SecuredNode) -> SecuredNode:
    """The node with users that have the privileges of their role only."""
    role_node.put_roles(ROLES)
    role_node.put_users({name: name for name in ROLES})
    *_, last = ROLES
    with role_node.client(last) as known:
        assert eventually(lambda: may(known, "monitor"))
    return role_node


def may(client: Elasticsearch, privilege: str) -> bool:
    """Whether a user is known and has a cluster privilege."""
    try:
        return bool(client.security.has_privileges(cluster=[privilege])["has_all_requested"])
    except AuthenticationException:
        return False


class Lab:
    """A log of two lines and commands of some user."""

    def __init__(self, one: SecuredNode, folder: Path) -> None:
        self.node = one
        self.folder = folder
        (folder / "logs").mkdir()
        lines = [
            {"timestamp": "2026-11-27T01:00:00Z", "event": "pipeline.queued", "run_id": number} for number in (1, 2)
        ]
        (folder / "logs" / "neuroflow.log").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def config(self, user: str, password: str = PASSWORD) -> str:
        """The configuration file of a user, in a namespace of the test."""
        path = self.folder / f"{user}.yaml"
        path.write_text(
            json.dumps(
                {
                    "logging": {"log_dir": str(self.folder / "logs")},
                    "elasticsearch": {
                        "hosts": [self.node.url], "username": user, "password": password,
                        "ca_certs": str(self.node.ca),
                    },
                    "shipper": {"namespace": "lab", "state_dir": str(self.folder / f"state-{user}"),
                     "host_name": self.folder.name, "shutdown_timeout": 2},
                }
            )
        )  # fmt: skip
        return str(path)

    def ship(self, user: str, *args: str, password: str = PASSWORD) -> Result:
        return CliRunner().invoke(ship, ["--config", self.config(user, password), *args])

    def once(self, user: str, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shipper.cli.ship", "--config", self.config(user), "--once", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def lab(secured: SecuredNode, tmp_path: Path) -> Lab:
    """A lab."""
    return Lab(secured, tmp_path)


OTHER = "(that was a proxy or another service, not Elasticsearch)"


@pytest.mark.parametrize(
    ("status", "user", "password"), [(401, "ships", "wrong"), (401, "unheard-of", "x"), (403, "nobody", PASSWORD)]
)
@pytest.mark.parametrize("path", ["/_cluster/health", "/_bulk", "/logs-neuroflow.app-lab/_mapping"])
def test_refusals_are_elasticsearchs(secured: SecuredNode, status: int, user: str, password: str, path: str) -> None:
    """Elasticsearch itself answers 401 and 403 to every request of unknown and unprivileged users."""
    headers = {"accept": "application/json", "content-type": "application/x-ndjson"}
    body = b'{"create":{"_index":"logs-neuroflow.app-lab"}}\n{"@timestamp":"2026-11-27"}\n'
    bulk = path == "/_bulk"
    with pytest.raises(ApiError) as raised:
        secured.client(user, password).perform_request(
            "POST" if bulk else "GET", path, headers=headers, body=body if bulk else None
        )
    assert (status, True) == (raised.value.meta.status, is_genuine(raised.value))
    sentence = explain(raised.value, secured.settings(user))
    assert "security_exception" in sentence
    assert OTHER not in sentence


def test_key_that_may_not_put_templates_ships(lab: Lab) -> None:
    """Without --no-setup as well: the warning says what to do, and all lines are shipped."""
    done = lab.once("ships")
    assert 0 == done.returncode, done.stderr
    assert (
        "the index templates were not installed: run `neuroflow-ship setup` with a key that may do it" in done.stderr
    )
    assert OTHER not in done.stderr


@pytest.mark.parametrize("user", ["ships", "looks", "runs", "lab", "watches"])
def test_listed_privileges_are_enough_to_ship(lab: Lab, user: str) -> None:
    """With --no-setup each role ships every line, and check lists the privileges that it lacks."""
    done = lab.once(user, "--no-setup")
    assert (0, True) == (done.returncode, "read 2, acknowledged 2" in done.stderr), done.stderr
    assert ("run documents" in done.stderr) is (user != "runs"), done.stderr
    check = lab.ship(user, "check")
    assert 0 == check.exit_code, check.output
    assert "permissions: ship: granted" in check.output


@pytest.mark.parametrize(
    ("user", "code", "said"),
    [
        (
            "ships",
            0,
            f"keep run documents: lacks `create_index` on {RUNS}, `index` on {RUNS}, `view_index_metadata` on {RUNS}",
        ),
        (
            "ships",
            0,
            f"look up documents that may be indexed already, after a crash or an outage: lacks `read` on {LOGS}",
        ),
        ("ships", 0, f"(recommended): lacks `monitor` (cluster), `view_index_metadata` on {LOGS}"),
        ("ships", 0, "setup, and templates at start: lacks `manage_index_templates` (cluster)"),
        ("ships", 0, "it answers; reading its health needs the privilege `monitor`"),
        ("ships", 0, "can't check which index templates are in force: grant the cluster privilege `monitor`"),
        ("watches", 0, "near a rollover (recommended): granted"),
        ("watches", 0, "green, 1 node"),
        ("looks", 0, "after a crash or an outage: granted"),
        ("runs", 0, "keep run documents: granted"),
        ("rebuilds", 1, "rebuild-runs: granted"),
        ("views", 1, "neuroflow-logs: granted"),
        ("setup", 1, "setup, and templates at start: granted"),
        ("nobody", 1, f"ship: lacks `auto_configure` on {LOGS}, `create_doc` on {LOGS}; nothing is shipped"),
        ("admin", 0, "templates: ours are, or will be, in force"),
        ("admin", 0, "warning: the key may more than the sidecar needs: `all` (cluster), `all` on all indices"),
        ("nobody", 1, "clock: this machine's and the cluster's differ by less than 5 s"),
        ("ships", 0, "clock: this machine's and the cluster's differ by less than 5 s"),
        ("watches", 0, "version: Elasticsearch "),
        ("ships", 0, "can't see the cluster's version: grant the cluster privilege `monitor`"),
    ],
)
def test_check_names_missing_privileges(lab: Lab, user: str, code: int, said: str) -> None:
    """Any key may run it; it exits 1 where nothing would be shipped."""
    check = lab.ship(user, "check")
    assert (code, True) == (check.exit_code, said in check.output), check.output


def test_component_of_somebody_is_seen_by_the_sidecars_key(lab: Lab) -> None:
    """It may not simulate an index, so what the component maps itself tells; without the component all is well."""
    path = "/_component_template/logs-neuroflow.app@custom"
    level = {"template": {"mappings": {"properties": {"log": {"properties": {"level": {"type": "long"}}}}}}}
    with lab.node.client("admin") as admin:
        send_json(admin, "PUT", path, level)
        try:
            check = lab.ship("watches", "check")
        finally:
            send_json(admin, "DELETE", path)
    assert 1 == check.exit_code, check.output
    assert "maps log.level as long, not keyword, because a component template changes it" in check.output
    assert 0 == lab.ship("watches", "check").exit_code


def test_check_of_an_unknown_key(lab: Lab) -> None:
    """It reports the failed authentication and nothing else."""
    check = lab.ship("ships", "check", password="wrong")
    assert 3 == check.exit_code
    assert "rejects the credentials (401): check api_key or username and password" in check.output
    assert OTHER not in check.output


def test_setup_needs_one_privilege(lab: Lab) -> None:
    """The listed one is enough; without it setup names it."""
    done = lab.ship("setup", "setup")
    assert 0 == done.exit_code, done.output
    refused = lab.ship("ships", "setup")
    assert (3, True) == (refused.exit_code, "refuses this (403): the API key lacks a privilege" in refused.output)


def test_rebuild_needs_what_is_listed(lab: Lab) -> None:
    """It reads the streams, and needs all privileges on the index of run documents."""
    assert 0 == lab.once("runs", "--no-setup").returncode
    rebuilt = lab.ship("rebuilds", "rebuild-runs")
    assert 0 == rebuilt.exit_code, rebuilt.output


def test_views_need_read(lab: Lab) -> None:
    """They need no other privilege."""
    assert 0 == lab.once("runs", "--no-setup").returncode
    shown = CliRunner().invoke(logs, ["--config", lab.config("views"), "show"])
    assert 0 == shown.exit_code, shown.output
