"""A private folder for one node, and a guard process that removes it however this process ends.

The guard is a shell that reads from a pipe whose other end only this process has.  When this process ends (return,
exception, SIGTERM, SIGKILL, out of memory), the kernel closes that end, and the guard kills the node's process group
and deletes the folder.  A parent-death signal would be shorter, but it exists only on Linux, is reset when a process
changes its user, fires when the starting *thread* ends, and leaves the folder.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from shipper.testnode.java import reachable
from shipper.testnode.lifecycle import NodeError

# The guard ignores signals of the terminal and of service managers.
# A killed JVM that was attached to leaves a socket named after its process in /tmp.
_GUARD = """
trap '' HUP INT TERM
while read -r _; do :; done
test -d "$1" || exit 0
group=$(cat "$1/group" 2>/dev/null)
case $group in
    '' | 0 | 1 | *[!0-9]*) ;;
    *) kill -s KILL -- "-$group" 2>/dev/null ;;
esac
pid=$(cat "$1/node/pid" 2>/dev/null)
case $pid in '' | *[!0-9]*) ;; *) rm -f "/tmp/.java_pid$pid" ;; esac
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" 2>/dev/null
    test -d "$1" || exit 0
    sleep 0.2
done
"""

# The shell leads a session of its own, so its process id is the group's, and exec keeps it.  It writes the id to the
# file that the guard reads, which is opened here because the node's account can't write there.
_STARTER = 'echo $$; console=$1; shift; exec "$@" >>"$console" 2>&1 </dev/null'


class Sandbox:
    """A private folder, the account under which programs in it run, and the guard of both.

    ``node`` inside it belongs to that account; the folder itself and ``group`` stay ours.
    """

    def __init__(self) -> None:
        self.account = unprivileged() if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="neuroflow-node-", dir=_base(shared=self.account is not None)))
        if self.account:
            self.folder.chmod(0o755)
        self.node = self.folder / "node"
        self.node.mkdir()
        self._group = self.folder / "group"
        self._guard = subprocess.Popen(  # noqa: S603 - a script of constants; the folder is its argument
            ["/bin/sh", "-c", _GUARD, "guard", self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def hand_over(self) -> None:
        """Give everything below ``node`` to the account that will run there."""
        if self.account is None:
            return
        uid, gid = self.account.pw_uid, self.account.pw_gid
        for folder, _, names in os.walk(self.node):
            os.chown(folder, uid, gid)
            for name in names:
                os.chown(Path(folder, name), uid, gid, follow_symlinks=False)

    def spawn(
        self, command: list[str], *, environ: dict[str, str], cwd: Path, console: Path
    ) -> subprocess.Popen[bytes]:
        """Start a program as that account, in a process group of its own that the guard knows."""
        other: dict[str, Any] = {}
        if self.account:
            other = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        with self._group.open("wb") as group:
            return subprocess.Popen(  # noqa: S603 - a shell script of constants; the rest are its arguments
                ["/bin/sh", "-c", _STARTER, "starter", str(console), *command],
                stdin=subprocess.DEVNULL,
                stdout=group,
                stderr=subprocess.DEVNULL,
                cwd=cwd,
                env=environ,
                start_new_session=True,
                **other,
            )

    def end(self, process: subprocess.Popen[bytes], pid: int | None) -> None:
        """Kill what ``spawn`` started and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # PermissionError: macOS says so of a group that consists of zombies.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.forget()
        if pid is None:
            return
        for _ in range(500):
            if not _alive(pid):
                break
            time.sleep(0.02)
        Path(f"/tmp/.java_pid{pid}").unlink(missing_ok=True)  # noqa: S108 - the JVM's own fixed name

    def forget(self) -> None:
        """Record that the group has ended: its number may be used again."""
        self._group.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and release the guard."""
        for _ in range(10):
            # A process that is ending may still create a file.
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.2)
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()


def unprivileged() -> pwd.struct_passwd:
    """The account for the node if this process runs as root, which Elasticsearch refuses."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        others = [account for account in pwd.getpwall() if account.pw_uid > 0]
    if not others:
        raise NodeError("Elasticsearch refuses to run as root, and there is no other account to run it as")
    return min(others, key=lambda account: account.pw_uid)


def _base(*, shared: bool) -> Path:
    """The parent of temporary folders: the usual one, unless another account can't enter it.

    It has no white space in its path, at which the launcher would split its options.
    """
    for place in dict.fromkeys((tempfile.gettempdir(), "/var/tmp", "/tmp")):  # noqa: S108 - mkdtemp makes it private
        base = Path(place)
        fits = base.is_dir() and os.access(base, os.W_OK) and place.split() == [place]
        if fits and (not shared or reachable(base / "node")):
            return base
    raise NodeError("no temporary folder that another account can reach; set TMPDIR to one")


def _alive(pid: int) -> bool:
    """Whether the process still holds resources; a zombie (state Z) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True
