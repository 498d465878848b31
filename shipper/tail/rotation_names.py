"""The names that rotations, editors and people give to the earlier lives of a log.  Pure.

Names are many: every rotation tool has its own, and most let people choose.  So a name says only of which log a file
may be, and, where it holds a number or a date, how old it is; what the file is, is told by its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase, translate
from functools import cache
from typing import NamedTuple

# ".1", ".10", ".2024-01-01", "-20240101", ".2024-01-01_12-30-00", "-1700000000", each with or without ".gz".
_ROTATION = re.compile(
    r"(?:[.-](?P<number>\d{1,3})|[.-](?P<date>\d{4}-?\d{2}-?\d{2}(?:[-_T.]?\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?)?|\d{10}))?"
    r"(?P<packed>\.(?:gz|xz|bz2|lzma))?\Z"
)
_PACKED = re.compile(r"\.(?:gz|xz|bz2|lzma)(?![a-z])", re.IGNORECASE)
# Words of which the names of rotated files consist, beside numbers: what rotates, months, days and weeks.
_WORD = (
    r"old|bak|back|backup|prev|previous|last|orig|original|sav|saved?|copy|archived?|rotated?|rot|"
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|utc|gmt|am|pm|w|kw|"
    r"january|february|march|april|june|july|august|september|october|november|december"
)
_TOKEN = rf"(?:\d[\dTtZz:]*|(?:{_WORD})\d*)"
# All of a name's part is such words; "log" and "gz" may stand among them.
_LIKE_A_ROTATION = re.compile(
    rf"(?=.*?(?:\d|(?<![a-z])(?:{_WORD})(?![a-z])))[-._~+ ,@()]*(?:(?:{_TOKEN}|log|gz|xz|bz2|lzma)[-._~+ ,@()]*)+",
    re.IGNORECASE,
)
_WORDS = re.compile(rf"(?<![a-z])(?:{_WORD})(?![a-z])", re.IGNORECASE)
_FEW_DIGITS = re.compile(r"\D*\d{1,4}\D*")
# What editors, transfers and their like leave beside a file while they work on it, or say of it.
_PASSING = re.compile(
    r"\.#|\._|\.~lock\.|#.*#\Z|"
    r".*(?:~|\.sw[a-z]|\.te?mp|\.part(?:ial)?|\.filepart|\.(?:cr|op)?download|\.aria2|\.incomplete|"
    r"\.uploading|\.kate-swp|\.inprogress|"
    r"\.lo?ck|\.pid|\.offset|\.pos|\.idx|\.md5|\.sha\d{1,3}|\.sig)\Z|"
    r"\..*\.[A-Za-z0-9]{6}\Z",  # rsync's
    re.IGNORECASE,
)
# A date in a name, the year first; it may go on with the time.
_DATE = re.compile(
    r"(?<!\d)(?P<date>(?:19|20)\d\d(?:[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_T.]?(?:[01]\d|2[0-3])(?:[-_:.hH]?[0-5]\d(?:[-_:.mM]?[0-5]\d)?)?)?)?)?)(?!\d)"
    r"|(?<!\d)(?P<epoch>1\d{9})(?:\d{3})?(?!\d)"
)
_NUMBER = re.compile(r"(?<!\d)\d{1,4}(?!\d)")
# A shorter name of a log is the beginning of too many words.
_TELLING = 4
_SEPARATORS = frozenset("-._~+ ,@(")
# Ages of dates count from far above those of numbers, and leave room for what tells files of one date apart.
_FIRST, _ROOM = 10**15, 10**10
_LAST_SECOND = 253402300799  # of the year 9999


class Named(NamedTuple):
    """What a file's name says.

    ``log`` is the name of the log, ``age`` grows with the age of its lives and is 0 for the log itself; ``timeless``
    says that only the file's last change tells how old it is; ``other`` that it may be another log, which no input
    names; ``vague`` that only its content tells whether it is a log at all.
    """

    log: str
    age: int
    compressed: bool
    timeless: bool = False
    other: bool = False
    vague: bool = False


def split_rotation(name: str) -> tuple[str, int, bool]:
    """A file name as (name of the log, age of this life, compressed), where it ends with a number or a date.

    The age is 0 for the log itself and grows with the rotation number (some count from 0); dates count from far above
    the numbers, the oldest date being the greatest age.

    >>> split_rotation("neuroflow.log.2.gz")
    ('neuroflow.log', 3, True)
    """
    found = _ROTATION.search(name)
    if found is None or found.start() == 0:
        return name, 0, False
    base, compressed = name[: found.start()], found["packed"] is not None
    if found["number"]:
        return base, int(found["number"]) + 1, compressed
    if found["date"]:
        return base, _age(found["date"])[0], compressed
    return base, 0, compressed


def named(name: str, pattern: str) -> Named | None:
    """What a file's name says of it, held against the pattern of an input's names; None where it is not of its logs.

    Every name that begins with that of a log is one of the log's files.  Between a log's name and its ending only
    what looks like a rotation may stand: ``neuroflow-20261127.log``; ``neuroflow-audit.log`` is another log, and
    so may be whatever begins like a log: ``neuroflow2.log``, ``neuroflow.json``.

    Args:
        name: of the file.
        pattern: ``fnmatch``'s, of the names of logs.
    """
    if is_passing(name) and name != pattern:
        return None
    base, age, compressed = split_rotation(name)
    if fnmatchcase(name, pattern):
        # "audit_2024_01.jsonl" ends in nothing that looks like a rotation, but "run-12" would.
        if base != name and fnmatchcase(base, pattern):
            return Named(base, age, compressed)
        return Named(name, 0, compressed)
    if base != name and fnmatchcase(base, pattern):
        return Named(base, age, compressed)
    return _behind(name, pattern) or _within(name, pattern) or _beside(name, pattern)


def is_passing(name: str) -> bool:
    """Whether this is the name of what an editor or a transfer works on, or of what somebody notes about a file."""
    return _PASSING.match(name) is not None


def is_packed(name: str) -> bool:
    """Whether a name says that its file is compressed in a way that can be read."""
    return _PACKED.search(name) is not None


def packed_ending(name: str) -> str:
    """The ending by which a name says that, with its dot; empty where it does not end with it."""
    found = _ROTATION.search(name)
    return (found["packed"] or "") if found is not None else ""


def originals(name: str, *, numbers: bool = True) -> list[str]:
    """The logs of which a file that has the name of a log itself may be an earlier life.

    Args:
        name: of the file.
        numbers: a number behind a dot, and nothing else, tells one.

    >>> originals("worker-20261127.log")
    ['worker.log']
    >>> originals("worker-2.log")
    []
    """
    stem, dot, ending = name.rpartition(".")
    if not dot:
        return []
    found = []
    for at in range(1, len(stem)):
        rest = stem[at:]
        if (
            stem[at] in _SEPARATORS
            and _LIKE_A_ROTATION.fullmatch(rest)
            and (_WORDS.search(rest) or not _FEW_DIGITS.fullmatch(rest) or (numbers and rest[0] == "."))
        ):
            base = stem[:at]
            found.append(base if base.endswith(f".{ending}") else f"{base}.{ending}")
    return found


def age_of(name: str, log: str) -> tuple[int, bool]:
    """How old the life of a log with this name is, and whether only its last change can tell."""
    stem, dot, ending = log.rpartition(".")
    rest = name.removeprefix(log if name.startswith(log) else stem)
    return _age(rest.replace(f"{dot}{ending}", "", 1) if dot else rest)


def aged(age: int, modified_ns: int, *, timeless: bool) -> int:
    """An age as it orders the files of one log, which of those with one date, or none, were changed last.

    Args:
        age: that the name tells.
        modified_ns: the file's last change.
        timeless: the name does not tell.
    """
    seconds = modified_ns // 10**9
    if timeless:
        age = _FIRST - _digits(
            datetime.fromtimestamp(max(0, min(seconds, _LAST_SECOND)), UTC).strftime("%Y%m%d%H%M%S")
        )
    return age if age < _ROOM else age * _ROOM + max(0, _ROOM - seconds)


def _behind(name: str, pattern: str) -> Named | None:
    """A name that begins with a log's: ``neuroflow.log.old``, ``neuroflow.log_2026-W48``, ``neuroflow.log1``."""
    expression = _compiled(pattern)
    ending = re.split(r"[*?\]]", pattern)[-1]
    where = name.find(ending)
    while where >= 0 and (at := where + len(ending)) < len(name):
        rest = name[at:]
        if at and expression(name[:at]) and (not rest[0].isalpha() or _LIKE_A_ROTATION.fullmatch(rest)):
            return _of(name[:at], rest)
        where = name.find(ending, where + 1)
    return None


