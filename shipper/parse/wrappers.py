"""Unwrap lines of container runtimes and their tools.  Pure.

Docker's json-file, the CRI format of Kubernetes (also podman's), ``docker compose logs``, ``kubectl logs --prefix``,
and ``--timestamps``.  Long lines come in parts: CRI marks all but the last with ``P``, Docker omits the line feed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from shipper.parse import structlog
from shipper.parse.format_prefixes import HEAD, PREFIXED
from shipper.parse.records import Record, Records
from shipper.tail.block import Block
from shipper.tail.splitter import SPARSE_BYTES

_RFC3339 = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(
    rb"(?P<time>" + _RFC3339 + rb") (?P<stream>stdout|stderr) (?P<tag>[PF])(?::\S*)?(?: (?P<text>.*))?\Z", re.DOTALL
)
_KUBECTL = re.compile(
    rb"\[pod/(?P<pod>[^\s/\[\]]{1,253})/(?P<container>[^\s\[\]]{1,253})\](?: (?P<text>.*))?\Z", re.DOTALL
)
# The name is padded to the longest one's length and two blanks; services count from 1.
_COMPOSE = re.compile(
    rb"(?:\x1b\[[0-9;]*m)*(?P<name>[A-Za-z0-9][\w.-]{0,127}?(?P<number>[-_.][0-9]{1,4}(?:\.[a-z0-9]{25}@[\w.-]+)?)?)"
    rb"(?P<gap> +)\|(?:\x1b\[[0-9;]*m)*(?: (?:\x1b\[0?m)?(?P<text>.*))?\Z",
    re.DOTALL,
)
_STAMPED = re.compile(rb"(?P<time>" + _RFC3339 + rb") (?P<text>.*)\Z", re.DOTALL)
_NANOSECONDS = re.compile(rb"[^.]{19}\.\d{7,9}[Z+-]")
_NO_NAME = re.compile(
    rb"\d{4}-\d\d|(?:trace|debug|info|notice|success|warn(?:ing)?|err(?:or)?|critical|fatal)\Z", re.IGNORECASE
)
_OF_DOCKER = frozenset({"log", "stream", "time", "attrs"})
_BOM = b"\xef\xbb\xbf"
_FIRST = frozenset(b"[{\x1b0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Limits of a line joined from parts.
_MAX_PARTS, _MAX_BYTES = 2000, 2**23


class Wrapped(NamedTuple):
    """The content of a wrapped line.

    Attributes:
        text: the line as its program wrote it.
        time: when the runtime received it, or None.
        stream: ``stdout``, ``stderr``, or None.
        source: pod, container and other fields of the wrapper.
        partial: the next line of the same stream continues it.
    """

    text: bytes
    time: str | None
    stream: str | None
    source: dict[str, Any]
    partial: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """Lines with the same key may belong together."""
        return self.stream, self.source.get("pod"), self.source.get("container")


def unwrap(line: bytes) -> Wrapped | None:
    """The content of a wrapped line; None if it is not wrapped."""
    if not line or line[0] not in _FIRST:
        return None
    if line[:1] == b"{":
        record = structlog.parse(line)
        return of_docker(record) if record is not None else None
    if line[:1] == b"[":
        found = _KUBECTL.match(line)
        if found is None:
            return None
        source = {"pod": _named(found["pod"]), "container": _named(found["container"])}
        return _stamped(found["text"] or b"", source)
    if line[4:5] == b"-" and line[10:11] == b"T":
        if found := _CRI.match(line):
            time, stream, text = _named(found["time"]), _named(found["stream"]), found["text"] or b""
            return Wrapped(text, time, stream, {}, partial=found["tag"] == b"P")
        found = _STAMPED.match(line)
        if found and (_NANOSECONDS.match(line) or found["text"][:1] == b"{") and not _is_own(line):
            return Wrapped(found["text"], _named(found["time"]), None, {})
        return None
    if b"|" in line[:200] and (found := _COMPOSE.match(line)) and not _NO_NAME.match(found["name"]):
        text = found["text"] or b""
        # Tables have bars as well.
        if (
            found["number"]
            or (len(found["gap"]) > 1 and text.strip() and b" | " not in text[:200])
            or text[:1] == b"{"
            or _is_own(text)
        ):
            return _stamped(text, {"container": _named(found["name"])})
    return None


def bare(line: bytes, offset: int) -> bytes:
    """A line without its byte order mark, the NULs of a sparse region and the CR of CRLF.

    A line of a few NULs only is content.
    """
    if offset == 0 and line.startswith(_BOM):
        line = line[3:]
    line = line.removesuffix(b"\r")
    if line.startswith(b"\0"):
        return line.lstrip(b"\0") or line[:SPARSE_BYTES]
    return line


def of_docker(record: Record) -> Wrapped | None:
    """The same for a JSON line; None if Docker did not write it."""
    text, stream = record.get("log"), record.get("stream")
    if not isinstance(text, str) or stream not in ("stdout", "stderr") or not record.keys() <= _OF_DOCKER:
        return None
    time, line = record.get("time"), text.removesuffix("\n")
    if "\n" in line or not isinstance(time, str | None):
        return None
    source = {"attrs": record["attrs"]} if record.get("attrs") else {}
    return Wrapped(line.encode("utf-8", "replace"), time, stream, source, partial=line == text)


class _Line(NamedTuple):
    """A complete line: its parts and their line indexes."""

    parts: list[Wrapped]
    places: list[int]

    @property
    def first(self) -> int:
        return self.places[0]

    @property
    def last(self) -> int:
        return self.places[-1]


def read(out: Records, index: int, stop: int, *, final: bool, inner: Callable[..., int]) -> int:
    """Add the records of the wrapped lines from ``index`` on; returns the line after them or the first held back.

    Args:
        out: the records of the block.
        index: of the first wrapped line.
        stop: index after the last line.
        final: no lines follow ``stop``.
        inner: reads the unwrapped lines, like ``line_by_line.read``.
    """
    outer = out.block
    found: list[_Line] = []
    pending: dict[tuple[Any, ...], _Line] = {}
    end = index
    while end < stop and (one := unwrap(bare(outer.lines[end], outer.offsets[end]))) is not None:
        line = pending.pop(one.key, None)
        if line is None:
            line = _Line([], [])
            found.append(line)
        line.parts.append(one)
        line.places.append(end)
        if one.partial and len(line.parts) < _MAX_PARTS and sum(len(part.text) for part in line.parts) < _MAX_BYTES:
            pending[one.key] = line
        end += 1
    final = final or end < stop
    limit = end
    if not final:
        limit = _whole(found, min((line.first for line in pending.values()), default=end))
        found = [line for line in found if line.first < limit]
    if not found:
        return limit
    block = Block(
        origin=outer.origin,
        lines=[b"".join(part.text for part in line.parts) for line in found],
        offsets=[*(outer.offsets[line.first] for line in found), outer.offsets[limit]],
        read_at_ns=outer.read_at_ns,
        modified_ns=outer.modified_ns,
    )
    inside = Records(block)
    at = rest = 0
    while at < len(found) and rest == at:
        rest = _end_of_source(found, at)
        at, rest = rest, inner(inside, at, rest, final=final or rest < len(found))
    if rest < len(found):
        limit = _whole(found, found[rest].first)
    _take(out, inside, found, limit)
    return limit


def _whole(found: list[_Line], limit: int) -> int:
    """The largest index up to ``limit`` that lies inside no joined line."""
    for line in reversed(found):
        if line.first < limit <= line.last:
            limit = line.first
    return limit


def _end_of_source(found: list[_Line], at: int) -> int:
    """The line after those of one stream; records do not span streams."""
    key = found[at].parts[0].key
    while at < len(found) and found[at].parts[0].key == key:
        at += 1
    return at


def _take(out: Records, inside: Records, found: list[_Line], limit: int) -> None:
    """Add the unwrapped records at the positions of their lines in the file."""
    line = 0
    for index, (record, raw, start) in enumerate(zip(inside.records, inside.raws, inside.starts, strict=True)):
        while inside.block.offsets[line] != start:
            line += 1
        first, line = line, line + raw.count(b"\n") + 1
        if found[first].first >= limit:
            break
        last = max(one.last for one in found[first:line])
        at = out.add(record, found[first].first, last + 1)
        one = found[first].parts[0]
        if one.stream:
            record.setdefault("iostream", one.stream)
        for key, value in one.source.items():
            record.setdefault(key, value)
        if one.time:
            out.written[at] = one.time
        for tag in inside.tags.get(index, ()):
            out.tag(at, tag)
        for flag in inside.flags.get(index, ()):
            out.flag(at, flag)
        if index in inside.originals:
            out.originals[at] = out.raws[at] + b"\n"


def _stamped(text: bytes, source: dict[str, Any]) -> Wrapped:
    """The content with the time of ``--timestamps``, if there is one."""
    found = None if _is_own(text) else _STAMPED.match(text)
    if found is None:
        return Wrapped(text, None, None, source)
    return Wrapped(found["text"], _named(found["time"]), None, source)


def _is_own(line: bytes) -> bool:
    """Whether a line has a prefix of the application."""
    return line[:1] in PREFIXED and HEAD.match(line[:400].decode("latin-1")) is not None


def _named(data: bytes) -> str:
    return data.decode("utf-8", "replace")
