"""Warns where ``host_name: auto`` may cause duplicates: ids depend on the host name, which containers change.

The store keeps the host name of the last run (fact ``host``); stores of early releases lack it.
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
# A container's id, which is its host name by default.
_ID = re.compile(r"[0-9a-f]{12}")
_GROUP = re.compile(r"docker|kubepods|containerd|libpod|lxc|crio")


@dataclass(frozen=True)
class State:
    """What the store records about earlier runs.

    Attributes:
        empty: it is missing or holds no cursor.
        before: the host name of the last run; None where it is not recorded.
        renamed: it holds generations of another host name.
    """

    empty: bool
    before: str | None = None
    renamed: bool = False


def state_of(cursors: Iterable[Cursor], before: str | None, host: str) -> State:
    """The state of a store."""
    stored = list(cursors)
    if before is not None:
        return State(not stored, before, bool(stored) and before != host)
    # A hashed path can't be checked against the name.
    clear = [one for one in stored if one.logical.startswith("/")]
    same = any(generation_name(host, one.logical, one.first_line, one.ordinal) == one.id for one in clear)
    return State(not stored, None, bool(clear) and not same)


def container_sign(exists: Callable[[str], bool], environ: Mapping[str, str], groups: str, host: str) -> str | None:
    """What indicates that the process runs in a container; None if nothing does."""
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
    """Messages about lines that may be indexed twice because no host name is configured, and what to do."""
    if sign is not None:
        yield (
            f"host_name is auto, and this is a container ({sign}): the next container has another host name than "
            f"{host}, and lines that it reads again are indexed twice; set shipper.host_name to a fixed name, "
            f"and keep {state_dir} on a persistent volume"
        )
    if state.renamed:
        was = state.before or "another name"
        yield (
            f"{state_dir} was used under the host name {was}, and this machine is called {host} (host_name is "
            "auto): logs in the state continue, but a log that is read again is indexed twice, and documents have "
            f"the new name; set shipper.host_name to {state.before or 'the old name'} to keep the old name"
        )
    if state.empty and logs:
        yield (
            f"{state_dir} has no positions, but there are logs: lines of them that are read and are indexed already "
            f"are recognised only under the same host name, now {host} (host_name is auto); if they were shipped "
            "under another name, stop, and set shipper.host_name to it"
        )


def host_warnings(config: Config, store: CursorStore) -> Callable[[bool], Iterator[str]]:
    """Store the host name for the next start; gives a function: any log has content → warnings."""
    host = config.shipper.host
    state = State(empty=False)
    if config.shipper.host_name == "auto":
        # Cursors are written with the counters: where these exist, the cursors need not be loaded.
        unchanged = store.fact(FACT) == host and store.fact("counters") is not None
        state = State(empty=False, before=host) if unchanged else state_of(store.load(), store.fact(FACT), host)
    if store.fact(FACT) != host:
        with suppress(StateError):  # a full disk: the next start has no host name to compare
            store.set_fact(FACT, host)
    return lambda logs: warnings_of(config, state, lambda: logs)


def warnings_of(config: Config, state: State, logs: Callable[[], bool]) -> Iterator[str]:
    """The warnings for this machine; none where a host name is configured."""
    if config.shipper.host_name != "auto":
        return
    host = config.shipper.host
    sign = sign_of_container(host)
    yield from warnings(host, config.shipper.state_dir, sign, state, logs=state.empty and logs())


def sign_of_container(host: str) -> str | None:
    """What indicates that this process runs in a container, given the machine's name; None if nothing does."""
    try:
        groups = Path("/proc/1/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        groups = ""
    return container_sign(os.path.exists, os.environ, groups, host)