def _within(name: str, pattern: str) -> Named | None:
    """A name that has something between a log's name and its ending, or in the place of the ending."""
    ending = pattern[pattern.rfind(".") :] if "." in pattern else ""
    if not ending or re.search(r"[*?\[]", ending):
        return None
    stem = pattern.removesuffix(ending)
    wild = re.search(r"[*?\[]", stem) is not None
    expression = _compiled(pattern)
    where = name.find(ending, 1)
    while where > 0:
        rest = name[where + len(ending) :]
        if not rest or not rest[0].isalpha():
            for at in range(1, where):
                if name[at] in _SEPARATORS and expression(name[:at] + ending):
                    between = name[at:where]
                    if _LIKE_A_ROTATION.fullmatch(between):
                        return _of(name[:at] + ending, between + rest)
                    if not wild:
                        return Named(name[:at] + ending, 0, is_packed(name), other=True)
        where = name.find(ending, where + 1)
    rest = name.removeprefix(stem)
    if wild or not rest or rest == name or rest[0] not in _SEPARATORS:
        return None
    return _of(pattern, rest) if _LIKE_A_ROTATION.fullmatch(rest) or _PACKED.fullmatch(rest) else None


def _beside(name: str, pattern: str) -> Named | None:
    """A name that begins like that of a log, in whichever case, and goes on in any way: ``neuroflow2.log``."""
    stem, _, ending = pattern.rpartition(".")
    if not stem or re.search(r"[*?\[]", pattern) or not name.lower().startswith(stem.lower()):
        return None
    rest = name[len(stem) :]
    if rest[:1].isalpha() and len(stem) < _TELLING:
        return None
    ends_like_it = re.search(rf"\.{re.escape(ending)}(?![a-z])", rest, re.IGNORECASE)
    return Named(pattern, 0, is_packed(name), other=True, vague=ends_like_it is None)


def _of(log: str, rest: str) -> Named:
    packed = is_packed(rest)
    if _PACKED.fullmatch(rest):
        return Named(log, 0, packed)
    age, timeless = _age(rest)
    return Named(log, age, packed, timeless)


def _age(rest: str) -> tuple[int, bool]:
    """An age, and whether it is none: what follows a log's name has neither a date nor a number."""
    found = _DATE.search(rest)
    if found is not None and found["epoch"]:
        stamp = datetime.fromtimestamp(int(found["epoch"]), UTC).strftime("%Y%m%d%H%M%S")
        return _FIRST - _digits(stamp), False
    numbers = _NUMBER.findall(rest)
    if found is not None and (len(found["date"]) > 4 or len(numbers) == 1):
        return _FIRST - _digits(found["date"]), False
    if len(numbers) == 1 and not re.search(r"[a-z]", _PACKED.sub("", rest), re.IGNORECASE):
        return int(numbers[0]) + 1, False
    return 1, True


def _digits(date: str) -> int:
    return int(re.sub(r"\D", "", date).ljust(14, "0")[:14])


@cache
def _compiled(pattern: str) -> Callable[[str], object]:
    return re.compile(translate(pattern)).match
