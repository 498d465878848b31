"""Runs one program and tells what its whole process tree cost."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

# Seconds between two looks at a process.
LOOK_EVERY = 0.05
# Seconds that a program may take to end when it is told to.
STOP_PATIENCE = 30.0


class Cost(NamedTuple):
    """What a run cost.

    Attributes:
        began: monotonic seconds.
        ended: monotonic seconds at which it had ended, or everything had arrived.
        cpu: seconds, user and system, of it and of its children.
        peak: the most bytes of memory that were resident, all processes together.
        failure: why it counts for nothing, with the end of what it printed; empty if it ran well.
    """

    began: float
    ended: float
    cpu: float
    peak: int
    failure: str = ""


def run(command: list[str], output: Path, arrived: Callable[[], bool] | None, patience: float) -> Cost:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        output: file for what it prints.
        arrived: whether everything has arrived; it is ended then.  None: it ends by itself.
        patience: seconds after which it is ended in any case.
    """
    with output.open("wb") as printed:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed)
    ended, peak, failure, stopped_at = 0.0, 0, "", 0.0
    try:
        while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, sum(map(_high_water, tree(process.pid))))
            now = time.monotonic()
            if stopped_at:
                if now > stopped_at + STOP_PATIENCE:
                    process.kill()
            elif now > began + patience:
                failure, stopped_at = f"did not finish within {patience:.0f} s", now
                process.terminate()
            elif arrived is not None and arrived():
                ended = stopped_at = now
                process.terminate()
            time.sleep(LOOK_EVERY)
    except BaseException:
        process.kill()  # the bench was interrupted
        raise
    _, status, usage = found
    process.returncode = os.waitstatus_to_exitcode(status)
    if not failure and process.returncode and arrived is None:
        failure = f"ended with {process.returncode}"
    elif not failure and arrived is not None and not ended:
        failure = f"ended by itself with {process.returncode} before everything had arrived"
    if failure:
        failure = f"{failure}: {output.read_bytes()[-600:].decode(errors='replace')}"
    return Cost(began, ended or time.monotonic(), usage.ru_utime + usage.ru_stime, peak, failure)


def tree(pid: int) -> Iterator[int]:
    """A process and all below it, as far as they are there."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:
            continue
        for child in below:
            yield from tree(int(child))


def _high_water(pid: int) -> int:
    """VmHWM; ru_maxrss counts the moment before exec as well, when the child still is this process."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
