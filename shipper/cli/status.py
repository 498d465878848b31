"""``neuroflow-ship status``: where the sidecar stands, for people and scripts, whether it runs or not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.cli.exit_codes import INCOMPLETE
from shipper.cli.failure import Failure
from shipper.cli.parts import configured, dead_letters_of, redactor_of, scan_of
from shipper.printable import printable

if TYPE_CHECKING:
    from shipper.config import Config

State = dict[str, Any]

# Seconds between two views of --watch.
WATCH_EVERY = 2.0
# Seconds that a view waits for Elasticsearch's answer, and between two questions of --watch.
CLUSTER_PATIENCE = 3.0
ASK_EVERY = 10.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch one object a line.")
@click.option("--all", "every", is_flag=True, help="List every log, not only those that are behind.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=str(WATCH_EVERY),
    type=click.FloatRange(0.1, 86400),
    help=f"Show it again and again, every {WATCH_EVERY:g} seconds by default, until Ctrl-C.",
)
@click.pass_context
def status(context: click.Context, *, as_json: bool, every: bool, watch: float | None) -> None:
    """Show whether the sidecar runs, what is behind or not read, counters, dead letters."""
    config = configured(context)
    if as_json:
        if watch is None:
            click.echo(json.dumps(state_of(config), indent=2))
        else:
            _repeat(watch, lambda: click.echo(json.dumps(_state_or_error(config))))
        return
    from shipper.cli.status_view import line, plain, show
    from shipper.views.render import terminal

    cluster = _Cluster(config)
    if watch is None:
        cluster.ask()
        state = state_of(config)
        if sys.stdout.isatty():
            terminal(sys.stdout).print(show(state, cluster.answer(), every=every))
        else:
            click.echo("\n".join(plain(state, cluster.answer(), every=every)))
    elif sys.stdout.isatty():
        _redraw(config, cluster, watch, every=every)
    else:
        _repeat(watch, lambda: click.echo(line(_state_or_error(config), datetime.now(UTC))))


def state_of(config: Config) -> State:
    """What ``--json`` prints.

    Raises:
        Failure: there is no readable store.
    """
    from shipper.tail import report
    from shipper.tail.state.holder import holder_of
    from shipper.tail.state.lock import StateError

    redactor = redactor_of(config)
    files, scanner = scan_of(config, lambda _: None)
    state_dir = config.shipper.state_dir
    try:
        found = report.report(
            state_dir, files, time.time(),
            host=config.shipper.host, conceal=redactor.conceal, omitted=scanner.omitted,
        )  # fmt: skip
    except StateError as error:
        raise Failure(str(error), INCOMPLETE) from None
    for file in (*found["files"], *found["not_read"]):
        file["path"] = redactor.path(file["path"])
    holder = holder_of(state_dir)
    return {
        "running": holder is not None,
        "pid": holder.pid if holder else None,
        "started": _iso(holder.started) if holder else None,
        "last_scan": _iso(_scanned_at(state_dir)),
        **found,
        "dead_letters": dead_letters_of(config, redactor).count(),
    }


def _state_or_error(config: Config) -> State:
    try:
        return state_of(config)
    except Failure as error:
        return {"error": error.message}


def _scanned_at(state_dir: Path) -> float:
    try:
        return (state_dir / "lock").stat().st_mtime
    except OSError:
        return 0.0


def _iso(at: float) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else None


def _repeat(seconds: float, view: Callable[[], None]) -> None:
    """Show views until Ctrl-C, or until the reader of the output is gone."""
    from shipper.cli.following import pause
    from shipper.cli.reading import abandon_output

    try:
        view()
        while pause(seconds):
            view()
    except KeyboardInterrupt:
        return  # the usual way to end it
    except BrokenPipeError:
        abandon_output()


def _redraw(config: Config, cluster: _Cluster, seconds: float, *, every: bool) -> None:
    from rich.live import Live
    from rich.text import Text

    from shipper.cli.status_view import show
    from shipper.views.render import terminal

    console = terminal(sys.stdout)
    with Live(console=console, auto_refresh=False) as live:

        def view() -> None:
            cluster.ask()
            state = _state_or_error(config)
            room = max(1, console.height - 1)
            shown = (
                Text(printable(state["error"], lines=False))
                if "error" in state
                else show(state, cluster.answer(), every=every, room=room)
            )
            live.update(shown, refresh=True)

        _repeat(seconds, view)


class _Cluster:
    """Asks whether Elasticsearch answers, while the files are looked at."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._asked_at = float("-inf")
        self._answer = ""

    def ask(self) -> None:
        """Ask, unless it was asked just now."""
        import threading

        now = time.monotonic()
        if now - self._asked_at < ASK_EVERY:
            return
        self._asked_at = now
        self._thread = threading.Thread(target=self._find_out, name="cluster", daemon=True)
        self._thread.start()

    def answer(self) -> str:
        """What to print of it."""
        from shipper.elastic.client import where

        self._thread.join(max(0.0, self._asked_at + CLUSTER_PATIENCE - time.monotonic()))
        if not self._answer:
            return f"{where(self._config.elasticsearch)} has not answered within {CLUSTER_PATIENCE:g} s"
        return self._answer

    def _find_out(self) -> None:
        from shipper.cli.readiness import unavailable
        from shipper.elastic.client import connect, where

        settings = self._config.elasticsearch
        self._answer = unavailable(connect(settings), settings) or f"{where(settings)} answers"
