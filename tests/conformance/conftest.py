"""The rig: a sidecar under test, with files and a namespace of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from shipper.testnode.node import Node
from tests.conformance.fake import Fake
from tests.conformance.faked import FakedRig
from tests.conformance.relay import Relay
from tests.conformance.rig import Rig

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m deselects by the mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what only `make conformance` does: all but one variant of each case, another one from case to case.

    With two variants of each the suite takes ten minutes on two cores, with all of them twenty.
    """
    cases: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if HERE in item.path.parents:
            cases[item.nodeid.partition("[")[0]].append(item)
    for name, variants in cases.items():
        chosen = variants[crc32(name.encode()) % len(variants)]
        for item in variants:
            if item is not chosen:
                item.add_marker(pytest.mark.thorough)


@pytest.fixture
def rig(tmp_path: Path, node: Node, namespace: str) -> Iterator[Rig]:
    """A rig on the shared real node."""
    one = Rig(tmp_path, node.url, namespace)
    yield one
    one.close()


@pytest.fixture
def lone_rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig whose cluster is not there: nothing listens on that port."""
    one = Rig(tmp_path, "http://127.0.0.1:9", "nowhere")
    one.configure(shutdown_timeout=1)
    yield one
    one.close()


@pytest.fixture
def relay(node: Node) -> Iterator[Relay]:
    """A relay to the shared real node."""
    one = Relay(node.url)
    yield one
    one.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A cluster that does as the test says."""
    one = Fake()
    yield one
    one.down()


@pytest.fixture
def faked(tmp_path: Path, fake: Fake) -> Iterator[FakedRig]:
    """A rig on the fake cluster."""
    one = FakedRig(tmp_path, fake)
    yield one
    one.close()
