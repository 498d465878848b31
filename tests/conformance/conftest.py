"""The harness: a sidecar under test, with files and a namespace of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from shipper.testnode.node import Node
from tests.conformance.fake import Fake
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import Harness
from tests.conformance.in_process import InProcess
from tests.conformance.relay import Relay

HERE = Path(__file__).parent
IN_PROCESS, PROGRAM = "in process", "program"


@pytest.hookimpl(tryfirst=True)  # before -m deselects by the mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the variants that only ``make test-all`` runs. In this process all variants of a case run; with the
    program one of a whole file.

    Where the steps of a case are taken in this process, all variants are; the program takes one of a whole file.
    """
    cases: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if HERE not in item.path.parents or parameters.get("harness") == IN_PROCESS:
            continue
        if "harness" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.elasticsearch)
        if item.get_closest_marker("thorough"):
            continue
        cases[item.nodeid.partition("::" if "harness" in parameters else "[")[0]].append(item)
    for name, variants in cases.items():
        chosen = variants[crc32(name.encode()) % len(variants)]
        for item in variants:
            if item is not chosen:
                item.add_marker(pytest.mark.thorough)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked ``in_process`` runs in this process, and once more with the program."""
    marked, fixtures = metafunc.definition.get_closest_marker, set(metafunc.fixturenames)
    if "harness" in fixtures and not {"node", "es"} & fixtures and marked("in_process") and not marked("program"):
        metafunc.parametrize("harness", [IN_PROCESS, PROGRAM], indirect=True)


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """A harness on the shared real node, or one in this process."""
    if getattr(request, "param", PROGRAM) == IN_PROCESS:
        one: Harness = InProcess(tmp_path)
    else:
        node, es, namespace = map(request.getfixturevalue, ("node", "es", "namespace"))
        one = Harness(tmp_path, node.url, namespace, es)
    yield one
    one.close()


@pytest.fixture
def lone_harness(tmp_path: Path) -> Iterator[Harness]:
    """A harness with an unreachable cluster."""
    one = Harness(tmp_path, "http://127.0.0.1:9", "nowhere")
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
    """A cluster with programmable answers."""
    one = Fake()
    yield one
    one.down()


@pytest.fixture
def faked(tmp_path: Path, fake: Fake) -> Iterator[FakedHarness]:
    """A harness on the fake cluster."""
    one = FakedHarness(tmp_path, fake)
    yield one
    one.close()
