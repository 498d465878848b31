"""Starts the counting sink: compiled where a compiler is there, else its slower twin in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("sink.c")
SLOW = [sys.executable, str(Path(__file__).with_name("slow_sink.py"))]


class Tally(NamedTuple):
    """What has come so far.

    Attributes:
        documents: lines that were taken.
        missing: numbers that did not come.
        doubled: lines whose number had come before, under another id or none.
        unnumbered: lines without a number.
        conflicts: lines that were refused because their id had come before.
        run_writes: writes of run documents.
        run_bytes: bytes of these writes, unpacked.
        bulks: bulk requests.
        wire_bytes: bytes of all requests as they came.
        body_bytes: bytes of all bodies, unpacked.
        first: monotonic seconds at which the first lines had come; 0.0: none has.
        last: monotonic seconds at which the last lines had come.
    """

    documents: int
    missing: int
    doubled: int
    unnumbered: int
    conflicts: int
    run_writes: int
    run_bytes: int
    bulks: int
    wire_bytes: int
    body_bytes: int
    first: float
    last: float

    def faults(self, lines: int, numbered: int) -> str:
        """What is wrong if so many lines were sent, so many of them with a number; empty if nothing is."""
        missing = self.missing - (lines - numbered)
        wrong = {
            "missing": missing,
            "doubled": self.doubled,
            "torn": self.unnumbered - (lines - numbered),
            "too many": self.documents - lines,
        }
        return ", ".join(f"{count:,} {name}" for name, count in wrong.items() if count > 0)


class Sink:
    """A running sink; ``url`` is where it listens."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def tally(self) -> Tally:
        """What has come so far."""
        with urllib.request.urlopen(f"{self.url}/_sink", timeout=30) as answer:
            found = json.load(answer)
        found |= {"first": found["first_ns"] / 1e9, "last": found["last_ns"] / 1e9}
        return Tally(*(found[name] for name in Tally._fields))


def sink_command(folder: Path, say: Callable[[str], None]) -> list[str]:
    """The sink's program, compiled into a folder.

    Args:
        folder: for the program.
        say: takes what is missing, if it can't be compiled.
    """
    slower = "the sink in Python takes its place, whose own cost limits what lines per second can be measured"
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        say(f"no C compiler (cc, gcc or clang) is on PATH, so the counting sink can't be compiled: {slower}")
        return SLOW
    program = folder / "sink"
    command = [compiler, "-O2", "-o", str(program), str(SOURCE), "-lz", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [str(program)]
    missing = "zlib's header zlib.h is missing (on Debian: zlib1g-dev)" if "zlib.h" in done.stderr else done.stderr
    say(f"{compiler} can't compile the counting sink: {missing}: {slower}")
    return SLOW


@contextmanager
def running_sink(command: list[str], lines: int, *, delay_ms: int = 0, keep: Path | None = None) -> Iterator[Sink]:
    """A sink, for the duration of the block.

    Args:
        command: see ``sink_command``.
        lines: how many will be sent; their numbers are below that.
        delay_ms: it waits so long before each answer to a bulk request.
        keep: file for the bodies of lines.
    """
    options = ["--lines", str(lines), "--delay-ms", str(delay_ms), *(["--keep", str(keep)] if keep else [])]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                errors.seek(0)
                raise SystemExit(f"the counting sink did not start: {errors.read().decode(errors='replace')}")
            yield Sink(int(port))
        finally:
            process.terminate()
            process.communicate()
