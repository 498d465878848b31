"""A stand-in for Kibana, and a few files to install."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Config, Elasticsearch, Kibana
from shipper.kibana.client import KibanaClient
from tests.kibana_files import write_files
from tests.unit.kibana_stand_in import KibanaStandIn, running

Clients = Callable[..., KibanaClient]


@pytest.fixture
def kibana() -> Iterator[KibanaStandIn]:
    """A stand-in without objects."""
    with running(KibanaStandIn()) as stand_in:
        yield stand_in


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of a small set of files."""
    return write_files(tmp_path / "kibana")


@pytest.fixture
def client(kibana: KibanaStandIn) -> Iterator[Clients]:
    """Makes clients of it; without arguments they have the default configuration."""
    made: list[KibanaClient] = []

    def make(url: str | None = None, *, cluster: dict[str, Any] | None = None, **section: Any) -> KibanaClient:
        options = {name: section.pop(name) for name in ("say", "clock", "sleep") if name in section}
        config = Config(
            path=Path("neuroflow.yaml"),
            log_dir=Path("/nowhere"),
            elasticsearch=Elasticsearch(**(cluster or {})),
            kibana=Kibana(url=url or kibana.url, **section),
        )
        made.append(KibanaClient(config, **{"say": lambda _: None, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()
