"""Commands of ``neuroflow-logs`` beyond the application's own: what became of tasks."""

from __future__ import annotations

import click

from shipper.cli.reading import (
    FOUND,
    Format,
    Session,
    answering,
    nothing,
    output_of,
    output_options,
    show_pages,
    span_of,
)


@click.command("tasks")
@click.option("--task", help="Only tasks of this name")
@click.option("--task-id", help="Only this task")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Number of lines")
@output_options
@answering
def show_tasks(
    session: Session,
    *,
    task: str | None,
    task_id: str | None,
    limit: int,
    since: str | None,
    until: str | None,
    utc: bool,
    form: Format,
) -> int:
    """Show what became of the workers' tasks, the newest first."""
    span = span_of(since, until, utc=utc)

    from shipper.search import paging
    from shipper.search.conditions import Is, queries
    from shipper.search.views import TASKS

    wanted = [Is("neuroflow.task.name", task)] if task is not None else []
    if task_id is not None:
        wanted.append(Is("neuroflow.task.id", task_id))
    query = TASKS.query([*queries(wanted), *span])
    pages = paging.head(session.client, TASKS.index(session.namespace), TASKS, query, limit)
    found = show_pages(pages, output_of(form, TASKS, utc=utc))
    return FOUND if found or limit == 0 else nothing(TASKS.nothing)
