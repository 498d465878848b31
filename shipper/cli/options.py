"""Options that several commands of ``neuroflow-logs`` have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:  # slow imports that --help doesn't need
    from shipper.query.conditions import Query
    from shipper.views.render import Output
    from shipper.views.views import View

Command = Callable[..., None]


@dataclass(frozen=True)
class CommonOptions:
    """Options of every command: a time range, and the output format."""

    since: str | None
    until: str | None
    utc: bool
    form: Literal["table", "json", "ndjson"]

    @property
    def zone(self) -> tzinfo | None:
        """The time zone of printed times; None is the local one."""
        return UTC if self.utc else None

    def moments(self) -> tuple[datetime | None, datetime | None]:
        """The times of ``--since`` and ``--until``."""
        return self._moment("since", self.since), self._moment("until", self.until)

    def time_range(self) -> list[Query]:
        """The conditions for ``--since`` and ``--until``."""
        from shipper.query.conditions import between

        return between(*self.moments())

    def output(self, view: View, *, boxed: bool = False) -> Output:
        """The printer for documents of a view."""
        from shipper.views.box_table import BoxTable
        from shipper.views.render import JsonArray, Lines, Ndjson

        if self.form == "table" and boxed:
            return BoxTable(view.title, view.columns, self.zone, sys.stdout)
        if self.form == "table":
            return Lines(view.columns, self.zone, sys.stdout)
        binary = sys.stdout.buffer
        return JsonArray(binary) if self.form == "json" else Ndjson(binary)

    def check_follow(self) -> None:
        """Reject options that ``--follow`` excludes.

        Raises:
            click.UsageError: ``--format json`` or ``--until``.
        """
        if self.form == "json":
            raise click.UsageError("--follow can't print a JSON array, which would never end; use --format ndjson")
        if self.until is not None:
            raise click.UsageError("--follow and --until exclude each other")

    def _moment(self, name: str, text: str | None) -> datetime | None:
        from shipper.query.time_ranges import moment

        if text is None:
            return None
        try:
            return moment(text, datetime.now(UTC), utc=self.utc)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=f"--{name}") from None


_COMMON: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "ndjson"]),
        default="table",
        show_default=True,
        help="A table, one JSON array, or one JSON object a line",
    ),
    click.option("--utc", is_flag=True, help="Times in UTC instead of local time"),
    click.option("--until", metavar="TIME", help="Only up to this time"),
    click.option("--since", metavar="TIME", help="Only from this time: 90s, 30m, 1h, 7d ago, or an ISO date or time"),
)


def with_common_options(command: Command) -> Command:
    """Add the options of ``CommonOptions`` to a command."""
    for option in _COMMON:
        command = option(command)
    return command


def limit_option(default: int, what: str) -> Callable[[Command], Command]:
    """The option ``--limit`` of a command that lists ``what``."""
    return click.option(
        "--limit", default=default, show_default=True, type=click.IntRange(0), help=f"Number of {what}"
    )


def dataset_option(*datasets: str, note: str = "") -> Callable[[Command], Command]:
    """The option ``--dataset``, which may be given several times."""
    return click.option(
        "--dataset", "datasets", multiple=True, type=click.Choice(datasets), help=f"Only this kind of log{note}"
    )
