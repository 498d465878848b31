"""The plan of the demonstration's application, decided from a seed before it runs."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Literal

#: The stages of a workflow run that queue pipeline runs, in order; discovery comes before them.
PIPELINES = ("bids_conversion", "qsiprep", "qsirecon", "qsiparc")

End = Literal["completed", "failed", "running", "queued"]

_ERRORS = (
    "container exited with code 137: memory limit exceeded",
    "no DWI series with enough directions",
    "gradient table and image differ in their number of volumes",
    "disk quota exceeded while writing the work directory",
)


@dataclass(frozen=True)
class Session:
    """One imaging session: its keys in the database, and its names on disk."""

    id: int
    subject_id: int
    subject: str
    session: str


@dataclass(frozen=True)
class PipelineRun:
    """One pipeline run and its last state; ``running`` and ``queued`` mean that it does not end."""

    run_id: int
    workflow_run_id: int
    pipeline: str
    session: Session
    end: End
    error: str | None
    task_id: str
    steps: int


@dataclass(frozen=True)
class WorkflowRun:
    """One workflow run: its sessions, and the pipeline runs of each stage."""

    workflow_run_id: int
    trigger: str
    sessions: tuple[Session, ...]
    stages: tuple[tuple[str, tuple[PipelineRun, ...]], ...]
    end: Literal["completed", "failed", "running"]

    @property
    def runs(self) -> list[PipelineRun]:
        """The pipeline runs of all stages."""
        return [run for _, runs in self.stages for run in runs]


def make(seed: int, seconds: float) -> list[WorkflowRun]:
    """The workflow runs for so many seconds; the same for the same arguments.

    Most complete, some with a failed pipeline run; the second one fails in its third stage; the last one stops in
    its second stage with one pipeline run running and the others queued.
    """
    rng = random.Random(seed)  # noqa: S311 - the same dice for the same seed, nothing secret
    count = max(3, round(seconds))
    workflows: list[WorkflowRun] = []
    number, run_number, session_number = 120, 400, 700
    for index in range(count):
        sessions = []
        for _ in range(rng.randint(3, 5)):
            session_number += 1
            subject = (session_number - 700 + 1) // 2  # two sessions a subject
            sessions.append(
                Session(session_number, 50 + subject, f"sub-{subject:03}", f"ses-{2 - session_number % 2:02}")
            )
        end: Literal["completed", "failed", "running"] = "completed"
        if index == 1:
            end = "failed"
        elif index == count - 1:
            end = "running"
        stages = _stages(rng, number + index, run_number, sessions, end)
        run_number += sum(len(runs) for _, runs in stages)
        workflows.append(
            WorkflowRun(
                number + index,
                rng.choice(("scheduled", "scheduled", "manual", "event")),
                tuple(sessions),
                stages,
                end,
            )
        )
    return workflows


def _stages(
    rng: random.Random, workflow: int, run_number: int, sessions: list[Session], end: str
) -> tuple[tuple[str, tuple[PipelineRun, ...]], ...]:
    stages = []
    remaining = list(sessions)
    for position, pipeline in enumerate(PIPELINES):
        runs: list[PipelineRun] = []
        for place, session in enumerate(remaining):
            run_number += 1
            end_of_run: End = "failed" if rng.random() < 0.07 else "completed"
            if end == "failed" and position == 2:
                end_of_run = "failed"  # so that the workflow run fails
            if end == "running" and position == 1:
                end_of_run = "running" if place == 0 else "queued"
            runs.append(
                PipelineRun(
                    run_number,
                    workflow,
                    pipeline,
                    session,
                    end_of_run,
                    rng.choice(_ERRORS) if end_of_run == "failed" else None,
                    str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                    rng.randint(16, 36),
                )
            )
        stages.append((pipeline, tuple(runs)))
        if (end == "failed" and position == 2) or (end == "running" and position == 1):
            break
        # Sessions with a failed run go no further, unless none would be left.
        remaining = [run.session for run in runs if run.end == "completed"] or remaining
    return tuple(stages)
