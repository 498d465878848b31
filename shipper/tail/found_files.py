"""The inputs and their files, as values."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from shipper.config import Dataset, Format

WILD = re.compile(r"[*?\[]")
_ESCAPED = re.compile(r"\[([*?\[])\]")


class Source(NamedTuple):
    """One input: the pattern of its files, the format of their lines and the data stream they go to.

    ``layouts`` are the formats of Celery's lines that its configuration names, ``root`` the directory that its links
    may not leave; None for the part of the pattern before its wildcards.
    """

    pattern: str
    format: Format
    dataset: Dataset
    layouts: tuple[str, ...] = ()
    root: str | None = None

    @property
    def names(self) -> str | None:
        """The path of the one file that it names; None where it has wildcards."""
        base, parts = split(self.pattern)
        plain = [_ESCAPED.sub("", part) for part in parts]
        return None if any(map(WILD.search, plain)) else "/".join([base.rstrip("/"), *map(_unescaped, parts)])


class Found(NamedTuple):
    """One file as a scan saw it.

    ``age`` orders the lives of one log, oldest (greatest) first; ``real`` is the path with all links followed, by
    which the file can still be read when a link has been pointed elsewhere.  ``sibling`` says that its name is that
    of an earlier life of a log.
    """

    path: str
    logical: str
    source: Source
    device: int
    inode: int
    size: int
    mtime_ns: int
    age: int
    compressed: bool
    real: str
    sibling: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """What the file system calls this file."""
        return self.device, self.inode

    def is_as_named(self, other: Found) -> bool:
        """Whether this is the same file as that, at the same place among the others: at most size and time differ."""
        return self._replace(size=other.size, mtime_ns=other.mtime_ns) == other

    @property
    def shown(self) -> str:
        """The path for documents and people."""
        return shown(self.path)

    @property
    def rotated(self) -> bool:
        """Whether the name is that of an earlier life, not of the log being written."""
        return self.age > 0


def shown(path: str) -> str:
    """A path as text that can be printed and sent: bytes that are no UTF-8 are spelled out."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def split(pattern: str) -> tuple[str, list[str]]:
    """A pattern as (directory without wildcards, remaining parts); the last part names files."""
    parts = os.path.abspath(os.path.expanduser(pattern)).split("/")  # noqa: PTH100, PTH111 - text, not a Path: the pattern's wildcards must survive
    wild = next((i for i, part in enumerate(parts[:-1]) if WILD.search(_ESCAPED.sub("", part))), len(parts) - 1)
    return _unescaped("/".join(parts[:wild])) or "/", parts[wild:]
