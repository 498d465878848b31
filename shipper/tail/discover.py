"""Which files there are: patterns → the files that match them now, with their rotated and gzipped siblings.

Owns the built-in inputs and the names of rotations.  Never opens a file: one ``scandir`` a directory and one
``stat`` a file is all that a scan costs.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from shipper.config import Dataset, Format

# ".1", ".10", ".2024-01-01", "-20240101", ".2024-01-01_12-30-00", "-1700000000", each with or without ".gz".
_ROTATION = re.compile(
    r"(?:[.-](?P<number>\d{1,3})|[.-](?P<date>\d{4}-?\d{2}-?\d{2}(?:[-_T.]?\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?)?|\d{10}))?"
    r"(?P<gz>\.gz)?\Z"
)
# Paths remembered from scan to scan; more than that and the memory is begun anew.
MOST_REMEMBERED = 200_000
_WILD = re.compile(r"[*?\[]")


class Source(NamedTuple):
    """One input: the pattern of its files, the format of their lines and the data stream they go to."""

    pattern: str
    format: Format
    dataset: Dataset


class Found(NamedTuple):
    """One file as a scan saw it; ``age`` orders the lives of one log, oldest (greatest) first."""

    path: str
    logical: str
    source: Source
    device: int
    inode: int
    size: int
    mtime_ns: int
    age: int
    compressed: bool

    @property
    def key(self) -> tuple[int, int]:
        """What the file system calls this file."""
        return self.device, self.inode

    @property
    def rotated(self) -> bool:
        """Whether the name is that of an earlier life, not of the log being written."""
        return self.age > 0


def builtin_sources(log_dir: Path) -> list[Source]:
    """The files that neuroflow writes under its log directory."""
    root = str(log_dir)
    return [
        Source(f"{root}/neuroflow.log", "auto", "app"),
        Source(f"{root}/workflow.log", "auto", "workflow"),
        Source(f"{root}/celery/*.log", "celery", "celery"),
        Source(f"{root}/worker.log", "celery", "celery"),
        Source(f"{root}/huey.log", "celery", "celery"),
        Source(f"{root}/audit/audit_*.jsonl", "audit", "audit"),
        Source(f"{root}/pipelines/*/*.log", "pipeline", "pipeline"),
        Source(f"{root}/*/*_ses-*.log", "console", "pipeline"),
    ]


def split_rotation(name: str) -> tuple[str, int, bool]:
    """A file name as (name of the log, age of this life, compressed).

    The age is 0 for the log itself and grows with the rotation number; dates count from far above the numbers,
    the oldest date being the greatest age.

    >>> split_rotation("neuroflow.log.2.gz")
    ('neuroflow.log', 2, True)
    """
    found = _ROTATION.search(name)
    if found is None or found.start() == 0:
        return name, 0, False
    base, compressed = name[: found.start()], found["gz"] is not None
    if found["number"]:
        return base, int(found["number"]), compressed
    if found["date"]:
        digits = re.sub(r"\D", "", found["date"]).ljust(14, "0")[:14]
        return base, 10**15 - int(digits), compressed
    return base, 0, compressed


class Scanner:
    """Finds the files of the inputs; a directory that several patterns look at is read once a scan."""

    def __init__(self, sources: Sequence[Source], exclude: Sequence[str], warn: Callable[[str], None]) -> None:
        self._sources = [(source, *_split(source.pattern)) for source in sources]
        self._exclude = [re.compile(fnmatch.translate(pattern)) for pattern in exclude]
        self._warn = warn
        self._warned: set[str] = set()
        # By source and path, what the name says; by path, the file as the last scan saw it.
        self._names: list[dict[str, tuple[str, int, bool] | None]] = [{} for _ in sources]
        self._seen: dict[str, Found] = {}

    def directories(self) -> list[str]:
        """The directories from which every input can be reached; those that a watch should cover."""
        return sorted({base for _, base, _ in self._sources})

    def scan(self) -> list[Found]:
        """Every file that matches now, each once (by device and inode), in no order.

        A file that is as it was is the very object of the last scan: ten thousand sleeping files cost a ``stat``
        each and little more.
        """
        listing: dict[str, list[os.DirEntry[str]]] = {}
        found: dict[tuple[int, int], Found] = {}
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.clear()
        for names in self._names:
            if len(names) > MOST_REMEMBERED:
                names.clear()
        for index, (source, base, parts) in enumerate(self._sources):
            for directory in self._directories(base, parts[:-1], listing):
                self._match(index, source, directory, parts[-1], listing, found)
        return list(found.values())

    def _match(
        self,
        index: int,
        source: Source,
        directory: str,
        pattern: str,
        listing: dict[str, list[os.DirEntry[str]]],
        found: dict[tuple[int, int], Found],
    ) -> None:
        names, seen = self._names[index], self._seen
        for entry in self._entries(directory, listing):
            path = entry.path
            try:
                name = names[path]
            except KeyError:
                name = names[path] = self._name(entry, pattern)
            if name is None:
                continue
            try:
                stat = entry.stat()
            except OSError as error:
                # A dangling or looping link, or a file deleted since the listing; only the former is news.
                if entry.is_symlink():
                    self._warn_once(entry.path, f"{entry.path}: the link can't be followed: {error.strerror}")
                continue
            key = stat.st_dev, stat.st_ino
            other = found.get(key)
            file = seen.get(path)
            if file is None or (*key, stat.st_size, stat.st_mtime_ns) != file[3:7] or file.source is not source:
                if (stat.st_mode & 0o170000) != 0o100000:
                    continue
                logical, age, compressed = name
                file = seen[path] = Found(
                    path, f"{directory}/{logical}", source, *key, stat.st_size, stat.st_mtime_ns, age, compressed
                )
            # Two names of one file (hard or symbolic link): the real and younger-looking name speaks for it.
            if other is None or (
                other.source == source
                and (entry.is_symlink(), file.age, path) < (Path(other.path).is_symlink(), other.age, other.path)
            ):
                found[key] = file

    def _name(self, entry: os.DirEntry[str], pattern: str) -> tuple[str, int, bool] | None:
        if any(wanted.match(entry.path) or wanted.match(entry.name) for wanted in self._exclude):
            return None
        if fnmatch.fnmatchcase(entry.name, pattern):
            base, age, compressed = split_rotation(entry.name)
            # "audit_2024_01.jsonl" ends in nothing that looks like a rotation, but "run-12" would.
            return (base, age, compressed) if fnmatch.fnmatchcase(base, pattern) else (entry.name, 0, compressed)
        base, age, compressed = split_rotation(entry.name)
        return (base, age, compressed) if base != entry.name and fnmatch.fnmatchcase(base, pattern) else None

    def _directories(
        self, base: str, parts: Sequence[str], listing: dict[str, list[os.DirEntry[str]]]
    ) -> Iterator[str]:
        if not parts:
            yield base
            return
        head, rest = parts[0], parts[1:]
        if head == "**":
            yield from self._directories(base, rest, listing)
        for entry in self._entries(base, listing):
            try:
                if not entry.is_dir() or (head == "**" and entry.is_symlink()):
                    continue
            except OSError:
                continue
            if head == "**":
                yield from self._directories(entry.path, parts, listing)
            elif fnmatch.fnmatchcase(entry.name, head):
                yield from self._directories(entry.path, rest, listing)

    def _entries(self, directory: str, listing: dict[str, list[os.DirEntry[str]]]) -> list[os.DirEntry[str]]:
        known = listing.get(directory)
        if known is not None:
            return known
        try:
            with os.scandir(directory) as entries:
                listing[directory] = list(entries)
            self._warned.discard(directory)
        except FileNotFoundError:
            listing[directory] = []  # not there yet, or gone: the next scan looks again
        except OSError as error:
            listing[directory] = []
            self._warn_once(directory, f"{directory}: can't be listed: {error.strerror}; looking again every scan")
        return listing[directory]

    def _warn_once(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            self._warn(message)


def _split(pattern: str) -> tuple[str, list[str]]:
    """A pattern as (directory without wildcards, remaining parts); the last part names files."""
    parts = os.path.abspath(os.path.expanduser(pattern)).split("/")  # noqa: PTH100, PTH111 - text, not a Path: the pattern's wildcards must survive
    wild = next((i for i, part in enumerate(parts[:-1]) if _WILD.search(part)), len(parts) - 1)
    return "/".join(parts[:wild]) or "/", parts[wild:]
