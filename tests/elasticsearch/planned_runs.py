"""Pipeline runs and sessions by a plan: the lines that tell of them, and what has to be known of them in the end.

What is expected comes from the plan alone, in plain arithmetic; nothing of the shipper is asked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PIPELINES = ("bids_conversion", "qsiprep", "qsirecon", "qsiparc", "mriqc", "Ünïcode", None)

Line = tuple[datetime, str, dict[str, Any]]
"""Moment, file, and what stands in it."""
End = Literal["completed", "failed", "cancelled", "running", "queued"]
Source = Literal["events", "audit", "both", "task"]

# The audit trail tells of a turn a moment after the event stream.
LATER = timedelta(milliseconds=250)
STARTS, TAKES, AGAIN = timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=5)


def iso(moment: datetime) -> str:
    """As the application writes it, and as documents have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write(lines: Iterable[Line], logs: Path) -> None:
    """Write the log files, each in order of time."""
    files: dict[str, list[str]] = {}
    for moment, name, said in sorted(lines, key=lambda line: line[0]):
        stamp = {"timestamp": iso(moment)} if moment > datetime.min.replace(tzinfo=UTC) else {}
        files.setdefault(name, []).append(json.dumps({**said, **stamp}) + "\n")
    for name, content in files.items():
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text("".join(content))


def event(moment: datetime, name: str, **said: Any) -> Line:
    """A line of the event stream, without what is None."""
    told = {key: value for key, value in said.items() if value is not None}
    return moment, "neuroflow.log", {"event": name, **told}


def row(moment: datetime, kind: str, number: int, action: str, new: str | None = None, **said: Any) -> Line:
    """A row of the audit trail."""
    told = {"entity_type": kind, "entity_id": number, "action": action, "new_value": new, **said}
    return moment, "audit/audit_2026_03.jsonl", told


