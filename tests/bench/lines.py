"""Lines to measure with: what the application's files hold, line for line, in the order in which it writes them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from typing import Any

import orjson

_TURNS = ("pipeline.queued", "pipeline.started", "pipeline.completed", "stage.started", "stage.completed")


_PIPELINES = ("bids_conversion", "qsiprep", "qsirecon", "qsiparc")
# What is said of one run, from its being queued to its end; most of it is progress.
_STORY = (
    "pipeline.queued", "pipeline.started", "adapter.run", "container.execute", *["pipeline.progress"] * 13,
    "adapter.complete", "pipeline.completed", "stage.completed",
)  # fmt: skip


def structlog_lines(count: int) -> bytes:
    """Lines of about 270 bytes: twenty of each run."""
    return _structlog(_STORY[number % 20] for number in range(count))


def structlog_turns(count: int) -> bytes:
    """Lines that cost most: each one changes the state of a run or a stage, in no order."""
    chance = random.Random(8)
    return _structlog(chance.choice(_TURNS) for _ in range(count))


def _structlog(events: Iterable[str]) -> bytes:
    chance = random.Random(7)  # the same lines every time
    lines = [
        orjson.dumps(
            {
                "component": chance.choice(("workflow", "pipeline", "discovery")),
                "workflow_run_id": number // 500,
                "pipeline": _PIPELINES[number // 20 % 4],
                "run_id": number // 20,
                "subject_id": number // 20 % 311,
                "duration": round(chance.random() * 4000, 3),
                "path": f"/data/neuroflow/derivatives/sub-{number % 311:04d}",
                "event": event,
                "level": "info",
                "@timestamp": f"2026-11-23T12:{number // 10_000 % 60:02d}:00.{number:06d}+00:00",
                "service": "neuroflow",
            }
        )
        for number, event in enumerate(events)
    ]
    return b"\n".join(lines) + b"\n"


def celery_lines(count: int) -> bytes:
    """A worker's log: six lines of each task, four of them the application's JSON inside the prefix."""
    lines = []
    for number in range(count):
        task, run, turn = uuid.UUID(int=number // 6), number // 6, number % 6
        at = f"2026-11-23 12:{number // 6000 % 60:02d}:{number // 100 % 60:02d}"
        stamp = f"[{at},{number % 1000:03d}"
        name = f"Task neuroflow.workers.tasks.run_pipeline[{task}]"
        story: dict[int, dict[str, Any]] = {
            1: {"message": "VoxelOps not installed, will use container mode", "event": "voxelops.not_available"},
            2: {"task_id": str(task), "run_id": run, "pipeline": "mriqc", "event": "pipeline.started"},
            3: {"pipeline": "mriqc", "session_id": run % 311, "subject_id": None, "event": "adapter.run"},
            4: {"task_id": str(task), "run_id": run, "pipeline": "mriqc", "success": True, "exit_code": 0,
                "event": "pipeline.finished"},
        }  # fmt: skip
        said = story.get(turn)
        if said:
            inner = {**said, "level": "info", "timestamp": f"{at.replace(' ', 'T')}.{number % 10**6:06d}Z"}
            lines.append(f"{stamp}: WARNING/ForkPoolWorker-2] {orjson.dumps(inner).decode()}")
        elif turn == 0:
            lines.append(f"{stamp}: INFO/MainProcess] {name} received")
        else:
            lines.append(
                f"{stamp}: INFO/ForkPoolWorker-2] {name} succeeded in 0.42293936900000517s: {{'success': True}}"
            )
    return "\n".join(lines).encode() + b"\n"


def console_lines(count: int) -> bytes:
    """A worker's log of structlog that nobody configured: six lines of each task."""
    who = "participant=sub-{subject:03d} pipeline=qsiprep"
    story = (
        "task.start                     " + who + " priority=10 session=ses-baseline task_id={task}",
        "task.timeout_set               pipeline=qsiprep task_id={task} timeout_seconds=600",
        "adapter.run                    participant_id=sub-{subject:03d} pipeline=qsiprep session_id=ses-baseline",
        "adapter.override_default       key=force value=False",
        "adapter.complete               duration=0.018713 runner=voxelops.runners.qsiprep success=True",
        "task.complete                  duration=0.018713 " + who
        + " priority=10 session=ses-baseline success=True task_id={task}",
    )  # fmt: skip
    return "".join(
        f"2026-11-23 12:{number // 6000 % 60:02d}:{number // 100 % 60:02d} [info     ] "
        + story[number % 6].format(subject=number // 6 % 311, task=uuid.UUID(int=number // 6))
        + "\n"
        for number in range(count)
    ).encode()


def session_lines(count: int) -> bytes:
    """A per-session log: lines of the application, and nine times as many of its pipelines' output."""
    rule = b"=" * 72
    lines = []
    for number in range(count // 50):
        lines += [
            b"2026-11-23T12:%02d:%02d.%06dZ [info     ] adapter.complete               duration=0.055727 "
            b"participant=sub-%03d pipeline=qsiprep success=True" % (number // 60 % 60, number % 60, at, number % 311)
            for at in range(5)
        ]
        lines += [b"", rule, b"  STDOUT", rule]
        lines += [
            b'260101-12:00:%02d,007 nipype.workflow INFO: [Node] Setting-up "wf.%d"' % (at, number)
            for at in range(45)
        ]
    return b"\n".join(lines) + b"\n"


_STAGE_NAMES = ("discovery", "bids", "qsiprep", "qsirecon", "qsiparc")


def stage_ends(count: int, runs: int = 977, stages: int = 5) -> bytes:
    """The lines that cost run documents most: each ends a stage of another workflow run than the line before.

    Args:
        count: how many lines.
        runs: how many workflow runs take turns.
        stages: how many stages a run has; more than five have made-up names.
    """
    names = [*_STAGE_NAMES, *(f"stage_{number:03d}" for number in range(stages - len(_STAGE_NAMES)))][:stages]
    chance = random.Random(9)
    return _lines(
        {
            "component": "workflow",
            "workflow_run_id": number % runs,
            "stage": names[number // runs % stages],
            "duration": round(chance.random() * 4000, 3),
            "event": "stage.completed",
            **_stamped(number),
        }
        for number in range(count)
    )


def stages_in_between(count: int, runs: int = 500) -> bytes:
    """Lines of 306 bytes on the average, a quarter of them of stages; the workflow runs take turns."""
    chance = random.Random(10)
    lines = []
    for number in range(count):
        place = f"sub-{number % 311:04d}/ses-baseline/{chance.randrange(16**12):012x}"
        event = ("stage.started", "stage.completed")[number // 4 % 2] if number % 4 == 0 else "adapter.progress"
        line = {
            "component": chance.choice(("workflow", "pipeline", "discovery")),
            "workflow_run_id": number // 8 % runs,
            "stage": _STAGE_NAMES[number // (8 * runs) % len(_STAGE_NAMES)],
            "duration": round(chance.random() * 4000, 3),
            "path": f"/data/neuroflow/derivatives/{place}",
            "event": event,
            **_stamped(number),
        }
        lines.append(line)
    return _lines(lines, size=306)


def _stamped(number: int) -> dict[str, Any]:
    stamp = f"2026-11-23T{number // 600_000 % 24:02d}:{number // 10_000 % 60:02d}:{number % 60:02d}"
    return {"level": "info", "@timestamp": f"{stamp}.{number % 10**6:06d}+00:00", "service": "neuroflow"}


def _lines(lines: Iterable[dict[str, Any]], size: int = 0) -> bytes:
    """Each with a line feed and, where it is shorter than ``size``, with a note that fills it up."""
    written = []
    for line in lines:
        short = size - len(orjson.dumps(line)) - len(',"note":""') - 1
        written.append(orjson.dumps({**line, "note": ("as it should be, " * 20)[:short]} if short > 0 else line))
    return b"\n".join(written) + b"\n"
