"""An application that logs as neuroflow does: workflow runs, pipeline runs, audit entries, Celery's files.

``python -m shipper.demo.workload --log-dir DIR`` runs for some seconds: threads run workflows and queue pipeline
runs, two worker processes execute them, and half-way the logs are rotated.  The same seed gives the same events;
only times and their interleaving differ.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from shipper import emit
from shipper.demo import celery_files, pipeline_output, plan
from shipper.demo.plan import PipelineRun, WorkflowRun

WORKERS = 2

_TASK = "neuroflow.workers.tasks.run_pipeline"
_BEAT = (
    ("hourly-scan", "neuroflow.workers.tasks.scan_directories"),
    ("master-workflow", "neuroflow.workers.workflow_tasks.run_master_workflow"),
)
# Small, so that a few seconds of logs are rotated several times; enough old files that none is deleted.
_ROTATION = {"max_size_mb": 0.12, "backup_count": 500}
_COMPONENTS = {"celery": "WARNING", "sqlalchemy": "WARNING", "workflow": "INFO", "pipeline": "DEBUG"}


@dataclass(frozen=True)
class Job:
    """The settings of every process of the application."""

    log_dir: Path
    seed: int
    #: How long one pipeline run takes, in seconds.
    pace: float

    def set_up(self) -> None:
        """Configure logging for this process, as the application does at its start."""
        emit.setup_logging("DEBUG", "json", log_dir=self.log_dir, rotation=_ROTATION, components=_COMPONENTS)

    def random_of(self, *of: object) -> random.Random:
        """A random generator for one purpose, so that the order of threads does not matter."""
        return random.Random(f"{self.seed}/{of}")  # noqa: S311 - the same for the same seed, nothing secret

    @property
    def worker_log(self) -> Path:
        """Celery's log of the worker."""
        return self.log_dir / "celery/worker.log"


class PipelineError(Exception):
    """A pipeline's container failed."""


def run(log_dir: Path, seconds: float, seed: int) -> None:
    """Run the application for about so many seconds."""
    workflows = plan.make(seed, seconds)
    total = sum(len(workflow.runs) for workflow in workflows)
    job = Job(log_dir.absolute(), seed, seconds * WORKERS / total * 0.8)
    job.set_up()
    worker = celery_files.logger(job.worker_log)
    for line in ("Connected to redis://127.0.0.1:6379/0", "mingle: searching for neighbors", "mingle: all alone"):
        worker.info(line)
    ended = threading.Event()
    context = multiprocessing.get_context("spawn")
    numbers = context.Value("i", 0)
    with ProcessPoolExecutor(WORKERS, context, initializer=_worker, initargs=(job, numbers)) as pool:
        worker.info("celery@demo ready.")
        beat = threading.Thread(target=_beat, args=(job, ended, seconds), daemon=True)
        beat.start()
        threads = [
            # Daemons, so that Ctrl-C does not wait for them.
            threading.Thread(target=_workflow, args=(job, workflow, pool), daemon=True)
            for workflow in workflows
        ]
        try:
            for thread in threads:
                thread.start()
                time.sleep(seconds / len(threads) / 2)
            celery_files.rotate(job.worker_log)  # as logrotate would, half-way
            for thread in threads:
                thread.join()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            ended.set()
        beat.join()


