"""What a sidecar reports of itself: to a stream of its own, and never at the cost of the logs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from shipper.elastic.assets import asset_dir
from tests.conformance.fake import Fake, refuse
from tests.conformance.faked import FakedHarness, Running, holds
from tests.conformance.harness import Harness, eventually
from tests.conformance.test_sidecar import write

OWN = "logs-neuroflow.sidecar-fake"
ON: dict[str, Any] = {"telemetry": {"documents": True}}


def reporting(faked: FakedHarness, *, every: float = 0.3, look_every: float = 60.0, options: str = "") -> Running:
    """Start a sidecar that reports more often than once a minute."""
    code = (
        "from shipper.deliver import template_gate\nfrom shipper.sidecar import own_documents\n"
        f"template_gate.CHECK_EVERY = {look_every}\nown_documents.REPORT_EVERY = {every}\n"
        "from shipper.cli.ship import main\nmain()"
    )
    command = [sys.executable, "-c", code, "--config", str(faked.config), *options.split()]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    faked._running.append(process)
    return Running(process)


def own(fake: Fake, action: str = "") -> list[dict[str, Any]]:
    """The documents of the own stream, of one action, in their order."""
    found = [document for index in fake.streams.get(OWN, []) for document in list(index.values())]
    return [one for one in found if one["event"]["action"].startswith(f"sidecar.{action}")]


@pytest.fixture
def reporter(faked: FakedHarness) -> FakedHarness:
    """A harness whose sidecar reports."""
    faked.configure(telemetry={"listen": faked.listen, "documents": True})
    return faked


class TestOnARealNode:
    def test_a_life(self, harness: Harness) -> None:
        """Start, lag, a file that is not read, and stop arrive, with mapped fields; the views don't show them."""
        harness.configure(**ON, redact={"keys": ["password"], "hash": ["subject"], "hash_key": "k" * 16})
        write(harness.logs / "neuroflow.log", 0, 3)
        secret = harness.logs / "pipelines" / "qsiprep" / "sub-0421.log.1.gz"
        secret.parent.mkdir(parents=True)
        secret.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(range(1, 255)))
        process = harness.start()
        assert harness.eventually(lambda: harness.count("app") >= 3 and harness.count("sidecar") >= 3)
        assert (0, 0) == (harness.stop(process)[0], harness.status()["counters"]["duplicate"])
        index = f"logs-neuroflow.sidecar-{harness.namespace}"
        harness.es.indices.refresh(index=index)
        found = [hit["_source"] for hit in harness.es.search(index=index, size=50)["hits"]["hits"]]
        by_action = {one["event"]["action"]: one for one in found}
        assert {"sidecar.started", "sidecar.stopped", "sidecar.lag", "sidecar.file_not_read"} == by_action.keys()
        assert "0421" not in json.dumps(found)
        assert by_action["sidecar.file_not_read"]["log"]["file"]["path"].startswith(str(secret.parent))
        stopped = by_action["sidecar.stopped"]
        assert ("success", "neuroflow-ship", 3) == (
            stopped["event"]["outcome"], stopped["service"]["name"], stopped["neuroflow"]["sidecar"]["acknowledged"],
        )  # fmt: skip
        assert 3 == harness.status()["counters"]["read"] == harness.count("app")
        mapped = json.loads((asset_dir() / "index_templates/logs-neuroflow.sidecar.json").read_text())
        fields = mapped["template"]["mappings"]["properties"]["neuroflow"]["properties"]["sidecar"]["properties"]
        assert {name for one in found for name in one["neuroflow"]["sidecar"]} <= fields.keys()

        def searched(*arguments: str) -> str:
            return harness.ask("search", *arguments, module="shipper.cli.logs").stdout

        assert ["n0", "n1", "n2"] == [line.split()[-1] for line in searched("*").splitlines()[1:]]
        assert "neuroflow-ship stopped" in searched("*", "--dataset", "sidecar")
        assert "documents acknowledged" in searched("neuroflow.sidecar.lag_bytes:>=0", "--dataset", "sidecar")
        assert "neuroflow-ship" not in harness.ask("show", module="shipper.cli.logs").stdout

    def test_once_reports_nothing(self, harness: Harness) -> None:
        """``--once`` tells by its exit code, and writes no documents of its own."""
        harness.configure(**ON)
        write(harness.logs / "neuroflow.log", 0, 3)
        assert (0, 3) == (harness.once().returncode, harness.count())


