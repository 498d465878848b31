"""Installs Kibana's objects and rules in a space, or exports them for an import by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.exit_codes import CLUSTER, USAGE
from shipper.cli.failure import Failure, tell

if TYPE_CHECKING:  # imports the client, which other commands don't need
    from shipper.config import Config
    from shipper.kibana.client import KibanaClient


def kibana_client(config: Config) -> KibanaClient:
    """Create a client from the configuration; ends the command if it is invalid."""
    from shipper.config import ConfigError
    from shipper.kibana.client import KibanaClient

    try:
        return KibanaClient(config, say=tell)
    except ConfigError as error:
        raise Failure(str(error), USAGE) from None


def set_up_kibana(client: KibanaClient, *, dry_run: bool) -> bool:
    """Install what differs; print a line for each object and refusal; False when Kibana refused any."""
    from shipper.kibana.install import install_kibana
    from shipper.kibana.ndjson import kibana_objects, kibana_rules
    from shipper.kibana.responses import KibanaError

    try:
        report = install_kibana(client, kibana_objects(), kibana_rules(), dry_run=dry_run)
    except KibanaError as error:
        raise Failure(str(error), CLUSTER) from None
    finally:
        client.close()
    for change in report.changes:
        click.echo(f"{change.action:<10} {change.kind} {change.name}")
    for sentence in report.refused:
        tell(sentence)
    return not report.refused


@click.group()
def export() -> None:
    """Export what `setup --kibana` installs; needs no configuration and no cluster."""


_output = click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Write to this file, not to standard output."
)


@export.command("kibana")
@_output
def export_kibana(output: Path | None) -> None:
    """Export the saved objects as NDJSON, for Kibana's import under Saved Objects."""
    from shipper.kibana.ndjson import kibana_objects, ndjson

    _write(ndjson(kibana_objects()), output)


@export.command("rules")
@_output
def export_rules(output: Path | None) -> None:
    """Export the alert rules as JSON, to be posted one by one to /api/alerting/rule/{id}, without their id."""
    import orjson

    from shipper.kibana.ndjson import kibana_rules
    from shipper.kibana.rule_api import rule_id

    rules = [{**rule, "id": rule_id(rule["id"], "default")} for rule in kibana_rules()]
    _write(orjson.dumps(rules, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), output)


def _write(data: bytes, output: Path | None) -> None:
    try:
        if output is None:
            click.echo(data, nl=False)
        else:
            output.write_bytes(data)
    except OSError as error:
        raise Failure(f"{output or 'standard output'}: can't be written: {error.strerror}", USAGE) from None
