"""SIGTERM, SIGINT and SIGHUP, also twice, also in an outage."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.relay import Relay
from tests.conformance.rig import Rig, alive
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched

# Nobody listens there.
DEAD = "http://127.0.0.1:9"


def reconfigure(rig: Rig, **sections: Any) -> None:
    """Change sections of the configuration file, key by key."""
    document = json.loads(rig.config.read_text())
    for section, keys in sections.items():
        document[section] |= keys
    rig.config.write_text(json.dumps(document))


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_drains(self, rig: Rig, es: Elasticsearch, number: int) -> None:
        """What was read is delivered, exit code 0, no traceback; what is unread ships at the next start."""
        rig.configure(batch={"max_events": 500})
        log = rig.logs / "neuroflow.log"
        write(log, 0, 30_000)
        sidecar = Watched(rig)
        assert sidecar.comes(lambda: rig.count(es) >= 1000)
        sidecar.send(number)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said
        counters = rig.status()["counters"]
        assert counters["read"] == counters["acknowledged"] == rig.count(es)
        assert 0 == rig.once().returncode
        assert expected(30_000) == rig.messages(es, "app")

    def test_in_an_outage(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """Nobody answers: it ends within ``shutdown_timeout``, exit code 3, says what is left; that ships next."""
        direct = rig.url
        rig.url = relay.url
        rig.configure(shutdown_timeout=2)
        log = rig.logs / "neuroflow.log"
        sidecar = Watched(rig)
        write(log, 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        relay.cut()
        write(log, 10, 500)
        assert sidecar.says("can't be reached") or "connection" in sidecar.said
        sidecar.send(signal.SIGTERM)
        assert 3 == sidecar.wait()
        assert "documents are not acknowledged; their lines are sent again at the next start" in sidecar.said
        assert "Traceback" not in sidecar.said
        rig.url = direct
        rig.configure()
        assert 0 == rig.once().returncode
        assert expected(500) == rig.messages(es, "app")

    def _waits_for_an_answer(self, rig: Rig, es: Elasticsearch, relay: Relay) -> Watched:
        """A sidecar that has been told to end, and whose drain would take minutes."""
        rig.url = relay.url
        rig.configure(shutdown_timeout=300)
        reconfigure(rig, elasticsearch={"request_timeout": 300})
        log = rig.logs / "neuroflow.log"
        sidecar = Watched(rig)
        write(log, 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        assert sidecar.comes(lambda: rig.status()["counters"]["acknowledged"] == 10)
        relay.swallow = True
        write(log, 10, 500)
        assert sidecar.comes(lambda: rig.count(es) == 500)
        sidecar.send(signal.SIGTERM)
        # Two signals of one kind that come together are one.
        assert sidecar.says("send SIGTERM again to exit immediately")
        return sidecar

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_twice(self, rig: Rig, es: Elasticsearch, relay: Relay, number: int, rolled_over: bool) -> None:
        """The second ends the drain at once, exit code 3; what was left comes once at the next start."""
        direct = rig.url
        sidecar = self._waits_for_an_answer(rig, es, relay)
        assert sidecar.comes(lambda: alive(sidecar.process))
        sidecar.send(number)
        # Far less than what the drain would take.
        assert 3 == sidecar.wait(30)
        assert "Traceback" not in sidecar.said
        rig.url = direct
        rig.configure()
        if rolled_over:
            es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        write(rig.logs / "neuroflow.log", 500, 510)
        assert 0 == rig.once().returncode
        assert expected(510) == rig.messages(es, "app")

    def test_of_once(self, rig: Rig, es: Elasticsearch) -> None:
        """SIGTERM ends ``--once`` too: what was read is delivered, the rest is for the next time."""
        rig.configure(batch={"max_events": 500})
        write(rig.logs / "neuroflow.log", 0, 60_000)
        sidecar = Watched(rig, arguments=["--once"])
        assert sidecar.comes(lambda: rig.count(es) >= 1000)
        sidecar.send(signal.SIGTERM)
        assert sidecar.wait() in {0, 3}
        assert "Traceback" not in sidecar.said
        assert 0 == rig.once().returncode
        assert expected(60_000) == rig.messages(es, "app")


class TestReload:
    """SIGHUP: the configuration is read again, positions are kept."""

    def _running(self, rig: Rig, es: Elasticsearch) -> Watched:
        sidecar = Watched(rig)
        write(rig.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: rig.count(es, "app") == 10)
        return sidecar

    def _ends_well(self, sidecar: Watched) -> None:
        sidecar.send(signal.SIGTERM)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said

    def test_a_new_input(self, rig: Rig, es: Elasticsearch) -> None:
        """An input that was added is read from its beginning; the others go on where they were."""
        extra = rig.folder / "extra.log"
        write(extra, 100, 120)
        sidecar = self._running(rig, es)
        reconfigure(rig, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "app"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es) == 30)
        write(rig.logs / "neuroflow.log", 10, 20)
        write(extra, 120, 130)
        assert sidecar.comes(lambda: rig.count(es) >= 50)
        self._ends_well(sidecar)
        wanted = {f"n{number}": 1 for number in (*range(20), *range(100, 130))}
        assert wanted == rig.messages(es, "app")
        counters = rig.status()["counters"]
        assert (50, 50, 0) == (counters["read"], counters["acknowledged"], counters["duplicate"])

    def test_an_exclusion_comes_and_goes(self, rig: Rig, es: Elasticsearch) -> None:
        """An excluded file is not read any more; when it is let in again it goes on where it was."""
        other = rig.logs / "workflow.log"
        write(other, 0, 10)
        sidecar = self._running(rig, es)
        assert sidecar.comes(lambda: rig.count(es) == 20)
        reconfigure(rig, shipper={"exclude": ["workflow.log"]})
        sidecar.send(signal.SIGHUP)
        # The other file tells when a scan has gone by under the new configuration.
        extra = rig.folder / "extra.log"
        write(extra, 0, 1)
        reconfigure(rig, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "celery"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es, "celery") == 1)
        write(other, 10, 20)
        write(extra, 1, 5)
        assert sidecar.comes(lambda: rig.count(es, "celery") == 5)
        assert 10 == rig.count(es, "workflow")
        reconfigure(rig, shipper={"exclude": []})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es, "workflow") >= 20)
        self._ends_well(sidecar)
        assert expected(20) == rig.messages(es, "workflow")
        assert expected(10) == rig.messages(es, "app")
        assert 0 == rig.status()["counters"]["duplicate"]

    def test_a_mended_address(self, rig: Rig, es: Elasticsearch) -> None:
        """Hosts that were wrong are mended without a restart: what waited is shipped."""
        live, rig.url = rig.url, DEAD
        rig.configure()
        write(rig.logs / "neuroflow.log", 0, 3000)
        sidecar = Watched(rig)
        assert sidecar.says("can't be reached")
        reconfigure(rig, elasticsearch={"hosts": [live]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es) == 3000)
        self._ends_well(sidecar)
        assert expected(3000) == rig.messages(es, "app")

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            ("unknown key", "shipper.scan_intervall: unknown key; nearest valid key: scan_interval"),
            ("bad YAML", "not valid YAML"),
            ("missing", "no such file"),
            ("wrong value", "shipper.flush_interval"),
        ],
    )
    def test_a_bad_configuration(self, rig: Rig, es: Elasticsearch, what: str, says: str) -> None:
        """What is wrong is said in a sentence, and the old one stays in force until a good one comes."""
        sidecar = self._running(rig, es)
        good = rig.config.read_text()
        if what == "unknown key":
            reconfigure(rig, shipper={"scan_intervall": 3})
        elif what == "bad YAML":
            rig.config.write_text("shipper: [")
        elif what == "missing":
            rig.config.unlink()
        else:
            reconfigure(rig, shipper={"flush_interval": "soon"})
        sidecar.send(signal.SIGHUP)
        assert sidecar.says(says)
        write(rig.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: rig.count(es) == 20)
        rig.config.write_text(good)
        extra = rig.folder / "extra.log"
        write(extra, 20, 30)
        reconfigure(rig, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "app"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es) == 30)
        self._ends_well(sidecar)
        assert expected(30) == rig.messages(es, "app")

    def test_in_an_outage(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """What waits for the cluster keeps waiting, and is there once when the outage is over."""
        rig.url = relay.url
        rig.configure(batch={"max_events": 100, "in_flight": 1})
        log = rig.logs / "neuroflow.log"
        sidecar = self._running(rig, es)
        relay.cut()
        write(log, 10, 3000)
        assert sidecar.says("trying again")
        for _ in range(3):
            sidecar.send(signal.SIGHUP)
        write(log, 3000, 3010)
        relay.mend()
        assert sidecar.comes(lambda: rig.count(es) >= 3010)
        self._ends_well(sidecar)
        assert expected(3010) == rig.messages(es, "app")

    def test_many_times(self, rig: Rig, es: Elasticsearch) -> None:
        """A hundred, while lines stream through rotations: every line is there once."""
        log = rig.logs / "neuroflow.log"
        sidecar = self._running(rig, es)
        for turn in range(100):
            write(log, 10 + turn * 50, 60 + turn * 50)
            if turn % 20 == 19:
                for number in range(4, 0, -1):
                    older = Path(f"{log}.{number}")
                    if older.exists():
                        older.rename(f"{log}.{number + 1}")
                log.rename(f"{log}.1")
            sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es) >= 5010)
        self._ends_well(sidecar)
        assert expected(5010) == rig.messages(es, "app")

    def test_a_deleted_file_is_read_to_its_end(self, rig: Rig, es: Elasticsearch, relay: Relay) -> None:
        """A file that was deleted while open and has unread lines keeps its handle over the reload."""
        rig.url = relay.url
        rig.configure(batch={"max_events": 100, "in_flight": 1})
        log = rig.logs / "neuroflow.log"
        sidecar = self._running(rig, es)
        relay.cut()
        write(log, 10, 5000)
        assert sidecar.says("trying again")
        log.unlink()
        sidecar.send(signal.SIGHUP)
        relay.mend()
        assert sidecar.comes(lambda: rig.count(es) >= 5000)
        self._ends_well(sidecar)
        assert expected(5000) == rig.messages(es, "app")

    def test_killed_after_it(self, rig: Rig, es: Elasticsearch) -> None:
        """The store is the same after a reload: killed then, nothing comes twice."""
        log = rig.logs / "neuroflow.log"
        sidecar = self._running(rig, es)
        sidecar.send(signal.SIGHUP)
        write(log, 10, 30)
        assert sidecar.comes(lambda: rig.count(es) == 30)
        sidecar.kill()
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        write(log, 30, 40)
        assert 0 == rig.once().returncode
        assert expected(40) == rig.messages(es, "app")

    def test_in_the_first_moments(self, rig: Rig, es: Elasticsearch) -> None:
        """A SIGHUP while it starts up does not end it."""
        write(rig.logs / "neuroflow.log", 0, 10)
        sidecar = Watched(rig)
        assert sidecar.comes((rig.state / "lock").exists)
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        self._ends_well(sidecar)
