"""The command ``neuroflow-ship``: thin, every command wires what the stations do."""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper import __version__, memory
from shipper import config as configuration
from shipper.cli.failure import CLUSTER, NOT_ALL, OK, WRONG_USE, Failure
from shipper.cli.kibana import export, kibana_client, set_up_kibana
from shipper.cli.parts import dead_letters_of, files_of, redactor_of, run_documents_of
from shipper.config import Config, ConfigError
from shipper.tail.cursors import CursorStore, StateError
from shipper.telemetry import Counters, configure_log, log

if TYPE_CHECKING:  # the client takes 0.4 s to import; commands that need no cluster don't wait for it
    from elasticsearch import Elasticsearch

    from shipper.document.redact import Redactor
    from shipper.health import Health


def _config(context: click.Context) -> Config:
    try:
        path = configuration.find(context.obj["config"], os.environ, Path.home())
        return configuration.load(path)
    except ConfigError as error:
        raise Failure(str(error), WRONG_USE) from None


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "-c", metavar="FILE", help="The application's neuroflow.yaml.")
@click.option("--once", is_flag=True, help="Ship everything there is and exit 0 when all is acknowledged.")
@click.option("--no-setup", is_flag=True, help="Leave the index templates alone at start.")
@click.version_option(__version__, prog_name="neuroflow-ship")
@click.pass_context
def ship(context: click.Context, config: str | None, once: bool, no_setup: bool) -> None:
    """Ship neuroflow's logs into Elasticsearch, each line exactly once.

    Without a command it runs as a sidecar in the foreground: logs to standard error, SIGTERM drains and exits 0.
    """
    context.obj = {"config": config}
    if context.invoked_subcommand is None:
        sys.exit(_run(_config(context), once=once, setup=not no_setup))


def _run(config: Config, *, once: bool, setup: bool) -> int:
    from shipper.document.redact import Redactor

    redactor = Redactor(config.shipper.redact)
    configure_log(redactor.text)
    # Until there is something to reload, a SIGHUP has nothing to say; it must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    counters = Counters()
    try:
        store = CursorStore(config.shipper.state_dir, lambda text: log.error("%s", text), redactor.conceal)
    except StateError as error:
        raise Failure(str(error), WRONG_USE) from None
    redactor.recall(store.known())
    code = CLUSTER
    try:
        code = _run_with(config, store, counters, redactor, once=once, setup=setup)
    finally:
        store.close(clean=code == OK)
    return code


def _run_with(
    config: Config, store: CursorStore, counters: Counters, redactor: Redactor, *, once: bool, setup: bool
) -> int:
    from shipper.cli.progress import progress_bar
    from shipper.cli.templates import Templates
    from shipper.cluster import connect, where
    from shipper.deliver.bulk import Sender
    from shipper.deliver.recovery import Recovery
    from shipper.sidecar import Sidecar

    client = connect(config.elasticsearch, connections=config.shipper.batch.in_flight + 1)
    wake = threading.Event()
    sender = Sender(
        client,
        config.elasticsearch,
        in_flight=config.shipper.batch.in_flight,
        dead_letters=dead_letters_of(config, redactor),
        counters=counters,
        recovery=Recovery(client, lambda text: log.warning("%s", text)),
        runs=run_documents_of(client, config),
        restore=Templates(client, config.elasticsearch).put if setup else (lambda: True),
        wake=wake,
    )
    # Dicts come and go without cycles: looking for some every few hundred objects costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    memory.map_large_blocks()
    # A thread with an answer in hand should not wait five milliseconds for the reading one to make room.
    sys.setswitchinterval(0.001)
    sidecar = Sidecar(config, store=store, sender=sender, counters=counters, wake=wake, once=once, redactor=redactor)
    before = counters.snapshot()
    health = _health(config, counters, sender)
    with _signals(sidecar, None if once else lambda: _read_again(config, sender, setup=setup)):
        sender.prepare(sidecar.stopping)
        if once:
            if not config.log_dir.is_dir():
                log.warning("%s: no such directory; there is nothing to ship from it", config.log_dir)
            with progress_bar() as progress:
                complete = sidecar.run_once(progress)
        else:
            log.info("shipping %s to %s", config.log_dir, where(config.elasticsearch))
            if not config.log_dir.is_dir():
                log.warning("%s: no such directory yet; waiting for it", config.log_dir)
            from shipper.tail.watch import Watch

            watch = Watch(sidecar.hint, config.shipper.watch, lambda text: log.warning("%s", text))
            try:
                complete = sidecar.run(watch.cover)
            finally:
                watch.stop()
    if health is not None:
        health.shutdown()
    if complete:
        _make_visible(client, config)
    return _report(before, counters.snapshot(), complete=complete)


