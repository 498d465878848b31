"""What all commands of ``neuroflow-logs`` share: the session, their options, and how they print."""

from __future__ import annotations

import codecs
import functools
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from shipper.cli.exit_codes import CLUSTER, INTERRUPTED, NOTHING_FOUND, OK, USAGE
from shipper.printable import printable, printable_json

if TYPE_CHECKING:  # each costs a good part of a second that --help need not wait for
    from elasticsearch import Elasticsearch

    from shipper.config import Config
    from shipper.elastic.search_answers import Hit
    from shipper.query.conditions import Query
    from shipper.views.render import Output
    from shipper.views.views import View

Format = Literal["table", "json", "ndjson"]


class Session:
    """The configuration and the cluster, each when first asked for.

    Args:
        given: the configuration, or its file; None: the file is looked for where the application looks for its own.
    """

    def __init__(self, given: Config | str | Path | None) -> None:
        self._given = given

    @functools.cached_property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        from shipper.config import Config, find, load
        from shipper.credentials import silence

        if isinstance(self._given, Config):
            return self._given
        config = load(find(None if self._given is None else str(self._given), os.environ, Path.home()))
        silence.keep(config.credentials)
        return config

    @functools.cached_property
    def client(self) -> Elasticsearch:
        """The configured cluster; nothing is sent yet."""
        from shipper.elastic.client import connect

        return connect(self.config.elasticsearch)

    @property
    def namespace(self) -> str:
        """The last part of the data streams' names."""
        return self.config.shipper.namespace

    def explain(self, error: Exception) -> str | None:
        """An error of the cluster as a sentence; None for any other."""
        from elasticsearch import ApiError, BadRequestError, TransportError

        from shipper.elastic.client import explain, reason_of, where

        if isinstance(error, BadRequestError) and (wrong := self.wrongly_mapped()):
            return (
                f"{where(self.config.elasticsearch)}: {wrong}: another index template than ours made that index, and "
                "views need ours; `neuroflow-ship check` names the template and says what to do; "
                f"it said: {reason_of(error.body)}"
            )
        if isinstance(error, (ApiError, TransportError)):
            return explain(error, self.config.elasticsearch)
        return None

    def wrongly_mapped(self) -> str | None:
        """What is mapped otherwise than views need it: whatever was asked, that is to blame."""
        from shipper.views.foreign_mappings import wrongly_mapped

        return wrongly_mapped(self.client, self.namespace)


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
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        click.echo(
            f"the output can't be written: {error.strerror or error}; what is missing is still there to read",
            err=True,
        )
        _abandon_output()
        return USAGE
    except click.ClickException:
        raise
    except Exception as error:
        from shipper.config import ConfigError

        if isinstance(error, ConfigError):
            click.echo(printable(str(error)), err=True)
            return USAGE
        if sentence := session.explain(error):
            click.echo(printable(sentence), err=True)
            return CLUSTER
        raise
    return code


def _abandon_output() -> None:
    """Let nothing that is still buffered complain about the closed pipe or the full disk at exit."""
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


