"""The command ``neuroflow-ship``: thin, every command wires what the stations do."""

from __future__ import annotations

import errno
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
from shipper.cli.checking import check_cluster, check_in_force
from shipper.cli.connected import Connected, read_again
from shipper.cli.failure import CLUSTER, NOT_ALL, OK, WRONG_USE, Commands, Failure
from shipper.cli.host_name import state_of, warn_of_host, warnings_of
from shipper.cli.kibana import export, kibana_client, set_up_kibana
from shipper.cli.parts import dead_letters_of, files_of, is_directory, redactor_of, run_documents_of, templates_of
from shipper.config import Config
from shipper.credentials import silence
from shipper.tail.cursors import CursorStore, StateError
from shipper.tail.discover import shown
from shipper.telemetry import Counters, configure_log, log

# So many files that could not be read are named together; each was when it was met.
MOST_NAMED = 20

if TYPE_CHECKING:  # the client takes 0.4 s to import; commands that need no cluster don't wait for it
    from elasticsearch import Elasticsearch

    from shipper.document.redact import Redactor
    from shipper.health import Health
    from shipper.reload import Reload


def _config(context: click.Context) -> Config:
    config = configuration.load(configuration.find(context.obj["config"], os.environ, Path.home()))
    silence.keep(config.credentials)
    return config


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
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

    current = Connected(config)
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
    complete = False
    try:
        warn_of_host(config, store, lambda text: log.warning("%s", text))
        code, complete = _run_with(current, store, counters, redactor, once=once, setup=setup)
    finally:
        store.close(clean=complete)
    return code