def _worker(job: Job, numbers: Synchronized[int]) -> None:
    """Initialise a worker process, named as Celery names them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    with numbers.get_lock():
        numbers.value += 1
        multiprocessing.current_process().name = f"ForkPoolWorker-{numbers.value}"
    job.set_up()


def _beat(job: Job, ended: threading.Event, seconds: float) -> None:
    beat = celery_files.logger(job.log_dir / "celery/beat.log")
    beat.info("beat: Starting...")
    while not ended.is_set():
        for name, task in _BEAT:
            beat.info("Scheduler: Sending due task %s (%s)", name, task)
        ended.wait(seconds / 20)


def _workflow(job: Job, workflow: WorkflowRun, pool: ProcessPoolExecutor) -> None:
    """One workflow run, from discovery to its end (or to where the plan stops it)."""
    number = workflow.workflow_run_id
    log, audit, metrics = emit.get_logger("workflow"), emit.AuditLog(job.log_dir), emit.get_metrics_collector()
    began = time.monotonic()
    with emit.WorkflowLogContext(workflow_run_id=number):
        metrics.start_workflow(number)
        emit.workflow_started(log, workflow_run_id=number, trigger=workflow.trigger)
        audit.record(
            "workflow_run",
            number,
            "created",
            new_value="running",
            triggered_by="scheduler",
            message=f"Workflow run started ({workflow.trigger})",
        )
        _discovery(job, workflow)
        stages = 1
        for stage, runs in workflow.stages:
            errors = _stage(job, number, stage, runs, pool)
            if errors is None:
                return  # the plan stops it here
            if errors:
                emit.workflow_failed(log, workflow_run_id=number, error=f"Stage {stage} failed")
                break
            stages += 1
        else:
            emit.workflow_completed(
                log, workflow_run_id=number, duration=round(time.monotonic() - began, 3), stages=stages
            )
        _settle(job, workflow)
        metrics.complete_workflow(number)
        audit.record(
            "workflow_run",
            number,
            "status_changed",
            old_value="running",
            new_value=workflow.end,
            triggered_by="workflow",
            message=f"Workflow status: running -> {workflow.end}",
        )


def _settle(job: Job, workflow: WorkflowRun) -> None:
    """Write the status of the sessions of a workflow run that has ended."""
    for session in workflow.sessions:
        end = "failed" if any(run.end == "failed" for run in workflow.runs if run.session == session) else "completed"
        emit.AuditLog(job.log_dir).record(
            "session",
            session.id,
            "status_changed",
            old_value="processing",
            new_value=end,
            triggered_by="workflow",
            message=f"Session status: processing -> {end}",
            subject_id=session.subject_id,
            session_id=session.id,
        )


def _discovery(job: Job, workflow: WorkflowRun) -> None:
    number, began = workflow.workflow_run_id, time.monotonic()
    log, audit = emit.get_logger("discovery"), emit.AuditLog(job.log_dir)
    with emit.WorkflowLogContext(stage="discovery"):
        emit.stage_started(emit.get_logger("workflow"), stage="discovery", workflow_run_id=number)
        emit.discovery_started(log, path="/data/dicom")
        for session in workflow.sessions:
            emit.discovery_session_found(log, subject=session.subject, session=session.session)
            audit.record(
                "session",
                session.id,
                "created",
                new_value=session.session,
                message=f"Session {session.session} discovered at /data/dicom/{session.subject}",
                subject_id=session.subject_id,
                session_id=session.id,
            )
        emit.discovery_completed(log, sessions_found=len(workflow.sessions))
        took = round(time.monotonic() - began, 3)
        emit.stage_completed(
            emit.get_logger("workflow"),
            stage="discovery",
            tasks_queued=len(workflow.sessions),
            duration=took,
            workflow_run_id=number,
        )
        emit.get_metrics_collector().record_stage(number, "discovery", True, took)  # noqa: FBT003 - its signature


def _stage(
    job: Job, number: int, stage: str, runs: tuple[PipelineRun, ...], pool: ProcessPoolExecutor
) -> list[str] | None:
    """One stage; gives its errors if all of its runs failed, or None where the plan stops in it."""
    log, metrics = emit.get_logger("workflow"), emit.get_metrics_collector()
    began = time.monotonic()
    with emit.WorkflowLogContext(stage=stage):
        emit.stage_started(log, stage=stage, workflow_run_id=number)
        futures: list[Future[None]] = []
        for run in runs:
            _queue(job, run)
            if run.end != "queued":
                futures.append(pool.submit(_execute, job, run))
        for future in futures:
            future.result()
        if any(run.end in {"queued", "running"} for run in runs):
            return None
        for run in runs:
            metrics.record_pipeline(number, run.end == "completed")
        errors = [run.error for run in runs if run.error]
        failed = len(errors) == len(runs)
        took = round(time.monotonic() - began, 3)
        metrics.record_stage(number, stage, not failed, took, tasks_queued=len(runs))
        if failed:
            emit.stage_failed(log, stage=stage, errors=errors, workflow_run_id=number)
            return errors
        emit.stage_completed(log, stage=stage, tasks_queued=len(runs), duration=took, workflow_run_id=number)
        return []


def _queue(job: Job, run: PipelineRun) -> None:
    emit.pipeline_queued(
        emit.get_logger("scheduler"),
        pipeline=run.pipeline,
        run_id=run.run_id,
        subject_id=run.session.subject_id,
        session_id=run.session.id,
    )
    _status(job, run, None, "queued", "workflow")
    celery_files.logger(job.worker_log).info("Task %s[%s] received", _TASK, run.task_id)


def _status(job: Job, run: PipelineRun, old: str | None, new: str, by: str) -> None:
    emit.AuditLog(job.log_dir).record(
        "pipeline_run",
        run.run_id,
        "status_changed" if old else "created",
        old_value=old,
        new_value=new,
        triggered_by=by,
        message=f"Pipeline run {run.run_id}: {old} -> {new}" if old else f"Pipeline {run.pipeline} queued",
        details={"error_message": run.error} if new == "failed" else None,
        subject_id=run.session.subject_id,
        session_id=run.session.id,
    )


def _execute(job: Job, run: PipelineRun) -> None:
    """One pipeline run, in a worker process."""
    log, worker = emit.get_logger("pipeline"), celery_files.logger(job.worker_log)
    began = time.monotonic()
    session = run.session
    with emit.WorkflowLogContext(
        workflow_run_id=run.workflow_run_id,
        pipeline=run.pipeline,
        session_id=session.id,
        subject_id=session.subject_id,
    ):
        emit.pipeline_started(log, pipeline=run.pipeline, run_id=run.run_id)
        _status(job, run, "queued", "running", "celery")
        # Celery writes what a task prints into its own log, as a warning: here a line of unconfigured structlog.
        printed = {
            "task_id": run.task_id,
            "cmd": f"docker run --rm {run.pipeline}:1.1.1 --participant {session.subject}",
            "event": "container.execute",
            "level": "info",
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        worker.warning(json.dumps(printed))
        try:
            _contain(job, run)
        except PipelineError as error:
            log.exception("container.failed", run_id=run.run_id, runner="docker")
            emit.pipeline_failed(
                log, pipeline=run.pipeline, run_id=run.run_id, error=str(error), duration=_since(began)
            )
            _status(job, run, "running", "failed", "celery")
            worker.exception("Task %s[%s] raised unexpected: %r", _TASK, run.task_id, error)
            return
        if run.end == "running":
            return
        emit.pipeline_completed(log, pipeline=run.pipeline, run_id=run.run_id, duration=_since(began))
        _status(job, run, "running", "completed", "celery")
        worker.info(
            "Task %s[%s] succeeded in %rs: %r",
            _TASK,
            run.task_id,
            time.monotonic() - began,
            {"success": True, "run_id": run.run_id},
        )


def _contain(job: Job, run: PipelineRun) -> None:
    """The container: its output, a DEBUG logger, and warnings of the database driver."""
    log, random_of = emit.get_logger("pipeline"), job.random_of(run.run_id)
    capture = emit.PipelineLogCapture(run.run_id, run.pipeline, job.log_dir / "pipelines" / run.pipeline)
    with ExitStack() as closing:
        if run.end == "running":
            capture.__enter__()  # and never exited: this run has no end
        else:
            closing.enter_context(capture)
        pieces = list(pipeline_output.lines(random_of, run.pipeline, run.session.subject, run.steps))
        for index, (stream, text) in enumerate(pieces):
            (capture.write_stdout if stream == "stdout" else capture.write_stderr)(text)
            if index % 2:
                log.debug("pipeline.progress", run_id=run.run_id, percent=100 * index // len(pieces))
            if random_of.random() < 0.02:
                logging.getLogger("sqlalchemy.engine").warning(
                    "Slow query (%.0f ms): SELECT … FROM pipeline_runs", random_of.uniform(200, 2000)
                )
            time.sleep(job.pace / len(pieces))
        if run.end == "running":
            capture.write_stdout("Denoising:  42%|████▏     | 21/50")  # an unfinished progress bar
        if run.error:
            capture.write_stderr(pipeline_output.failure(run.error, run.pipeline))
            raise PipelineError(run.error)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when the application ran to its end."""
    parser = argparse.ArgumentParser(
        prog="python -m shipper.demo.workload", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--log-dir", type=Path, required=True, help="where the logs go")
    parser.add_argument("--seconds", type=float, default=6, help="about how long (default: 6)")
    parser.add_argument("--seed", type=int, default=1, help="decides the events (default: 1)")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        run(options.log_dir, options.seconds, options.seed)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
