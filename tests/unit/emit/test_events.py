from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

import shipper.emit
from shipper.emit import Event, get_logger

RUN = {"subject_id": 789, "session_id": "ses-01", "workflow_run_id": 123}

# function, fields it must be given, fields it may be given, level
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("workflow_started", {"workflow_run_id": 123, "trigger": "scheduled"}, {}, "info"),
    ("workflow_completed", {"workflow_run_id": 0, "duration": 3600, "stages": 5}, {}, "info"),
    ("workflow_failed", {"workflow_run_id": 123, "error": "Stage qsiprep failed"}, {}, "error"),
    ("stage_started", {"stage": "bids_conversion"}, {"workflow_run_id": 123}, "info"),
    ("stage_completed", {"stage": "bids_conversion", "tasks_queued": 0, "duration": 120}, {"workflow_run_id": 123},
     "info"),
    ("stage_failed", {"stage": "bids_conversion", "errors": ["timeout"]}, {"workflow_run_id": 123}, "error"),
    ("pipeline_queued", {"pipeline": "qsiprep", "run_id": 456}, RUN, "info"),
    ("pipeline_started", {"pipeline": "qsiprep", "run_id": 456}, RUN, "info"),
    ("pipeline_completed", {"pipeline": "qsiprep", "run_id": 456, "duration": 3600.5}, RUN, "info"),
    ("pipeline_failed", {"pipeline": "qsiprep", "run_id": 456, "error": "Memory limit"}, {"duration": 1.5, **RUN},
     "error"),
    ("discovery_started", {"path": "/data/dicom"}, {}, "info"),
    ("discovery_session_found", {"subject": "sub-001", "session": "ses-01"}, {}, "info"),
    ("discovery_completed", {"sessions_found": 10}, {}, "info"),
    ("pipeline_log_capture_started", {"run_id": 456, "log_file": "/x.log"}, {}, "debug"),
    ("pipeline_log_capture_completed", {"run_id": 456}, {}, "debug"),
    ("metrics_workflow_completed", {"metrics": {"stages_executed": 1}}, {}, "info"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "needed", "optional", "level"), CASES, ids=[case[0] for case in CASES])
class TestHelpers:
    def test_logs_the_event(self, name: str, needed: dict[str, Any], optional: dict[str, Any], level: str) -> None:
        """Name, level and fields are those of the taxonomy; optional fields left at None are omitted."""
        function: Callable[..., None] = getattr(shipper.emit, name)
        with structlog.testing.capture_logs() as events:
            function(get_logger("x"), **needed)
            function(get_logger("x"), **needed, **optional, more=None)
        event = Event[name.upper()].value
        common = {"component": "x", "event": event, "log_level": level, **needed}
        assert events == [common, {**common, **optional, "more": None}]
        assert type(events[0]["event"]) is str


class TestEvent:
    def test_every_event_has_a_helper(self) -> None:
        """Every name of the taxonomy has a function, and every function a case here."""
        assert {event.name.lower() for event in Event} == {case[0] for case in CASES}

    def test_values(self) -> None:
        """Names are dotted: the subject, then what happened to it."""
        assert str(Event.WORKFLOW_COMPLETED) == "workflow.completed"
        assert str(Event.DISCOVERY_SESSION_FOUND) == "discovery.session_found"
        assert str(Event.PIPELINE_LOG_CAPTURE_STARTED) == "pipeline_log.capture_started"

    def test_paths_are_text(self) -> None:
        """A path may be given as such."""
        with structlog.testing.capture_logs() as events:
            shipper.emit.discovery_started(get_logger(), path=Path("/data"))
        assert events[0]["path"] == "/data"
