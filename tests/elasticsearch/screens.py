"""What the commands of ``neuroflow-logs`` print, into a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

from tests.conformance.harness import Harness

ROOT = Path(__file__).parents[2]


class Laboratory:
    """The shipped logs, and the command over them."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def run(
        self,
        *args: str,
        columns: int = 80,
        zone: str = "UTC",
        code: int = 0,
        into: Any = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command as a process, so many columns wide."""
        result = subprocess.run(
            [sys.executable, "-m", "shipper.cli.logs", "--config", str(self._harness.config), *args],
            stdout=into,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": str(columns), "TZ": zone, **environment},
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert code == result.returncode, result.stderr.decode()
        return result

    def screen(self, *args: str, columns: int, **environment: str) -> bytes:
        """What a terminal of this width shows."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {**os.environ, "TZ": "UTC", "TERM": "xterm-256color", **environment}
        environment.pop("COLUMNS", None)
        command = [sys.executable, "-m", "shipper.cli.logs", "--config", str(self._harness.config), *args]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environment, cwd=ROOT) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while part := os.read(ours, 65536):
                    shown += part
            os.close(ours)
            assert 0 == process.wait(60)
        return shown.replace(b"\r\n", b"\n")

    def rows(self, *args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*args, "--format", "ndjson").stdout.splitlines()]
