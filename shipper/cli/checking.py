"""What ``check`` and ``setup`` find out about the cluster: whether it answers, what is in force, what the key may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipper.printable import printable

if TYPE_CHECKING:  # commands that need no cluster don't wait for the client, nor --version for the configuration
    from elasticsearch import Elasticsearch

    from shipper.config import Config


def check_cluster(client: Elasticsearch, config: Config) -> bool:
    """Print what the cluster says of itself, its templates and the key; False when documents would not get there.

    Raises:
        elastic_transport.ApiError: the cluster does not know the key, or what answers is not Elasticsearch.
        elastic_transport.TransportError: it can't be reached.
    """
    from shipper.elastic.client import where

    click.echo(f"cluster: {where(config.elasticsearch)}: {_health(client)}")
    may = _check_permissions(client, config.shipper.namespace)
    return check_in_force(client, config, aloud=True) and may


def check_in_force(client: Elasticsearch, config: Config, *, aloud: bool = False) -> bool:
    """Print what is in force that is not ours; False when there is some.

    Args:
        client: the cluster.
        config: for the namespace, and for messages.
        aloud: also that all is well, and what could not be looked at.
    """
    from elastic_transport import ApiError, TransportError

    from shipper.elastic.client import explain
    from shipper.elastic.in_force import in_force

    namespace = config.shipper.namespace
    try:
        found = in_force(client, namespace)
    except (ApiError, TransportError) as error:
        reason = explain(error, config.elasticsearch)
        click.echo(printable(f"templates: which are in force can't be told: {reason}"), err=not aloud)
        return True
    for sentence in (*found.templates, *found.indices):
        click.echo(printable(f"wrong: {sentence}"), err=not aloud)
    if aloud:
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
        if error.meta.status == 403 and is_genuine(error):
            return "it answers; how it is, only a key with `monitor` is told"
        raise
    if not isinstance(answer.body, dict) or "status" not in answer.body:
        return "it answers, but not how it is"
    return f"{answer.body['status']}, {answer.body.get('number_of_nodes')} nodes"


def _check_permissions(client: Elasticsearch, namespace: str) -> bool:
    from shipper.elastic.privileges import lacks

    told = lacks(client, namespace)
    if told is None:
        click.echo("permissions: the cluster has no security, or does not say what the key may do")
        return True
    for lack in told:
        if lack.missing:
            click.echo(f"permissions: {lack.need.work}: lacks {', '.join(lack.missing)}; {lack.need.without}")
        else:
            click.echo(f"permissions: {lack.need.work}: granted")
    return not any(lack.missing for lack in told if lack.need.vital)