def _make_visible(client: Elasticsearch, config: Config) -> None:
    """Let a search right after us find everything; a key that may not refresh only makes it wait a second."""
    from elastic_transport import ApiError, TransportError

    from shipper.install.run_index import run_index

    with suppress(ApiError, TransportError):
        names = f"logs-neuroflow.*-{config.shipper.namespace},{run_index(config.shipper.namespace)}"
        client.options(request_timeout=10).indices.refresh(
            index=names, ignore_unavailable=True, allow_no_indices=True
        )


def _report(before: dict[str, int], after: dict[str, int], *, complete: bool) -> int:
    this_run = {name: after[name] - before[name] for name in after}
    log.info(
        "read %(read)d, acknowledged %(acknowledged)d, duplicate %(duplicate)d, dead %(dead)d, "
        "in flight %(in_flight)d",
        this_run,
    )
    if complete:
        return OK
    if after["in_flight"]:
        log.error(
            "%d documents are not acknowledged; their lines are sent again at the next start", after["in_flight"]
        )
    else:
        log.error("run documents are not up to date; the lines that tell of them are sent again at the next start")
    return CLUSTER


def _health(config: Config, counters: Counters, sender: Any) -> Health | None:
    listen = config.shipper.telemetry.listen
    if listen is None:
        return None
    from shipper.health import Health

    try:
        health = Health(listen, counters, lambda: not sender.trouble)
    except (OSError, ValueError) as error:
        raise Failure(f"{config.path}: shipper.telemetry.listen: {listen}: {error}", WRONG_USE) from None
    health.start()
    return health


def _read_again(config: Config, sender: Any, *, setup: bool) -> Config | None:
    """The configuration as its file says now, with the sender connected accordingly; None keeps the old one."""
    from shipper.cli.templates import Templates
    from shipper.cluster import connect

    try:
        new = configuration.load(config.path)
    except ConfigError as error:
        log.error("%s; the configuration in use is kept", error)
        return None
    for key, was, now in (
        ("state_dir", config.shipper.state_dir, new.shipper.state_dir),
        ("redact", config.shipper.redact, new.shipper.redact),
        ("watch", config.shipper.watch, new.shipper.watch),
        ("telemetry.listen", config.shipper.telemetry.listen, new.shipper.telemetry.listen),
        ("batch.in_flight", config.shipper.batch.in_flight, new.shipper.batch.in_flight),
    ):
        if was != now:
            log.warning("%s: shipper.%s is changed by a restart only; it stays as it was", config.path, key)
    client = connect(new.elasticsearch, connections=config.shipper.batch.in_flight + 1)
    put = Templates(client, new.elasticsearch).put if setup else (lambda: True)
    sender.reconnect(client, new.elasticsearch, run_documents_of(client, new), put)
    return new


