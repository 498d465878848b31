"""One generation of one log while the sidecar runs: its cursor, its file now, and its reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shipper.tail import samples
from shipper.tail.block import Origin
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import (
    CHECKPOINT_BYTES,
    FINGERPRINT_BYTES,
    Expected,
    checkpoint_hash_of,
    continues,
    hash_of,
)
from shipper.tail.found_files import Found, shown
from shipper.tail.held_lines import FlushPoints
from shipper.tail.log_file import MovedError
from shipper.tail.progress import Span
from shipper.tail.reader import Reader
from shipper.tail.rotation_names import is_packed
from shipper.tail.state.checkpoint import START, Checkpoint
from shipper.tail.state.rows import Cursor, LastSeen
from shipper.tail.utf16 import encoding_of
from shipper.tail.waiting_since import ENDLESS, Growth

# How far before the last matching sample whole lines are looked for, bytes, and how many there must be.
_LINES_WITHIN = 2**20
_MIN_LINES = 4
# So much of a line tells whether it begins a record; a longer object counts as one that may not.
_LINE_BYTES = 64 * 1024
MAX_BYTES = 2**62
"""More than any log has."""


class Met(NamedTuple):
    """When a generation was met first.

    Attributes:
        scan: the number of the scan.
        age: of the file in which it was met, None while it has had none.
        rotated: whether that was a rotated file, which may be a copy of one that is still written to.
    """

    scan: int = 0
    age: int | None = None
    rotated: bool = False


class Truncated(NamedTuple):
    """Where a generation was cut off: the device and inode, and whether nothing was left there."""

    key: tuple[int, int]
    empty: bool


class Generation:
    """One generation of one log.

    Attributes:
        cursor: what the store remembers of it.
        found: its file, None while it has none.
        age: of its last file.
        met: when it was met first.
        truncated: where it was cut off, None where it was not.
        maybe_sent: offset up to which its lines may have been sent before.
        restarts: how often it was set back.
        join_at: offset at which an earlier run joined its last record with the next generation's first lines, or 0.

    Args:
        cursor: as above.
        keep: longest line kept whole, bytes.
        open_view: opens a file's content.
    """

    __slots__ = (
        "_growth", "_keep", "_open_view", "_reader", "age", "cursor", "found", "join_at", "maybe_sent", "met",
        "restarts", "truncated",
    )  # fmt: skip

    def __init__(self, cursor: Cursor, *, keep: int, open_view: Callable[..., FileView]) -> None:
        self.cursor = cursor
        self.found: Found | None = None
        self.age = 0
        self.met = Met()
        self.truncated: Truncated | None = None
        self.maybe_sent = self.restarts = self.join_at = 0
        self._keep = keep
        self._open_view = open_view
        self._growth = Growth(ENDLESS if is_packed(cursor.file.path) else cursor.file.size, cursor.waiting_at)
        self._reader: Reader | None = None

    @property
    def reader(self) -> Reader:
        """Reads its file; made when it is needed, since most logs are idle."""
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    @property
    def active_reader(self) -> Reader | None:
        """The reader, if there is one."""
        return self._reader

    @property
    def waiting(self) -> bool:
        """Whether an unfinished line or record is held back."""
        return self._reader is not None and self._reader.waiting

    @property
    def settled(self) -> bool:
        """Whether everything that was read is acknowledged."""
        return not self.waiting and self.position == self.cursor.offset

    @property
    def position(self) -> int:
        """How far it was read."""
        return self._reader.position if self._reader else self.cursor.offset

    @property
    def expected(self) -> Expected:
        """What its file must hold, as far as it was read."""
        before = self._reader.checkpoint_hash if self._reader else self.cursor.checkpoint.hash
        return Expected(self.cursor.fingerprint, self.position, before)

    @property
    def _samples(self) -> bytes:
        return self._reader.samples if self._reader else self.cursor.checkpoint.samples

    def go_idle(self) -> None:
        """Drop the reader when all that it read is acknowledged and nothing is held back."""
        reader = self._reader
        if reader is not None and reader.idle and reader.position == self.cursor.offset:
            self.cursor.checkpoint = self.cursor.checkpoint._replace(samples=reader.samples)
            self._reader = None

    def close(self) -> None:
        """Close its file; what is held back stays."""
        if self._reader is not None:
            self._reader.file.close()

    def resize(self, keep: int) -> None:
        """Another longest line, from the next one on."""
        self._keep = keep
        if self._reader is not None:
            self._reader.resize(keep)

    def continues_in(self, view: FileView) -> bool:
        """Whether this file holds what was read, as far as it was read."""
        expected = self.expected
        size = view.size(max(expected.offset, expected.fingerprint.length))
        return continues(expected, size, view.read)

    def was_cut_in(self, view: FileView) -> bool:
        """Whether this file lost its end and continues this generation; if so, it is read on from there.

        Bytes behind the last line that is surely unchanged are read again: their ids tell what was sent.
        """
        expected = self.expected
        size = view.size(expected.offset)
        kept = samples.matching_length(self._samples, size, view.read)
        pure = kept == samples.last_offset(samples.up_to(self._samples, size)) and size < expected.offset
        if not samples.is_truncation(kept, expected.offset, pure=pure):
            return False
        fingerprint = expected.fingerprint
        if fingerprint.length <= kept and hash_of(view.read(0, fingerprint.length)) != fingerprint:
            return False
        first, sure = _whole_records(view, kept, _is_indented)
        if sure.count(b"\n") < _MIN_LINES:
            return False  # a few lines may be how every generation begins
        cursor = self.cursor
        cursor.fingerprint = hash_of(view.read(0, min(kept, FINGERPRINT_BYTES)))
        checkpoint = cursor.checkpoint
        if first + len(sure) < checkpoint.offset:
            checkpoint = checkpoint._replace(offset=first + len(sure), hash=checkpoint_hash_of(sure))
        self.restart(checkpoint)
        if pure and size > cursor.offset and view.read(size - 1, 1) == b"\n":
            # The last record was shipped as it stands now: joined with what follows it would be sent twice.
            cursor.flush_points = (*(point for point in cursor.flush_points if point < size), size)
        cursor.checkpoint = cursor.checkpoint._replace(samples=samples.measure(cursor.offset, view.read))
        return True

    def has_copy(self, view: FileView, size: int) -> None:
        """Remember that this file repeats its first ``size`` bytes."""
        before = view.read(max(0, size - CHECKPOINT_BYTES), min(size, CHECKPOINT_BYTES))
        checkpoint = self.cursor.checkpoint
        self.cursor.checkpoint = checkpoint._replace(samples=samples.at_end_of_copy(checkpoint.samples, size, before))
        if self._reader is not None:
            self._reader.samples = samples.at_end_of_copy(self._reader.samples, size, before)

    def copied_length(
        self, view: FileView, size: int, continues_record: Callable[[bytes], bool] | None = None
    ) -> int:
        """How much of a file that ends before the position is surely a copy of what was read, up to a record's end.

        Args:
            view: into the file.
            size: of the file, bytes.
            continues_record: whether a line may be within a record, as the file's format decides.
        """
        kept = samples.matching_length(self._samples, size, view.read)
        if kept == size:
            return size
        copied = samples.copy_end(samples.up_to(self._samples, kept))
        pure = kept == samples.last_offset(samples.up_to(self._samples, size))
        if not (pure and samples.is_truncation(kept, self.position, pure=pure)):
            return copied
        first, sure = _whole_records(view, kept, continues_record or _is_indented)
        return max(copied, first + len(sure)) if sure else copied

    def pass_over(self, view: FileView, length: int) -> None:
        """Begin behind the first bytes of a new generation's file, as if they were acknowledged."""
        before = view.read(max(0, length - CHECKPOINT_BYTES), min(length, CHECKPOINT_BYTES))
        kept = samples.measure(length, view.read)
        self.cursor.checkpoint = Checkpoint(length, checkpoint_hash_of(before), samples=kept)
        self.cursor.passed_over = length

    def go_back_to(self, view: FileView, offset: int) -> None:
        """Go on in a file that ends before the position, from an offset that precedes it; all must be settled."""
        before = view.read(max(0, offset - CHECKPOINT_BYTES), min(offset, CHECKPOINT_BYTES))
        self.cursor.fingerprint = hash_of(view.read(0, FINGERPRINT_BYTES))
        checkpoint = self.cursor.checkpoint._replace(offset=offset, hash=checkpoint_hash_of(before))
        self.restart(checkpoint if offset else START)

    def was_rewritten_in(self, view: FileView) -> bool:
        """Whether a file with the same beginning, and the same bytes before the position, differs in between."""
        position = self.position
        last = samples.last_offset(samples.up_to(self._samples, position))
        return samples.matching_length(self._samples, position, view.read) != last

    def moves_into(self, file: Found, looked_at: float = 0.0) -> None:
        """Take this file for its own from now on.

        Args:
            file: as the scan saw it.
            looked_at: when the scan before began, seconds since the epoch; 0 where that is not known.
        """
        cursor, reader = self.cursor, self._reader
        if reader is not None:
            if self.found is None or self.found.key != file.key:
                reader.file.close()
            reader.file.path, reader.file.key, reader.file.gone = file.real, file.key, False
            reader.file.compressed = file.compressed
            reader.origin = self._origin(file)
        self.found, self.truncated, self.age = file, None, file.age
        if self.met.age is None:
            self.met = self.met._replace(age=file.age)
        cursor.logical = file.logical
        cursor.file = LastSeen(file.path, file.device, file.inode, file.size, cursor.file.born_ns)
        if not file.compressed or not cursor.offset:
            modified = file.mtime_ns / 1e9
            self._growth.reached(
                ENDLESS if file.compressed else file.size, min(modified, looked_at) if looked_at else modified
            )
        cursor.waiting_at = self._growth.since(cursor.offset)

    def acknowledge(self, span: Span, now: float) -> None:
        """Move the cursor to the end of a span, at ``now`` seconds since the epoch."""
        cursor = self.cursor
        kept = samples.up_to(self._reader.samples, span.end) if self._reader else cursor.checkpoint.samples
        cursor.checkpoint = Checkpoint(span.end, span.checkpoint_hash, span.parser_state, kept)
        cursor.seen_at = now
        cursor.waiting_at = self._growth.since(span.end)
        if cursor.flush_points:
            cursor.flush_points = tuple(point for point in cursor.flush_points if point > span.end)

    def is_being_written(self) -> bool:
        """Whether its file grew since the scan: an unterminated last line is no line yet."""
        found = self.found
        if found is None or found.compressed:
            return False
        try:
            return self.reader.open().size(0) != found.size
        except (OSError, MovedError):
            return False

    def loses_file(self) -> None:
        """Its file is not where it was; what an open handle or the target of a link still gives can be read."""
        if self.found is not None:
            reachable = self.found.real != self.found.path
            if reachable or self._reader is not None:
                self.reader.file.gone = not reachable
            self.found = None

    def restart(self, checkpoint: Checkpoint) -> None:
        """Read from there on, with the content samples that precede it; nothing may be held back."""
        self.maybe_sent = max(self.maybe_sent, self.position)
        self.restarts += 1
        self.join_at = 0
        kept = samples.up_to(self._samples, checkpoint.offset)
        self.cursor.checkpoint = checkpoint._replace(samples=kept)
        self.cursor.passed_over = min(self.cursor.passed_over, checkpoint.offset)
        self.close()
        self._reader = None

    def grow_fingerprint(self, view: FileView) -> None:
        """Extend a fingerprint of few bytes, which proves little, by what has been written since."""
        fingerprint = self.cursor.fingerprint
        if fingerprint.length < FINGERPRINT_BYTES:
            first = view.read(0, FINGERPRINT_BYTES)
            # If the file was truncated and rewritten since it was judged, these bytes are another generation's.
            if hash_of(first[: fingerprint.length]) == fingerprint:
                self.cursor.fingerprint = hash_of(first)

    def _origin(self, file: Found) -> Origin:
        source = file.source
        return Origin(
            self.cursor.id,
            file.shown,
            shown(file.logical),
            source.format,
            source.dataset,
            self.restarts,
            source.layouts,
        )

    def _make_reader(self) -> Reader:
        cursor, found = self.cursor, self.found
        path = cursor.file.path
        origin = (
            self._origin(found)
            if found
            else Origin(cursor.id, shown(path), shown(cursor.logical), "auto", "app", self.restarts)
        )
        ahead = tuple(point for point in cursor.flush_points if point > cursor.offset)
        reader = Reader(
            origin,
            cursor.checkpoint,
            keep=self._keep,
            compressed=found.compressed if found else is_packed(path),
            flush_points=FlushPoints(ahead, self.join_at),
            fingerprint=cursor.fingerprint,
            open_view=self._open_view,
        )
        if found is not None:
            reader.file.path, reader.file.key = found.real, found.key
        else:
            reader.file.gone = True
        return reader


def _is_indented(line: bytes) -> bool:
    return line[:1] in {b" ", b"\t"}


def _whole_records(view: FileView, end: int, continues_record: Callable[[bytes], bool]) -> tuple[int, bytes]:
    """The last whole records before an offset, and where they begin; none of UTF-16.

    Behind them a record begins: read from there, it gets the id that it had.
    """
    if encoding_of(view.read(0, CHECKPOINT_BYTES)):
        return 0, b""
    first = max(0, end - _LINES_WITHIN)
    lines = view.read(first, end - first)
    lines = lines[: lines.rfind(b"\n") + 1]
    following = view.read(first + len(lines), _LINE_BYTES).partition(b"\n")[0]
    while lines and continues_record(following):
        start = lines.rfind(b"\n", 0, -1) + 1
        lines, following = lines[:start], lines[start:-1]
    return first, lines
