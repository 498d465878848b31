"""The command ``neuroflow-ship`` and its subcommands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shipper import __version__
from shipper.cli.exit_codes import CLUSTER, INCOMPLETE, OK
from shipper.cli.failure import Commands, Failure, tell
from shipper.cli.imports import allow_all_imports, quick_start
from shipper.cli.init import init
from shipper.cli.kibana import export, kibana_client, set_up_kibana
from shipper.cli.parts import configured, dead_letters_of, redactor_of, run_documents_of
from shipper.cli.roles import set_up_roles
from shipper.cli.status import status
from shipper.credentials import changed_stream, credential_mask
from shipper.printable import escaped, printable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.config import Config


ALONE = "the process runs this program alone"


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "-c", metavar="FILE", help="The application's neuroflow.yaml.")
@click.option("--once", is_flag=True, help="Ship what is there now, then exit; 0 when all is acknowledged.")
@click.option("--no-setup", is_flag=True, help="Do not install index templates at start.")
@click.version_option(__version__, prog_name="neuroflow-ship")
@click.pass_context
def ship(context: click.Context, config: str | None, once: bool, no_setup: bool) -> None:
    """Ship neuroflow's logs into Elasticsearch, each line exactly once.

    Without a command, run as a sidecar in the foreground: log to standard error; on SIGTERM deliver what was read
    and exit 0.
    """
    alone = context.obj == ALONE
    context.obj = {"config": config}
    if context.invoked_subcommand is None:
        if alone:
            from shipper.health import own_log, strays

            own_log.configure_log(form="auto")  # until the configuration is known
            strays.adopt()
        of_application = configured(context)
        from shipper.cli.shipping import ship_logs

        sys.exit(ship_logs(of_application, once=once, setup=not no_setup))


@ship.command()
@click.option("--kibana", is_flag=True, help="Also install Kibana's data views, searches, dashboards and rules.")
@click.option("--roles", is_flag=True, help="Also put the roles for keys and users; needs an administrator.")
@click.option("--own-namespace", is_flag=True, help="With --roles: roles for the configured namespace alone.")
@click.option(
    "--retention",
    "retention",
    multiple=True,
    metavar="STREAM=TIME",
    help="Keep a stream's documents for so long: audit=3650d, app=unlimited.  Can be repeated.",
)
@click.option("--apply", is_flag=True, help="Also bring existing data streams to what the templates say.")
@click.option("--yes", is_flag=True, help="Agree to a shorter retention, which deletes documents.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.pass_context
def setup(
    context: click.Context,
    kibana: bool,
    roles: bool,
    own_namespace: bool,
    retention: tuple[str, ...],
    apply: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Install the index templates and, on request, Kibana's objects and roles; can be repeated."""
    from shipper.cli.checking import check_in_force
    from shipper.cli.lifecycle import retentions, set_up_streams
    from shipper.elastic.templates import install

    if own_namespace and not roles:
        raise click.UsageError("--own-namespace belongs to --roles")
    config = configured(context)
    namespace = config.shipper.namespace
    wanted = retentions(retention, namespace)
    to_kibana = kibana_client(config) if kibana else None
    with _connected(config) as client:
        for change in install(client, dry_run=dry_run):
            click.echo(f"{change.action:<10} {change.kind} {change.name}")
        good = set_up_streams(client, namespace, wanted, apply=apply, dry_run=dry_run, yes=yes)
        good = check_in_force(client, config) and good
        if roles:
            good = set_up_roles(client, namespace if own_namespace else None, dry_run=dry_run) and good
    if to_kibana is not None:
        good = set_up_kibana(to_kibana, dry_run=dry_run) and good
    if not good:
        sys.exit(INCOMPLETE)


ship.add_command(export)
ship.add_command(init)
ship.add_command(status)


@contextmanager
def _connected(config: Config) -> Iterator[Elasticsearch]:
    """A client; its errors end the command."""
    from elastic_transport import ApiError, TransportError

    from shipper.elastic.client import connect, explain

    client = connect(config.elasticsearch)
    try:
        yield client
    except (ApiError, TransportError) as error:
        raise Failure(explain(error, config.elasticsearch), CLUSTER) from None


@ship.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings as well.")
@click.pass_context
def check(context: click.Context, as_json: bool, strict: bool) -> None:
    """Look for mistakes in configuration, files, state, cluster, permissions, templates; say what to do."""
    from shipper.cli.checking import invalid, run_check
    from shipper.config import ConfigError

    try:
        config = configured(context)
    except ConfigError as error:
        if as_json:
            sys.exit(invalid(str(error)))
        raise
    sys.exit(run_check(config, as_json=as_json, strict=strict))


@ship.group("dead-letters")
def dead_letters() -> None:
    """List and resend documents that Elasticsearch rejected permanently."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_dead(context: click.Context, as_json: bool) -> None:
    """List dead letters with reason, file and offset, and what Elasticsearch keeps in failure stores."""
    from shipper.cli.failure_store import read_failures
    from shipper.deliver.failure_store import merged

    config = configured(context)
    stored = read_failures(config)
    for letter, only_stored in merged(dead_letters_of(config, redactor_of(config)), stored):
        if as_json:
            click.echo(json.dumps(letter._asdict()))
        else:
            place = f" (only in the failure store of {letter.stream})" if only_stored else ""
            about = (
                f"{letter.time} {letter.path}:{letter.offset} {letter.status} {letter.kind}: {letter.reason}{place}"
            )
            click.echo(printable(about, lines=False))
            click.echo(f"    {printable(letter.line[:500], lines=False)}")


@dead_letters.command()
@click.pass_context
def replay(context: click.Context) -> None:
    """Send dead letters again under the same ids; those rejected again are kept."""
    from shipper.deliver.dedupe import Dedupe
    from shipper.deliver.replay import send_letters

    config = configured(context)
    with _connected(config) as client:
        dedupe = Dedupe(client, tell, request_timeout=config.elasticsearch.request_timeout)
        indexed, stayed = dead_letters_of(config, redactor_of(config)).replay(
            lambda letters: send_letters(client, dedupe, letters, tell)
        )
    click.echo(f"{indexed} indexed, {stayed} rejected again")
    sys.exit(INCOMPLETE if stayed else OK)


@ship.command("rebuild-runs")
@click.pass_context
def rebuild_runs(context: click.Context) -> None:
    """Rebuild the run documents from the data streams."""
    from shipper.rebuild import RefusedError, rebuild

    config = configured(context)
    try:
        with _connected(config) as client:
            documents, runs = rebuild(client, config.shipper.namespace, run_documents_of(client, config), tell)
    except RefusedError as error:
        raise Failure(f"{error}; run the command again when that is fixed", INCOMPLETE) from None
    click.echo(
        f"{documents} log documents read, documents of {runs} workflow runs, pipeline runs and sessions written"
    )


@ship.command()
def demo() -> None:
    """Run a demo: Elasticsearch, an application that writes logs, the sidecar, the views."""
    allow_all_imports()
    from shipper.demo.runner import run_demo

    sys.exit(run_demo())


def main() -> None:
    """The console script."""
    quick_start()
    sys.stdout = credential_mask.stream(sys.stdout)
    sys.stderr = changed_stream(credential_mask.stream(sys.stderr), escaped)
    ship(prog_name="neuroflow-ship", obj=ALONE)


if __name__ == "__main__":
    main()
