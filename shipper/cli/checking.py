"""Reports for ``check`` and ``setup``: the cluster's health, the templates in force, the key's privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipper.printable import printable

if TYPE_CHECKING:  # keeps imports of commands without a cluster, and of --version, fast
    from elasticsearch import Elasticsearch

    from shipper.config import Config


def check_cluster(client: Elasticsearch, config: Config) -> bool:
    """Print the state of cluster, templates and key; False when documents would be rejected or mapped wrongly."""
    from shipper.elastic.client import where

    click.echo(f"cluster: {where(config.elasticsearch)}: {_health(client)}")
    may = _check_permissions(client, config.shipper.namespace)
    return check_in_force(client, config, verbose=True) and may


def check_in_force(client: Elasticsearch, config: Config, *, verbose: bool = False) -> bool:
    """Print how templates and indices differ from ours, or (``verbose``) that none does; False when any does."""
    from elastic_transport import ApiError, TransportError

    from shipper.elastic.client import explain
    from shipper.elastic.in_force import in_force

    namespace = config.shipper.namespace
    try:
        found = in_force(client, namespace)
    except (ApiError, TransportError) as error:
        reason = explain(error, config.elasticsearch)
        click.echo(printable(f"templates: can't check which are in force: {reason}"), err=not verbose)
        return True
    for sentence in (*found.templates, *found.indices):
        click.echo(printable(f"wrong: {sentence}"), err=not verbose)
    if verbose:
        for remark in found.remarks:
            click.echo(printable(f"templates: {remark}"))
        if not (found.templates or found.indices or found.remarks):
            click.echo(f"templates: ours are, or will be, in force for logs-neuroflow.*-{namespace}")
    return not (found.templates or found.indices)


def _health(client: Elasticsearch) -> str:
    from elastic_transport import ApiError

    from shipper.elastic.client import is_genuine

    try:
        answer = client.cluster.health(filter_path="status,number_of_nodes")
    except ApiError as error:
        if error.meta.status == 410 and is_genuine(error):
            return "it answers (Elastic Cloud Serverless, which has no health to read)"
        if error.meta.status == 403 and is_genuine(error):
            return "it answers; reading its health needs the privilege `monitor`"
        raise
    if not isinstance(answer.body, dict) or "status" not in answer.body:
        return "it answers, but without its health"
    nodes = answer.body.get("number_of_nodes")
    return f"{answer.body['status']}, {nodes} node{'' if nodes == 1 else 's'}"


def _check_permissions(client: Elasticsearch, namespace: str) -> bool:
    from shipper.elastic.privileges import lacks

    privileges = lacks(client, namespace)
    if privileges is None:
        click.echo("permissions: the cluster has no security, or does not tell the key's privileges")
        return True
    for lack in privileges:
        if lack.missing:
            click.echo(f"permissions: {lack.need.work}: lacks {', '.join(lack.missing)}; {lack.need.without}")
        else:
            click.echo(f"permissions: {lack.need.work}: granted")
    return not any(lack.missing for lack in privileges if lack.need.vital)
