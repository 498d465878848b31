"""Each role of ``mappings/roles`` does its work over TLS, for a user and an API key, and needs all its privileges."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.elastic.roles import roles
from tests.elasticsearch.role_work import SEES_MODULES, WORK, RoleLab, weaker
from tests.elasticsearch.secured import SecuredNode
from tests.pages import roles_of_keys

WEAKER = weaker()


@pytest.fixture
def role_store(role_node: SecuredNode) -> SecuredNode:
    """The node, where it keeps roles and API keys."""
    if not role_node.stores_roles:
        pytest.skip("without a Java compiler the test distribution can't make the index of roles and API keys")
    return role_node


def key_of(node: SecuredNode, name: str, role: dict[str, Any]) -> str:
    """An API key made as docs/permissions.md says."""
    with node.client("admin") as admin:
        descriptors = {name: role, "sees-modules": SEES_MODULES} if name == "neuroflow-rebuild-runs" else {name: role}
        made = admin.security.create_api_key(name=name, role_descriptors=descriptors)
    return str(made["encoded"])


def test_every_role_has_its_work() -> None:
    """None is left out below."""
    assert roles().keys() == WORK.keys()


@pytest.mark.parametrize("name", WORK)
def test_role_is_enough(role_lab: RoleLab, name: str) -> None:
    """A user with the role does all of its work."""
    role_lab.become(name)
    assert [] == list(WORK[name](role_lab))


@pytest.mark.parametrize("name", WORK)
def test_documented_key_is_enough(role_store: SecuredNode, role_lab: RoleLab, name: str) -> None:
    """So does an API key with the body of the page."""
    role_lab.become_key(key_of(role_store, name, roles_of_keys()[name]))
    assert [] == list(WORK[name](role_lab))


@pytest.mark.thorough
@pytest.mark.parametrize("name", WEAKER)
def test_nothing_weaker_is_enough(role_lab: RoleLab, name: str) -> None:
    """Without any one of its privileges something of a role's work fails."""
    role_lab.become(name)
    assert [] != list(WORK[WEAKER[name][0]](role_lab))


def test_setup_puts_roles(role_store: SecuredNode, role_lab: RoleLab) -> None:
    """They are created, put again where somebody changed them, and reported as unchanged otherwise."""
    role_lab.become("admin")
    role_lab.es.security.delete_role(name="neuroflow-rebuild-runs")
    role_lab.es.security.put_role(name="neuroflow-view", cluster=["all"])
    for arguments in (["--dry-run"], []):
        done = role_lab.ask("setup", "--roles", *arguments)
        assert 0 == done.returncode, done.stderr
        lines = {line.split()[2]: line for line in done.stdout.splitlines() if " role " in line}
        assert roles().keys() == lines.keys()
        assert lines["neuroflow-rebuild-runs"].startswith("created ")
        assert "not made by neuroflow-ship; granted `all` (cluster)" in lines["neuroflow-view"]
        assert lines["neuroflow-ship"].startswith("unchanged ")
    done = role_lab.ask("setup", "--roles")
    assert (0, len(roles())) == (done.returncode, done.stdout.count("unchanged  role "))
    kept = role_store.client("admin").security.get_role(name="neuroflow-view").body["neuroflow-view"]
    assert [] == kept["cluster"]


def test_roles_of_one_namespace_reach_no_other(role_store: SecuredNode, role_lab: RoleLab) -> None:
    """A key of such a role ships into its namespace, and is refused in another."""
    role_lab.become("admin")
    done = role_lab.ask("setup", "--roles", "--own-namespace")
    assert (0, len(roles())) == (done.returncode, done.stdout.count(f"@{role_lab.namespace}")), done.stderr
    name = f"neuroflow-ship-lookup@{role_lab.namespace}"
    found = role_lab.es.security.get_role(name=name).body[name]
    role_lab.become_key(key_of(role_store, "lab", {part: found[part] for part in ("cluster", "indices")}))
    assert [] == list(WORK["neuroflow-ship-lookup"](role_lab))
    role_lab.namespace += "x"
    role_lab.configure()
    assert [] != list(WORK["neuroflow-ship-lookup"](role_lab))
    role_lab.es.security.delete_role(name=name)


def test_setup_of_roles_needs_an_administrator(role_lab: RoleLab) -> None:
    """Without `manage_security` the templates are installed, and a sentence says what to do."""
    role_lab.become("neuroflow-setup")
    done = role_lab.ask("setup", "--roles")
    assert 1 == done.returncode
    assert "lacks the cluster privilege `manage_security`" in done.stderr
    assert "index_template" in done.stdout
