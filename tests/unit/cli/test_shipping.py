"""Signals stop and reload the process that ships, from its first moment on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from shipper.cli.shipping import Signals


class Told:
    """Stands for a sidecar and records calls."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.loaded = threading.Event()

    def stop(self) -> None:
        self.stopped.set()

    def reload(self, load: Callable[[], Any]) -> None:
        load()
        self.loaded.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_comes_before_there_is_a_sidecar_is_kept(number: signal.Signals) -> None:
    """A signal during the imports reaches the sidecar when it exists; afterwards the old handlers are back."""
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
    """``--once`` ignores SIGHUP, and obeys the next signal."""
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