class TestWhatIsReported:
    def test_an_idle_sidecar_reports(self, reporter: FakedHarness, fake: Fake) -> None:
        """Without any log it still reports its lag, again and again, with ids that differ."""
        sidecar = reporting(reporter)
        assert eventually(lambda: len(own(fake, "lag")) >= 3)
        assert 0 == sidecar.stop()
        assert {(0, 0)} == {
            (one["neuroflow"]["sidecar"]["lag_bytes"], one["neuroflow"]["sidecar"]["lagging_logs"])
            for one in own(fake, "lag")
        }
        [started] = own(fake, "started")
        [stopped] = own(fake, "stopped")
        assert started["neuroflow"]["sidecar"]["instance"] == stopped["neuroflow"]["sidecar"]["instance"]

    def test_rejected_documents(self, reporter: FakedHarness, fake: Fake) -> None:
        """Numbers by reason and stream, without what the document said."""
        fake.decide = lambda _, document: 400 if document["message"].startswith("n1") else 201
        write(reporter.log, 0, 20)
        sidecar = reporting(reporter)
        assert eventually(lambda: bool(own(fake, "rejected")))
        assert 0 == sidecar.stop()
        sums: Counter[tuple[str, str]] = Counter()
        for one in own(fake, "rejected"):
            figures = one["neuroflow"]["sidecar"]
            sums[figures["stream"], figures["reason"]] += figures["rejected"]
        assert {(reporter.stream, "400 error_400"): 11} == sums
        assert "because" not in json.dumps(own(fake, "rejected"))

    def test_lag(self, reporter: FakedHarness, fake: Fake) -> None:
        """What Elasticsearch does not take is behind, in bytes and seconds; the log's end is told when it does."""
        fake.decide = lambda _, document: 201 if document["event"]["dataset"] == "neuroflow.sidecar" else 429
        write(reporter.log, 0, 20)
        sidecar = reporting(reporter)

        def behind(size: int) -> bool:
            lags = [one["neuroflow"]["sidecar"] for one in own(fake, "lag")]
            return bool(lags) and lags[-1]["lag_bytes"] == size and (lags[-1]["lag_seconds"] > 0) == (size > 0)

        assert eventually(lambda: behind(reporter.log.stat().st_size))
        fake.decide = lambda *_: 201
        assert eventually(lambda: behind(0))
        assert 0 == sidecar.stop()
        assert 20 == sum(one["neuroflow"]["sidecar"]["acknowledged"] for one in own(fake, "lag"))

    def test_another_configuration(self, reporter: FakedHarness, fake: Fake) -> None:
        """After SIGHUP they go to the new namespace, under the new host name."""
        sidecar = reporting(reporter, every=0.1)
        assert eventually(lambda: bool(own(fake, "lag")))
        reporter.configure(
            telemetry={"listen": reporter.listen, "documents": True}, namespace="other", host_name="renamed"
        )
        sidecar.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "logs-neuroflow.sidecar-other" in fake.streams)
        assert 0 == sidecar.stop()
        moved = [one for index in fake.streams["logs-neuroflow.sidecar-other"] for one in index.values()]
        assert {("renamed", "other")} == {(one["host"]["name"], one["data_stream"]["namespace"]) for one in moved}


