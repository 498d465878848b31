"""``neuroflow-logs``: the application's log views, answered from the index.

The group ``logs`` can be mounted in another click application; it keeps its own state in its own context.  What
takes long to import is imported by the commands that need it.

Exit codes: 0 found, 1 nothing found, 2 usage or configuration, 3 the cluster.
"""

from __future__ import annotations

import functools
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:  # each costs a good part of a second that --help need not wait for
    from elasticsearch import Elasticsearch

    from shipper.config import Config
    from shipper.search.paging import Hit
    from shipper.search.render import Output
    from shipper.search.views import View

FOUND, NOTHING, USAGE, CLUSTER = 0, 1, 2, 3
INTERRUPTED = 130

Format = Literal["table", "json", "ndjson"]


class Session:
    """The configuration and the cluster, each when first asked for."""

    def __init__(self, config_path: str | None) -> None:
        self._config_path = config_path

    @functools.cached_property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        from shipper.config import find, load

        return load(find(self._config_path, os.environ, Path.home()))

    @functools.cached_property
    def client(self) -> Elasticsearch:
        """The configured cluster; nothing is sent yet."""
        from shipper.cluster import connect

        return connect(self.config.elasticsearch)

    @property
    def namespace(self) -> str:
        """The last part of the data streams' names."""
        return self.config.shipper.namespace

    def explain(self, error: Exception) -> str | None:
        """An error of the cluster as a sentence; None for any other."""
        from elasticsearch import ApiError, TransportError

        from shipper.cluster import explain

        if isinstance(error, (ApiError, TransportError)):
            return explain(error, self.config.elasticsearch)
        return None


def answering(command: Callable[..., int]) -> Callable[..., None]:
    """Give a command its session, and turn what it returns or raises into an exit code and a sentence."""

    @click.pass_context
    @functools.wraps(command)
    def run(ctx: click.Context, /, *args: Any, **kwargs: Any) -> None:
        session = ctx.find_object(Session) or Session(None)
        # What the terminal can't write is spelled out rather than an error in the middle of a log.
        if reconfigure := getattr(sys.stdout, "reconfigure", None):
            reconfigure(errors="backslashreplace")
        ctx.exit(_outcome(command, session, *args, **kwargs))

    return run


def _outcome(command: Callable[..., int], session: Session, *args: Any, **kwargs: Any) -> int:
    try:
        code = command(session, *args, **kwargs)
        # Here, where a closed pipe is still ours to handle, and not when the interpreter ends.
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
        return FOUND
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException:
        raise
    except Exception as error:
        from shipper.config import ConfigError

        if isinstance(error, ConfigError):
            click.echo(str(error), err=True)
            return USAGE
        if sentence := session.explain(error):
            click.echo(sentence, err=True)
            return CLUSTER
        raise
    return code


def _abandon_output() -> None:
    """Let nothing that is still buffered complain about the closed pipe at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return


_OUTPUT_OPTIONS: tuple[Callable[[Callable[..., None]], Callable[..., None]], ...] = (
    click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "ndjson"]),
        default="table",
        show_default=True,
        help="A table for people, one JSON array, or one JSON object a line",
    ),
    click.option("--utc", is_flag=True, help="Times in UTC instead of local time"),
    click.option("--until", metavar="TIME", help="Only up to this time"),
    click.option("--since", metavar="TIME", help="Only from this time: 90s, 30m, 1h, 7d ago, or an ISO date or time"),
)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every command has."""
    for option in _OUTPUT_OPTIONS:
        command = option(command)
    return command


def _moment(name: str, text: str | None, *, utc: bool) -> datetime | None:
    from shipper.search.moments import moment

    if text is None:
        return None
    try:
        return moment(text, datetime.now(UTC), utc=utc)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"--{name}") from None


def _output(form: Format, view: View, *, utc: bool) -> Output:
    from shipper.search.render import JsonArray, Lines, Ndjson

    if form == "table":
        return Lines(view.columns, UTC if utc else None, sys.stdout)
    binary = sys.stdout.buffer
    return JsonArray(binary) if form == "json" else Ndjson(binary)


def _nothing(message: str, colour: str) -> int:
    # Beside the output and not in it: what is piped on stays what it claims to be.
    click.secho(message, fg=None if os.environ.get("NO_COLOR") else colour, err=True)
    return NOTHING


@click.group()
@click.option("--config", "config_path", metavar="PATH", help="The application's neuroflow.yaml")
@click.pass_context
def logs(ctx: click.Context, config_path: str | None) -> None:
    """Log viewing commands."""
    ctx.obj = Session(config_path)


