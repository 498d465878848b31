"""SIGTERM, SIGINT and SIGHUP, also twice, also in an outage."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.harness import Harness, alive
from tests.conformance.relay import Relay
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched

# Nobody listens there.
DEAD = "http://127.0.0.1:9"


def reconfigure(harness: Harness, **sections: Any) -> None:
    """Change keys of the configuration file."""
    document = json.loads(harness.config.read_text())
    for section, keys in sections.items():
        document[section] |= keys
    harness.config.write_text(json.dumps(document))


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_drains(self, harness: Harness, number: int) -> None:
        """Read lines are delivered, exit code 0, no traceback; unread lines ship at the next start."""
        harness.configure(batch={"max_events": 500})
        log = harness.logs / "neuroflow.log"
        write(log, 0, 30_000)
        sidecar = Watched(harness)
        assert sidecar.comes(lambda: harness.count() >= 1000)
        sidecar.send(number)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said
        counters = harness.status()["counters"]
        assert counters["read"] == counters["acknowledged"] == harness.count()
        assert 0 == harness.once().returncode
        assert expected(30_000) == harness.messages("app")

    def test_in_an_outage(self, harness: Harness, relay: Relay) -> None:
        """Without answers it ends within ``shutdown_timeout`` with exit code 3; the rest ships later."""
        direct = harness.url
        harness.url = relay.url
        harness.configure(shutdown_timeout=2)
        log = harness.logs / "neuroflow.log"
        sidecar = Watched(harness)
        write(log, 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        relay.cut()
        write(log, 10, 500)
        assert sidecar.says("can't be reached") or "connection" in sidecar.said
        sidecar.send(signal.SIGTERM)
        assert 3 == sidecar.wait()
        assert "documents are not acknowledged; their lines are sent again at the next start" in sidecar.said
        assert "Traceback" not in sidecar.said
        harness.url = direct
        harness.configure()
        assert 0 == harness.once().returncode
        assert expected(500) == harness.messages("app")

    def _waits_for_an_answer(self, harness: Harness, relay: Relay) -> Watched:
        """A sidecar that was told to stop, and whose draining would take minutes."""
        harness.url = relay.url
        harness.configure(shutdown_timeout=300)
        reconfigure(harness, elasticsearch={"request_timeout": 300})
        log = harness.logs / "neuroflow.log"
        sidecar = Watched(harness)
        write(log, 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        assert sidecar.comes(lambda: harness.status()["counters"]["acknowledged"] == 10)
        relay.swallow = True
        write(log, 10, 500)
        assert sidecar.comes(lambda: harness.count() == 500)
        sidecar.send(signal.SIGTERM)
        # Two signals of one kind that come together are one.
        assert sidecar.says("send SIGTERM again to exit immediately")
        return sidecar

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_twice(self, harness: Harness, relay: Relay, number: int, rolled_over: bool) -> None:
        """The second signal ends it immediately with exit code 3; the rest ships once at the next start."""
        direct = harness.url
        sidecar = self._waits_for_an_answer(harness, relay)
        assert sidecar.comes(lambda: alive(sidecar.process))
        sidecar.send(number)
        # Far less than what the drain would take.
        assert 3 == sidecar.wait(30)
        assert "Traceback" not in sidecar.said
        harness.url = direct
        harness.configure()
        if rolled_over:
            harness.roll_over()
        write(harness.logs / "neuroflow.log", 500, 510)
        assert 0 == harness.once().returncode
        assert expected(510) == harness.messages("app")

    def test_of_once(self, harness: Harness) -> None:
        """SIGTERM ends ``--once``: read lines are delivered, the rest ships in the next run."""
        harness.configure(batch={"max_events": 500})
        write(harness.logs / "neuroflow.log", 0, 30_000)
        sidecar = Watched(harness, arguments=["--once"])
        assert sidecar.comes(lambda: harness.count() >= 1000)
        sidecar.send(signal.SIGTERM)
        assert sidecar.wait() in {0, 3}
        assert "Traceback" not in sidecar.said
        assert 0 == harness.once().returncode
        assert expected(30_000) == harness.messages("app")


class TestReload:
    """SIGHUP reads the configuration again and keeps positions."""

    def _running(self, harness: Harness) -> Watched:
        sidecar = Watched(harness)
        write(harness.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: harness.count("app") == 10)
        return sidecar

    def _ends_well(self, sidecar: Watched) -> None:
        sidecar.send(signal.SIGTERM)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said

    def test_a_new_input(self, harness: Harness) -> None:
        """A new input is read from its beginning; others keep their positions."""
        extra = harness.folder / "extra.log"
        write(extra, 100, 120)
        sidecar = self._running(harness)
        reconfigure(harness, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "app"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count() == 30)
        write(harness.logs / "neuroflow.log", 10, 20)
        write(extra, 120, 130)
        assert sidecar.comes(lambda: harness.count() >= 50)
        self._ends_well(sidecar)
        wanted = {f"n{number}": 1 for number in (*range(20), *range(100, 130))}
        assert wanted == harness.messages("app")
        counters = harness.status()["counters"]
        assert (50, 50, 0) == (counters["read"], counters["acknowledged"], counters["duplicate"])

    def test_an_exclusion_comes_and_goes(self, harness: Harness) -> None:
        """An excluded file is not read; included again, it goes on at its position."""
        other = harness.logs / "workflow.log"
        write(other, 0, 10)
        sidecar = self._running(harness)
        assert sidecar.comes(lambda: harness.count() == 20)
        reconfigure(harness, shipper={"exclude": ["workflow.log"]})
        sidecar.send(signal.SIGHUP)
        # The other file tells when a scan has gone by under the new configuration.
        extra = harness.folder / "extra.log"
        write(extra, 0, 1)
        reconfigure(harness, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "celery"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count("celery") == 1)
        write(other, 10, 20)
        write(extra, 1, 5)
        assert sidecar.comes(lambda: harness.count("celery") == 5)
        assert 10 == harness.count("workflow")
        reconfigure(harness, shipper={"exclude": []})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count("workflow") >= 20)
        self._ends_well(sidecar)
        assert expected(20) == harness.messages("workflow")
        assert expected(10) == harness.messages("app")
        assert 0 == harness.status()["counters"]["duplicate"]

    def test_a_mended_address(self, harness: Harness) -> None:
        """After a correction of the hosts waiting lines are shipped without a restart."""
        live, harness.url = harness.url, DEAD
        harness.configure()
        write(harness.logs / "neuroflow.log", 0, 3000)
        sidecar = Watched(harness)
        assert sidecar.says("can't be reached")
        reconfigure(harness, elasticsearch={"hosts": [live]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count() == 3000)
        self._ends_well(sidecar)
        assert expected(3000) == harness.messages("app")

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            ("unknown key", "shipper.scan_intervall: unknown key; nearest valid key: scan_interval"),
            ("bad YAML", "not valid YAML"),
            ("missing", "no such file"),
            ("wrong value", "shipper.flush_interval"),
        ],
    )
    def test_a_bad_configuration(self, harness: Harness, what: str, says: str) -> None:
        """An invalid configuration is reported, and the old one stays in use."""
        sidecar = self._running(harness)
        good = harness.config.read_text()
        if what == "unknown key":
            reconfigure(harness, shipper={"scan_intervall": 3})
        elif what == "bad YAML":
            harness.config.write_text("shipper: [")
        elif what == "missing":
            harness.config.unlink()
        else:
            reconfigure(harness, shipper={"flush_interval": "soon"})
        sidecar.send(signal.SIGHUP)
        assert sidecar.says(says)
        write(harness.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: harness.count() == 20)
        harness.config.write_text(good)
        extra = harness.folder / "extra.log"
        write(extra, 20, 30)
        reconfigure(harness, shipper={"inputs": [{"paths": [str(extra)], "format": "auto", "dataset": "app"}]})
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count() == 30)
        self._ends_well(sidecar)
        assert expected(30) == harness.messages("app")

    def test_in_an_outage(self, harness: Harness, relay: Relay) -> None:
        """Waiting lines keep waiting, and are there once after the outage."""
        harness.url = relay.url
        harness.configure(batch={"max_events": 100, "in_flight": 1})
        log = harness.logs / "neuroflow.log"
        sidecar = self._running(harness)
        relay.cut()
        write(log, 10, 3000)
        assert sidecar.says("trying again")
        for _ in range(3):
            sidecar.send(signal.SIGHUP)
        write(log, 3000, 3010)
        relay.mend()
        assert sidecar.comes(lambda: harness.count() >= 3010)
        self._ends_well(sidecar)
        assert expected(3010) == harness.messages("app")

    def test_many_times(self, harness: Harness) -> None:
        """After a hundred reloads during rotations every line is there once."""
        log = harness.logs / "neuroflow.log"
        sidecar = self._running(harness)
        for turn in range(100):
            write(log, 10 + turn * 50, 60 + turn * 50)
            if turn % 20 == 19:
                for number in range(4, 0, -1):
                    older = Path(f"{log}.{number}")
                    if older.exists():
                        older.rename(f"{log}.{number + 1}")
                log.rename(f"{log}.1")
            sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count() >= 5010)
        self._ends_well(sidecar)
        assert expected(5010) == harness.messages("app")

    def test_a_deleted_file_is_read_to_its_end(self, harness: Harness, relay: Relay) -> None:
        """A deleted file with unread lines stays open over the reload."""
        harness.url = relay.url
        harness.configure(batch={"max_events": 100, "in_flight": 1})
        log = harness.logs / "neuroflow.log"
        sidecar = self._running(harness)
        relay.cut()
        write(log, 10, 5000)
        assert sidecar.says("trying again")
        log.unlink()
        sidecar.send(signal.SIGHUP)
        relay.mend()
        assert sidecar.comes(lambda: harness.count() >= 5000)
        self._ends_well(sidecar)
        assert expected(5000) == harness.messages("app")

    def test_killed_after_it(self, harness: Harness) -> None:
        """After a reload and a kill nothing is repeated."""
        log = harness.logs / "neuroflow.log"
        sidecar = self._running(harness)
        sidecar.send(signal.SIGHUP)
        write(log, 10, 30)
        assert sidecar.comes(lambda: harness.count() == 30)
        sidecar.kill()
        harness.roll_over()
        write(log, 30, 40)
        assert 0 == harness.once().returncode
        assert expected(40) == harness.messages("app")

    def test_in_the_first_moments(self, harness: Harness) -> None:
        """A SIGHUP during the start does not end it."""
        write(harness.logs / "neuroflow.log", 0, 10)
        sidecar = Watched(harness)
        assert sidecar.comes((harness.state / "lock").exists)
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda: harness.count() == 10)
        self._ends_well(sidecar)
