"""What the path of a per-session log says of its lines: pipeline, subject and session.  Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

_NAME = re.compile(r"(?:.*/)?(?P<pipeline>[^/]+)/(?P<subject>sub-[^/_]+)_(?P<session>ses-[^/]+)\.log")


class PathContext(NamedTuple):
    """Whose log it is."""

    pipeline: str
    subject_id: str
    session_id: str

    def complete(self, fields: dict[str, Any]) -> None:
        """Fill in what a line leaves out, unless it speaks of somebody else.

        A worker of today's application goes on writing into the log of its last session: what a line says of itself
        wins over the file, and then nothing of the file's name belongs to it.

        Args:
            fields: of the line, by their last name under ``neuroflow``.
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
    """What ``…/qsiprep/sub-001_ses-baseline.log`` says, or None for a path of another shape."""
    found = _NAME.fullmatch(path)
    return PathContext(found["pipeline"], found["subject"], found["session"]) if found else None
