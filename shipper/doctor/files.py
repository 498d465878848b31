"""Findings about the log files: which are read and from where, which are not and why, and whether any matches."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from shipper.doctor.denied import Denied, first_denied, remedy, sentence
from shipper.doctor.finding import Finding, error, note, ok, warning
from shipper.tail.found_files import Found, Source, shown, split

REFUSED = "Permission denied"
# What to do, by words of the tail's reasons; the first that fits.
ADVICE = {
    "link can't be followed": "correct or delete the link",
    "it is not followed": "add its target to shipper.follow_links_to if logs are kept there, else exclude the link",
    "is no regular file": "rename it, or name it under shipper.exclude",
    "is cut off": "compress or copy the file again, or name it under shipper.exclude if its rest is lost",
    "damaged": "restore the file from a copy, or name it under shipper.exclude",
    "unpack it there": "unpack it at the same place, or name it under shipper.exclude",
    "may be another log": "name it under shipper.inputs if it is a log, else under shipper.exclude",
    "is empty": "delete it if nothing compresses any more, and look for the log that should be in it",
    "can't be read": "look at the machine's log (`dmesg`): the disk or the network file system reports an error",
}
# Names that are shown of a directory in which nothing matches.
MAX_NAMES = 5
# Of what is in a log directory, names like these may be logs that no input reads; so many levels and entries at most.
_LOG_NAME = re.compile(r"[^.].*\.(log|jsonl|ndjson|out|err)\b", re.IGNORECASE)
MAX_DEPTH, MAX_ENTRIES = 3, 20_000


def file_findings(
    files: Iterable[Found], offsets: Mapping[tuple[int, int], int], unread: frozenset[str], namespace: str
) -> Iterator[Finding]:
    """Each file that is read, from where, as what.

    Args:
        files: that a scan finds.
        offsets: acknowledged so far, by device and inode.
        unread: paths of which nothing can be read.
        namespace: of the streams.
    """
    for file in sorted(files):
        if file.path not in unread:
            source = file.source
            yield ok(
                "file",
                file.shown,
                f"file: {file.shown} ({file.size} bytes, from {offsets.get(file.key, 0)}): {source.format} → "
                f"logs-neuroflow.{source.dataset}-{namespace}, matches {source.pattern}",
            )


def unread_findings(
    reasons: Mapping[str, str], harmless: frozenset[str], denied: Mapping[str, Denied]
) -> Iterator[Finding]:
    """Each file or directory that is not read, or not to its end; what a closed directory hides, once.

    Args:
        reasons: path → why, in the words of the sidecar's log.
        harmless: paths that may be no logs at all.
        denied: path → the permission that is lacking.
    """
    behind = Counter(one.path for path, one in denied.items() if one.path != path)
    named: set[str] = set()
    for path, why in sorted(reasons.items()):
        refused = denied.get(path)
        if refused is not None and refused.path != path:
            if refused.path in named or refused.path in denied:
                continue  # one sentence for a directory that closes many
            named.add(refused.path)
        what = f"not read: {shown(path)}: {why}"
        if refused is not None:
            more = behind[refused.path] - (refused.path != path)
            rest = f"; {more} more below it are not read either" if more else ""
            yield warning("no-permission", shown(path), f"{what}; {sentence(refused)}{rest}", remedy(refused))
        else:
            advice = (do for words, do in ADVICE.items() if words in why)
            do = next(advice, "remove the reason; docs/troubleshooting.md explains each")
            yield (note if path in harmless else warning)("not-read", shown(path), what, do)


def denied_of(reasons: Mapping[str, str], user: str) -> dict[str, Denied]:
    """The permission that is lacking for each path that was refused."""
    found = {path: first_denied(path, user) for path, why in reasons.items() if REFUSED in why}
    return {path: one for path, one in found.items() if one is not None}


def directory_findings(log_dir: Path, user: str) -> Iterator[Finding]:
    """Whether the log directory is there and may be entered."""
    place = str(log_dir)
    if os.path.isdir(log_dir):  # noqa: PTH112 - Path.is_dir raises where a parent may not be entered
        yield ok("log-directory", place, f"log directory: {place}")
    elif (refused := first_denied(place, user)) is not None and refused.path != place:
        yield error("no-permission", place, f"log directory: {place}: {sentence(refused)}", remedy(refused))
    elif os.path.lexists(log_dir):
        yield error(
            "log-directory-missing",
            place,
            f"log directory: {place}: is no directory",
            "set logging.log_dir to the directory into which the application writes its logs",
        )
    else:
        yield warning(
            "log-directory-missing",
            place,
            f"log directory: {place}: not there yet{_near_directory(log_dir)}",
            "start the application, which creates it, or correct logging.log_dir",
        )


def match_findings(
    log_dir: str,
    names: Sequence[str] | None,
    sources: Sequence[Source],
    found: int,
    unread: int,
    near: str | None = None,
) -> Iterator[Finding]:
    """A log directory in which no name matches.

    Args:
        log_dir: its path.
        names: of what is in it; None where that can't be listed.
        sources: the inputs.
        found: the number of files that match.
        unread: the number of those that are not read.
        near: a directory above or below it that holds such names.
    """
    if found or unread or names is None:
        return
    if near is not None:
        yield warning(
            "nothing-matches",
            log_dir,
            f"no file in {log_dir} has the name of a log that is read; {near} holds such files",
            f"set logging.log_dir: {near}",
        )
        return
    if not names:
        yield warning(
            "nothing-matches",
            log_dir,
            f"{log_dir} is empty: there is nothing to ship",
            "start the application, or set logging.log_dir to the directory into which it writes",
        )
        return
    wanted = [os.path.basename(source.pattern) for source in sources]  # noqa: PTH119 - a pattern
    alike = [
        f"{name} (like {close[0]})"
        for name in sorted(names)
        if (close := difflib.get_close_matches(name, wanted, n=1, cutoff=0.6))
    ]
    shown_names = ", ".join(shown(name) for name in (alike or sorted(names))[:MAX_NAMES])
    yield warning(
        "nothing-matches",
        log_dir,
        f"no file in {log_dir} has the name of a log that is read; there {'is' if len(names) == 1 else 'are'} "
        f"{shown_names}{' and more' if len(alike or names) > MAX_NAMES else ''}",
        "name the files under shipper.inputs, or correct logging.log_dir; docs/formats-and-fields.md lists the names "
        "that are read",
    )


def input_findings(
    sources: Iterable[Source], found: Iterable[Source], unread: Iterable[str], missing: Callable[[str], bool]
) -> Iterator[Finding]:
    """Patterns of ``shipper.inputs`` that no file matches.

    Args:
        sources: all inputs.
        found: the inputs of the files that match.
        unread: paths that are not read, for a reason that is told.
        missing: whether a directory does not exist.
    """
    matched = {source.pattern for source in found}
    for source in sources:
        base, _ = split(source.pattern)
        hidden = any(path == base or path.startswith(f"{base.rstrip('/')}/") for path in unread)
        if source.root is None and source.pattern not in matched and not hidden:
            why = f": {base} does not exist" if missing(base) else ""
            yield note(
                "nothing-matches",
                source.pattern,
                f"no file matches {source.pattern} of shipper.inputs{why}",
                "nothing, if such files come later: they are found then; else correct the pattern",
            )


def near_directory(log_dir: Path, sources: Iterable[Source]) -> str | None:
    """The directory above, or one right below, that holds files with the names of logs that are read."""
    wanted = {name for source in sources if "*" not in (name := os.path.basename(source.pattern))}  # noqa: PTH119
    below = sorted(log_dir / name for name in (names_in(log_dir) or ())[:MAX_ENTRIES])
    for place in (log_dir.parent, *below):
        if wanted.intersection(names_in(place) or ()):
            return str(place)
    return None


def strangers(log_dir: Path, known: Container[str], exclude: Iterable[str]) -> Iterator[str]:
    """Files below the log directory whose names are those of logs, and that no input reads, relative to it.

    Args:
        log_dir: its path.
        known: paths that are read, or not read for a reason that is told.
        exclude: the key ``shipper.exclude``.
    """
    patterns = tuple(exclude)
    todo, seen = [(str(log_dir), 1)], 0
    while todo and seen < MAX_ENTRIES:
        directory, depth = todo.pop()
        try:
            with os.scandir(directory) as listing:
                entries = sorted(listing, key=lambda one: one.name)
        except OSError:
            continue  # another finding tells
        seen += len(entries)
        for entry in entries:
            excluded = any(fnmatchcase(text, one) for one in patterns for text in (entry.path, entry.name))
            if excluded or entry.path in known:
                continue
            if entry.is_dir(follow_symlinks=False):
                todo += [(entry.path, depth + 1)] if depth < MAX_DEPTH else []
            elif _LOG_NAME.match(entry.name) and _holds_something(entry):
                yield entry.path[len(str(log_dir)) + 1 :]


def _holds_something(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size > 0
    except OSError:
        return False


def stranger_findings(log_dir: str, names: Iterable[str]) -> Iterator[Finding]:
    """Files that may be logs and that no input reads, all in one finding, since there may be many."""
    each = sorted(names)
    if not each:
        return
    more = f" and {len(each) - MAX_NAMES} more" if len(each) > MAX_NAMES else ""
    yield note(
        "not-read",
        log_dir,
        f"not read: no input has {'this name' if len(each) == 1 else 'these names'} in {log_dir}: "
        f"{', '.join(map(shown, each[:MAX_NAMES]))}{more}",
        "name what is a log under shipper.inputs, and the rest under shipper.exclude; docs/formats-and-fields.md "
        "lists the names that are read",
    )


def names_in(directory: Path) -> list[str] | None:
    """What is in a directory; None where it can't be listed."""
    try:
        return os.listdir(directory)  # noqa: PTH208 - names
    except OSError:
        return None


def _near_directory(log_dir: Path) -> str:
    close = difflib.get_close_matches(log_dir.name, names_in(log_dir.parent) or [], n=1, cutoff=0.6)
    return f"; {log_dir.parent / close[0]} is" if close else ""
