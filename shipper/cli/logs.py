"""``neuroflow-logs``: the application's log views, answered from the index.

The group ``logs`` can be mounted in another click application; it keeps its own state in its own context.  Slow
imports are inside the commands that need them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.shell_completion import get_completion_class

from shipper import __version__
from shipper.cli.exit_codes import OK
from shipper.cli.following import show_new
from shipper.cli.imports import quick_start
from shipper.cli.options import CommonOptions, dataset_option, limit_option
from shipper.cli.questions import show_stats, show_tasks
from shipper.cli.reading import (
    Session,
    answering,
    explain_absence,
    nothing,
    show_first,
    show_pages,
    show_value,
    write_log,
)
from shipper.cli.searching import search_logs
from shipper.cli.standard_streams import open_closed_streams
from shipper.credentials import changed_stream, credential_mask
from shipper.document.levels import LEVELS
from shipper.printable import escaped

if TYPE_CHECKING:  # a slow import that --help doesn't need
    from shipper.config import Config


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", metavar="PATH", help="The application's neuroflow.yaml")
@click.version_option(__version__, prog_name="neuroflow-logs")
@click.pass_context
def logs(ctx: click.Context, config_path: str | None) -> None:
    """Log viewing commands."""
    ctx.obj = Session(config_path or _application_config(ctx.parent))


def _application_config(ctx: click.Context | None) -> Config | str | Path | None:
    """The configuration that an application in which the group is mounted was started with."""
    if ctx is None:
        return None
    from shipper.config import Config

    while ctx is not None:
        theirs = ctx.obj.get("config") if isinstance(ctx.obj, Mapping) else None
        for one in (theirs, ctx.params.get("config")):
            if isinstance(one, Config) or (isinstance(one, str | Path) and Path(one).is_file()):
                return one
        ctx = ctx.parent
    return None


def _levels(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Levels to choose from, for the shell's completion."""
    return [level for level in LEVELS if level.startswith(begun.lower())]


@logs.command("show")
@click.option("--component", help="Filter by component")
@click.option("--level", help="Filter by log level", shell_complete=_levels)
@click.option("--tail", "count", default=50, show_default=True, type=click.IntRange(0), help="Number of lines")
@click.option("--follow", "-f", is_flag=True, help="Follow log output")
@dataset_option("app", "workflow", "celery", "pipeline", note=" (without it: app, workflow and celery)")
@answering
def show_logs(
    session: Session,
    *,
    component: str | None,
    level: str | None,
    count: int,
    follow: bool,
    datasets: tuple[Literal["app", "workflow", "celery", "pipeline"], ...],
    common: CommonOptions,
) -> int:
    """Show recent logs."""
    if follow:
        common.check_follow()
    span = common.time_range()

    from shipper.elastic.names import streams_of
    from shipper.views import paging
    from shipper.views.views import SHOW, lines_of

    index = streams_of(session.namespace, datasets or SHOW.datasets)
    query = SHOW.query([*lines_of(component, level), *span])
    output = common.output(SHOW)
    if follow:
        return show_new(session, index, query, count, output)
    found = show_pages(session, index, paging.tail(session.client, index, SHOW, query, count), output)
    return OK if found or count == 0 else nothing(SHOW.nothing)


@logs.command("pipeline")
@click.argument("run_id", type=int)
@answering
def show_pipeline_log(session: Session, *, run_id: int, common: CommonOptions) -> int:
    """Show logs for a specific pipeline run.

    Prints the log file of the newest attempt unchanged (to a terminal, with control characters escaped); with
    --format json or ndjson, its documents.  With --since and --until: of the newest attempt
    that has lines in that time.
    """
    span = common.time_range()

    from shipper.views import pipeline_log
    from shipper.views.views import PIPELINE

    client, namespace = session.client, session.namespace
    attempt = pipeline_log.latest(pipeline_log.attempts(client, namespace, run_id, span), run_id)
    if attempt is None:
        has_run = pipeline_log.exists(client, namespace, run_id)
        if not has_run:
            explain_absence(session, PIPELINE.index(namespace), report=False)
        if common.form == "json":
            click.echo("[]")
        if has_run:
            return nothing(f"No log file found for run {run_id}")
        return nothing(f"Pipeline run {run_id} not found", "red")
    if common.form == "table":
        pages = pipeline_log.documents(client, namespace, attempt, run_id, source=pipeline_log.CONTENT_FIELDS)
        write_log(map(pipeline_log.content, pages))
        return OK
    pages = pipeline_log.documents(client, namespace, attempt, run_id)
    show_pages(session, PIPELINE.index(namespace), pages, common.output(PIPELINE))
    return OK


@logs.command("audit")
@click.option("--entity", help="Entity type")
@click.option("--entity-id", type=int, help="Entity ID")
@limit_option(50, "entries")
@answering
def show_audit_log(
    session: Session,
    *,
    entity: str | None,
    entity_id: int | None,
    limit: int,
    common: CommonOptions,
) -> int:
    """Show audit log entries, newest first."""
    span = common.time_range()

    from shipper.query.conditions import Is
    from shipper.views.views import AUDIT

    wanted = [Is("neuroflow.audit.entity_type", entity).query()] if entity is not None else []
    if entity_id is not None:
        wanted.append(Is("neuroflow.audit.entity_id", str(entity_id)).query())
    return show_first(session, AUDIT, [*wanted, *span], limit, common, boxed=True)


@logs.command("workflow")
@click.argument("workflow_run_id", type=int, required=False)
@click.option("--list", "-l", "list_runs", is_flag=True, help="List recent workflow runs")
@limit_option(10, "runs in the list")
@answering
def show_workflow_log(
    session: Session,
    *,
    workflow_run_id: int | None,
    list_runs: bool,
    limit: int,
    common: CommonOptions,
) -> int:
    """Show workflow run history and details.

    With an id: that run with its stages, pipelines, durations and errors.
    """
    span = common.time_range()
    if workflow_run_id is not None and not list_runs:
        return _show_workflow(session, workflow_run_id, common)

    from shipper.views.views import WORKFLOWS

    return show_first(session, WORKFLOWS, span, limit, common, boxed=True)


def _show_workflow(session: Session, workflow_run_id: int, common: CommonOptions) -> int:
    from shipper.views.workflow import workflow_detail, write_detail

    detail = workflow_detail(session.client, session.namespace, workflow_run_id)
    if common.form == "table" and detail is not None:
        write_detail(detail, common.zone, sys.stdout)
    elif common.form == "json" or (common.form == "ndjson" and detail is not None):
        show_value(detail)
    return OK if detail is not None else nothing(f"Workflow run {workflow_run_id} not found", "red")


@logs.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def show_completion(ctx: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands and options.

    For bash: eval "$(neuroflow-logs completion bash)" in ~/.bashrc.
    """
    root = ctx.find_root()
    program = root.info_name or "neuroflow-logs"
    variable = f"_{program}_COMPLETE".replace("-", "_").upper()
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(found(root.command, {}, program, variable).source())


for command in (search_logs, show_stats, show_tasks):
    logs.add_command(command)


def main() -> None:
    """The console script."""
    open_closed_streams()
    quick_start()
    # Standard output has log lines, which stay as they are in a pipe.
    sys.stderr = changed_stream(credential_mask.stream(sys.stderr), escaped)
    logs(prog_name="neuroflow-logs")


if __name__ == "__main__":
    main()
