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
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shipper.cli.logs import logs
from tests.conformance.harness import Harness

ROOT = Path(__file__).parents[2]


class Laboratory:
    """The shipped logs, and the command over them."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def run(
        self, *args: str, columns: int = 80, zone: str = "UTC", code: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command in this process, into pipes, so many columns wide."""
        with with_environment(COLUMNS=str(columns), TZ=zone):
            result = CliRunner().invoke(logs, self._arguments(args), catch_exceptions=False)
        assert code == result.exit_code, result.stderr
        return subprocess.CompletedProcess(args, code, result.stdout_bytes, result.stderr_bytes)

    def full(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        """Run the command as a process whose output goes to a full disk."""
        with Path("/dev/full").open("wb") as full:
            return subprocess.run(
                [sys.executable, "-m", "shipper.cli.logs", *self._arguments(args)],
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                timeout=60,
                check=False,
            )

    def screen(self, *args: str, columns: int, **environment: str) -> bytes:
        """What a terminal of so many columns gets to show; the command runs in this process."""
        ours, theirs = terminal_of(columns)
        shown: list[bytes] = []
        reading = threading.Thread(target=lambda: shown.extend(parts_of(ours)))
        reading.start()
        try:
            with (
                with_environment(COLUMNS=None, TZ="UTC", TERM="xterm-256color", **environment),
                with_streams(theirs),
                pytest.raises(SystemExit) as end,
            ):
                logs.main(self._arguments(args), prog_name="neuroflow-logs")
        finally:
            os.close(theirs)
            reading.join()
            os.close(ours)
        assert 0 == end.value.code
        return b"".join(shown).replace(b"\r\n", b"\n")

    def _arguments(self, args: Sequence[str]) -> list[str]:
        return ["--config", str(self._harness.config), *args]

    def rows(self, *args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*args, "--format", "ndjson").stdout.splitlines()]


def terminal_of(columns: int) -> tuple[int, int]:
    """A terminal of so many columns: the end that reads what it shows, and the one for a program."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    return ours, theirs


def parts_of(terminal: int) -> Iterator[bytes]:
    """Everything that arrives until the other end is closed."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            yield part


@contextlib.contextmanager
def with_environment(**changed: str | None) -> Iterator[None]:
    """Change environment variables, and the time zone with them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changed.items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        time.tzset()
        yield
    time.tzset()


@contextlib.contextmanager
def with_streams(terminal: int) -> Iterator[None]:
    """Make a terminal of the standard streams and of their descriptors."""
    kept = [os.dup(number) for number in range(3)]
    for number in range(3):
        os.dup2(terminal, number)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            open(0, closefd=False) as stdin,
            open(1, "w", closefd=False) as stdout,
            open(2, "w", closefd=False) as stderr,
        ):
            for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                patch.setattr(sys, name, stream)
                patch.setattr(sys, f"__{name}__", stream)
            yield
    finally:
        for number, one in enumerate(kept):
            os.dup2(one, number)
            os.close(one)
