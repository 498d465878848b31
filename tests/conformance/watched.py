"""The output and the memory of a running sidecar."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conformance.harness import PATIENCE, Harness, alive, eventually


class Watched:
    """A running sidecar whose output is kept; it is ended with the harness.

    Args:
        harness: where it runs.
        before: a prefix of its command line, such as a shell that sets limits.
        arguments: of the command.
    """

    def __init__(self, harness: Harness, before: Sequence[str] = (), arguments: Sequence[str] = ()) -> None:
        # A pipe of our own: the harness, when it ends the process, would listen to one of the process's too.
        ear, mouth = os.pipe()
        try:
            self.process = subprocess.Popen([*before, *harness.command(*arguments)], stderr=mouth, text=True)
        finally:
            os.close(mouth)
        harness._running.append(self.process)
        self._lines: list[str] = []
        self._listener = threading.Thread(target=self._listen, args=(ear,), daemon=True)
        self._listener.start()

    def _listen(self, ear: int) -> None:
        with os.fdopen(ear) as stream:
            for line in stream:
                self._lines.append(line)

    @property
    def said(self) -> str:
        """Its output so far."""
        if not alive(self.process):
            self._listener.join(PATIENCE)
        return "".join(self._lines)

    def comes(self, wanted: Callable[[], bool]) -> bool:
        """Whether the condition becomes true while the sidecar lives."""
        return eventually(lambda: wanted() or not alive(self.process)) and wanted()

    def says(self, words: str) -> bool:
        """Whether it prints this."""
        return self.comes(lambda: words in self.said)

    def send(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if alive(self.process):
            self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Its exit code, when it ends by itself."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(PATIENCE)


def peak_memory(process: subprocess.Popen[str]) -> int:
    """The peak memory of a running process, bytes; 0 after its end."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def once_measured(harness: Harness) -> tuple[int, int]:
    """Ship all present lines; gives the exit code and the peak memory, bytes."""
    memory = 0
    with (harness.folder / "said").open("w") as said:
        process = subprocess.Popen(harness.command("--once"), stderr=said, text=True)
        ends = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < ends:
            memory = max(memory, peak_memory(process))
            time.sleep(0.02)
        process.kill()
        process.wait()
    return process.returncode, memory
