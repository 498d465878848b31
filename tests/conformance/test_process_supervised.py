"""The sidecar under a service manager: a socket that stands for systemd, and a liveness probe."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.fake import Fake
from tests.conformance.faked import FakedHarness, Running
from tests.conformance.harness import PATIENCE, eventually
from tests.conformance.writers import app_line


class Manager:
    """Receives what the sidecar tells."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)

    def until(self, text: str) -> list[str]:
        """The messages up to the first that contains this text."""
        messages: list[str] = []
        while not messages or text not in messages[-1]:
            messages.append(self.socket.recv(10_000).decode())
        return messages

    def silent(self, seconds: float) -> bool:
        """Whether there comes a time in which no message does."""
        self.socket.settimeout(seconds)
        try:
            for _ in range(100):
                self.socket.recv(10_000)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager."""
    one = Manager(tmp_path / "notify")
    yield one
    one.socket.close()


def begun(faked: FakedHarness, manager: Manager, **environ: str) -> Running:
    """A sidecar that the manager started."""
    return Running(faked.start(env={**os.environ, "NOTIFY_SOCKET": str(manager.path), **environ}))


class TestSupervised:
    def test_a_whole_life(self, faked: FakedHarness, fake: Fake, manager: Manager) -> None:
        """Ready though the cluster is away, then the outage and its end, a reload, a refused one, and the stop."""
        fake.down()
        faked.log.write_text(app_line("one") + "\n")
        sidecar = begun(faked, manager)
        messages = manager.until("READY=1")
        assert "STATUS=waiting for Elasticsearch: " in messages[-1]
        fake.up()
        assert eventually(lambda: fake.documents == 1)
        manager.until("STATUS=shipping: 1 logs, lag 0 bytes")
        sidecar.process.send_signal(signal.SIGHUP)
        messages = manager.until("READY=1\n")
        assert "RELOADING=1\nMONOTONIC_USEC=" in messages[-2]
        told = int(messages[-2].split("MONOTONIC_USEC=")[1].split("\n")[0])
        assert abs(told - time.monotonic() * 1e6) < PATIENCE * 1e6
        faked.config.write_text("shipper: {nonsense: 1}\n")
        sidecar.process.send_signal(signal.SIGHUP)
        assert "the changed configuration was refused" in manager.until("READY=1\n")[-1]
        assert 0 == sidecar.stop(), sidecar.said
        assert "EXTEND_TIMEOUT_USEC=" in manager.until("STOPPING=1\n")[-1]

    def test_watchdog(self, faked: FakedHarness, manager: Manager) -> None:
        """Signs of life come while the loop turns, also when it has nothing to do, and end when it hangs."""
        faked.configure(scan_interval=3600)
        sidecar = begun(faked, manager, WATCHDOG_USEC="1000000")
        manager.until("READY=1")
        for _ in range(4):
            manager.until("WATCHDOG=1")
        sidecar.process.send_signal(signal.SIGSTOP)
        assert manager.silent(2)
        sidecar.process.send_signal(signal.SIGCONT)
        manager.until("WATCHDOG=1")
        assert 0 == sidecar.stop(), sidecar.said

    def test_another_process_is_watched(self, faked: FakedHarness, manager: Manager) -> None:
        """With another WATCHDOG_PID no signs of life are sent."""
        sidecar = begun(faked, manager, WATCHDOG_USEC="1000000", WATCHDOG_PID="1")
        manager.until("READY=1")
        time.sleep(2)
        assert 0 == sidecar.stop(), sidecar.said
        assert not any("WATCHDOG" in message for message in manager.until("STOPPING=1"))

    def test_once_tells_nothing(self, faked: FakedHarness, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
        """``--once`` is no service."""
        monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
        assert 0 == faked.once().returncode
        manager.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.socket.recv(100)  # the first

    def test_a_hung_loop_fails_the_probe(self, faked: FakedHarness) -> None:
        """Where the main loop hangs, /healthz says so, and recovers with it; /metrics still answers."""
        code = (
            "import os, time\nfrom shipper.sidecar import supervision\nfrom shipper.tail.tail import Tail\n"
            "supervision.MAX_TURN = 1.0\nsupervision.TURN_EVERY = 0.2\nscan = Tail.scan\n"
            "def hang(*args, **named):\n"
            "    while os.path.exists('hang'): time.sleep(0.1)\n"
            "    return scan(*args, **named)\n"
            "Tail.scan = hang\nfrom shipper.cli.ship import main\nmain()"
        )
        sidecar = Running(faked.start_code(code))
        assert eventually(lambda: faked.page("/healthz") == 200)
        (faked.folder / "hang").touch()
        assert eventually(lambda: faked.page("/healthz") == 503)
        assert "the main loop has not turned for" in faked.text("/healthz")
        assert 200 == faked.page("/metrics")
        (faked.folder / "hang").unlink()
        assert eventually(lambda: faked.page("/healthz") == 200)
        assert 0 == sidecar.stop(), sidecar.said

    def test_a_dead_thread_fails_the_probe(self, faked: FakedHarness) -> None:
        """A sending thread that has ended makes /healthz fail."""
        code = (
            "from shipper.deliver.delivery import Delivery\n"
            "def die(*_): raise SystemExit\n"
            "Delivery.deliver = die\nfrom shipper.cli.ship import main\nmain()"
        )
        faked.configure(shutdown_timeout=1)
        sidecar = Running(faked.start_code(code))
        assert eventually(lambda: faked.page("/healthz") == 200)
        faked.log.write_text(app_line("one") + "\n")
        assert eventually(lambda: faked.page("/healthz") == 503)
        assert "threads that send have ended: bulk-" in faked.text("/healthz")
        assert 3 == sidecar.stop(), sidecar.said

    def test_log_is_json_for_other_programs(self, faked: FakedHarness, fake: Fake) -> None:
        """By default a log that no terminal shows is JSON from the first to the last line, through an outage."""
        faked.configure(log_format="auto")
        fake.down()
        sidecar = faked.begin()
        faked.log.write_text(app_line("one") + "\n")
        assert sidecar.says("can't be reached")
        fake.up()
        assert eventually(lambda: fake.documents == 1)
        assert 0 == sidecar.stop(), sidecar.said
        events = [json.loads(line) for line in sidecar.lines]
        assert {"neuroflow-ship"} == {event["service"] for event in events}
        assert {"info", "warning"} == {event["level"] for event in events}
        assert events[-1]["event"].startswith("read 1, acknowledged 1")
