"""Which files there are: patterns → the files that match them now, with their rotated and gzipped siblings.

A ``stat`` a directory and a ``stat`` a file is what a scan costs, half of it where file system events help.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from stat import S_ISLNK, S_ISREG
from typing import NamedTuple

from shipper.tail.first_bytes import FirstBytes
from shipper.tail.found_files import Found, Source, split
from shipper.tail.links import Links
from shipper.tail.rotation_names import Named, aged, named
from shipper.telemetry import ONCE, Throttle

# A file that was not written to for this long sleeps.
SLEEPING_NS = 60 * 10**9
_DO = "name it under shipper.inputs, or under shipper.exclude"
# A directory's time is trusted when it is older than this at the time of the listing.
TICK_NS = 2 * 10**9
# What links to this device has nothing to read: somebody discards that log.
_NULL = os.stat(os.devnull).st_rdev  # noqa: PTH116 - text paths throughout the tail
# The entries of every directory that is not there: the same list, so that nothing changed.
_EMPTY: list[os.DirEntry[str]] = []


class _Listing(NamedTuple):
    """A directory as it was last listed; ``reliable``: a change since would show in its time."""

    key: tuple[int, int, int]
    reliable: bool
    entries: list[os.DirEntry[str]]


@dataclass(slots=True)
class _Table:
    """The files of one directory that one source matches: their names, and what was last seen of each."""

    entries: list[os.DirEntry[str]]
    real: str
    names: list[_Name]
    found: list[Found | None]


class _Name(NamedTuple):
    """A file's path, the path with all links followed, and what its name says of it."""

    path: str
    real: str
    linked: bool
    logical: str
    says: Named
    sibling: bool


