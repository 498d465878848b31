"""Commands of ``neuroflow-logs`` that the application lacks: ``stats`` and ``tasks``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from shipper.cli.exit_codes import OK
from shipper.cli.options import CommonOptions, limit_option
from shipper.cli.reading import (
    Session,
    answering,
    explain_absence,
    nothing,
    show_first,
    show_value,
)

if TYPE_CHECKING:  # slow imports that --help doesn't need
    from shipper.views.stats_tables import Sheet


@click.command("stats")
@click.argument("what", type=click.Choice(["overview", "pipelines", "failures", "queue"]), required=False)
@limit_option(10, "failures")
@answering
def show_stats(session: Session, *, what: str | None, limit: int, common: CommonOptions) -> int:
    """Show the figures of the dashboard: overview, pipelines by type, recent failures, queue depth.

    All four, or the named one.  With --since and --until: of runs and sessions created in that time.
    """
    earliest, latest = common.moments()

    from shipper.views.stats import DashboardQueries
    from shipper.views.stats_tables import SHEETS
    from shipper.views.views import FAILURES

    queries = DashboardQueries(session.client, session.namespace, since=earliest, until=latest)
    answers = {sheet: sheet.ask(queries, limit) for sheet in SHEETS if what in (None, sheet.name)}
    found = any(map(_has_content, answers.values()))
    if not found:
        explain_absence(session, FAILURES.index(session.namespace))
    if common.form == "table":
        for at, (sheet, answer) in enumerate(answers.items()):
            if at:
                click.echo()
            _show_sheet(sheet, answer, beside_others=what is None, common=common)
    elif what is not None:
        [answer] = answers.values()
        for part in answer if common.form == "ndjson" and isinstance(answer, list) else [answer]:
            show_value(part)
    else:
        named = {sheet.name: answer for sheet, answer in answers.items()}
        for part in [{name: answer} for name, answer in named.items()] if common.form == "ndjson" else [named]:
            show_value(part)
    if found:
        return OK
    [reason] = {sheet.nothing for sheet in answers} if what is not None else {SHEETS[0].nothing}
    return nothing(reason)


def _show_sheet(sheet: Sheet, answer: Any, *, beside_others: bool, common: CommonOptions) -> None:
    from shipper.views.box_table import BoxTable

    rows = sheet.rows(answer)
    table = BoxTable(sheet.title, sheet.columns, common.zone, sys.stdout)
    table.write(rows)
    table.close()
    if not rows and beside_others:
        click.echo(f"{sheet.title}: {sheet.nothing[:1].lower()}{sheet.nothing[1:]}")


def _has_content(answer: Any) -> bool:
    return any(answer.values()) if isinstance(answer, dict) else bool(answer)


@click.command("tasks")
@click.option("--task", help="Only tasks of this name")
@click.option("--task-id", help="Only this task")
@limit_option(50, "lines")
@answering
def show_tasks(
    session: Session,
    *,
    task: str | None,
    task_id: str | None,
    limit: int,
    common: CommonOptions,
) -> int:
    """Show the workers' tasks and their outcomes, newest first."""
    span = common.time_range()

    from shipper.query.conditions import Is, queries
    from shipper.views.views import TASKS

    wanted = [Is("neuroflow.task.name", task)] if task is not None else []
    if task_id is not None:
        wanted.append(Is("neuroflow.task.id", task_id))
    return show_first(session, TASKS, [*queries(wanted), *span], limit, common)
