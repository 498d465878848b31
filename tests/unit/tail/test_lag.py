"""What a running sidecar is behind, log by log."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.shipped import Shipped

LINE = '{"event": "e", "level": "info", "n": "%d"}\n'


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Shipped]:
    """A sidecar over a directory, with a cluster that is away."""
    one = Shipped(tmp_path)
    one.cluster.away = True
    yield one
    one.stop()


def behind(shipped: Shipped, *, away: bool) -> dict[str, tuple[str, int, bool]]:
    """Let the sidecar work; gives stream, bytes and whether the age is known, by the file's name."""
    shipped.cluster.away = away
    shipped.ship()
    return {Path(lag.path).name: (lag.dataset, lag.size, lag.since > 0) for lag in shipped.sidecar._tail.lags()}


def test_until_it_is_acknowledged(shipped: Shipped) -> None:
    """Bytes count until Elasticsearch has them, whether they were read or not."""
    (shipped.logs / "neuroflow.log").write_text(LINE % 1)
    assert {"neuroflow.log": ("app", len(LINE % 1), True)} == behind(shipped, away=True)
    assert {} == behind(shipped, away=False)


def test_a_compressed_file(shipped: Shipped) -> None:
    """Its lag is that of what it holds, and none when that is acknowledged."""
    content = (LINE % 1) * 50
    (shipped.logs / "neuroflow.log.1.gz").write_bytes(gzip.compress(content.encode()))
    assert {"neuroflow.log.1.gz": ("app", len(content), True)} == behind(shipped, away=True)
    assert {} == behind(shipped, away=False)


def test_a_sparse_end(shipped: Shipped) -> None:
    """NULs that a crash left at the end are no line: nothing waits."""
    log = shipped.logs / "neuroflow.log"
    log.write_text(LINE % 1)
    with log.open("ab") as file:
        file.truncate(log.stat().st_size + 40 * 2**20)
    assert {} == behind(shipped, away=False)


def test_a_file_that_is_gone(shipped: Shipped) -> None:
    """What was read of a deleted file counts until it is acknowledged."""
    log = shipped.logs / "neuroflow.log"
    log.write_text(LINE % 1)
    assert {"neuroflow.log"} == behind(shipped, away=True).keys()
    log.unlink()
    assert {"neuroflow.log": ("app", len(LINE % 1), True)} == behind(shipped, away=True)
    assert {} == behind(shipped, away=False)
