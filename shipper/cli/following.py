"""Implements ``-f``: prints the tail, then new lines, until the reader is gone."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shipper.cli.exit_codes import OK
from shipper.cli.reading import Session, report_left_out
from shipper.printable import printable

if TYPE_CHECKING:  # slow imports that --help doesn't need
    from shipper.elastic.search_answers import Hit
    from shipper.query.conditions import Query
    from shipper.views.render import Output


def show_new(session: Session, index: list[str], query: Query, count: int, output: Output) -> int:
    """Print the tail of the log lines, then each new one once it is searchable."""
    from shipper.views.follow import Follower
    from shipper.views.hits import flat_hits
    from shipper.views.paging import tail_of
    from shipper.views.polling import follow
    from shipper.views.views import SHOW

    def notice(error: Exception | None) -> None:
        text = "it is back" if error is None else f"{session.explain(error)}; waiting for it"
        click.echo(printable(f"neuroflow-logs: {text}"), err=True)

    follower = Follower(session.client, index, query)

    def begin() -> Iterator[list[Hit]]:
        # One snapshot for both, so that no line is lost between them.
        with follower.snapshot() as snapshot:
            yield from tail_of(snapshot, SHOW, query, count)
            follower.start(snapshot)
        report_left_out(session, index)

    try:
        for hits in follow(follower, pause, notice, begin):
            output.write(flat_hits(hits))
    except KeyboardInterrupt:
        # The usual way to end it, not an error.
        output.close()
        return OK
    return OK


def pause(seconds: float) -> bool:
    """Wait some seconds; False, at once, when the reader of the output is gone."""
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):
        time.sleep(seconds)
        return True
    gone = select.poll()
    gone.register(fd, 0)  # no event requested: errors and hang-ups are always reported
    return not gone.poll(seconds * 1000)
