"""Tells systemd how the sidecar is (``sd_notify(3)``): nothing where no NOTIFY_SOCKET is set."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress


class Notifier:
    """Sends messages to the service manager that started this process.

    Attributes:
        watchdog: seconds within which it expects a sign of life; None if it expects none.

    Args:
        environ: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
        pid: of this process.
        clock: monotonic seconds.
    """

    def __init__(self, environ: Mapping[str, str], pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        address = environ.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is abstract: it has no file.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address if address[:1] == "/" else None
        self.watchdog = self._watchdog(environ, pid) if self._address else None

    @staticmethod
    def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
        microseconds, expected = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
        # Another process of the unit is watched where the id differs.
        if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0 or expected != str(pid):
            return None
        return int(microseconds) / 1e6

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    def send(self, **assignments: str | int) -> None:
        """Send assignments such as READY=1; an error is ignored, as the manager may be restarting."""
        if self._address is None:
            return
        text = "\n".join(f"{name}={value}" for name, value in assignments.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            one.settimeout(0.0)
            one.sendto(text.encode(errors="backslashreplace"), self._address)

    def now(self) -> int:
        """The time for MONOTONIC_USEC, microseconds."""
        return int(self._clock() * 1e6)