@logs.command("show")
@click.option("--component", help="Filter by component")
@click.option("--level", help="Filter by log level")
@click.option("--tail", "count", default=50, show_default=True, type=click.IntRange(0), help="Number of lines")
@click.option("--follow", "-f", is_flag=True, help="Follow log output")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(["app", "workflow", "celery"]),
    help="Only this kind of log",
)
@output_options
@answering
def show_logs(
    session: Session,
    *,
    component: str | None,
    level: str | None,
    count: int,
    follow: bool,
    datasets: tuple[Literal["app", "workflow", "celery"], ...],
    since: str | None,
    until: str | None,
    utc: bool,
    form: Format,
) -> int:
    """Show recent logs."""
    if follow and form == "json":
        raise click.UsageError("an array that is followed never ends; use --format ndjson")
    if follow and until is not None:
        raise click.UsageError("--follow goes on for ever and --until ends; use one of them")
    span = (_moment("since", since, utc=utc), _moment("until", until, utc=utc))

    from shipper.search import paging
    from shipper.search.absence import absence
    from shipper.search.documents import flat_hits
    from shipper.search.views import (
        SHOW,
        between,
        every,
        lines_of,
        streams,
    )

    index = streams(datasets or SHOW.datasets, session.namespace)
    query = every([*lines_of(component, level), *between(*span)])
    output = _output(form, SHOW, utc=utc)
    if follow:
        return _follow(session, index, query, count, output)
    found = False
    if count <= paging.LARGEST_PAGE:
        hits = paging.newest(session.client, index, query, SHOW.sort(newest_first=True), count)
        found = bool(hits)
        output.write(flat_hits(hits[::-1]))
    else:
        with paging.Snapshot(session.client, index) as snapshot:
            for hits in paging.tail(snapshot, SHOW, query, count):
                found = True
                output.write(flat_hits(hits))
    if not found:
        absence(session.client, index)  # an error, if it may only not be seen
    output.close()
    return FOUND if found or count == 0 else _nothing(SHOW.nothing, "yellow")


def _follow(session: Session, index: list[str], query: dict[str, Any], count: int, output: Output) -> int:
    from shipper.search.documents import flat_hits
    from shipper.search.follow import Follower, follow
    from shipper.search.paging import tail
    from shipper.search.views import SHOW

    def notice(error: Exception | None) -> None:
        text = "it is back" if error is None else f"{session.explain(error)}; waiting for it"
        click.echo(f"neuroflow-logs: {text}", err=True)

    follower = Follower(session.client, index, query)

    def begin() -> Iterator[list[Hit]]:
        # One snapshot for both, so that nothing falls between the tail and what follows it.
        with follower.snapshot() as snapshot:
            yield from tail(snapshot, SHOW, query, count)
            follower.start(snapshot)

    try:
        for hits in follow(follower, _pause, notice, begin):
            output.write(flat_hits(hits))
    except KeyboardInterrupt:
        # The way to end it, so nothing went wrong.
        output.close()
        return FOUND
    return FOUND


def _pause(seconds: float) -> bool:
    """Wait for the next look; False, at once, when nobody reads our output any more."""
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):
        time.sleep(seconds)
        return True
    gone = select.poll()
    gone.register(fd, 0)  # no event is asked for: errors and hang-ups are reported anyway
    return not gone.poll(seconds * 1000)


@logs.command("pipeline")
@click.argument("run_id", type=int)
@output_options
@answering
def show_pipeline_log(
    session: Session, *, run_id: int, since: str | None, until: str | None, utc: bool, form: Format
) -> int:
    """Show logs for a specific pipeline run.

    The log file of the newest attempt, byte for byte; as json or ndjson, its documents.  With --since and
    --until the newest attempt that has lines in that time.
    """
    span = (_moment("since", since, utc=utc), _moment("until", until, utc=utc))

    from shipper.search import pipeline_log
    from shipper.search.views import between

    client, namespace = session.client, session.namespace
    attempt = pipeline_log.latest(pipeline_log.attempts(client, namespace, run_id, between(*span)), run_id)
    if attempt is None:
        if form == "json":
            click.echo("[]")
        if pipeline_log.known(client, namespace, run_id):
            return _nothing(f"No log file found for run {run_id}", "yellow")
        return _nothing(f"Pipeline run {run_id} not found", "red")
    if form == "table":
        binary = sys.stdout.buffer
        for hits in pipeline_log.documents(client, namespace, attempt, run_id, source=pipeline_log.CONTENT_FIELDS):
            binary.write(pipeline_log.content(hits))
        binary.flush()
        return FOUND

    from shipper.search.documents import flat_hits
    from shipper.search.views import SHOW

    output = _output(form, SHOW, utc=utc)
    for hits in pipeline_log.documents(client, namespace, attempt, run_id):
        output.write(flat_hits(hits))
    output.close()
    return FOUND


def main() -> None:
    """The console script."""
    logs(prog_name="neuroflow-logs")


if __name__ == "__main__":
    main()
