"""Findings about processes of this machine that read the same logs.

What runs in other containers or on other machines can't be seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipper.doctor.finding import Finding, note, warning

OTHERS = (
    "alloy", "filebeat", "fluent-bit", "fluentd", "grafana-agent", "logstash", "otelcol", "otelcol-contrib",
    "promtail", "rsyslogd", "splunkd", "syslog-ng", "td-agent", "vector",
)  # fmt: skip
_SUBCOMMANDS = {"setup", "check", "status", "dead-letters", "rebuild-runs", "export", "demo", "init"}
_MODULE = "shipper.cli.ship"


@dataclass(frozen=True)
class Process:
    """A process as ``/proc`` shows it.

    Attributes:
        number: its id.
        arguments: its command line.
        directory: its working directory; None where that can't be seen.
        reads: device and inode of the files that it has open for reading only.
        environ: its variables; empty where they can't be seen.
    """

    number: int
    arguments: tuple[str, ...]
    directory: str | None = None
    reads: frozenset[tuple[int, int]] = frozenset()
    environ: Mapping[str, str] | None = None

    @property
    def shipper(self) -> str | None:
        """The name of the shipper that it is, perhaps run by an interpreter; None for any other process."""
        names = [os.path.basename(word) for word in self.arguments[:3]]  # noqa: PTH119 - any text
        names += ["logstash"] if "org.logstash.Logstash" in self.arguments else []
        return next((name for name in names if name in OTHERS), None)


@dataclass(frozen=True)
class Sidecar:
    """A running sidecar and where it reads and writes.

    Attributes:
        number: of its process.
        log_dir: its log directory.
        state_dir: its state directory.
        files: device and inode of the files that its configuration reads now.
    """

    number: int
    log_dir: str
    state_dir: str
    files: frozenset[tuple[int, int]] = frozenset()


def sidecar_config(arguments: tuple[str, ...]) -> str | None:
    """The configuration that a process was started with as a sidecar; empty for none named, None for no sidecar."""
    rest = None
    for index, word in enumerate(arguments[:4]):
        named = os.path.basename(word) == "neuroflow-ship"  # noqa: PTH119 - any text
        if named or (word == _MODULE and arguments[index - 1] == "-m"):
            rest = arguments[index + 1 :]
    if rest is None or _SUBCOMMANDS.intersection(rest):
        return None
    for index, word in enumerate(rest):
        if word in {"--config", "-c"} and index + 1 < len(rest):
            return rest[index + 1]
        if match := re.match(r"(?:--config=|-c)(.+)", word):
            return match[1]
    return ""


def readers(
    sidecars: Iterable[Sidecar],
    processes: Iterable[Process],
    *,
    log_dir: str,
    state_dir: str,
    files: Mapping[tuple[int, int], str],
) -> Iterator[Finding]:
    """Other sidecars on these logs, and other shippers that have them open.

    Args:
        sidecars: that run on this machine.
        processes: that run on this machine.
        log_dir: of this configuration, with all links followed.
        state_dir: likewise.
        files: of this configuration: device and inode → path.
    """
    found = list(processes)
    reads = {one.number: one.reads & files.keys() for one in found}
    for one in sidecars:
        shared = sorted(files[key] for key in reads.get(one.number, frozenset()) | (one.files & files.keys()))
        if one.state_dir != state_dir and (one.log_dir == log_dir or shared):
            what = one.log_dir
            if one.log_dir != log_dir:
                what = f"{shared[0]}{f' and {len(shared) - 1} more of these logs' if len(shared) > 1 else ''}"
            yield warning(
                "two-sidecars",
                log_dir,
                f"the process {one.number} is another sidecar that reads {what}, with the state directory "
                f"{one.state_dir}: each line is sent twice, and is there twice if the host names differ",
                f"stop one of them (kill {one.number}), or let each read logs of its own",
            )
    for process in found:
        shared = [files[key] for key in reads[process.number]]
        if not shared or process.shipper is None:
            continue
        yield note(
            "another-shipper",
            min(shared),
            f"{process.shipper} (process {process.number}) has {min(shared)} open"
            f"{f' and {len(shared) - 1} more' if len(shared) > 1 else ''}: it may ship the same lines",
            "switch it off for these files, unless it sends them elsewhere",
        )


def check_processes(
    log_dir: str,
    state_dir: str,
    files: Mapping[tuple[int, int], str],
    configured: Callable[[Process, str], Sidecar | None],
) -> Iterator[Finding]:
    """Look at the processes of this machine.

    Args:
        log_dir: of this configuration.
        state_dir: of this configuration.
        files: of this configuration: device and inode → path.
        configured: gives the sidecar that a process with the configuration that it names is; None if unknown.
    """
    found = list(processes(exclude={os.getpid()}))
    sidecars, blind = [], []
    for process in found:
        config = sidecar_config(process.arguments)
        if config is None:
            continue
        sidecar = configured(process, config)
        if sidecar is None:
            blind.append(process.number)
        else:
            sidecars.append(sidecar)
    yield from readers(
        sidecars, found, log_dir=os.path.realpath(log_dir), state_dir=os.path.realpath(state_dir), files=files
    )
    if blind:
        yield note(
            "sidecar-unseen",
            log_dir,
            f"can't see which logs other sidecars read (process {', '.join(map(str, blind))}): their configuration "
            "can't be read",
            "run this command as their user if they may read the same logs",
        )


def processes(root: Path = Path("/proc"), exclude: Collection[int] = ()) -> Iterator[Process]:
    """The processes of this machine that are sidecars or known shippers, as far as this user may see them."""
    try:
        numbers = [int(entry.name) for entry in root.iterdir() if entry.name.isdecimal()]
    except OSError:
        return
    for number in sorted(set(numbers) - set(exclude)):
        try:
            line = (root / str(number) / "cmdline").read_bytes()
        except OSError:
            continue
        arguments = tuple(os.fsdecode(part) for part in line.rstrip(b"\0").split(b"\0"))
        process = Process(number, arguments)
        if process.shipper or sidecar_config(arguments) is not None:
            place = root / str(number)
            yield Process(number, arguments, _directory(place), frozenset(_reads(place)), _environ(place))


def _directory(place: Path) -> str | None:
    try:
        return os.readlink(place / "cwd")  # noqa: PTH115 - a link of /proc may have any text
    except OSError:
        return None


def _environ(place: Path) -> dict[str, str]:
    try:
        data = (place / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(part).partition("=") for part in data.split(b"\0") if part)
    return {name: value for name, _, value in pairs}


def _reads(place: Path) -> Iterator[tuple[int, int]]:
    """Device and inode of what a process has open for reading only."""
    try:
        descriptors = list((place / "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            flags = re.search(r"^flags:\s*([0-7]+)", (place / "fdinfo" / descriptor.name).read_text(), re.MULTILINE)
            if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY:
                found = descriptor.stat()
                yield found.st_dev, found.st_ino
        except OSError:
            continue
