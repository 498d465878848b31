"""``setup --retention`` and ``setup --apply``: what changes in existing data streams, printed before it is done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from shipper.cli.exit_codes import INCOMPLETE
from shipper.cli.failure import Failure
from shipper.printable import printable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.elastic.retention import Retention


def retentions(texts: Sequence[str], namespace: str) -> list[Retention]:
    """What the options ``--retention`` say.

    Raises:
        click.UsageError: one of them is wrong, or two are about the same stream.
    """
    from shipper.elastic.retention import datasets, retention_of

    found: dict[str, Retention] = {}
    for text in texts:
        try:
            one = retention_of(text, datasets(namespace))
        except ValueError as error:
            raise click.UsageError(f"--retention {error}") from None
        if one.dataset in found:
            raise click.UsageError(f"--retention {text}: there are two values for this stream")
        found[one.dataset] = one
    return list(found.values())


def set_up_streams(
    client: Elasticsearch, namespace: str, wanted: list[Retention], *, apply: bool, dry_run: bool, yes: bool
) -> bool:
    """Change retentions and existing streams; gives whether all of it succeeded.

    The retentions come first, so that what is applied to the streams is what they say.

    Raises:
        Failure: documents would be deleted, and nobody agreed to that; then nothing was changed.
        elasticsearch.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    from shipper.elastic import retention, upgrade

    now_ms = time.time() * 1000
    good = True
    if wanted:
        good = _do(client, retention.plan(client, namespace, wanted, now_ms), dry_run=dry_run, yes=yes)
    if apply:
        good = _do(client, upgrade.plan(client, namespace, now_ms), dry_run=dry_run, yes=yes) and good
    return good


def _do(client: Elasticsearch, steps: Sequence[object], *, dry_run: bool, yes: bool) -> bool:
    from shipper.elastic.steps import Remark, Step, take

    todo = [step for step in steps if isinstance(step, Step)]
    for remark in (step for step in steps if isinstance(step, Remark)):
        _say(f"{'skipped':<10} {remark.about}: {remark.text}")
    losses = [step for step in todo if step.loses]
    for step in losses:
        _say(f"{'shorter':<10} {step.about}: {step.loses}")
    if losses and not (dry_run or yes):
        raise Failure(
            "documents would be deleted, so nothing of this was done: read what stands above, and run the command "
            "again with --yes if that is wanted",
            INCOMPLETE,
        )
    good = True
    for step in todo:
        if dry_run:
            _say(f"{'would do':<10} {step.about}: {step.what}")
        else:
            good = take(client, step, _say) and good
    if not todo:
        _say(f"{'unchanged':<10} existing data streams: nothing to do")
    return good


def _say(text: str) -> None:
    click.echo(printable(text))
