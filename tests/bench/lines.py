"""Lines to measure with: what the application's files hold, line for line, in the order in which it writes them.

A line carries its number as ``seq-123``, so that the sink tells which are missing and which came twice.  A few of
Celery's own lines have no place for one.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

_PIPELINES = ("bids_conversion", "qsiprep", "qsirecon", "qsiparc")
# What is said of one run, from its being queued to its end; most of it is progress.
_STORY = (
    "pipeline.queued", "pipeline.started", "adapter.run", "container.execute", *["pipeline.progress"] * 13,
    "adapter.complete", "pipeline.completed", "stage.completed",
)  # fmt: skip
_STAGE_NAMES = ("discovery", "bids", "qsiprep", "qsirecon", "qsiparc")


def structlog_lines(count: int) -> Iterator[bytes]:
    """The application's JSON, 300 bytes: twenty lines of each run."""
    chance = random.Random(7)  # the same lines every time
    for number in range(count):
        yield orjson.dumps(
            {
                "component": chance.choice(("workflow", "pipeline", "discovery")),
                "workflow_run_id": number // 500,
                "pipeline": _PIPELINES[number // 20 % 4],
                "run_id": number // 20,
                "subject_id": number // 20 % 311,
                "duration": round(chance.random() * 4000, 3),
                "path": f"/data/neuroflow/derivatives/sub-{number % 311:04d}/ses-baseline/seq-{number:09d}",
                "event": _STORY[number % 20],
                **_stamped(number),
            }
        )


def stage_load_lines(count: int, runs: int = 500) -> Iterator[bytes]:
    """JSON of 306 bytes on the average, a quarter of the lines of stages; 500 workflow runs take turns."""
    chance = random.Random(10)
    for number in range(count):
        event = ("stage.started", "stage.completed")[number // 4 % 2] if number % 4 == 0 else "adapter.progress"
        line = {
            "component": chance.choice(("workflow", "pipeline", "discovery")),
            "workflow_run_id": number // 8 % runs,
            "stage": _STAGE_NAMES[number // (8 * runs) % len(_STAGE_NAMES)],
            "duration": round(chance.random() * 4000, 3),
            "path": f"/data/neuroflow/derivatives/sub-{number % 311:04d}/ses-baseline/seq-{number:09d}",
            "event": event,
            **_stamped(number),
        }
        short = 305 - len(orjson.dumps(line)) - len(',"note":""')
        yield orjson.dumps({**line, "note": ("as it should be, " * 20)[:short]} if short > 0 else line)


def stage_end_lines(count: int, runs: int = 977) -> Iterator[bytes]:
    """The lines that cost run documents most: each ends a stage, of another workflow run than the line before."""
    chance = random.Random(9)
    for number in range(count):
        yield orjson.dumps(
            {
                "component": "workflow",
                "workflow_run_id": number % runs,
                "stage": _STAGE_NAMES[number // runs % len(_STAGE_NAMES)],
                "duration": round(chance.random() * 4000, 3),
                "path": f"/data/neuroflow/seq-{number:09d}",
                "event": "stage.completed",
                **_stamped(number),
            }
        )


def celery_lines(count: int) -> Iterator[bytes]:
    """A worker's log: six lines of each task, four of them the application's JSON inside the prefix."""
    for number in range(count):
        task, run, turn = uuid.UUID(int=number // 6), number // 6, number % 6
        at = f"2026-11-23 12:{number // 6000 % 60:02d}:{number // 100 % 60:02d}"
        stamp, place = f"[{at},{number % 1000:03d}", f"/data/neuroflow/seq-{number:09d}"
        name = f"Task neuroflow.workers.tasks.run_pipeline[{task}]"
        story: dict[int, dict[str, Any]] = {
            1: {"message": "VoxelOps not installed, will use container mode", "event": "voxelops.not_available"},
            2: {"task_id": str(task), "run_id": run, "pipeline": "mriqc", "event": "pipeline.started"},
            3: {"pipeline": "mriqc", "session_id": run % 311, "subject_id": None, "event": "adapter.run"},
            4: {"task_id": str(task), "run_id": run, "pipeline": "mriqc", "success": True, "exit_code": 0,
                "event": "pipeline.finished"},
        }  # fmt: skip
        if turn in story:
            said = {"path": place, **story[turn]}
            inner = {**said, "level": "info", "timestamp": f"{at.replace(' ', 'T')}.{number % 10**6:06d}Z"}
            line = f"{stamp}: WARNING/ForkPoolWorker-2] {orjson.dumps(inner).decode()}"
        elif turn == 0:
            line = f"{stamp}: INFO/MainProcess] {name} received"
        else:
            result = f"{{'success': True, 'output': '{place}'}}"
            line = f"{stamp}: INFO/ForkPoolWorker-2] {name} succeeded in 0.42293936900000517s: {result}"
        yield line.encode()


def console_lines(count: int) -> Iterator[bytes]:
    """A worker's log of structlog that nobody configured: six lines of each task."""
    who = "participant=sub-{subject:03d} path={place} pipeline=qsiprep"
    story = (
        "task.start                     " + who + " priority=10 session=ses-baseline task_id={task}",
        "task.timeout_set               path={place} pipeline=qsiprep task_id={task} timeout_seconds=600",
        ("adapter.run                    participant_id=sub-{subject:03d} path={place} pipeline=qsiprep "
        "session_id=ses-baseline"),
        "adapter.override_default       key=force path={place} value=False",
        "adapter.complete               duration=0.018713 path={place} runner=voxelops.runners.qsiprep success=True",
        "task.complete                  duration=0.018713 " + who
        + " priority=10 session=ses-baseline success=True task_id={task}",
    )  # fmt: skip
    for number in range(count):
        at = f"2026-11-23 12:{number // 6000 % 60:02d}:{number // 100 % 60:02d}"
        words = {"subject": number // 6 % 311, "task": uuid.UUID(int=number // 6), "place": f"/data/seq-{number:09d}"}
        yield f"{at} [info     ] {story[number % 6].format(**words)}".encode()


def output_lines(count: int) -> Iterator[bytes]:
    """What a pipeline prints: three lines of nipype's with a time, and one without."""
    for number in range(count):
        node = f'"qsiprep_wf.sub_{number // 400 % 311:03d}_wf.dwi_preproc_wf.node_{number % 97}"'
        place = f"/scratch/qsiprep_wf/seq-{number:09d}"
        at = f"260101-12:{number // 6000 % 60:02d}:{number // 100 % 60:02d},{number % 1000}"
        yield (
            f'{at} nipype.workflow INFO:\t [Node] Setting-up {node} in "{place}".',
            f"{at} nipype.workflow INFO:\t [Node] Executing {node} <nipype.interfaces.ants.Registration> {place}",
            f'mrconvert: [100%] copying from "{place}.nii.gz" to "dwi.mif"',
            f"{at} nipype.workflow INFO:\t [Node] Finished {node}, elapsed time {number % 600}.25s, see {place}.",
        )[number % 4].encode()  # fmt: skip


def audit_lines(count: int) -> Iterator[bytes]:
    """Rows of the audit table, as the application exports them: four changes of each pipeline run."""
    changes = ((None, "queued"), ("queued", "running"), ("running", "completed"), ("completed", "archived"))
    for number in range(count):
        run, (old, new) = number // 4, changes[number % 4]
        yield orjson.dumps({
            "id": number,
            "timestamp": f"2026-11-23 {number // 360_000 % 24:02d}:{number // 6000 % 60:02d}:"
            f"{number // 100 % 60:02d}.{number % 10**6:06d}",
            "entity_type": "pipeline_run", "entity_id": run, "action": "status_changed", "old_value": old,
            "new_value": new, "triggered_by": "workflow", "user_id": None,
            "message": f"Pipeline run {run}: {old} -> {new}",
            "details": {"exit_code": 0, "log": f"/data/neuroflow/logs/seq-{number:09d}"},
            "subject_id": run % 311, "session_id": run % 622,
        })  # fmt: skip


def written(lines: Iterable[bytes]) -> bytes:
    """The lines as a file holds them."""
    return b"".join(line + b"\n" for line in lines)


def _stamped(number: int) -> dict[str, Any]:
    """A hundred lines a second, each later than the line above it."""
    second = f"2026-11-23T{number // 360_000 % 24:02d}:{number // 6000 % 60:02d}:{number // 100 % 60:02d}"
    stamp = f"{second}.{number % 100:02d}{number % 9973:04d}+00:00"
    return {"level": "info", "@timestamp": stamp, "service": "neuroflow"}
