"""Pipeline, subject and session from the path of a per-session log.  Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

_NAME = re.compile(r"(?:.*/)?(?P<pipeline>[^/]+)/(?P<subject>sub-[^/_]+)_(?P<session>ses-[^/]+)\.log")


class PathContext(NamedTuple):
    """Pipeline, subject and session of a log file."""

    pipeline: str
    subject_id: str
    session_id: str

    def complete(self, fields: dict[str, Any]) -> None:
        """Add the fields that a line lacks, unless it names another subject or session.

        A worker of today's application keeps writing to the log of its last session.  A line that names another one
        gets nothing from the file's name.

        Args:
            fields: of the line, as under ``neuroflow``.
        """
        subject, session = fields.get("subject_id"), fields.get("session_id")
        if (subject and subject[:4] == "sub-" and subject != self.subject_id) or (
            session and session[:4] == "ses-" and session != self.session_id
        ):
            return
        fields.setdefault("pipeline", self.pipeline)
        fields.setdefault("subject_id", self.subject_id)
        fields.setdefault("session_id", self.session_id)


@lru_cache(maxsize=4096)
def path_context_of(path: str) -> PathContext | None:
    """The context in a path like ``…/qsiprep/sub-001_ses-baseline.log``; None for other paths."""
    found = _NAME.fullmatch(path)
    return PathContext(found["pipeline"], found["subject"], found["session"]) if found else None
