"""What earlier lines said about a run, for later lines that name only its id.

``pipeline.completed run_id=456`` means little without pipeline, subject and session, which only the
``pipeline.queued`` before it names.  Bounded: the runs heard of first are forgotten first.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

_NEW_LIFE = frozenset({"pipeline.queued", "pipeline_run.created"})
_Facts = tuple[Any, Any, Any, Any]


class RunContext:
    """Remembers what is known of the last runs that were spoken of.

    Args:
        most: how many runs are remembered.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._runs: dict[str, _Facts] = {}
        self._most = most

    def complete(self, fields: dict[str, Any], action: str | None) -> None:
        """Fill in what this line (``neuroflow.*`` fields by their last name) leaves out, and learn what it says.

        A line that queues a run begins its life: an id used again inherits nothing.  A line that contradicts
        what is known of the pipeline speaks of another run with the same id and is left as it is.
        """
        get = fields.get
        run = fields["run_id"]
        said = (get("pipeline"), get("subject_id"), get("session_id"), get("workflow_run_id"))
        known = self._runs.get(run)
        if known == said:
            return
        if known is None or action in _NEW_LIFE:
            self._runs[run] = said
            if len(self._runs) > self._most:
                # A run lives hours, the memory holds days of them.
                for old in list(islice(self._runs, self._most // 10)):
                    del self._runs[old]
            return
        if said[0] is not None and known[0] is not None and said[0] != known[0]:
            return
        pipeline, subject, session, workflow = (
            new if new is not None else old for new, old in zip(said, known, strict=True)
        )
        self._runs[run] = pipeline, subject, session, workflow
        if pipeline is not None:
            fields["pipeline"] = pipeline
        if subject is not None:
            fields["subject_id"] = subject
        if session is not None:
            fields["session_id"] = session
        if workflow is not None:
            fields["workflow_run_id"] = workflow
