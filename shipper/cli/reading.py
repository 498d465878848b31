"""Shared by all commands of ``neuroflow-logs``: session, exit codes and printing."""

from __future__ import annotations

import codecs
import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.cli.exit_codes import CLUSTER, INTERRUPTED, NOTHING_FOUND, OK, USAGE
from shipper.cli.options import CommonOptions, with_common_options
from shipper.interrupts import interrupted
from shipper.printable import printable, printable_json

if TYPE_CHECKING:  # slow imports that --help doesn't need
    from elasticsearch import Elasticsearch

    from shipper.config import Config
    from shipper.elastic.search_answers import Hit
    from shipper.query.conditions import Query
    from shipper.views.render import Output
    from shipper.views.views import View


class Session:
    """The configuration and the client, each loaded at first use.

    Args:
        given: the configuration, or its file; None: the file is searched where the application searches for it.
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
        from shipper.config_file import home_directory
        from shipper.credentials import credential_mask

        if isinstance(self._given, Config):
            return self._given
        config = load(find(None if self._given is None else str(self._given), os.environ, home_directory()))
        credential_mask.add(config.credentials)
        return config

    @functools.cached_property
    def client(self) -> Elasticsearch:
        """A client for the configured cluster; sends nothing."""
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
                f"{where(self.config.elasticsearch)}: {wrong}: that index was created by another index template than "
                "neuroflow-ship's, which the views need; `neuroflow-ship check` names the template and what to do; "
                f"reason: {reason_of(error.body)}"
            )
        if isinstance(error, (ApiError, TransportError)):
            return explain(error, self.config.elasticsearch)
        return None

    def wrongly_mapped(self) -> str | None:
        """A field whose mapping does not support the views; None for none."""
        from shipper.views.foreign_mappings import wrongly_mapped

        return wrongly_mapped(self.client, self.namespace)


def answering(command: Callable[..., int]) -> Callable[..., None]:
    """Give a command its session and the common options; turn what it returns or raises into an exit code."""

    @click.pass_context
    @functools.wraps(command)
    def run(ctx: click.Context, /, *args: Any, **kwargs: Any) -> None:
        session = ctx.find_object(Session) or Session(None)
        # Characters that the terminal can't encode are escaped instead of raising an error.
        if reconfigure := getattr(sys.stdout, "reconfigure", None):
            reconfigure(errors="backslashreplace")
        common = CommonOptions(**{field.name: kwargs.pop(field.name) for field in fields(CommonOptions)})
        ctx.exit(_outcome(command, session, *args, common=common, **kwargs))

    return with_common_options(run)


def _outcome(command: Callable[..., int], session: Session, *args: Any, **kwargs: Any) -> int:
    try:
        code = command(session, *args, **kwargs)
        # A closed pipe has to be noticed here, not when the interpreter ends.
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised again where it is none of ours
        if interrupted(error):
            return INTERRUPTED
        return _outcome_of(error, session)
    return code


def _outcome_of(error: BaseException, session: Session) -> int:
    """The exit code of an error, which is printed; raises what is a bug, or click's own."""
    from shipper.config import ConfigError

    if isinstance(error, BrokenPipeError):
        abandon_output()
        return OK
    if isinstance(error, OSError):
        click.echo(
            f"the output can't be written: {error.strerror or error}; run the command again to see the rest",
            err=True,
        )
        abandon_output()
        return USAGE
    if isinstance(error, ConfigError):
        click.echo(printable(str(error)), err=True)
        return USAGE
    if isinstance(error, Exception) and (sentence := session.explain(error)):
        click.echo(printable(sentence), err=True)
        return CLUSTER
    raise error


def abandon_output() -> None:
    """Discard what is buffered, so that a closed pipe or a full disk causes no error at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return


def show_pages(session: Session, index: list[str], pages: Iterable[list[Hit]], output: Output) -> bool:
    """Print documents page by page; gives whether there were any.

    Raises:
        elasticsearch.ApiError: there were none, and the key may not read them.
    """
    from shipper.views.hits import flat_hits

    found = False
    for hits in pages:
        found = found or bool(hits)
        output.write(flat_hits(hits))
    report_unseen(session, index, found=found)
    output.close()
    return found


def show_first(
    session: Session, view: View, wanted: Iterable[Query], limit: int, common: CommonOptions, *, boxed: bool = False
) -> int:
    """Print the first documents of a view that match the conditions, or that there are none."""
    from shipper.views.paging import head

    index = view.index(session.namespace)
    pages = head(session.client, index, view, view.query(wanted), limit)
    found = show_pages(session, index, pages, common.output(view, boxed=boxed))
    return OK if found or limit == 0 else nothing(view.nothing)


def report_unseen(session: Session, index: list[str], *, found: bool) -> None:
    """After all documents: print which streams the key may not read.

    Raises:
        elasticsearch.ApiError: there were none, and the key may not read them.
    """
    if found:
        report_left_out(session, index)
    else:
        explain_absence(session, index)


def report_left_out(session: Session, index: list[str]) -> None:
    """Where some documents were found: print which of several streams the key may not read."""
    from shipper.views.no_matches import unreadable

    if len(index) > 1 and (left_out := unreadable(session.client, index)):
        click.echo(f"left out, because the key may not read it: {', '.join(left_out)}", err=True)


def explain_absence(session: Session, index: list[str], *, report: bool = True) -> None:
    """Where nothing was found: print a hint if nothing was ever shipped.

    Raises:
        elasticsearch.ApiError: the key may not read it.
    """
    from shipper.views.no_matches import Absence, absence

    if absence(session.client, index) is Absence.MISSING and report:
        click.echo(f"nothing was ever shipped to {', '.join(index)}; is shipper.namespace right?", err=True)


def write_log(parts: Iterable[bytes]) -> None:
    """Write the bytes of a log unchanged; to a terminal, with control characters escaped."""
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
    """Print a value as one line of JSON."""
    import orjson

    click.echo(printable_json(orjson.dumps(value)))


def nothing(message: str, colour: str = "yellow") -> int:
    """Print to standard error, which keeps piped output clean, that nothing was found."""
    click.echo(message if os.environ.get("NO_COLOR") else click.style(message, fg=colour), err=True)
    return NOTHING_FOUND
