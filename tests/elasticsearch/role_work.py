"""What each role has to be able to do: its commands, run as a user or with a key, and what of that fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shipper.deliver.dead_letters import FILE_NAME, Letter
from shipper.elastic.roles import Role, roles
from shipper.elastic.templates import install
from tests.conformance.harness import Harness, eventually
from tests.elasticsearch import lab
from tests.elasticsearch.secured import PASSWORD, SecuredNode

VIEWS = (
    ["show"], ["pipeline", "2"], ["audit"], ["workflow"], ["workflow", "1"], ["stats"], ["stats", "queue"], ["tasks"],
    ["search", "failed"],
)  # fmt: skip


class RoleLab(Harness):
    """A log directory, and commands of some user of a node with security."""

    def __init__(self, folder: Path, node: SecuredNode, namespace: str) -> None:
        self.node = node
        self._login: dict[str, str] = {}
        super().__init__(folder, node.url, namespace, node.client("admin"))

    def become(self, user: str, password: str = PASSWORD, **shipper: Any) -> None:
        """Use a user of the file realm from now on; keyword arguments as of ``configure``."""
        self._login = {"username": user, "password": password}
        self.configure(**shipper)

    def become_key(self, encoded: str) -> None:
        """Use an API key."""
        self._login = {"api_key": encoded}
        self.configure()

    def configure(self, *, request_timeout: float = 10, **shipper: Any) -> None:
        """Write the configuration: TLS with the node's certificate, and the login."""
        super().configure(request_timeout=request_timeout, **{"host_name": "lab", **shipper})
        document = json.loads(self.config.read_text())
        document["elasticsearch"] |= {"ca_certs": str(self.node.ca), **self._login}
        self.config.write_text(json.dumps(document))

    def runs(self) -> int:
        """How many run documents there are."""
        quiet = self.es.options(ignore_status=503)  # the index is being created
        quiet.indices.refresh(index=self.run_index, ignore_unavailable=True)
        return int(quiet.count(index=self.run_index, ignore_unavailable=True).get("count", 0))

    @property
    def run_index(self) -> str:
        """The index of run documents."""
        return f"neuroflow-runs-{self.namespace}"

    def close(self) -> None:
        """End all processes, and the client."""
        super().close()
        self.es.close()

    def logs_of_a_day(self) -> None:
        """Write logs for every view, and ship them as an administrator, who then is nobody any more."""
        lab.write(self.logs)
        login, self._login = self._login, {"username": "admin", "password": PASSWORD}
        self.configure()
        done = self.ask("--once", "--no-setup")
        assert 0 == done.returncode, done.stderr
        self._login = login
        self.configure()


Work = Callable[[RoleLab], Iterator[str]]
"""Runs what a role is for; gives what fails, in words."""


def ship(lab: RoleLab) -> Iterator[str]:
    """Ship once, run as a sidecar, check, replay dead letters."""
    log = lab.logs / "neuroflow.log"
    log.write_text('{"event": "one", "timestamp": "2026-11-27T01:00:00Z"}\n')
    done = lab.ask("--once", "--no-setup")
    if (0, 1) != (done.returncode, lab.count()):
        yield f"--once: {done.stderr}"
        return  # nothing else will
    sidecar = lab.start(command=lab.command("--no-setup"))
    with log.open("a") as more:
        more.write('{"event": "two", "timestamp": "2026-11-27T01:00:01Z"}\n')
    if not eventually(lambda: lab.count() == 2):
        yield "the sidecar ships nothing"
    code, said = lab.stop(sidecar)
    if code:
        yield f"the sidecar: {said}"
    stream = f"logs-neuroflow.app-{lab.namespace}"
    document = {"@timestamp": "2026-11-27T01:00:02Z", "message": "three", "log": {"file": {"path": "l"}, "offset": 0}}
    letter = Letter("2026-11-27T01:00:02Z", 400, "a", "b", stream, "dead", "l", 0, "three", document)
    (lab.state / FILE_NAME).write_text(json.dumps(letter._asdict()) + "\n")
    done = lab.ask("dead-letters", "replay")
    if (0, "1 indexed, 0 rejected again\n", 3) != (done.returncode, done.stdout, lab.count()):
        yield f"dead-letters replay: {done.stdout}{done.stderr}"
    yield from _checked(lab, "ship")


def look_up(lab: RoleLab) -> Iterator[str]:
    """The same; keep run documents; and after a rollover and a lost state send nothing twice."""
    yield from ship(lab)
    if not (before := lab.count()):
        return
    with (lab.logs / "neuroflow.log").open("a") as log:
        log.write('{"event": "pipeline.queued", "run_id": 7, "timestamp": "2026-11-27T01:00:03Z"}\n')
    done = lab.ask("--once", "--no-setup")
    if done.returncode or "run documents" in done.stderr or not lab.runs():
        yield f"run documents: {done.stderr}"
    lab.roll_over()
    (lab.state / "cursors.sqlite").rename(lab.folder / "lost.sqlite")
    # Without the list of running requests it would wait for two minutes, in which an older one may still end.
    lab.configure(request_timeout=60)
    try:
        done = lab.run("--once", "--no-setup")
    except subprocess.TimeoutExpired:
        yield "after a rollover it waits"
        return
    if done.returncode or lab.count() != before + 1:
        yield f"after a rollover {lab.count()} documents instead of {before + 1}: {done.stderr}"
    yield from _checked(lab, "look up", "keep run documents")


