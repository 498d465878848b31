from __future__ import annotations

import logging
from typing import Any

import pytest

from shipper.emit.levels import levels


class TestLevels:
    def test_nearest_dotted_prefix_decides(self) -> None:
        """A component's level applies to its children, unless they have one of their own."""
        wanted = levels("INFO", {"pipeline": "DEBUG", "pipeline.qsiprep": "error"})
        assert wanted.of("pipeline.bids.x") == logging.DEBUG
        assert wanted.of("pipeline.qsiprep.x") == logging.ERROR
        assert wanted.of("pipeline_output") == logging.INFO
        assert wanted.of(None) == logging.INFO
        assert wanted.lowest == logging.DEBUG

    def test_chatty_libraries_are_quiet_unless_asked_for(self) -> None:
        """Levels for other components leave celery, kombu and sqlalchemy at WARNING."""
        wanted = levels("info", {"kombu": "DEBUG"})
        assert wanted.of("celery.worker") == wanted.of("sqlalchemy.engine") == logging.WARNING
        assert wanted.of("kombu") == logging.DEBUG

    @pytest.mark.parametrize("name", ["LOUD", "", None, 20, False])
    def test_unknown_levels_are_named(self, name: Any) -> None:
        """The message names the key, the wrong value and the valid ones."""
        with pytest.raises(ValueError, match=r"^level: .* is not a log level; use one of .*INFO"):
            levels(name, None)
        with pytest.raises(ValueError, match=r"^components: level of pipeline: .* is not a log level"):
            levels("INFO", {"pipeline": name})