def _run_with(
    current: Connected, store: CursorStore, counters: Counters, redactor: Redactor, *, once: bool, setup: bool
) -> tuple[int, bool]:
    """Gives the exit code, and whether everything that was read has its outcome."""
    from shipper.cli.progress import progress_bar
    from shipper.cluster import where
    from shipper.deliver.bulk import Sender
    from shipper.deliver.recovery import Recovery
    from shipper.sidecar import Sidecar

    config, client = current.config, current.client
    wake = threading.Event()
    sender = Sender(
        client,
        config.elasticsearch,
        in_flight=config.shipper.batch.in_flight,
        dead_letters=dead_letters_of(config, redactor),
        counters=counters,
        recovery=Recovery(
            client, lambda text: log.warning("%s", text), request_timeout=config.elasticsearch.request_timeout
        ),
        runs=run_documents_of(client, config),
        restore=templates_of(client, config, setup=setup),
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
    unread: set[str] = set()
    health = _health(config, counters, sender)
    with _signals(sidecar, None if once else lambda: read_again(current, sender, setup=setup)):
        sender.prepare(sidecar.stopping)
        if once:
            if not is_directory(config.log_dir):
                log.warning("%s: no such directory; there is nothing to ship from it", config.log_dir)
            with progress_bar() as progress:
                complete = sidecar.run_once(progress)
            unread.update(sidecar.unread)
            if not is_directory(config.log_dir):
                unread.add(str(config.log_dir))
        else:
            log.info("shipping %s to %s", config.log_dir, where(config.elasticsearch))
            if not is_directory(config.log_dir):
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
        _make_visible(current.client, current.config)
    code = _report(before, counters.snapshot(), complete=complete)
    # A sidecar has said so when it happened, maybe weeks ago, and ends well; --once answers for what it did.
    return (_left(before, counters.snapshot(), sorted(unread)) if once and complete else code), complete


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


def _left(before: dict[str, int], after: dict[str, int], unread: list[str]) -> int:
    """Say what was refused or could not be read, though all else is done."""
    dead = after["dead"] - before["dead"]
    if dead:
        log.error("%d documents of this run are dead letters: `neuroflow-ship dead-letters list` tells why", dead)
    if unread:
        more = f" and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
        log.error(
            "not read, or not to the end: %s%s; what is in there is shipped by the next run that can read it",
            ", ".join(map(shown, unread[:MOST_NAMED])),
            more,
        )
    return NOT_ALL if dead or unread else OK


def _health(config: Config, counters: Counters, sender: Any) -> Health | None:
    listen = config.shipper.telemetry.listen
    if listen is None:
        return None
    from shipper.cli.readiness import readiness_of
    from shipper.health import Health

    try:
        health = Health(listen, counters, readiness_of(sender))
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            why = "another process listens there already (another sidecar?); stop it or choose another port"
        raise Failure(f"{config.path}: shipper.telemetry.listen: {listen}: {why}", WRONG_USE) from None
    health.start()
    return health


@contextmanager
def _signals(sidecar: Any, load: Callable[[], Reload | None] | None) -> Iterator[None]:
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
    client = connect(config.elasticsearch)
    with _cluster_errors(config):
        for change in install(client, dry_run=dry_run):
            click.echo(f"{change.action:<10} {change.kind} {change.name}")
        good = check_in_force(client, config)
    if to_kibana is not None:
        good = set_up_kibana(to_kibana, dry_run=dry_run) and good
    if not good:
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
    """Files, offsets, lag in bytes and seconds, what can't be read, counters, dead letters."""
    from shipper.tail import state

    config = _config(context)
    redactor = redactor_of(config)
    files, omitted = files_of(config, lambda _: None)
    try:
        report = state.report(
            config.shipper.state_dir, files, time.time(),
            host=config.shipper.host, conceal=redactor.conceal, omitted=omitted,
        )  # fmt: skip
    except StateError as error:
        raise Failure(str(error), NOT_ALL) from None
    for file in (*report["files"], *report["not_read"]):
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
    for file in report["not_read"]:
        click.echo(f"not read: {file['path']}: {file['reason']}")
    click.echo(", ".join(f"{name} {value}" for name, value in report["counters"].items()))
    click.echo(f"dead letters {report['dead_letters']}")


@ship.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Configuration, files (what would be read, and from where), cluster, permissions."""
    from shipper.cluster import connect
    from shipper.tail import state

    config = _config(context)
    show = redactor_of(config).path
    click.echo(f"configuration: {config.path}: good")
    click.echo(f"log directory: {config.log_dir}{'' if is_directory(config.log_dir) else ': not there yet'}")
    files, _ = files_of(config, lambda text: click.echo(f"not read: {show(text)}"))
    offsets = state.offsets(config.shipper.state_dir)
    for file in sorted(files):
        offset = offsets.get(file.key, 0)
        readable = "" if os.access(file.path, os.R_OK) else ", not readable for this user"
        click.echo(
            f"file: {show(file.shown)} ({file.size} bytes, from {offset}{readable}): {file.source.format} → "
            f"logs-neuroflow.{file.source.dataset}-{config.shipper.namespace}, matches {show(file.source.pattern)}"
        )
    for sentence in warnings_of(config, state_of(*state.remembered(config.shipper.state_dir), config.shipper.host)):
        click.echo(f"warning: {sentence}")
    with _cluster_errors(config):
        if not check_cluster(connect(config.elasticsearch), config):
            sys.exit(NOT_ALL)


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
    from shipper.deliver.recovery import Recovery
    from shipper.deliver.replay import send_letters

    def say(text: str) -> None:
        click.echo(f"neuroflow-ship: {text}", err=True)

    config = _config(context)
    client = connect(config.elasticsearch)
    recovery = Recovery(client, say, request_timeout=config.elasticsearch.request_timeout)
    with _cluster_errors(config):
        indexed, stayed = dead_letters_of(config, redactor_of(config)).replay(
            lambda letters: send_letters(client, recovery, letters, say)
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
    sys.stdout, sys.stderr = silence.over(sys.stdout), silence.over(sys.stderr)
    ship(prog_name="neuroflow-ship")


if __name__ == "__main__":
    main()
