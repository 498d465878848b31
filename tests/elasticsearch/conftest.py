"""The node with security that the tests of roles share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.elastic.roles import put_roles, roles
from shipper.elastic.templates import install
from shipper.testnode import container
from shipper.testnode.node import NodeError
from tests.elasticsearch.role_work import RoleLab, weaker
from tests.elasticsearch.secured import SecuredNode, secured_node


@pytest.fixture(scope="session")
def role_node() -> Iterator[SecuredNode]:
    """A node with TLS and the roles of ``mappings/roles``, each with a user of its name, and those of ``weaker``.

    The roles are put by ``setup --roles``; where the node can't keep them, they are in a file.
    """
    lesser = {name: role for name, (_, role) in weaker().items()}
    users = {name: name for name in (*roles(), *lesser)}
    try:
        with secured_node(lesser, users) as one:
            admin = one.client("admin")
            install(admin)
            if one.stores_roles:
                put_roles(admin)
            else:
                one.put_roles(roles())
            admin.close()
            yield one
            return
    except NodeError as error:
        missing = str(error)
    if container.missing() is None:
        pytest.skip(f"users are put into the folder of the test distribution, not into a container: {missing}")
    pytest.fail(missing, pytrace=False)


@pytest.fixture
def role_lab(role_node: SecuredNode, tmp_path: Path) -> Iterator[RoleLab]:
    """A lab in a namespace of its own."""
    lab = RoleLab(tmp_path, role_node, f"t{uuid.uuid4().hex[:10]}")
    yield lab
    lab.close()
