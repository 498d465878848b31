"""Files under any name: rotated, compressed, moved and copied, on the real node; unread ones are named."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process

FEW, MANY = 6, 60
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


class TestNames:
    @pytest.mark.parametrize("packed", PACK)
    @pytest.mark.parametrize(
        "name",
        [
            "neuroflow.log.2026-11-26_23", "neuroflow.log.2026-11-27_01-12-30.1", "neuroflow-20261127.log",
            "neuroflow.1.log", "neuroflow.log.old", "neuroflow.log.copy12", "neuroflow.2026-11.log",
            "neuroflow.2026-11-27_01-00-00_000000.log",
        ],
    )  # fmt: skip
    def test_a_rotation(self, harness: Harness, name: str, packed: str) -> None:
        """The rest of a log that is renamed and compressed is read there, without copies."""
        log, shipping = followed(harness, MANY, when="stopped")
        with shipping.meanwhile():
            log.write(20)
            log.path.with_name(f"{name}{packed}").write_bytes(PACK[packed](log.path.read_bytes()))
            log.path.unlink()
            log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    def test_what_cannot_be_read(self, harness: Harness) -> None:
        """``check``, ``status``, the log and the exit code of ``--once`` report it."""
        log = Log(harness)
        log.write(3)
        zst = log.sibling(".1.zst")
        zst.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(range(256)))
        shipping = harness.shipping()
        shipping.shipped(log.expected, log.dataset)
        shipping.looks(3)
        shipping.stop()
        assert 1 == shipping.said.count(str(zst)), shipping.said
        once = harness.once()
        assert 1 == once.returncode
        assert str(zst) in once.stderr
        assert f"not read: {zst}" in harness.ask("check").stdout
        assert f"not read: {zst}" in harness.ask("status").stdout
        (not_read,) = harness.status()["not_read"]
        assert str(zst) == not_read["path"]
        assert "zstd" in not_read["reason"]

    def test_a_checksum_that_fails(self, harness: Harness, es: Elasticsearch) -> None:
        """Only the documents of the damaged member have the tag."""
        log = Log(harness)
        members = [bytearray(gzip.compress(log.text(20).encode())) for _ in range(3)]
        members[1][-6] ^= 0xFF
        log.sibling(".1.gz").write_bytes(b"".join(members))
        log.write(4)
        assert 1 == harness.once().returncode
        assert log.expected == harness.messages(log.dataset)
        found = es.search(
            index=f"logs-neuroflow.app-{harness.namespace}", query={"term": {"tags": "checksum_failed"}}, size=100
        )["hits"]["hits"]
        assert {f"n{number:04}" for number in range(20, 40)} == {hit["_source"]["message"] for hit in found}
        shown = harness.ask("search", "tags:checksum_failed", "--since", "2026-01-01", module="shipper.cli.logs")
        assert "n0020" in shown.stdout, shown.stderr
        assert "n0019" not in shown.stdout


class TestMoves:
    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_finished_runs(self, harness: Harness, lines: int, when: When) -> None:
        """Logs that are moved into another folder add no copies."""
        logs = [Log(harness, "pipeline", f"pipelines/qsiprep/qsiprep_{run}_20260301_100000.log") for run in range(4)]
        shipping = harness.shipping(when)
        for log in logs:
            log.write(lines)
        expected = logs[0].expected + logs[1].expected + logs[2].expected + logs[3].expected
        shipping.shipped(expected, "pipeline")
        done = harness.logs / "pipelines/done"
        with shipping.meanwhile():
            done.mkdir()
            for log in logs[:3]:
                log.path.rename(done / log.path.name)
        shipping.looks(2)
        shipping.ends_with(expected, "pipeline")

    @WHEN
    def test_a_renamed_folder(self, harness: Harness, when: When) -> None:
        """A pipeline's folder is renamed while one of its logs grows."""
        logs = [Log(harness, "pipeline", f"pipelines/qsiprep/qsiprep_{run}_20260301_100000.log") for run in range(3)]
        shipping = harness.shipping(when)
        for log in logs:
            log.write(FEW)
        shipping.shipped(logs[0].expected + logs[1].expected + logs[2].expected, "pipeline")
        with logs[0].path.open("a") as file:
            with shipping.meanwhile():
                (harness.logs / "pipelines/qsiprep").rename(harness.logs / "pipelines/qsiprep_old")
            file.write(logs[0].text(3))
        shipping.ends_with(logs[0].expected + logs[1].expected + logs[2].expected, "pipeline")


class TestCopies:
    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    @pytest.mark.parametrize("copy", ["worker-20261127.log", "worker.1.log"])
    def test_copytruncate_to_a_name_of_a_log(self, harness: Harness, copy: str, lines: int, when: When) -> None:
        """A copy that matches the input's pattern adds no copies."""
        log, shipping = followed(harness, lines, "celery", when=when)
        with shipping.meanwhile():
            shutil.copyfile(log.path, log.path.with_name(copy))
            if when == "running":
                shipping.looks(2)
            os.truncate(log.path, 0)
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)
