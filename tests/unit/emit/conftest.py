"""Every test of emit restores the process's logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

import shipper.emit.logging as emit_logging


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    emit_logging._state.remove()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    assert logging.getLogger().level == logging.WARNING, "the root logger's level was not put back"