@contextmanager
def _signals(sidecar: Any, load: Callable[[], Config | None] | None) -> Iterator[None]:
    # A handler runs between any two instructions of the main thread, which may hold the very lock that telling the
    # sidecar takes: a thread tells it, and what hands the signal over is re-entrant.
    arrived: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def tell() -> None:
        while (number := arrived.get()) is not None:
            if number != signal.SIGHUP:
                sidecar.stop()
            elif load is not None:
                sidecar.reload(load)

    threading.Thread(target=tell, name="signals", daemon=True).start()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    old = {number: signal.signal(number, lambda number, _frame: arrived.put(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        arrived.put(None)


@ship.command()
@click.option("--kibana", is_flag=True, help="Kibana's data views, searches, dashboards and alert rules as well.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.pass_context
def setup(context: click.Context, kibana: bool, dry_run: bool) -> None:
    """Put the index templates, and Kibana's objects; a second time changes nothing."""
    from shipper.cluster import connect
    from shipper.install.templates import install

    config = _config(context)
    to_kibana = kibana_client(config) if kibana else None
    with _cluster_errors(config):
        for change in install(connect(config.elasticsearch), dry_run=dry_run):
            click.echo(f"{change.action:<10} {change.kind} {change.name}")
    if to_kibana is not None and not set_up_kibana(to_kibana, dry_run=dry_run):
        sys.exit(NOT_ALL)


ship.add_command(export)


@contextmanager
def _cluster_errors(config: Config) -> Iterator[None]:
    from elastic_transport import ApiError, TransportError

    from shipper.cluster import explain

    try:
        yield
    except (ApiError, TransportError) as error:
        raise Failure(explain(error, config.elasticsearch), CLUSTER) from None


@ship.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Files, offsets, lag in bytes and seconds, counters, dead letters."""
    from shipper.tail import state

    config = _config(context)
    redactor = redactor_of(config)
    places = {file.key: file.path for file in files_of(config, lambda _: None)} if config.shipper.redact.hash else {}
    try:
        report = state.report(config.shipper.state_dir, now=time.time(), places=places)
    except StateError as error:
        raise Failure(str(error), NOT_ALL) from None
    for file in report["files"]:
        file["path"] = redactor.path(file["path"])
    report["dead_letters"] = dead_letters_of(config, redactor).count()
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for file in report["files"]:
        click.echo(
            f"{file['path']}: {file['offset']} of {file['size']} bytes acknowledged, "
            f"{file['lag_bytes']} bytes and {file['lag_seconds']:.0f} s behind"
        )
    click.echo(", ".join(f"{name} {value}" for name, value in report["counters"].items()))
    click.echo(f"dead letters {report['dead_letters']}")


@ship.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Configuration, files (what would be read, and from where), cluster."""
    from shipper.answers import understood
    from shipper.cluster import connect, where
    from shipper.tail import state

    config = _config(context)
    show = redactor_of(config).path
    click.echo(f"configuration: {config.path}: good")
    click.echo(f"log directory: {config.log_dir}{'' if config.log_dir.is_dir() else ': not there yet'}")
    files = files_of(config, lambda text: click.echo(show(text)))
    offsets = state.offsets(config.shipper.state_dir)
    for file in sorted(files):
        offset = offsets.get(file.key, 0)
        readable = "" if os.access(file.path, os.R_OK) else ", not readable for this user"
        click.echo(
            f"file: {show(file.shown)} ({file.size} bytes, from {offset}{readable}): {file.source.format} → "
            f"logs-neuroflow.{file.source.dataset}-{config.shipper.namespace}, matches {show(file.source.pattern)}"
        )
    with _cluster_errors(config):
        answer = connect(config.elasticsearch).cluster.health(filter_path="status,number_of_nodes")
        health = understood(answer, {"status": str, "number_of_nodes": int}, "the question for the cluster's health")
        click.echo(f"cluster: {where(config.elasticsearch)}: {health['status']}, {health['number_of_nodes']} nodes")


@ship.group("dead-letters")
def dead_letters() -> None:
    """Documents that the cluster refused for good."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_dead(context: click.Context, as_json: bool) -> None:
    """Every dead letter with reason, file and offset."""
    config = _config(context)
    for letter in dead_letters_of(config, redactor_of(config)):
        if as_json:
            click.echo(json.dumps(letter._asdict()))
        else:
            click.echo(f"{letter.time} {letter.path}:{letter.offset} {letter.status} {letter.kind}: {letter.reason}")
            click.echo(f"    {letter.line[:500]}")


@dead_letters.command()
@click.pass_context
def replay(context: click.Context) -> None:
    """Send them again, under the same ids; what is refused again stays."""
    from shipper.cluster import connect
    from shipper.deliver.replay import send_letters

    config = _config(context)
    client = connect(config.elasticsearch)
    with _cluster_errors(config):
        indexed, stayed = dead_letters_of(config, redactor_of(config)).replay(
            lambda letters: send_letters(client, letters)
        )
    click.echo(f"{indexed} indexed, {stayed} still refused")
    sys.exit(NOT_ALL if stayed else OK)


@ship.command("rebuild-runs")
@click.pass_context
def rebuild_runs(context: click.Context) -> None:
    """Make the run documents again, from the data streams."""
    from shipper.cluster import connect
    from shipper.search.rebuild import RefusedError, rebuild

    config = _config(context)
    client = connect(config.elasticsearch)

    def say(text: str) -> None:
        click.echo(f"neuroflow-ship: {text}", err=True)

    try:
        with _cluster_errors(config):
            told, runs = rebuild(client, config.shipper.namespace, run_documents_of(client, config), say)
    except RefusedError as error:
        raise Failure(f"{error}; run it again when that is mended", NOT_ALL) from None
    click.echo(f"{told} log documents tell of {runs} workflow runs, pipeline runs and sessions")


@ship.command()
def demo() -> None:
    """A real node, an application writing logs, the sidecar, the views."""
    from shipper.demo.runner import run_demo

    sys.exit(run_demo())


def main() -> None:
    """The console script."""
    ship(prog_name="neuroflow-ship")


if __name__ == "__main__":
    main()
