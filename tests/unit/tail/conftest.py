"""A sidecar that ships the logs of one directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.shipped import Shipped


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Shipped]:
    """A sidecar over an empty directory."""
    one = Shipped(tmp_path)
    yield one
    one.stop()
