"""``make profile``: where the sidecar's time goes, in microseconds a line, stage by stage.

The program runs in this process, from its import to its end, over lines of the bench and into the counting sink.  A
timer of the processor time that the process uses interrupts it; each thread's use since the last interrupt counts for
the stage in which the thread is then.  A profiler that counts calls would make small functions look dear.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Self

import shipper
from tests.bench.cases import CASES, Setting, write_logs
from tests.bench.peers import Job, config_of
from tests.bench.sink import running_sink, sink_command

ROOT = Path(shipper.__file__).parent
# Seconds of processor time between two samples; the kernel's clock may make them longer.
INTERVAL = 0.002
REST = "everything else"
# Modules below ``shipper/`` and what they do, the first that fits.
STAGES = (
    ("tail/state/", "state"),
    ("sidecar/state_saver", "state"),
    ("tail/progress", "state"),
    ("tail/", "read"),
    ("parse/", "parse"),
    ("redact/", "redact"),
    ("document/run_context", "context"),
    ("document/path_context", "context"),
    ("document/ids", "pack"),
    ("document/", "document"),
    ("deliver/serialised", "serialise"),
    ("deliver/batch", "pack"),
    ("sidecar/outbox", "pack"),
    ("elastic/packed", "pack"),
    ("elastic/client", "send"),
    ("elastic/http_node", "send"),
    ("elastic/answers", "answers"),
    ("elastic/outcomes", "answers"),
    ("elastic/bulk_request", "answers"),
    ("deliver/", "answers"),
    ("cli/", "start and end"),
    ("elastic/", "start and end"),
)


def stage_of(modules: list[str]) -> str:
    """The stage of a stack: its innermost module's; what run documents send and read counts for them.

    Args:
        modules: paths below ``shipper/``, the innermost frame's first; those outside are not among them.
    """
    if any(module.startswith("runs/") for module in modules):
        return "run documents"
    for module in modules:
        for start, stage in STAGES:
            if module.startswith(start):
                return stage
    return REST


class Sampler:
    """Adds up the processor time of this process's threads by stage; ``spent`` has seconds."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._before: dict[int, float] = {}

    def __enter__(self) -> Self:
        for ident, clock, _ in self._threads(None):
            self._before[ident] = clock
        signal.signal(signal.SIGPROF, lambda _, frame: self._sample(frame))
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._sample(None)

    def _sample(self, interrupted: FrameType | None) -> None:
        for ident, clock, frame in self._threads(interrupted):
            self.spent[stage_of(_modules(frame))] += clock - self._before.get(ident, 0.0)
            self._before[ident] = clock

    def _threads(self, interrupted: FrameType | None) -> list[tuple[int, float, FrameType | None]]:
        """Each thread's id, its processor time, and where it is."""
        frames = sys._current_frames()
        found: list[tuple[int, float, FrameType | None]] = []
        for thread in threading.enumerate():
            if (ident := thread.ident) is None:
                continue
            with contextlib.suppress(OSError):  # it has just ended
                clock = time.clock_gettime(time.pthread_getcpuclockid(ident))
                here = interrupted if ident == threading.get_ident() else frames.get(ident)
                found.append((ident, clock, here))
        return found


def _modules(frame: FrameType | None) -> list[str]:
    modules: list[str] = []
    root = f"{ROOT}{os.sep}"
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(root):
            modules.append(name.removeprefix(root))
        elif name.startswith("<frozen importlib"):
            return ["cli/"]  # an import, whoever asks for it
        frame = frame.f_back
    return modules


def report(spent: Mapping[str, float], lines: int) -> str:
    """The table: stages, microseconds a line and percent, what costs most first."""
    total = sum(spent.values())
    rows = [
        f"{stage:<16} {seconds * 1e6 / lines:6.2f} µs a line  {100 * seconds / total:5.1f} %"
        for stage, seconds in sorted(spent.items(), key=lambda one: -one[1])
    ]
    return "\n".join([*rows, f"{'together':<16} {total * 1e6 / lines:6.2f} µs a line  {lines / total:,.0f} a second"])


def main() -> None:
    """Run the program and print the table."""
    options = argparse.ArgumentParser(prog="make profile", description=__doc__)
    options.add_argument("--lines", type=int, default=300_000)
    options.add_argument("--case", choices=CASES, default="structlog", help="lines of this kind")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neuroflow-profile-") as name:
        folder = Path(name)
        logs = write_logs(folder / "logs", Setting(asked.case), asked.lines)
        with running_sink(sink_command(folder, print), logs.lines) as sink:
            config = config_of(Job(folder, logs, sink.url, "profile", gzip=True))
            with Sampler() as sampler, contextlib.suppress(SystemExit):
                from shipper.cli.ship import ship  # noqa: PLC0415 - its import is measured as well

                ship(["--config", str(config), "--once"])
            tally = sink.tally()
    if fault := tally.faults(logs.lines, logs.numbered):
        raise SystemExit(f"not everything arrived: {fault}")
    print(f"{logs.lines:,} lines of {logs.size // logs.lines} bytes; processor time of all threads")
    print(report(sampler.spent, logs.lines))


if __name__ == "__main__":
    main()