class Scanner:
    """Finds the files of the inputs.

    A directory is listed again only when its time says that something came, went or was renamed; every file is
    looked at with one ``stat``.  A ``sparing`` scan looks at half of the files that have slept for a while, the
    next one at the other half: for those who are also woken by file system events.

    ``unread`` holds what the last scan could not look at, or could not take for a log; ``omitted`` why, and what else
    it passed over that has a name like a log's.

    Args:
        sources: what to look for.
        exclude: patterns of names or paths that are passed over.
        warn: told once, in a sentence, what can't be looked at.
        wall_ns: the wall clock, nanoseconds.
        link_targets: where links may lead, beside the directories of their inputs.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        exclude: Sequence[str],
        warn: Callable[[str], None],
        wall_ns: Callable[[], int] = time.time_ns,
        link_targets: Sequence[str] = (),
    ) -> None:
        self._sources = [(source, *split(source.pattern)) for source in sources]
        self._exclude = [re.compile(fnmatch.translate(pattern)) for pattern in exclude]
        self._wall_ns = wall_ns
        self._links = Links(link_targets)
        self._throttle = Throttle(warn)
        self.unread: set[str] = set()
        self.omitted: dict[str, str] = {}
        # Files beside a log that may be other logs, and the name of that log.
        self._others: dict[str, str] = {}
        self._first_bytes = FirstBytes()
        self._listings: dict[str, _Listing] = {}
        self._tables: dict[tuple[int, str], _Table] = {}
        self._files: list[Found] = []
        # What a file is now, by the object of what it was in the last scan: the same file, only longer.
        self._grown: dict[int, Found] = {}
        self._turn = 0

    def directories(self) -> list[str]:
        """The directories from which every input can be reached; those that a watch should cover."""
        self._links.begin()
        return sorted({base for source, base, _ in self._sources if not self._leads_out(source, base)})

    def scan(self, *, sparing: bool = False, touched: AbstractSet[str] = frozenset()) -> list[Found]:
        """Every file that matches now, each once (by device and inode), in no order.

        The very list of the last scan when nothing changed, and in it the very object of a file that is as it was.
        Where files only grew, the others keep their places in the list.

        Args:
            sparing: leave out every second look at what has slept for long, and trust the times of directories.
            touched: paths that are looked at in any case.
        """
        self._turn += 1
        self._links.begin()
        self.unread, self.omitted, self._others = set(), {}, {}
        now = self._wall_ns()
        asleep = now - SLEEPING_NS if sparing else -1
        listed: dict[str, list[os.DirEntry[str]]] = {}
        tables: dict[tuple[int, str], _Table] = {}
        changed = False
        self._grown = {}
        for index, (source, base, parts) in enumerate(self._sources):
            for directory, real in self._directories(source, base, parts[:-1], listed, sparing=sparing):
                entries = self._entries(directory, listed, sparing=sparing)
                table = self._tables.get((index, directory))
                if table is None or table.entries is not entries or table.real != real:
                    table, changed = self._table(directory, real, entries, parts[-1], table), True
                tables[index, directory] = table
                changed = self._look(table, source, asleep, touched) or changed
        if changed or tables.keys() != self._tables.keys():
            self._files = _each_once(tables.values())
            self._first_bytes.keep({file.key for table in tables.values() for file in table.found if file})
        elif self._grown:
            self._files = [self._grown.get(id(file), file) for file in self._files]
        # What stands beside a log, has a name that begins like it, and is no log of another input either.
        for path in sorted(self._others.keys() - {file.path for file in self._files}) if self._others else ():
            why = f"begins like {self._others[path]} and may be another log: it is not read; {_DO}"
            self._leave_out(path, why, harmless=True)
        self._listings = {directory: one for directory, one in self._listings.items() if directory in listed}
        self._tables = tables
        self._report()
        return self._files

    def _report(self) -> None:
        """Say once what is left out, and again when it was not left out meanwhile, or for another reason."""
        sentences = [f"{path}: {why}" for path, why in self.omitted.items()]
        self._throttle.over(but=set(sentences))
        for sentence in sentences:
            self._throttle.say(sentence, sentence, ONCE)

    def _look(self, table: _Table, source: Source, asleep: int, touched: AbstractSet[str]) -> bool:
        """Look at a table's files; gives whether one is another than it was, or came or went."""
        changed = False
        found = table.found
        turn = self._turn
        for index, named_before in enumerate(table.names):
            name, file = named_before, found[index]
            if (
                file is not None
                and file.mtime_ns < asleep
                and (file.inode + turn) & 1
                and not name.linked
                and name.path not in touched
            ):
                continue
            try:
                real = os.path.realpath(name.path, strict=True) if name.linked else name.real
                stat = os.lstat(real)
            except OSError as error:
                # A file deleted since the listing is no news.
                if os.path.islink(name.path):  # noqa: PTH114 - text paths throughout the tail
                    self._leave_out(name.path, f"the link can't be followed: {error.strerror}")
                elif not isinstance(error, FileNotFoundError):
                    self._leave_out(name.path, f"can't be looked at: {error.strerror}; looking again every scan")
                found[index] = None
                changed = changed or file is not None
                continue
            if name.linked:
                why = None if stat.st_rdev == _NULL else self._links.refusal(source, real)
                if why is not None or real != name.real:
                    name = table.names[index] = name._replace(real=real)
                    file, changed = None, changed or file is not None
                if why is not None:
                    self._leave_out(name.path, why, harmless=name.says.other)
                    found[index] = None
                    continue
            elif S_ISLNK(stat.st_mode):  # put there since the listing: the next scan lists it
                found[index], changed = None, changed or file is not None
                continue
            if file is not None and (
                file.size == stat.st_size
                and file.mtime_ns == stat.st_mtime_ns
                and file.inode == stat.st_ino
                and file.device == stat.st_dev
            ):
                continue
            new = self._found(name, source, stat)
            if not (S_ISREG(stat.st_mode) or stat.st_rdev == _NULL or name.says.other):
                # Only where the very file was expected is something missing.
                harmless = name.path != source.names
                self._leave_out(name.path, "is no regular file; it is not read", harmless=harmless)
            if file is not None and new is not None and file.is_as_named(new):
                self._grown[id(file)] = new
            else:
                changed = changed or new is not None or file is not None
            found[index] = new
        return changed

    def _table(
        self, directory: str, real: str, entries: list[os.DirEntry[str]], pattern: str, last: _Table | None
    ) -> _Table:
        """The files of a directory whose names match, with what is known of those that were there before."""
        before: dict[str, tuple[_Name, Found | None]] = {}
        if last is not None and last.real == real:
            before = {name.path: (name, file) for name, file in zip(last.names, last.found, strict=True)}
        names: list[_Name] = []
        found: list[Found | None] = []
        for entry in entries:
            linked = entry.is_symlink()
            name, file = before.get(entry.path, (None, None))
            if name is None or linked or name.linked:
                if self._is_excluded(entry):
                    continue
                if (says := named(entry.name, pattern)) is None:
                    continue
                name, file = _name(entry, directory, real, says), None
            if file is not None and file.inode != entry.inode():
                file = None  # another file has the name now: the time of the old one says nothing of it
            names.append(name)
            found.append(file)
        return _Table(entries, real, names, found)

    def _found(self, name: _Name, source: Source, stat: os.stat_result) -> Found | None:
        """What a ``stat`` says of a file, and of an earlier life its first bytes; None for what is no log."""
        if not S_ISREG(stat.st_mode):
            return None
        says, compressed = name.says, name.says.compressed
        if says.other:
            if not says.vague or self._first_bytes.may_be_log(name.real, stat):
                # Whether another input has it is known when all have been looked through.
                self._others[name.path] = says.log
            return None
        if name.sibling and stat.st_size:
            kind, packed = self._first_bytes.of(name.path, name.real, stat, strange=says.timeless)
            if kind is not None:
                why = f"has the name of a log and holds {kind} data: it is not read; unpack it there, or exclude it"
                self._leave_out(name.path, why)
                return None
            compressed = compressed or packed
        age = aged(says.age, stat.st_mtime_ns, timeless=says.timeless) if says.age else 0
        return Found(
            name.path, name.logical, source, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns,
            age, compressed, name.real, name.sibling,
        )  # fmt: skip

    def _directories(
        self,
        source: Source,
        base: str,
        parts: Sequence[str],
        listed: dict[str, list[os.DirEntry[str]]],
        *,
        sparing: bool,
    ) -> Iterator[tuple[str, str]]:
        """The directories in which files of a source may be, each with its path with all links followed."""
        if why := self._leads_out(source, base):
            self._leave_out(base, why)
            return
        # A stack, not a call within the call: a tree may be deeper than Python counts.
        todo = [(base, self._links.real(base), parts)]
        while todo:
            directory, real, parts = todo.pop()
            if not parts:
                yield directory, real
                continue
            head, rest = parts[0], parts[1:]
            if head == "**":
                todo.append((directory, real, rest))
            todo += [
                (entry.path, below, parts if head == "**" else rest)
                for entry in self._entries(directory, listed, sparing=sparing)
                if (below := self._below(source, entry, real, head)) is not None
            ]

    def _below(self, source: Source, entry: os.DirEntry[str], real: str, pattern: str) -> str | None:
        """The resolved path of a directory that matches a part of a pattern; None for anything else."""
        linked = entry.is_symlink()
        try:
            if not linked and not entry.is_dir():
                return None
            if linked if pattern == "**" else not fnmatch.fnmatchcase(entry.name, pattern):
                return None
            if not linked:
                return f"{real.rstrip('/')}/{entry.name}"
            if not entry.is_dir():
                return None
        except OSError as error:
            self._leave_out(entry.path, f"can't be looked at: {error.strerror}; looking again every scan")
            return None
        below = self._links.real(entry.path)
        why = self._links.refusal(source, below)
        if why is not None and not self._is_excluded(entry):
            self._leave_out(entry.path, why)
        return below if why is None else None

    def _leads_out(self, source: Source, base: str) -> str | None:
        """Why the directory before a pattern's wildcards is not looked into: it is a link that is not followed."""
        real = self._links.real(base)
        why = self._links.refusal(source, real)
        return why if why and os.path.isdir(real) else None  # noqa: PTH112 - text paths throughout the tail

    def _is_excluded(self, entry: os.DirEntry[str]) -> bool:
        return any(wanted.match(entry.path) or wanted.match(entry.name) for wanted in self._exclude)

    def _entries(
        self, directory: str, listed: dict[str, list[os.DirEntry[str]]], *, sparing: bool
    ) -> list[os.DirEntry[str]]:
        """The entries of a directory, listed once a scan, and not at all where its time says that they stand."""
        known = listed.get(directory)
        if known is not None:
            return known
        entries = _EMPTY
        try:
            stat = os.stat(directory)  # noqa: PTH116 - text paths throughout the tail
            key = stat.st_dev, stat.st_ino, stat.st_mtime_ns
            last = self._listings.get(directory)
            if last is not None and last.key == key and last.reliable and sparing:
                entries = last.entries
            else:
                # Clocks of file systems tick in milliseconds: a change within the same tick would not show.
                reliable = self._wall_ns() - stat.st_mtime_ns > TICK_NS
                with os.scandir(directory) as listing:
                    entries = list(listing)
                if last is not None and last.key == key and _names(last.entries) == _names(entries):
                    entries = last.entries
                self._listings[directory] = _Listing(key, reliable, entries)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._listings.pop(directory, None)  # not there yet, or gone: the next scan looks again
            if os.path.islink(directory):  # noqa: PTH114 - text paths throughout the tail
                self._leave_out(directory, f"the link can't be followed: {error.strerror}")
        except OSError as error:
            self._listings.pop(directory, None)
            self._leave_out(directory, f"can't be listed: {error.strerror}; looking again every scan")
        listed[directory] = entries
        return entries

    def _leave_out(self, path: str, why: str, *, harmless: bool = False) -> None:
        """Leave something out; the first reason of a scan counts, which names a link."""
        self.omitted.setdefault(path, why)
        if not harmless:
            self.unread.add(path)


