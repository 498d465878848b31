"""A harness on the fake cluster, and a running sidecar for outages."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import IO, Any

from prometheus_client.parser import text_string_to_metric_families

from shipper.telemetry import OUTCOMES
from tests.conformance.fake import Fake
from tests.conformance.harness import Harness, eventually


class FakedHarness(Harness):
    """A harness on the fake cluster; the keyword ``elasticsearch`` of ``configure`` goes into that section."""

    def __init__(self, folder: Path, fake: Fake) -> None:
        self.fake = fake
        self.listen = f"127.0.0.1:{_free_port()}"
        super().__init__(folder, fake.url, "fake")

    @property
    def log(self) -> Path:
        """The application's log."""
        return self.logs / "neuroflow.log"

    @property
    def stream(self) -> str:
        """The data stream of the application's log."""
        return f"logs-neuroflow.app-{self.namespace}"

    def configure(self, elasticsearch: dict[str, Any] | None = None, **shipper: Any) -> None:
        """Write the configuration; a request waits two seconds for its answer by default."""
        super().configure(**{"telemetry": {"listen": self.listen, "documents": False}, **shipper})
        document = json.loads(self.config.read_text())
        document["elasticsearch"] |= {"request_timeout": 2, **(elasticsearch or {})}
        self.config.write_text(json.dumps(document))

    def once(self) -> subprocess.CompletedProcess[str]:
        """Ship everything there is, as a program, whose end closes what a fault leaves open."""
        return self.run("--once")

    def begin(self, look_every: float | None = None, ask_every: float | None = None) -> Running:
        """Start the sidecar, and read its output.

        Args:
            look_every: seconds between checks of the templates, a minute by default.
            ask_every: seconds between requests of /readyz to the cluster, ten by default.
        """
        if look_every is None and ask_every is None:
            return Running(self.start())
        code = "from shipper.deliver import template_gate\nfrom shipper.health import readiness\n"
        if look_every is not None:
            code += f"template_gate.CHECK_EVERY = {look_every}\n"
        if ask_every is not None:
            code += f"readiness.ASK_EVERY = {ask_every}\n"
        code += "from shipper.cli.ship import main\nmain()"
        return Running(self.start_code(code))

    def start_code(self, code: str) -> subprocess.Popen[str]:
        """Start a sidecar by other code than its module, in the harness's folder."""
        return self.start(command=[sys.executable, "-c", code, "--config", str(self.config)], cwd=self.folder)

    def scrape(self) -> dict[tuple[str, tuple[str, ...]], float] | None:
        """The samples of /metrics by name and values of labels; None without an answer."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=10) as page:
                text = page.read().decode()
        except (OSError, http.client.HTTPException):  # a page may end in the middle when the process does
            return None
        return {
            (sample.name.removeprefix("neuroflow_ship_"), tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metrics(self) -> dict[str, int] | None:
        """The documents of /metrics: read, by outcome and in flight, and the lines read; None without an answer."""
        if (samples := self.scrape()) is None:
            return None
        counts = Counter(dict.fromkeys(OUTCOMES, 0))
        for (name, labels), value in samples.items():
            if name == "documents_total":
                counts[labels[1]] += int(value)
        counts["in_flight"] = int(samples["documents_in_flight", ()])
        lines = sum(value for (name, _), value in samples.items() if name == "read_lines_total")
        return {"read": counts.total(), **counts, "lines": int(lines)}

    def page(self, path: str) -> int:
        """The status of a telemetry page; 0 without an answer."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=10) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def text(self, path: str) -> str:
        """The body of a telemetry page; empty without an answer."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=10) as page:
                return str(page.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            return ""

    def letters(self) -> list[dict[str, Any]]:
        """The output of ``dead-letters list --json``."""
        return [json.loads(line) for line in self.ask("dead-letters", "list", "--json").stdout.splitlines()]


class Running:
    """A running sidecar; its output is read continuously, so that its pipe never fills."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        self.lines.extend(iter(stream.readline, ""))

    @property
    def said(self) -> str:
        """Its whole output."""
        return "".join(self.lines)

    def says(self, text: str) -> bool:
        """Whether it prints this within the patience."""
        return eventually(lambda: text in self.said)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.process.terminate()
        return self._end()

    def kill(self) -> int:
        """SIGKILL."""
        self.process.kill()
        return self._end()

    def _end(self) -> int:
        code = self.process.wait(60)
        self._reader.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


def holds(counters: dict[str, int]) -> bool:
    """Whether every document that was read is accounted for."""
    parts = [counters[name] for name in ("acknowledged", "duplicate", "dead", "in_flight")]
    return counters["read"] == sum(parts) and min(parts) >= 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
