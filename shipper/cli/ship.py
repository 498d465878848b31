"""The command ``neuroflow-ship`` and its subcommands."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper import __version__
from shipper.cli.checking import check_cluster, check_in_force
from shipper.cli.exit_codes import CLUSTER, INCOMPLETE, OK
from shipper.cli.failure import Commands, Failure, tell
from shipper.cli.imports import allow_all_imports, quick_start
from shipper.cli.kibana import export, kibana_client, set_up_kibana
from shipper.cli.parts import dead_letters_of, files_of, is_directory, redactor_of, run_documents_of
from shipper.credentials import changed_stream, credential_mask
from shipper.printable import escaped, printable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.config import Config


def _config(context: click.Context) -> Config:
    from shipper import config as configuration

    config = configuration.load(configuration.find(context.obj["config"], os.environ, Path.home()))
    credential_mask.add(config.credentials)
    return config


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
    context.obj = {"config": config}
    if context.invoked_subcommand is None:
        of_application = _config(context)
        from shipper.cli.shipping import ship_logs

        sys.exit(ship_logs(of_application, once=once, setup=not no_setup))


@ship.command()
@click.option("--kibana", is_flag=True, help="Also install Kibana's data views, searches, dashboards and rules.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.pass_context
def setup(context: click.Context, kibana: bool, dry_run: bool) -> None:
    """Install the index templates and, with --kibana, Kibana's objects; can be repeated."""
    from shipper.elastic.templates import install

    config = _config(context)
    to_kibana = kibana_client(config) if kibana else None
    with _connected(config) as client:
        for change in install(client, dry_run=dry_run):
            click.echo(f"{change.action:<10} {change.kind} {change.name}")
        good = check_in_force(client, config)
    if to_kibana is not None:
        good = set_up_kibana(to_kibana, dry_run=dry_run) and good
    if not good:
        sys.exit(INCOMPLETE)


ship.add_command(export)


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
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show files with offset and lag, files that can't be read, counters, dead letters."""
    from shipper.tail import report
    from shipper.tail.state.lock import StateError

    config = _config(context)
    redactor = redactor_of(config)
    files, omitted = files_of(config, lambda _: None)
    try:
        state = report.report(
            config.shipper.state_dir, files, time.time(),
            host=config.shipper.host, conceal=redactor.conceal, omitted=omitted,
        )  # fmt: skip
    except StateError as error:
        raise Failure(str(error), INCOMPLETE) from None
    for file in (*state["files"], *state["not_read"]):
        file["path"] = redactor.path(file["path"])
    state["dead_letters"] = dead_letters_of(config, redactor).count()
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    for file in state["files"]:
        click.echo(
            f"{printable(file['path'], lines=False)}: {file['offset']} of {file['size']} bytes acknowledged, "
            f"{file['lag_bytes']} bytes and {file['lag_seconds']:.0f} s behind"
        )
    for file in state["not_read"]:
        click.echo(printable(f"not read: {file['path']}: {file['reason']}", lines=False))
    click.echo(", ".join(f"{name} {value}" for name, value in state["counters"].items()))
    click.echo(f"dead letters {state['dead_letters']}")


@ship.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Check configuration, files (which would be read, and from where), cluster and privileges."""
    from shipper.cli.host_name import state_of, warnings_of
    from shipper.tail import report
    from shipper.tail.found_files import shown

    config = _config(context)
    redactor = redactor_of(config)

    def show(text: str) -> str:
        return printable(redactor.path(text), lines=False)

    click.echo(f"configuration: {config.path}: valid")
    click.echo(f"log directory: {config.log_dir}{'' if is_directory(config.log_dir) else ': not there yet'}")
    files, omitted = files_of(config, lambda _: None)
    troubles = report.not_read(config.shipper.state_dir, files, host=config.shipper.host, conceal=redactor.conceal)
    for path, why in sorted((omitted | {path: why for path, (why, _) in troubles.items()}).items()):
        click.echo(f"not read: {show(f'{shown(path)}: {why}')}")
    offsets = report.offsets(config.shipper.state_dir)
    for file in sorted(files):
        if troubles.get(file.path, ("", False))[1]:
            continue
        offset = offsets.get(file.key, 0)
        click.echo(
            f"file: {show(file.shown)} ({file.size} bytes, from {offset}): {file.source.format} → "
            f"logs-neuroflow.{file.source.dataset}-{config.shipper.namespace}, matches {show(file.source.pattern)}"
        )
    before = state_of(*report.remembered(config.shipper.state_dir), config.shipper.host)
    for sentence in warnings_of(config, before, lambda: any(file.size for file in files)):
        click.echo(f"warning: {sentence}")
    state_dir = config.shipper.state_dir
    if state_dir.exists() and not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        click.echo(
            f"warning: {state_dir}: this user may not write the state directory: the sidecar would not start; "
            "run this command as the sidecar's user, or change the owner"
        )
    with _connected(config) as client:
        if not check_cluster(client, config):
            sys.exit(INCOMPLETE)


@ship.group("dead-letters")
def dead_letters() -> None:
    """List and resend documents that Elasticsearch rejected permanently."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_dead(context: click.Context, as_json: bool) -> None:
    """List dead letters with reason, file and offset."""
    config = _config(context)
    for letter in dead_letters_of(config, redactor_of(config)):
        if as_json:
            click.echo(json.dumps(letter._asdict()))
        else:
            about = f"{letter.time} {letter.path}:{letter.offset} {letter.status} {letter.kind}: {letter.reason}"
            click.echo(printable(about, lines=False))
            click.echo(f"    {printable(letter.line[:500], lines=False)}")


@dead_letters.command()
@click.pass_context
def replay(context: click.Context) -> None:
    """Send dead letters again under the same ids; those rejected again are kept."""
    from shipper.deliver.dedupe import Dedupe
    from shipper.deliver.replay import send_letters

    config = _config(context)
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

    config = _config(context)
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
    ship(prog_name="neuroflow-ship")


if __name__ == "__main__":
    main()