def _checked(lab: RoleLab, *parts: str) -> Iterator[str]:
    done = lab.ask("check")
    if done.returncode:
        yield f"check: {done.stdout}{done.stderr}"
    for part in parts:
        if any(f"permissions: {part}" in line and "lacks" in line for line in done.stdout.splitlines()):
            yield f"check says: {done.stdout}"
    if "look up" in parts and "can't check" in done.stdout:
        yield f"check does not see: {done.stdout}"


def set_up(lab: RoleLab) -> Iterator[str]:
    """Install templates, and notice a stream and a run index with mappings of others."""
    lab.es.indices.delete_index_template(name="neuroflow-runs")
    for arguments in (["--dry-run"], [], []):
        done = lab.ask("setup", *arguments)
        if (0, "") != (done.returncode, done.stderr):
            yield f"setup {arguments}: {done.stderr}"
            install(lab.es)
            return
    stream, template = f"logs-neuroflow.app-{lab.namespace}", f"of-others-{lab.namespace}"
    lab.es.indices.put_index_template(name=template, index_patterns=[stream], priority=999, data_stream={})
    try:
        item = {"@timestamp": "2026-11-27T01:00:00Z", "message": "x"}
        assert not lab.es.bulk(index=stream, operations=[{"create": {}}, item])["errors"]
    finally:
        lab.es.indices.delete_index_template(name=template)
    lab.es.indices.create(index=lab.run_index, mappings={"dynamic": True})
    done = lab.ask("setup")
    for name in (stream, lab.run_index):
        if done.returncode != 1 or not any("wrong:" in line and name in line for line in done.stderr.splitlines()):
            yield f"setup does not notice the mapping of {name}: {done.stderr}"


def rebuild(lab: RoleLab) -> Iterator[str]:
    """Build the run documents again, in an index with this release's mapping and without wrong documents."""
    lab.logs_of_a_day()
    lab.es.index(index=lab.run_index, id="pipeline_run:999", document={"kind": "pipeline_run"})
    expected = lab.runs() - 1
    assert expected > 2
    done = lab.ask("rebuild-runs")
    if done.returncode or done.stderr:
        yield f"rebuild-runs: {done.stderr}"
    if lab.runs() != expected:
        yield f"{lab.runs()} run documents instead of {expected}"
    mappings = lab.es.indices.get_mapping(index=lab.run_index, ignore_unavailable=True).body
    if "version" not in mappings.get(lab.run_index, {}).get("mappings", {}).get("_meta", {}):
        yield "the index was not created with its mapping"


def view(lab: RoleLab) -> Iterator[str]:
    """Run every view."""
    lab.logs_of_a_day()
    lab.es.indices.refresh(index=f"*-{lab.namespace}")
    for command in VIEWS:
        done = lab.ask(*command, module="shipper.cli.logs")
        if done.returncode or not done.stdout or done.stderr:
            yield f"{command}: {done.stdout}{done.stderr}"
    following = subprocess.Popen(
        lab.command("show", "--follow", module="shipper.cli.logs"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert following.stdout is not None
        if not following.stdout.readline():
            yield "show --follow shows nothing"
    finally:
        following.kill()
        following.communicate()


WORK: dict[str, Work] = {
    "neuroflow-ship": ship,
    "neuroflow-ship-lookup": look_up,
    "neuroflow-setup": set_up,
    "neuroflow-rebuild-runs": rebuild,
    "neuroflow-view": view,
}
"""What each role is for."""


def weaker() -> dict[str, tuple[str, Role]]:
    """Each role without one of its privileges on one pattern: by a name, the role's name and what is left."""
    found: dict[str, tuple[str, Role]] = {}
    for name, role in roles().items():
        cluster = role.get("cluster", [])
        granted = [
            (pattern, one) for entry in role["indices"] for pattern in entry["names"] for one in entry["privileges"]
        ]
        for one in cluster:
            left = {"cluster": [other for other in cluster if other != one], "indices": role["indices"]}
            found[f"{name}_without_{one}"] = (name, left)
        for pattern, one in granted:
            indices = [
                {"names": [where], "privileges": [what]} for where, what in granted if (where, what) != (pattern, one)
            ]
            about = "runs" if "runs" in pattern else "logs"
            found[f"{name}_without_{one}_on_{about}"] = (name, {"cluster": cluster, "indices": indices})
    return found
