"""Puts the roles for ``setup --roles``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipper.cli.failure import tell
from shipper.printable import printable

if TYPE_CHECKING:  # a slow import, needed with a cluster only
    from elasticsearch import Elasticsearch


def set_up_roles(client: Elasticsearch, namespace: str | None, *, dry_run: bool) -> bool:
    """Put the roles that differ, and print a line for each; False, with a sentence, where the cluster takes none."""
    from shipper.elastic.roles import NoRolesError, put_roles

    try:
        changes = put_roles(client, namespace, dry_run=dry_run)
    except NoRolesError as error:
        tell(str(error))
        return False
    for change in changes:
        before = f" (before, it {'; '.join(change.before)})" if change.before else ""
        click.echo(printable(f"{change.action:<10} role {change.name}{before}", lines=False))
    return True
