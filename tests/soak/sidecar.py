"""The sidecar under test, which is started again and again, and its cost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.harness import PATIENCE, Harness

_TICKS = os.sysconf("SC_CLK_TCK")
# What may come out of an orderly end: all delivered, or (without a cluster) not all.
_ENDS = {0, 3}


@dataclass
class Cost:
    """The peak of any incarnation, and the processor's seconds of all."""

    rss_kib: int = 0
    fds: int = 0
    cpu: float = 0.0


class Sidecar:
    """One sidecar at a time; ``faults`` notes each that ended by itself or with an error."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.said = harness.folder / "sidecar.log"
        self.cost = Cost()
        self.faults: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu = 0.0
        self._lock = threading.Lock()  # who looks at it must not take a kill for an end by itself

    def start(self) -> None:
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._process is None:
            with self.said.open("ab") as said:
                self._process = subprocess.Popen(self.harness.command(), stdout=said, stderr=said)

    def kill(self) -> None:
        with self._lock:
            if self._process is not None and self._ran_on():
                self._process.kill()
                self._process.wait()
            self._gone()

    def terminate(self) -> None:
        """SIGTERM; it must end by itself with exit code 0."""
        with self._lock:
            if self._process is not None and self._ran_on():
                self._process.send_signal(signal.SIGTERM)
                try:
                    code = self._process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    self.faults.append(f"did not end within {PATIENCE:g} s of SIGTERM")
                    self._process.kill()
                    self._process.wait()
                else:
                    if code not in _ENDS:
                        self.faults.append(f"ended with {code} after SIGTERM")
            self._gone()

    def sample(self) -> None:
        """Measure it; start it again if it ended by itself."""
        with self._lock:
            if self._process is not None and not self._ran_on():
                self._gone()
                self._start()
            elif self._process is not None:
                self._measure(self._process.pid)

    def _measure(self, pid: int) -> None:
        with suppress(OSError, ValueError, IndexError):  # elsewhere than on Linux, or gone this moment
            proc = Path(f"/proc/{pid}")
            fields = (proc / "stat").read_text().rpartition(")")[2].split()
            self._cpu = (int(fields[11]) + int(fields[12])) / _TICKS
            rss = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS"))
            self.cost.rss_kib = max(self.cost.rss_kib, int(rss.split()[1]))
            self.cost.fds = max(self.cost.fds, len(list((proc / "fd").iterdir())))

    def _ran_on(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            self.faults.append(f"ended by itself with {self._process.returncode}")
            return False
        return self._process is not None

    def _gone(self) -> None:
        self.cost.cpu += self._cpu
        self._cpu = 0.0
        self._process = None