def limit_option(default: int, what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option ``--limit``, for so many of what a view lists."""
    return click.option(
        "--limit", default=default, show_default=True, type=click.IntRange(0), help=f"Number of {what}"
    )


def dataset_option(*datasets: str, note: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option ``--dataset``, which may be given several times."""
    return click.option(
        "--dataset", "datasets", multiple=True, type=click.Choice(datasets), help=f"Only this kind of log{note}"
    )


def check_follow(*, follow: bool, form: Format, until: str | None) -> None:
    """What ``--follow`` can't be combined with.

    Raises:
        click.UsageError: it was.
    """
    if follow and form == "json":
        raise click.UsageError("an array that is followed never ends; use --format ndjson")
    if follow and until is not None:
        raise click.UsageError("--follow goes on for ever and --until ends; use one of them")


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every command has."""
    for option in _OUTPUT_OPTIONS:
        command = option(command)
    return command


def moments_of(since: str | None, until: str | None, *, utc: bool) -> tuple[datetime | None, datetime | None]:
    """The moments that ``--since`` and ``--until`` name.

    Raises:
        click.BadParameter: one of them is no time.
    """
    return _moment("since", since, utc=utc), _moment("until", until, utc=utc)


def span_of(since: str | None, until: str | None, *, utc: bool) -> list[Query]:
    """The condition that ``--since`` and ``--until`` are.

    Raises:
        click.BadParameter: one of them is no time.
    """
    from shipper.query.conditions import between

    return between(*moments_of(since, until, utc=utc))


def _moment(name: str, text: str | None, *, utc: bool) -> datetime | None:
    from shipper.query.time_ranges import moment

    if text is None:
        return None
    try:
        return moment(text, datetime.now(UTC), utc=utc)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"--{name}") from None


def zone_of(*, utc: bool) -> tzinfo | None:
    """The reader's zone; None is the local one."""
    return UTC if utc else None


def output_of(form: Format, view: View, *, utc: bool, boxed: bool = False) -> Output:
    """Where documents of a view go."""
    from shipper.views.box_table import Boxed
    from shipper.views.render import JsonArray, Lines, Ndjson

    if form == "table" and boxed:
        return Boxed(view.title, view.columns, zone_of(utc=utc), sys.stdout)
    if form == "table":
        return Lines(view.columns, zone_of(utc=utc), sys.stdout)
    binary = sys.stdout.buffer
    return JsonArray(binary) if form == "json" else Ndjson(binary)


def show_pages(session: Session, index: list[str], pages: Iterable[list[Hit]], output: Output) -> bool:
    """Print documents page by page; whether there were any.

    Raises:
        elasticsearch.ApiError: there were none because the key may not read them.
    """
    from shipper.views.hits import flat_hits

    found = False
    for hits in pages:
        found = found or bool(hits)
        output.write(flat_hits(hits))
    look_further(session, index, found=found)
    output.close()
    return found


def show_first(
    session: Session, view: View, wanted: Iterable[Query], limit: int, form: Format, *, utc: bool, boxed: bool = False
) -> int:
    """Print the first documents of a view that meet some more conditions, and say so when there are none."""
    from shipper.views.paging import head

    index = view.index(session.namespace)
    pages = head(session.client, index, view, view.query(wanted), limit)
    found = show_pages(session, index, pages, output_of(form, view, utc=utc, boxed=boxed))
    return OK if found or limit == 0 else nothing(view.nothing)


def look_further(session: Session, index: list[str], *, found: bool) -> None:
    """After all documents: what the key may not read is no part of them.

    Raises:
        elasticsearch.ApiError: there were none because of that.
    """
    if found:
        look_beside(session, index)
    else:
        look_again(session, index)


def look_beside(session: Session, index: list[str]) -> None:
    """Where something was found in several streams: say which of them the key may not read."""
    from shipper.views.no_matches import unreadable

    if len(index) > 1 and (left_out := unreadable(session.client, index)):
        click.echo(f"left out, because the key may not read it: {', '.join(left_out)}", err=True)


def look_again(session: Session, index: list[str], *, say: bool = True) -> None:
    """Where nothing was found: whether nothing was ever shipped, which is said, or may only not be seen.

    Raises:
        elasticsearch.ApiError: the key may not read it.
    """
    from shipper.views.no_matches import Absence, absence

    if absence(session.client, index) is Absence.MISSING and say:
        click.echo(f"nothing was ever shipped to {', '.join(index)}; is shipper.namespace right?", err=True)


def write_log(parts: Iterable[bytes]) -> None:
    """Write the bytes of a log as they are; to a terminal as text that can't command it."""
    binary = sys.stdout.buffer
    if not sys.stdout.isatty():
        binary.writelines(parts)
        binary.flush()
        return
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for part in parts:
        click.echo(printable(decoder.decode(part).replace("\r\n", "\n")), nl=False)
    click.echo(printable(decoder.decode(b"", final=True)), nl=False)


def show_value(value: Any) -> None:
    """Print one answer as one line of JSON."""
    import orjson

    click.echo(printable_json(orjson.dumps(value)))


def nothing(message: str, colour: str = "yellow") -> int:
    """Say that nothing was found."""
    # Beside the output and not in it: what is piped on stays what it claims to be.
    click.secho(message, fg=None if os.environ.get("NO_COLOR") else colour, err=True)
    return NOTHING_FOUND
