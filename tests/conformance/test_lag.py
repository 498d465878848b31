"""``status`` gives the age of a log's oldest unacknowledged line."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually
from tests.conformance.writers import app_line

# By so much a busy machine may put off a scan, seconds; what waits is then said to be older.
SLACK = 30.0


def append(path: Path, text: str) -> None:
    """Append a line."""
    with path.open("a") as file:
        file.write(app_line(text) + "\n")


def told(harness: FakedHarness, path: Path) -> dict[str, Any]:
    """The report of one file."""
    files: list[dict[str, Any]] = harness.status()["files"]
    (file,) = [one for one in files if one["path"] == str(path)]
    return file


def test_through_an_outage(faked: FakedHarness) -> None:
    """The lag grows during an outage, over a kill and a restart."""
    packed = faked.logs / "worker.log.1.gz"
    append(faked.log, "before")
    sidecar = faked.begin()
    assert eventually(lambda: faked.fake.documents == 1)
    assert eventually(lambda: told(faked, faked.log)["lag_bytes"] == 0)
    faked.fake.down()
    append(faked.log, "the first")
    packed.write_bytes(gzip.compress(b"line\n" * 10))
    began = time.time()
    for number in range(6):
        append(faked.log, f"line {number}")
        time.sleep(1)
    for turn in range(3):
        for path in (faked.log, packed):
            now = time.time()
            file = told(faked, path)
            assert now - began <= file["lag_seconds"] <= time.time() - began + SLACK
            assert file["lag_bytes"] == file["size"] - file["offset"] > 0
        assert (0, 50) == (file["offset"], file["size"])
        line = next(one for one in faked.ask("status").stdout.splitlines() if one.startswith(f"{faked.log}: "))
        assert not line.endswith(" 0 s behind")
        if turn == 0:
            sidecar.kill()
            append(faked.log, "while none runs")
        elif turn == 1:
            sidecar = faked.begin()
            assert eventually(lambda: faked.page("/metrics") == 200)
            append(faked.log, "once more")
    faked.fake.up()
    for path in (faked.log, packed):
        assert eventually(lambda path=path: told(faked, path)["lag_seconds"] == 0)  # type: ignore[misc]
    file = told(faked, packed)
    assert (50, 50, 0) == (file["offset"], file["size"], file["lag_bytes"])
    assert 0 == sidecar.stop()


def test_while_no_sidecar_runs(faked: FakedHarness) -> None:
    """Without a sidecar the lag counts from its stop at most."""
    append(faked.log, "before")
    assert 0 == faked.once().returncode
    stopped = time.time()
    append(faked.log, "after")
    faked.log.rename(faked.logs / "neuroflow.log.1")
    append(faked.log, "new")
    time.sleep(2)
    for path in (faked.log, faked.logs / "neuroflow.log.1"):
        file = told(faked, path)
        assert 2 <= file["lag_seconds"] <= time.time() - stopped + SLACK
        assert len(app_line("new")) < file["lag_bytes"] < 2 * len(app_line("before"))
    assert 0 == faked.once().returncode
    assert {0} == {file["lag_bytes"] for file in faked.status()["files"]}