@dataclass(frozen=True)
class Run:
    """A pipeline run; ``duration`` is what its end says of it, seconds."""

    number: int | str
    pipeline: str | None
    created: datetime
    end: End
    source: Source = "events"
    attempts: int = 1
    duration: float | None = None
    workflow: int | None = None
    used_before: bool = False

    @property
    def session(self) -> int | str:
        """A key of the database, or a name where the application has none."""
        return f"ses-{self.number}" if self.source == "task" else 1000 + hash(self.number) % 50

    def _starts(self, attempt: int) -> datetime:
        return self.created + STARTS + attempt * (TAKES + AGAIN)

    def _turns(self) -> Iterator[tuple[datetime, str]]:
        yield self.created, "queued"
        for attempt in range(self.attempts):
            start, last = self._starts(attempt), attempt == self.attempts - 1
            if last and self.end == "queued":
                return
            yield start, "started"
            if last and self.end == "running":
                return
            yield start + TAKES, self.end if last else "failed"
            if not last:
                yield start + TAKES + AGAIN / 2, "requeued"

    def _error(self, moment: datetime) -> str:
        return f"failed at {moment:%H:%M:%S}"

    def lines(self) -> Iterator[Line]:
        """All that tells of it."""
        if self.used_before:
            long_ago = self.created - timedelta(days=2)
            yield event(long_ago, "pipeline.queued", run_id=self.number, pipeline="of old", session_id=1)
            yield event(long_ago + STARTS, "pipeline.started", run_id=self.number)
            yield event(long_ago + 2 * STARTS, "pipeline.failed", run_id=self.number, error="long ago", duration=99)
        for moment, verb in self._turns():
            if self.source == "task":
                yield self._of_a_task(moment, verb)
            if self.source in {"events", "both"}:
                yield self._of_an_event(moment, verb)
            if self.source in {"audit", "both"}:
                yield self._of_a_row(moment, verb)

    def _of_an_event(self, moment: datetime, verb: str) -> Line:
        name = "pipeline.retry_scheduled" if verb == "requeued" else f"pipeline.{verb}"
        said: dict[str, Any] = {"run_id": self.number}
        if verb == "queued":
            said |= {"pipeline": self.pipeline, "session_id": self.session, "workflow_run_id": self.workflow}
        if verb == "failed":
            said["error"] = self._error(moment)
        if verb == self.end:
            said["duration"] = self.duration
        return event(moment, name, **said)

    def _of_a_row(self, moment: datetime, verb: str) -> Line:
        assert isinstance(self.number, int)
        said: dict[str, Any] = {"session_id": self.session, "workflow_run_id": self.workflow, "message": ""}
        if verb == "queued":
            if self.pipeline is not None:
                said["message"] = f"Pipeline {self.pipeline} (attempt 1) queued"
            return row(moment + LATER, "pipeline_run", self.number, "created", self.pipeline, **said)
        if verb == "requeued":
            return row(moment + LATER, "pipeline_run", self.number, "retried", **said)
        if verb == "failed":
            said["details"] = {"exit_code": 1, "error_message": self._error(moment)}
        new = "RUNNING" if verb == "started" else verb
        return row(moment + LATER, "pipeline_run", self.number, "status_changed", new, **said)

    def _of_a_task(self, moment: datetime, verb: str) -> Line:
        name = {"queued": "enqueued", "started": "start", "completed": "complete", "failed": "failed"}[verb]
        whose = {"participant": f"sub-{self.number}", "session": self.session, "pipeline": self.pipeline}
        error = self._error(moment) if verb == "failed" else None
        said = {"duration": self.duration, "success": True} if verb == "completed" else {}
        return event(moment, f"task.{name}", task_id=self.number, error=error, **whose, **said)

    # What has to be known in the end.

    @property
    def delay(self) -> timedelta:
        """How much later everything about it becomes known."""
        return LATER if self.source == "audit" else timedelta()

    @property
    def created_at(self) -> datetime:
        """When it was first mentioned."""
        return self.created + self.delay

    @property
    def started_at(self) -> datetime | None:
        return None if self.end == "queued" else self._starts(self.attempts - 1) + self.delay

    @property
    def ended_at(self) -> datetime | None:
        return None if self.started_at is None or self.end == "running" else self.started_at + TAKES

    @property
    def updated_at(self) -> datetime:
        """When it was last mentioned."""
        *_, (last, _) = self._turns()
        return last + (LATER if self.source in {"audit", "both"} else timedelta())

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took."""
        told = None if self.source == "audit" or (self.source, self.end) == ("task", "failed") else self.duration
        return None if self.ended_at is None else TAKES.total_seconds() if told is None else told

    @property
    def error(self) -> str | None:
        if self.end != "failed" or self.ended_at is None:
            return None
        return self._error(self.ended_at - self.delay)


def planned(many: int, seed: int) -> list[Run]:
    """As many runs of every kind, over the three days before ``NOW``."""
    chance = random.Random(seed)
    sources: tuple[Source, ...] = ("events", "audit", "both")
    ends: tuple[End, ...] = ("completed", "completed", "completed", "failed", "cancelled", "running", "queued")
    runs = []
    for number in range(1, many + 1):
        source = chance.choice(sources)
        runs.append(
            Run(
                number,
                chance.choice(PIPELINES),
                NOW - timedelta(seconds=chance.randrange(60, 3 * 86_400, 30)),
                chance.choice(ends),
                source,
                attempts=chance.choice((1, 1, 1, 2, 3)),
                # Halves add up exactly, in whatever order.
                duration=chance.choice((None, 12.5, 3600.0, 7.0)),
                workflow=chance.choice((7, 7, 7, 7, 8, None)),
                used_before=source == "events" and chance.random() < 0.1,
            )
        )
    outcomes: tuple[End, ...] = ("completed", "failed", "running", "queued")
    for number in range(40):
        name, moment = f"{number:04x}-6c83-fab3", NOW - timedelta(seconds=1000 * number + 7.125)
        runs.append(Run(name, "mriqc", moment, outcomes[number % 4], "task", duration=12.5))
    return runs