def _names(entries: list[os.DirEntry[str]]) -> list[tuple[str, int]]:
    return [(one.name, one.inode()) for one in entries]


def _name(entry: os.DirEntry[str], directory: str, real: str, says: Named) -> _Name:
    path = entry.path
    sibling = says.log != entry.name
    logical = f"{directory}/{says.log}" if sibling else path
    opens = path if real == directory else f"{real}/{entry.name}"
    return _Name(path, opens, entry.is_symlink(), logical, says, sibling)


def _each_once(tables: Iterable[_Table]) -> list[Found]:
    """Every file once: of two names of one (hard or symbolic link) the real, younger-looking one speaks for it.

    Of two inputs that of which it is a log has it, else that which comes to it without a link, else that whose log's
    name says more, else the first.
    """
    each: dict[tuple[int, int], Found] = {}
    for table in tables:
        for file in table.found:
            if file is None:
                continue
            other = each.setdefault(file.key, file)
            if other is file:
                continue
            if other.source == file.source:
                better = _rank(file) < _rank(other)
            else:
                better = other.sibling and _nearness(file) < _nearness(other)
            if better:
                each[file.key] = file
    return list(each.values())


def _nearness(file: Found) -> tuple[bool, bool, bool, int]:
    return file.sibling, file.real != file.path, not file.path.startswith(file.logical), -len(file.logical)


def _rank(file: Found) -> tuple[bool, int, str]:
    return file.real != file.path, file.age, file.path
