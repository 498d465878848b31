"""Wrong passwords and revoked rights: `check` tells them apart, and a running sidecar outlives them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from shipper.elastic.roles import roles
from tests.conformance.harness import Shipping, eventually
from tests.elasticsearch.role_work import RoleLab
from tests.elasticsearch.secured import NOBODY, PASSWORD, SecuredNode
from tests.pages import roles_of_keys

ROLE_NAME = "neuroflow-ship-lookup"
ROLE = roles()[ROLE_NAME]
WRONG = "rejects the credentials (401): check api_key or username and password"
REVOKED = "refuses this (403): the API key lacks a privilege"


@pytest.fixture
def changing(role_node: SecuredNode, role_lab: RoleLab) -> RoleLab:
    """A lab of a user whose role and password the test changes."""
    role_node.put_roles({"changing": ROLE})
    role_node.put_users({"changing": "changing"})
    role_lab.become("changing")
    assert eventually(lambda: role_lab.ask("check").returncode == 0)
    return role_lab


def write(lab: RoleLab, *numbers: int) -> None:
    """Write lines, by which run documents change as well."""
    with (lab.logs / "neuroflow.log").open("a") as log:
        for number in numbers:
            line = {"event": "pipeline.queued", "run_id": number, "timestamp": f"2026-11-27T01:00:{number:02}Z"}
            log.write(json.dumps(line) + "\n")


def mistakes(lab: RoleLab) -> tuple[int, dict[str, str]]:
    """The exit code of `check`, and its findings by their names."""
    done = lab.ask("check", "--json")
    return done.returncode, {one["name"]: str(one) for one in json.loads(done.stdout)["findings"]}


def outlives(lab: RoleLab, revoke: Callable[[], None], restore: Callable[[Shipping], None], words: str) -> None:
    """The sidecar warns with these words, and ships every line once when the right is back."""
    write(lab, 1)
    shipping = lab.shipping()
    assert eventually(lambda: lab.count() == 1 == lab.runs()), shipping.said
    revoke()
    write(lab, 2)
    assert eventually(lambda: words in shipping.said), shipping.said
    write(lab, 3)
    assert 1 == lab.count()
    restore(shipping)
    assert eventually(lambda: lab.count() == 3 == lab.runs()), shipping.said
    assert eventually(lambda: "the cluster takes documents again" in shipping.said), shipping.said
    other = {WRONG, REVOKED} - {words}
    assert not any(sentence in shipping.said for sentence in other), shipping.said
    shipping.stop()
    assert (3, 0) == (lab.status()["counters"]["acknowledged"], lab.status()["dead_letters"])


def test_changed_password(role_node: SecuredNode, changing: RoleLab) -> None:
    """A password that no longer counts: 401, until it counts again."""

    def revoke() -> None:
        role_node.put_users({"changing": "changing"}, password="another-password")
        assert eventually(lambda: changing.ask("check").returncode == 3)
        assert WRONG in mistakes(changing)[1]["credentials"]

    outlives(changing, revoke, lambda _: role_node.put_users({"changing": "changing"}), WRONG)


def test_new_password_in_the_configuration(role_node: SecuredNode, changing: RoleLab) -> None:
    """The new password is taken from the configuration on SIGHUP."""

    def restore(shipping: Shipping) -> None:
        changing.become("changing", "another-password")
        shipping.process.send_signal(signal.SIGHUP)

    def revoke() -> None:
        role_node.put_users({"changing": "changing"}, password="another-password")
        assert eventually(lambda: changing.ask("check").returncode == 3)

    outlives(changing, revoke, restore, WRONG)


def test_revoked_rights(role_node: SecuredNode, changing: RoleLab) -> None:
    """A role that grants nothing any more: 403, and `check` names the privileges, until they are back."""

    def revoke() -> None:
        role_node.put_roles({"changing": NOBODY})
        assert eventually(lambda: changing.ask("check").returncode == 1)
        code, found = mistakes(changing)
        assert (1, True, False) == (code, "key-too-weak" in found, "credentials" in found)

    outlives(changing, revoke, lambda _: role_node.put_roles({"changing": ROLE}), REVOKED)


def test_revoked_role_of_the_cluster(role_node: SecuredNode, changing: RoleLab) -> None:
    """The same where the role was deleted from the cluster and is put again by `setup --roles`."""
    if not role_node.stores_roles:
        pytest.skip("without a Java compiler the test distribution can't make the index of roles and API keys")
    admin = changing.es
    admin.security.put_role(name="changing-native", cluster=ROLE["cluster"], indices=ROLE["indices"])
    role_node.put_users({"changing": "changing-native"})
    assert eventually(lambda: changing.ask("check").returncode == 0)

    def revoke() -> None:
        admin.security.delete_role(name="changing-native")

    def restore(_: Shipping) -> None:
        admin.security.put_role(name="changing-native", cluster=ROLE["cluster"], indices=ROLE["indices"])

    outlives(changing, revoke, restore, REVOKED)
    admin.security.delete_role(name="changing-native")


def test_invalidated_key(role_node: SecuredNode, changing: RoleLab) -> None:
    """An API key that was invalidated: 401, until SIGHUP brings a new one."""
    if not role_node.stores_roles:
        pytest.skip("without a Java compiler the test distribution can't make the index of roles and API keys")
    admin = changing.es

    def new_key() -> str:
        made = admin.security.create_api_key(name="sidecar", role_descriptors={"sidecar": roles_of_keys()[ROLE_NAME]})
        changing.become_key(made["encoded"])
        return str(made["id"])

    key = new_key()

    def revoke() -> None:
        admin.security.invalidate_api_key(ids=[key])
        code, found = mistakes(changing)
        assert (3, True) == (code, WRONG in found["credentials"])

    def restore(shipping: Shipping) -> None:
        new_key()
        shipping.process.send_signal(signal.SIGHUP)

    outlives(changing, revoke, restore, WRONG)


@pytest.mark.parametrize(("user", "password", "words"), [("changing", "wrong", WRONG), ("nobody", PASSWORD, REVOKED)])
def test_once_ends_with_a_code(changing: RoleLab, user: str, password: str, words: str) -> None:
    """`--once` does not wait for ever: it ends with 3, and the next start ships the lines."""
    write(changing, 1)
    changing.become(user, password, shutdown_timeout=2)
    done = changing.ask("--once", "--no-setup")
    assert (3, True) == (done.returncode, words in done.stderr), done.stderr
    changing.become("changing")
    assert (0, 1) == (changing.ask("--once", "--no-setup").returncode, changing.count())