class TestNothingIsDisturbed:
    def test_counters_and_dead_letters(self, reporter: FakedHarness, fake: Fake) -> None:
        """Own documents that Elasticsearch rejects are no dead letters, count nowhere, and are mentioned once."""
        fake.decide = lambda _, document: 400 if document["event"]["dataset"] == "neuroflow.sidecar" else 201
        write(reporter.log, 0, 5)
        sidecar = reporting(reporter)
        assert sidecar.says("does not take the sidecar's own documents (400 error_400")
        assert eventually(lambda: fake.documents == 5 and len(fake.bulks) > 5)
        counters = reporter.metrics()
        assert counters is not None
        assert holds(counters)
        assert (5, 0) == (counters["read"], counters["dead"])
        assert (0, 1) == (sidecar.stop(), sidecar.said.count("the sidecar's own documents"))
        assert [] == reporter.letters()

    def test_a_cluster_that_is_away_at_first(self, reporter: FakedHarness, fake: Fake) -> None:
        """The start is reported later, and of the lag only the newest."""
        fake.down()
        write(reporter.log, 0, 5)
        sidecar = reporting(reporter, every=0.1)
        assert sidecar.says("can't be reached")
        reporter.wait(1)  # in which it reports several times
        fake.up()
        assert eventually(lambda: bool(own(fake, "lag")))
        assert 0 == sidecar.stop()
        assert 1 == len(own(fake, "started"))
        first, *_ = own(fake, "lag")
        assert first["neuroflow"]["sidecar"]["uptime_seconds"] > 0.1
        assert 5 == fake.documents - len(own(fake))

    def test_a_cluster_that_stays_away(self, reporter: FakedHarness, fake: Fake) -> None:
        """A stop does not wait for documents of its own."""
        reporter.configure(telemetry={"documents": True}, shutdown_timeout=2)
        fake.down()
        sidecar = reporting(reporter)
        assert sidecar.says("can't be reached")
        assert 0 == sidecar.stop(), sidecar.said

    def test_a_key_without_the_right(self, reporter: FakedHarness, fake: Fake) -> None:
        """One who may not write this stream is told so once, and logs are shipped."""
        refused = {"error": {"type": "security_exception", "reason": "no"}, "status": 403}
        fake.decide = lambda _, document: refused if document["event"]["dataset"] == "neuroflow.sidecar" else 201
        write(reporter.log, 0, 5)
        sidecar = reporting(reporter, every=0.1)
        assert sidecar.says("grant `auto_configure` and `create_doc` on logs-neuroflow.*-*")
        assert eventually(lambda: fake.documents == 5 and len(fake.bulks) > 5)
        assert (0, 1) == (sidecar.stop(), sidecar.said.count("own documents"))

    def test_a_cluster_without_the_template(self, reporter: FakedHarness, fake: Fake) -> None:
        """Nothing is sent to where another template would map it; that is reported once."""
        reporter.ask("setup")
        del fake.templates["/_index_template/logs-neuroflow.sidecar"]
        write(reporter.log, 0, 5)
        sidecar = reporting(reporter, every=0.1, options="--no-setup")
        assert sidecar.says("index template logs-neuroflow.sidecar is not installed")
        assert eventually(lambda: fake.documents == 5)
        assert (0, 1) == (sidecar.stop(), sidecar.said.count("own documents"))
        assert [] == own(fake)

    def test_requests_that_fail(self, reporter: FakedHarness, fake: Fake) -> None:
        """After an answer without an outcome the same ids are sent again: nothing of one process is there twice."""
        sidecar = reporting(reporter, every=0.1)
        assert eventually(lambda: bool(own(fake, "lag")))
        fake.always = refuse(503)
        before = len(fake.bulks)
        assert eventually(lambda: len(fake.bulks) > before + 3)
        fake.always = None
        there = len(own(fake))
        assert eventually(lambda: len(own(fake)) > there)
        assert 0 == sidecar.stop()
        ids = [name for index in fake.streams[OWN] for name in index]
        assert len(own(fake)) == len(set(ids))

    def test_off(self, faked: FakedHarness, fake: Fake) -> None:
        """``shipper.telemetry.documents: false`` sends none."""
        write(faked.log, 0, 5)
        sidecar = faked.begin()
        assert eventually(lambda: fake.documents == 5)
        assert 0 == sidecar.stop()
        assert [] == own(fake)
