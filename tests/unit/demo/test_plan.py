"""What the demonstration's application will do."""

from __future__ import annotations

import pytest

from shipper.demo import plan


def test_the_same_seed_plans_the_same() -> None:
    """Seeds decide everything, and different ones differ."""
    assert plan.make(1, 6) == plan.make(1, 6)
    assert plan.make(1, 6) != plan.make(2, 6)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_end_occurs(seed: int) -> None:
    """Completed, failed and unfinished workflow runs; the unfinished one has a running and queued runs."""
    workflows = plan.make(seed, 6)
    assert [workflow.end for workflow in workflows] == ["completed", "failed", *["completed"] * 3, "running"]
    assert [name for name, _ in workflows[0].stages] == list(plan.PIPELINES)
    last = workflows[-1].stages[-1]
    assert last[0] == "qsiprep"
    assert last[1][0].end == "running"
    assert {run.end for run in last[1][1:]} <= {"queued"}
    assert all(run.end == "failed" for run in workflows[1].stages[-1][1])


@pytest.mark.parametrize("seed", range(20))
def test_ids_are_unique(seed: int) -> None:
    """No two runs share a number or a task, and a failed run has an error."""
    runs = [run for workflow in plan.make(seed, 10) for run in workflow.runs]
    assert len({run.run_id for run in runs}) == len(runs)
    assert len({run.task_id for run in runs}) == len(runs)
    assert all((run.error is not None) == (run.end == "failed") for run in runs)


def test_there_is_work_however_short() -> None:
    """Half a second still has a workflow run of each kind."""
    assert [workflow.end for workflow in plan.make(1, 0.5)] == ["completed", "failed", "running"]
