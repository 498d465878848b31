"""Whether ``host_name: auto`` may make copies: names of generations hold the host's, and a container has a new one.

The state directory remembers under which name it was used (fact ``host``); one of an earlier release does not say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shipper.tail.fingerprint import generation_name
from shipper.tail.state.lock import StateError
from shipper.tail.state.rows import Cursor

if TYPE_CHECKING:
    from shipper.config import Config
    from shipper.tail.state.store import CursorStore

FACT = "host"
# What the id of a container looks like, which is its host name unless it is given one.
_ID = re.compile(r"[0-9a-f]{12}")
_GROUP = re.compile(r"docker|kubepods|containerd|libpod|lxc|crio")


@dataclass(frozen=True)
class State:
    """What is known from before this start.

    Attributes:
        empty: nothing; whether the cursors' store was not there or held none.
        before: the host name under which it was used last; None where it does not say.
        renamed: generations in it are named under another host name.
    """

    empty: bool
    before: str | None = None
    renamed: bool = False


def state_of(cursors: Iterable[Cursor], before: str | None, host: str) -> State:
    """What the store knows.

    Args:
        cursors: all of them.
        before: the fact ``host``.
        host: the host name of now.
    """
    known = list(cursors)
    if before is not None:
        return State(not known, before, bool(known) and before != host)
    # A path that is hidden tells no name.
    clear = [one for one in known if one.logical.startswith("/")]
    same = any(generation_name(host, one.logical, one.first_line, one.ordinal) == one.id for one in clear)
    return State(not known, None, bool(clear) and not same)


def container_sign(exists: Callable[[str], bool], environ: Mapping[str, str], groups: str, host: str) -> str | None:
    """By what this can be seen to run in a container; None where it can't.

    Args:
        exists: whether there is a file of this path.
        environ: of the process.
        groups: the content of ``/proc/1/cgroup``.
        host: this machine's name.
    """
    for path in ("/.dockerenv", "/run/.containerenv"):
        if exists(path):
            return path
    for variable in ("KUBERNETES_SERVICE_HOST", "container"):
        if environ.get(variable):
            return f"the variable {variable}"
    if _GROUP.search(groups):
        return "/proc/1/cgroup"
    return "a host name like a container's id" if _ID.fullmatch(host) else None


def warnings(host: str, state_dir: Path, sign: str | None, state: State, *, logs: bool) -> Iterator[str]:
    """What may be indexed a second time because nobody chose a host name, and what to do, in sentences.

    Args:
        host: the host name that ``auto`` gives.
        state_dir: the state directory.
        sign: of a container.
        state: what is known from before.
        logs: whether there are logs with something in them.
    """
    if sign is not None:
        yield (
            f"host_name is auto, and this is a container ({sign}): the next one has another name than {host}, under "
            "which lines that are read again are indexed a second time; set shipper.host_name to a name that stays, "
            f"and keep {state_dir} on a volume that stays"
        )
    if state.renamed:
        was = state.before or "another name"
        yield (
            f"{state_dir} was used under the host name {was}, and this machine is called {host} (host_name is auto): "
            "logs that are known go on, but any that is read again is indexed a second time, and documents have the "
            f"new name; set shipper.host_name to {state.before or 'the name of before'} to go on as before"
        )
    if state.empty and logs:
        yield (
            f"{state_dir} knows of no log yet, and there are some: they are read from their beginning, and lines "
            f"that are indexed already are recognised only under the same host name, which is {host} now (host_name "
            "is auto); if they were shipped under another one, stop, and set shipper.host_name to that"
        )


def host_warnings(config: Config, store: CursorStore) -> Callable[[bool], Iterator[str]]:
    """Remember the host's name for the next start; gives what tells whether lines may be doubled.

    That is told whether there are logs with something in them, which the first scan knows.

    Args:
        config: with the name, or ``auto``.
        store: as the run before left it.
    """
    host = config.shipper.host
    state = State(empty=False)
    if config.shipper.host_name == "auto":
        # Cursors are written with the counters: where these are, ten thousand logs need not be loaded for this.
        known = store.fact(FACT) == host and store.fact("counters") is not None
        state = State(empty=False, before=host) if known else state_of(store.load(), store.fact(FACT), host)
    if store.fact(FACT) != host:
        with suppress(StateError):  # a full disk: the next start does without
            store.set_fact(FACT, host)
    return lambda logs: warnings_of(config, state, lambda: logs)


def warnings_of(config: Config, state: State, logs: Callable[[], bool]) -> Iterator[str]:
    """The sentences for this machine; none where a name was chosen.

    Args:
        config: with the name, or ``auto``.
        state: what is known from before.
        logs: whether there are logs with something in them; asked only where that matters.
    """
    if config.shipper.host_name != "auto":
        return
    host = config.shipper.host
    try:
        groups = Path("/proc/1/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        groups = ""
    sign = container_sign(os.path.exists, os.environ, groups, host)
    yield from warnings(host, config.shipper.state_dir, sign, state, logs=state.empty and logs())
