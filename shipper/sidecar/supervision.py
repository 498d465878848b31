"""What a supervisor is told of a running sidecar: whether it lives, and what it does."""

from __future__ import annotations

from collections.abc import Callable

from shipper.credentials import credential_mask
from shipper.deliver.sender import Sender
from shipper.health.pulse import Pulse
from shipper.health.systemd import Notifier
from shipper.printable import printable
from shipper.tail.tail import Tail

# Seconds without a turn of the main loop after which it counts as hung.
MAX_TURN = 300.0
# The main loop turns at least this often, seconds.
TURN_EVERY = 60.0
# Seconds between two messages about what the sidecar does.
STATUS_EVERY = 10.0
# While it stops, systemd is asked every few seconds to wait so much longer, seconds.
EXTEND_EVERY, EXTENSION = 2.0, 20.0
REFUSED = "; the changed configuration was refused, the one before is in use, see the log"


class Supervision:
    """Watches the main loop and the threads that send, and tells systemd.

    Args:
        notifier: to systemd.
        sender: to watch, and to ask what it waits for.
        tail: to ask how far behind it is.
        redact: for texts that leave the process.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        notifier: Notifier,
        sender: Sender,
        tail: Tail,
        redact: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._notifier = notifier
        self._sender = sender
        self._tail = tail
        self._redact = redact
        self._clock = clock
        self.pulse = Pulse(clock)
        self._ready = False
        self._refused = ""
        self._status = ""
        self._status_at = self._watchdog_at = self._extend_at = 0.0

    def trouble(self) -> str | None:
        """What hangs or has ended, which only a restart mends; None if nothing.  Any thread may ask."""
        if (age := self.pulse.age) > MAX_TURN:
            return f"the main loop has not turned for {age:.0f} s"
        return self._sender.hung()

    @property
    def due(self) -> float:
        """When ``turned`` is to be called again at the latest, monotonic seconds."""
        turn = self._clock() + TURN_EVERY
        return turn if self._notifier.watchdog is None else min(turn, self._watchdog_at)

    def turned(self, *, scanned: bool) -> None:
        """The main loop turns; ``scanned``: it has scanned the directories."""
        self.pulse.beat()
        if not self._notifier.active:
            return
        now = self._clock()
        if now >= self._status_at and scanned:
            self._status_at = now + STATUS_EVERY
            self._tell_status(self._doing())
        if scanned and not self._ready:
            self._ready = True
            self._notifier.send(READY=1, STATUS=self._status)
        self._feed_watchdog(now)

    def reloading(self) -> None:
        """The configuration is read again."""
        self._notifier.send(RELOADING=1, MONOTONIC_USEC=self._notifier.now(), STATUS="reading the configuration")

    def reloaded(self, *, refused: bool) -> None:
        """Another configuration is in use, or was refused and the one before stays."""
        self._refused = REFUSED if refused else ""
        self._status = self._text(self._doing())
        self._notifier.send(READY=1, STATUS=self._status)

    def stopping(self, seconds: float) -> None:
        """The sidecar ends, within ``seconds``; to be called again while it does."""
        self.pulse.beat()
        now = self._clock()
        if not self._notifier.active:
            return
        if now >= self._extend_at:
            self._extend_at = now + EXTEND_EVERY
            status = f"shutting down: flushing for up to {seconds:.0f} s"
            self._notifier.send(STOPPING=1, STATUS=status, EXTEND_TIMEOUT_USEC=int(EXTENSION * 1e6))
        self._feed_watchdog(now)

    def _feed_watchdog(self, now: float) -> None:
        interval = self._notifier.watchdog
        if interval is None or now < self._watchdog_at:
            return
        self._watchdog_at = now + interval / 2
        if self._sender.hung() is None:  # else systemd restarts the sidecar
            self._notifier.send(WATCHDOG=1)

    def _doing(self) -> str:
        if (reason := self._sender.trouble()) is not None:
            return f"waiting for Elasticsearch: {reason}{self._refused}"
        behind = sum(lag.size for lag in self._tail.lags())
        return f"shipping: {self._tail.logs} logs, lag {behind} bytes{self._refused}"

    def _text(self, status: str) -> str:
        return printable(credential_mask.text(self._redact(status)), lines=False)

    def _tell_status(self, status: str) -> None:
        text = self._text(status)
        if text != self._status:
            self._status = text
            if self._ready:
                self._notifier.send(STATUS=text)
