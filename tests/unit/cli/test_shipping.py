"""How the process that ships is told to stop or to reload, from its first moment on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from shipper.cli.shipping import Signals


class Told:
    """Stands for a sidecar: keeps what it is told."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.loaded = threading.Event()

    def stop(self) -> None:
        """Asked to end."""
        self.stopped.set()

    def reload(self, load: Callable[[], Any]) -> None:
        """Asked for another configuration."""
        load()
        self.loaded.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_comes_before_there_is_a_sidecar_is_kept(number: signal.Signals) -> None:
    """While the stations are imported: it is told as soon as somebody can be; afterwards handlers are as before."""
    before = signal.getsignal(number)
    told: Any = Told()
    signals = Signals()
    try:
        os.kill(os.getpid(), number)
        with signals.forwarded_to(told, lambda: None):
            assert (told.loaded if number == signal.SIGHUP else told.stopped).wait(30)
            assert not (told.stopped if number == signal.SIGHUP else told.loaded).is_set()
    finally:
        signals.restore()
    assert before is signal.getsignal(number)


def test_once_has_nothing_to_reload() -> None:
    """A SIGHUP is passed over, and what comes behind it is told."""
    told: Any = Told()
    signals = Signals()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        with signals.forwarded_to(told, None):
            os.kill(os.getpid(), signal.SIGTERM)
            assert told.stopped.wait(30)
            assert not told.loaded.is_set()
    finally:
        signals.restore()
