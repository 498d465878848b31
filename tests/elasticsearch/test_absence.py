"""On a node with security, commands tell a missing privilege from missing data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from shipper.cli.logs import logs
from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect, explain
from shipper.elastic.templates import install
from shipper.testnode.node import Node, NodeError, running_node
from shipper.testnode.process import ProcessNode
from shipper.views.no_matches import Absence, absence
from shipper.views.snapshot import Snapshot
from tests.conformance.harness import eventually
from tests.elasticsearch.secured import PASSWORD, SECURITY, hashed

# The templates' indices are read by one; the other may do nothing; a third may read one stream only.
ROLES = """
admin: {cluster: [all], indices: [{names: ['*'], privileges: [all]}]}
reader: {indices: [{names: ['logs-neuroflow.*-*', 'neuroflow-runs-*'], privileges: [read]}]}
partial: {indices: [{names: ['logs-neuroflow.app-*'], privileges: [read]}]}
stranger: {cluster: []}
"""
USERS = ("admin", "reader", "partial", "stranger")
APP, WORKFLOW, CELERY = (f"logs-neuroflow.{dataset}-there" for dataset in ("app", "workflow", "celery"))

As = Callable[[str], Elasticsearch]


@pytest.fixture(scope="module")
def secured() -> Iterator[Node]:
    """A node with security."""
    try:
        with running_node(settings=SECURITY, heap="512m", brief=True) as node:
            if not isinstance(node, ProcessNode):
                pytest.skip("users and roles are put into the folder of the test distribution, not into a container")
            (node.config / "roles.yml").write_text(ROLES)
            (node.config / "users_roles").write_text("".join(f"{user}:{user}\n" for user in USERS))
            (node.config / "users").write_text("".join(f"{user}:{hashed(PASSWORD)}\n" for user in USERS))
            yield node
            return
    except NodeError as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


def settings_of(node: Node, user: str) -> Settings:
    """The configuration of a user."""
    return Settings(hosts=[node.url], username=user, password=PASSWORD, request_timeout=30)


@pytest.fixture(scope="module")
def who(secured: Node) -> Iterator[As]:
    """Clients by the name of their user; two lines are in each of two streams, and there is no other."""
    clients = {user: connect(settings_of(secured, user)) for user in USERS}
    admin = clients["admin"]

    def known() -> bool:
        try:
            return bool(admin.cluster.get_settings())
        except (AuthenticationException, AuthorizationException):
            return False

    assert eventually(known), "the files of users and roles are read every few seconds"
    install(admin)
    lines = [{"@timestamp": "2026-11-25T07:00:00Z", "message": text} for text in ("one", "two")]
    operations: list[dict[str, Any]] = []
    for line in lines:
        operations += [{"create": {}}, line]
    for stream in (APP, WORKFLOW):
        assert not admin.bulk(index=stream, operations=operations, refresh=True)["errors"]
    yield clients.__getitem__
    for client in clients.values():
        client.close()


def test_what_a_search_hides(who: As) -> None:
    """Elasticsearch omits what a key may not read from a search, without an error."""
    for index in ([WORKFLOW], [CELERY]):
        answer = who("partial").search(index=index, ignore_unavailable=True)
        assert answer["hits"]["total"]["value"] == 0
        with Snapshot(who("partial"), index) as snapshot:
            assert list(snapshot.pages({"match_all": {}}, [])) == []


def test_reader_is_told_what_there_is(who: As) -> None:
    """A key with read learns whether the stream is missing or holds other data."""
    assert absence(who("reader"), [CELERY]) is Absence.MISSING
    assert absence(who("reader"), [CELERY, APP]) is Absence.UNMATCHED
    who("admin").indices.create(index="neuroflow-runs-there")
    assert absence(who("reader"), ["neuroflow-runs-there"]) is Absence.EMPTY
    assert absence(who("reader"), ["neuroflow-runs-there", APP]) is Absence.UNMATCHED
    assert absence(who("reader"), [APP, "neuroflow-runs-there"]) is Absence.UNMATCHED


@pytest.mark.parametrize(
    ("user", "index"),
    [("stranger", [APP]), ("stranger", [CELERY]), ("partial", [APP, WORKFLOW]), ("partial", [CELERY])],
)
def test_who_may_not_read_is_told(secured: Node, who: As, user: str, index: list[str]) -> None:
    """A key without read learns which privilege it lacks, whether the stream exists or not."""
    with pytest.raises(AuthorizationException) as raised:
        absence(who(user), index)
    sentence = explain(raised.value, settings_of(secured, user))
    assert "refuses this (403): the API key lacks a privilege" in sentence
    assert "read" in sentence


def run(node: Node, user: str, folder: Path, *args: str) -> Result:
    """``neuroflow-logs`` as a user."""
    config = folder / "neuroflow.yaml"
    config.write_text(
        f"elasticsearch: {{hosts: ['{node.url}'], username: {user}, password: {PASSWORD}}}\n"
        "shipper: {namespace: there}\n"
    )
    return CliRunner().invoke(logs, ["--config", str(config), *args])


COMMANDS = (
    ["show"], ["audit"], ["workflow"], ["workflow", "1"], ["pipeline", "1"], ["stats"], ["stats", "failures"],
    ["tasks"], ["search", "three"],
    ["search", "three", "-C", "1"],
)  # fmt: skip


def test_reader_sees_the_lines(secured: Node, who: As, tmp_path: Path) -> None:
    """The views need read only, for one page and for many."""
    assert who("reader")
    for tail in ("50", "5000"):
        result = run(secured, "reader", tmp_path, "show", "--tail", tail, "--format", "ndjson")
        assert (0, 4) == (result.exit_code, len(result.stdout.splitlines())), result.output


@pytest.mark.parametrize("args", [(), ("--tail", "5000"), ("-f",)])
@pytest.mark.parametrize("user", ["stranger", "partial"])
def test_forbidden_is_no_absence(secured: Node, who: As, tmp_path: Path, user: str, args: tuple[str, ...]) -> None:
    """A key without read gets a sentence and an error code from every way of searching."""
    assert who(user)
    result = run(secured, user, tmp_path, "show", "--dataset", "workflow", *args)
    assert (3, "") == (result.exit_code, result.stdout)
    assert "refuses this (403)" in result.stderr


@pytest.mark.parametrize(
    "command", [["show"], ["show", "--tail", "900"], ["search", "one"], ["search", "one", "-C", "1"]]
)
def test_unreadable_streams_are_named(secured: Node, who: As, tmp_path: Path, command: list[str]) -> None:
    """A key that may read some streams sees their lines and the names of the others."""
    assert who("partial")
    result = run(secured, "partial", tmp_path, *command)
    assert (0, True) == (result.exit_code, "one" in result.stdout)
    assert result.stderr.startswith("left out, because the key may not read it: ")
    assert WORKFLOW in result.stderr
    assert APP not in result.stderr
    assert "" == run(secured, "reader", tmp_path, *command).stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_reading_is_enough(secured: Node, who: As, tmp_path: Path, command: list[str]) -> None:
    """Every command works with a key that may only read."""
    assert who("reader")
    result = run(secured, "reader", tmp_path, *command)
    assert (0 if command == ["show"] else 1) == result.exit_code, result.output
    assert "Traceback" not in result.stderr
    found = run(secured, "reader", tmp_path, "search", "one", "--format", "ndjson")
    assert (0, 2) == (found.exit_code, len(found.stdout.splitlines()))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_hides_that_it_may_not_read(secured: Node, who: As, tmp_path: Path, command: list[str]) -> None:
    """Without the privilege every command ends with a sentence, and prints no line."""
    assert who("stranger")
    result = run(secured, "stranger", tmp_path, *command)
    assert 3 == result.exit_code, result.output
    assert "refuses this (403)" in result.stderr
    assert "" == result.stdout
