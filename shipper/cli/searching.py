"""``neuroflow-logs search``: grep over all logs."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from shipper.cli.exit_codes import OK
from shipper.cli.following import show_new
from shipper.cli.options import CommonOptions, dataset_option
from shipper.cli.reading import (
    Session,
    answering,
    nothing,
    report_unseen,
    show_pages,
)

if TYPE_CHECKING:  # slow imports that --help doesn't need
    from collections.abc import Callable, Iterator

    from shipper.elastic.search_answers import Hit
    from shipper.query.conditions import Query
    from shipper.views.render import Output

# Lines shown before -f waits for new ones; --tail changes it.
BEFORE_FOLLOWING = 50
# With context lines, the ids of the newest matches are sent in the query.
MAX_NEWEST = 10_000
# Lines of context on either side.
MAX_AROUND = 1000

_AROUND = click.IntRange(0, MAX_AROUND)


@click.command("search")
@click.argument("words", metavar="QUERY", nargs=-1, required=True)
@dataset_option(
    "app", "workflow", "celery", "pipeline", "audit", "sidecar",
    note=" (without it: all but sidecar, which holds what sidecars report of themselves)",
)  # fmt: skip
@click.option("--tail", "count", type=click.IntRange(0), help="Only the newest N matches  [default: all]")
@click.option(
    "--after-context", "-A", "after", type=_AROUND, metavar="N", help="N lines of the file after each match"
)
@click.option("--before-context", "-B", "before", type=_AROUND, metavar="N", help="N lines before each match")
@click.option("--context", "-C", "around", type=_AROUND, metavar="N", help="N lines before and after each match")
@click.option("--follow", "-f", is_flag=True, help="Print new matches as they arrive")
@answering
def search_logs(
    session: Session,
    *,
    words: tuple[str, ...],
    datasets: tuple[str, ...],
    count: int | None,
    after: int | None,
    before: int | None,
    around: int | None,
    follow: bool,
    common: CommonOptions,
) -> int:
    """Search all logs, oldest match first.

    QUERY: words that a line must contain, in its message or any field, in any case; "in quotes" in this order.
    field:value searches one field (level:error, run_id:456, neuroflow.extra.exit_code:1), with the wildcards * and ?,
    /regular expressions/, [from TO to], >1000 and word~ for similar words.  AND, OR, NOT and ( ) combine; a leading -
    excludes (write -- before it, so that it is not taken for an option).  * matches every line.
    """
    before, after = (around or 0) if before is None else before, (around or 0) if after is None else after
    _check(common, follow=follow, around=before + after, count=count)
    span = common.time_range()

    from shipper.elastic.names import streams_of
    from shipper.views.views import SEARCH

    index = streams_of(session.namespace, datasets or SEARCH.datasets)

    def show(matching: Query) -> int:
        query = SEARCH.query([matching, *span])
        output = _output(session, index, matching, common)
        if follow:
            return show_new(session, index, query, BEFORE_FOLLOWING if count is None else count, output)
        if before or after:
            found = _show_around(session, index, query, count, (before, after), output)
        else:
            found = show_pages(session, index, _pages(session, index, query, count), output)
        return OK if found or count == 0 else nothing(SEARCH.nothing)

    return _with_query(session, index, " ".join(words), show, common)


def _check(common: CommonOptions, *, follow: bool, around: int, count: int | None) -> None:
    if follow:
        common.check_follow()
    if follow and around:
        raise click.UsageError(
            "--follow can't show context, since the lines after a new one don't exist yet; leave out -A, -B, -C"
        )
    if around and count is not None and count > MAX_NEWEST:
        raise click.UsageError(f"with -A, -B or -C --tail is {MAX_NEWEST} at most; leave it out to see all")


def _with_query(
    session: Session, index: list[str], text: str, show: Callable[[Query], int], common: CommonOptions
) -> int:
    """Parse and compile a query, and call ``show`` with it.

    Raises:
        click.BadParameter: the query is invalid, for the parser or for the cluster.
        elasticsearch.BadRequestError: the query is not to blame.
    """
    from elasticsearch import ApiError, BadRequestError

    from shipper.elastic.client import reason_of
    from shipper.elastic.search_answers import any_document
    from shipper.query.compiler import QueryCompiler, remarks
    from shipper.query.parser import parse
    from shipper.query.syntax_tree import QueryError

    now, zone = datetime.now(UTC), common.zone
    try:
        node = parse(text)
        query = QueryCompiler(now, zone).query(node)
    except QueryError as error:
        raise click.BadParameter(f"{text!r} can't be parsed: {error}.{_ADVICE}", param_hint="QUERY") from None
    for remark in remarks(node, lambda field: any_document(session.client, index, {"exists": {"field": field}})):
        click.echo(remark, err=True)
    try:
        try:
            return show(query)
        except ApiError as error:
            # Only the first request can fail so, before anything is shown: a sorted search reads all of the index.
            if not _TOO_WIDE.search(reason_of(error.body)):
                raise
            return show(QueryCompiler(now, zone, joined=False).query(node))
    except BadRequestError as error:
        if session.wrongly_mapped():
            raise
        reason = reason_of(error.body)
    # Not above: as its context the error would keep a half-read result open until the interpreter ends, when closing
    # it waits for a connection that no longer comes.
    raise click.BadParameter(f"Elasticsearch refuses {text!r}: {reason}", param_hint="QUERY")


# A pattern in the query matches more words than the cluster allows; the status of this error varies by release.
_TOO_WIDE = re.compile("too[ _]many")
_ADVICE = "  To find special characters, quote the text or put a \\ before each of them."


def _output(session: Session, index: list[str], query: Query, common: CommonOptions) -> Output:
    from shipper.views.views import SEARCH

    if common.form != "table" or not sys.stdout.isatty():
        return common.output(SEARCH)
    from shipper.views.highlight import Highlighted, new_marks
    from shipper.views.render import Lines

    marks = new_marks()
    lines = Lines(SEARCH.columns, common.zone, sys.stdout, marks)
    return Highlighted(session.client, index, query, lines, marks) if lines.coloured else lines


def _pages(session: Session, index: list[str], query: Query, count: int | None) -> Iterator[list[Hit]]:
    from shipper.views.paging import tail, whole
    from shipper.views.snapshot import Snapshot
    from shipper.views.views import SEARCH

    if count is not None:
        yield from tail(session.client, index, SEARCH, query, count)
        return
    with Snapshot(session.client, index) as snapshot:
        yield from whole(snapshot, SEARCH, query)


def _show_around(
    session: Session, index: list[str], query: Query, count: int | None, around: tuple[int, int], output: Output
) -> bool:
    from shipper.views.context_lines import Contexts
    from shipper.views.highlight import Highlighted
    from shipper.views.render import Lines

    before, after = around
    contexts = Contexts(session.client, index, before=before, after=after)
    found = False
    for lines in contexts.around(_in_files(session, index, query, count)):
        found = found or bool(lines)
        if isinstance(output, (Lines, Highlighted)):
            output.write_context(lines)
        else:
            output.write(line.doc for line in lines)
    report_unseen(session, index, found=found)
    output.close()
    return found


def _in_files(session: Session, index: list[str], query: Query, count: int | None) -> Iterator[list[Hit]]:
    from shipper.query.conditions import every
    from shipper.views.snapshot import Snapshot, newest
    from shipper.views.views import IN_FILES, SEARCH, sort

    if count is not None:
        hits = newest(session.client, index, query, SEARCH.sort(), count, source=False) if count else []
        query = every([{"ids": {"values": [hit["_id"] for hit in hits]}}])
    with Snapshot(session.client, index) as snapshot:
        yield from snapshot.pages(query, sort([field for field, _ in IN_FILES], newest_first=False))
