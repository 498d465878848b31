"""Findings about the state directory: who may use it, and who does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.doctor.denied import user_name
from shipper.doctor.finding import Finding, Severity, error, note, ok, warning
from shipper.doctor.rooms import disk_under, state_disk
from shipper.tail.state.holder import holder_of


@dataclass(frozen=True)
class StateFacts:
    """What can be seen of a state directory.

    Attributes:
        directory: its path.
        user: name of the user of this process.
        there: it exists.
        creatable: it does not exist, and this user may create it.
        usable: this user may read, write and enter it.
        owner: name of its owner; None where that can't be seen.
        unreadable: files in it that this user may not read.
        holder: the process that holds its lock; None where nobody does, or nobody can be seen to.
        file: what is there, or above it, and is no directory; None where nothing is.
        root: this user is root.
    """

    directory: str
    user: str
    there: bool = True
    creatable: bool = False
    usable: bool = True
    owner: str | None = None
    unreadable: tuple[str, ...] = ()
    holder: int | None = None
    file: str | None = None
    root: bool = False


def check_state(state_dir: Path) -> Iterator[Finding]:
    """The state directory and the disk under it."""
    disk = disk_under(state_dir)
    found = state_findings(observe(state_dir))
    # Nobody may write there, whoever owns it.
    yield from (one for one in found if not (disk and disk.read_only and one.name == "state-not-writable"))
    yield from state_disk(str(state_dir), disk)


def state_findings(facts: StateFacts) -> Iterator[Finding]:
    """Whether this user may use it, and whether a sidecar runs."""
    place = facts.directory
    if facts.file is not None:
        yield error(
            "state-not-writable",
            place,
            f"{place} can't be the state directory: {facts.file} is no directory; the sidecar would not start",
            "correct shipper.state_dir, or move the file away",
        )
        return
    if not facts.there:
        if facts.creatable:
            yield note("state-new", place, f"{place} does not exist yet: the sidecar creates it when it starts")
        else:
            yield warning(
                "state-not-creatable",
                place,
                f"{place} does not exist, and this user ({facts.user}) may not create it",
                f"create it for the sidecar's user: `install -d -m 700 -o {facts.user} {place}` (under systemd, "
                "StateDirectory= of the unit creates /var/lib/neuroflow-ship)",
            )
        return
    if not facts.usable and facts.owner == facts.user:
        yield error(
            "state-not-writable",
            place,
            f"{place}: this user may not write the state directory, though it is its owner: the sidecar would not "
            f"start",
            f"`chmod 700 {place}`",
        )
    elif not facts.usable:
        yield warning(
            "state-not-writable",
            place,
            f"{place}: this user may not write the state directory: the sidecar would not start",
            f"run this command as the sidecar's user, or change the owner (now {facts.owner or 'unknown'}) to "
            f"{facts.user}",
        )
    elif facts.owner not in {None, facts.user}:
        starts = facts.root or facts.owner == "root"
        yield Finding(
            "state-owner",
            Severity.NOTE if starts else Severity.WARNING,
            place,
            f"{place} belongs to {facts.owner}, and this command runs as {facts.user}"
            f"{'' if starts else ': as this user the sidecar would not start'}",
            f"run this command as {facts.owner}: then it sees what the sidecar sees; start the sidecar always as the "
            "same user",
        )
    if facts.unreadable:
        yield warning(
            "state-unreadable",
            place,
            f"{', '.join(facts.unreadable)}: this user ({facts.user}) may not read it: positions and hosts of "
            "earlier runs can't be shown, and files are listed as if they were new",
            "run this command as the sidecar's user",
        )
    if facts.holder is not None:
        yield ok("running", place, f"running: the process {facts.holder} ships with this state directory")


def observe(state_dir: Path) -> StateFacts:
    """Look at a state directory; takes no lock."""
    user = user_name(os.geteuid())
    try:
        found = state_dir.stat()
    except FileNotFoundError:
        return StateFacts(str(state_dir), user, there=False, creatable=_creatable(state_dir))
    except NotADirectoryError:
        above = next(one for one in state_dir.parents if _exists(one))
        return StateFacts(str(state_dir), user, file=str(above))
    except OSError:
        return StateFacts(str(state_dir), user, usable=False)
    if not stat.S_ISDIR(found.st_mode):
        return StateFacts(str(state_dir), user, file=str(state_dir))
    usable = os.access(state_dir, os.R_OK | os.W_OK | os.X_OK)
    store = state_dir / "cursors.sqlite"
    unreadable = (str(store),) if _exists(store) and not os.access(store, os.R_OK) else ()
    return StateFacts(
        str(state_dir),
        user,
        usable=usable,
        owner=user_name(found.st_uid),
        unreadable=unreadable,
        holder=holder.pid if (holder := holder_of(state_dir)) is not None else None,
        root=os.geteuid() == 0,
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _creatable(path: Path) -> bool:
    above = next((one for one in path.parents if _exists(one)), Path("/"))
    return os.access(above, os.W_OK | os.X_OK)
