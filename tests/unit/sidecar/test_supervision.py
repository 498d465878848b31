"""What systemd and a liveness probe are told, turn by turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipper.health.systemd import Notifier
from shipper.sidecar.supervision import MAX_TURN, STATUS_EVERY, TURN_EVERY, Supervision


class Desk:
    """A supervision with its surroundings; ``sent`` are the messages."""

    def __init__(self, watchdog: float | None = 20.0) -> None:
        self.now = 100.0
        self.sent: list[dict[str, Any]] = []
        self.trouble: str | None = None
        self.hung: str | None = None
        self.behind = 0
        notifier = SimpleNamespace(
            active=True, watchdog=watchdog, now=lambda: 7, send=lambda **message: self.sent.append(message)
        )
        sender = SimpleNamespace(trouble=lambda: self.trouble, hung=lambda: self.hung)
        tail = SimpleNamespace(logs=3, lags=lambda: [SimpleNamespace(size=self.behind)])
        self.one = Supervision(
            cast("Notifier", notifier),
            cast("Any", sender),
            cast("Any", tail),
            lambda text: text.replace("hunter2", "***"),
            lambda: self.now,
        )

    def turn(self, seconds: float = 0.0, *, scanned: bool = True) -> list[dict[str, Any]]:
        """The messages of a turn after some seconds."""
        self.now += seconds
        self.sent.clear()
        self.one.turned(scanned=scanned)
        return [*self.sent]


def test_ready_after_the_first_scan_whatever_the_cluster_does() -> None:
    """READY waits for the first scan, and not for Elasticsearch, for which STATUS has the reason."""
    desk = Desk(watchdog=None)
    desk.trouble = "http://es: can't be reached; hunter2\n"
    assert [] == desk.turn(scanned=False)
    status = "waiting for Elasticsearch: http://es: can't be reached; ***\\n"
    assert [{"READY": 1, "STATUS": status}] == desk.turn()
    assert [] == desk.turn(STATUS_EVERY)
    desk.trouble, desk.behind = None, 12
    assert [] == desk.turn(STATUS_EVERY / 2)
    assert [{"STATUS": "shipping: 3 logs, lag 12 bytes"}] == desk.turn(STATUS_EVERY)


def test_watchdog_is_fed_at_half_of_its_interval() -> None:
    """Each half of the interval, by a loop that turns; not where a thread that sends has ended."""
    desk = Desk(watchdog=20.0)
    assert {"WATCHDOG": 1} in desk.turn()
    assert desk.one.due == desk.now + 10
    assert {"WATCHDOG": 1} not in desk.turn(9.0)
    assert {"WATCHDOG": 1} in desk.turn(1.0)
    desk.hung = "threads that send have ended: bulk-0"
    assert {"WATCHDOG": 1} not in desk.turn(60.0)
    assert desk.now < desk.one.due, "the loop does not turn in vain"
    assert desk.hung == desk.one.trouble()


def test_reload_is_told_with_its_result() -> None:
    """RELOADING, then READY; a refused configuration stays in STATUS until another is accepted."""
    desk = Desk(watchdog=None)
    desk.turn()
    desk.sent.clear()
    desk.one.reloading()
    desk.one.reloaded(refused=True)
    assert [{"RELOADING": 1, "MONOTONIC_USEC": 7}.items() <= desk.sent[0].items(), 1] == [True, desk.sent[1]["READY"]]
    assert "the changed configuration was refused" in desk.sent[1]["STATUS"]
    desk.behind = 5
    (later,) = desk.turn(STATUS_EVERY)
    assert "lag 5 bytes; the changed configuration was refused" in later["STATUS"]
    desk.one.reloaded(refused=False)
    assert "refused" not in desk.sent[-1]["STATUS"]


def test_a_stop_asks_for_time() -> None:
    """STOPPING with an extension, again every few seconds; the watchdog is fed meanwhile."""
    desk = Desk(watchdog=4.0)
    for seconds in (0.0, 0.1, 5.0):
        desk.now += seconds
        desk.one.stopping(30.0)
    assert [1, 1] == [message["STOPPING"] for message in desk.sent if "STOPPING" in message]
    assert {"EXTEND_TIMEOUT_USEC": 20_000_000}.items() <= desk.sent[0].items()
    assert 2 == desk.sent.count({"WATCHDOG": 1})


def test_a_loop_that_does_not_turn_is_reported() -> None:
    """A loop may sleep for a minute; after five without a turn it counts as hung."""
    desk = Desk(watchdog=None)
    desk.turn()
    assert desk.now + TURN_EVERY == desk.one.due
    desk.now += MAX_TURN
    assert desk.one.trouble() is None
    desk.now += 1
    assert "the main loop has not turned for 301 s" == desk.one.trouble()


def test_nobody_is_told_without_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NOTIFY_SOCKET no status is made."""
    one = Supervision(Notifier({}, 1), cast("Any", None), cast("Any", None), str, lambda: 1.0)
    monkeypatch.setattr(one, "_doing", pytest.fail)
    one.turned(scanned=True)
    one.stopping(1.0)
