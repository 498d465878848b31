from __future__ import annotations

from typing import Any

import pytest

from shipper.document.path_context import path_context_of

PATH = "/var/log/neuroflow/qsiprep/sub-001_ses-baseline.log"


@pytest.mark.parametrize("path", ["/log/qsiprep/sub-001.log", "/log/neuroflow.log", "sub-001_ses-1.log", ""])
def test_other_paths_say_nothing(path: str) -> None:
    """Only paths of per-session logs name a subject."""
    assert path_context_of(path) is None


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ({}, {"pipeline": "qsiprep", "subject_id": "sub-001", "session_id": "ses-baseline"}),
        (
            {"pipeline": "mriqc", "subject_id": "sub-001"},
            {"pipeline": "mriqc", "subject_id": "sub-001", "session_id": "ses-baseline"},
        ),
        ({"subject_id": "12"}, {"pipeline": "qsiprep", "subject_id": "12", "session_id": "ses-baseline"}),
        ({"subject_id": "sub-002"}, {"subject_id": "sub-002"}),
        ({"session_id": "ses-2"}, {"session_id": "ses-2"}),
    ],
)
def test_the_line_wins_over_the_file(said: dict[str, Any], whole: dict[str, Any]) -> None:
    """A line gets the fields that it lacks from the file's name, unless it names another subject or session."""
    place = path_context_of(PATH)
    assert place is not None
    place.complete(said)
    assert whole == said
