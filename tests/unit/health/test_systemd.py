"""Messages to a service manager, with real sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from shipper.health.systemd import Notifier


def listening(address: str) -> socket.socket:
    """A socket as systemd has it."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.settimeout(10)
    one.bind(address)
    return one


def test_messages_arrive(tmp_path: Path) -> None:
    """One datagram a message, one line an assignment."""
    with listening(str(tmp_path / "notify")) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}, 1, lambda: 1.5)
        notifier.send(RELOADING=1, MONOTONIC_USEC=notifier.now(), STATUS="é \udce9")
        assert "RELOADING=1\nMONOTONIC_USEC=1500000\nSTATUS=é \\udce9" == manager.recv(1000).decode()


def test_abstract_addresses_begin_with_at() -> None:
    """``@name`` is the address without a file."""
    name = f"neuroflow-test-{os.getpid()}"
    with listening(f"\0{name}") as manager:
        Notifier({"NOTIFY_SOCKET": f"@{name}"}, 1).send(READY=1)
        assert b"READY=1" == manager.recv(100)


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1", "/nowhere/at/all", "@nobody-listens"])
def test_nobody_listens(address: str) -> None:
    """Without an address, or with one where nobody listens, nothing happens."""
    Notifier({"NOTIFY_SOCKET": address} if address else {}, 1).send(READY=1)


def test_full_queue_does_not_block(tmp_path: Path) -> None:
    """A manager that reads nothing does not hang the sidecar."""
    with listening(str(tmp_path / "notify")):
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}, 1)
        for _ in range(5000):
            notifier.send(STATUS="x" * 100)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "7"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({}, None),
    ],
)
def test_watchdog_is_for_this_process(environ: dict[str, str], expected: float | None) -> None:
    """Signs of life are expected where the interval is valid and the process id is ours."""
    assert expected == Notifier({"NOTIFY_SOCKET": "/run/x", **environ}, 7).watchdog
    assert Notifier(environ, 7).watchdog is None, "nobody listens"
