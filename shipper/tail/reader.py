"""One generation's file, read forward: bytes → blocks.

A reader keeps its file open when it is renamed or deleted, knows how far it has read (which is ahead of what is
acknowledged), and holds at most one unfinished record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shipper.tail.blank_lines import SPACES
from shipper.tail.block import Block, Origin
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import hash_of
from shipper.tail.held_lines import FlushPoints, HeldLines
from shipper.tail.log_file import UNPACK_BYTES, LogFile
from shipper.tail.read_position import ReadPosition
from shipper.tail.splitter import KEEP_FACTOR, Splitter
from shipper.tail.state.checkpoint import NOTHING, Checkpoint, Hash
from shipper.tail.utf16 import WideSplitter, encoding_of

# A block's documents should fit the processor's cache: 64 KiB does 145 thousand lines a second where 512 does 96.
CHUNK_BYTES = 64 * 1024
# So many lines of it at most: a document takes kilobytes, however short its line is.
MAX_LINES = 4096
# Where nothing but NULs or blank lines come, more at once is still quick.
SKIP_BYTES = 16 * CHUNK_BYTES


class RewrittenError(Exception):
    """The file was truncated or rewritten under its reader."""


class Reader:
    """Reads one generation from a checkpoint on.

    Attributes:
        origin: what its documents have in common.
        file: that is read.
        held: lines that were read and not given yet.
        flush_points: where an earlier run flushed what it held back.
        grew: whether the last call of ``read`` found anything new.
        grew_at: when that was last so, monotonic seconds.
        at_end: whether that call saw the file's end as well: another finds nothing, unless the file has grown since.
        updated_at: since when updates of a progress bar wait in the unfinished line, monotonic seconds; 0 for none.

    Args:
        origin: what its documents have in common.
        checkpoint: where to go on.
        keep: longest line kept whole, bytes.
        compressed: the file's content is unpacked.
        flush_points: as above; none for a file that is new.
        fingerprint: of the file's first bytes; it proves the first read, which has no checkpoint hash yet.
        open_view: opens a file's content.
    """

    def __init__(
        self,
        origin: Origin,
        checkpoint: Checkpoint,
        *,
        keep: int,
        compressed: bool,
        flush_points: FlushPoints | None = None,
        fingerprint: Hash = NOTHING,
        open_view: Callable[..., FileView] = FileView,
    ) -> None:
        self.origin = origin
        self.file = LogFile(origin.path, compressed=compressed, open_view=open_view)
        self.held = HeldLines(checkpoint.parser_state)
        self.flush_points = flush_points or FlushPoints((), 0)
        self.grew = self.at_end = False
        self.grew_at = self.updated_at = 0.0
        self._position = ReadPosition(checkpoint)
        self._fingerprint = fingerprint
        self._keep = keep
        # Of a pipeline's log every line is shipped.
        self._splitter: Splitter | WideSplitter = Splitter(
            checkpoint.offset, keep, whole=origin.format == "pipeline", updates=keep // KEEP_FACTOR
        )

    @property
    def position(self) -> int:
        """Offset of the next byte to read."""
        return self._position.offset

    @property
    def checkpoint_hash(self) -> Hash:
        """The checkpoint hash of that offset."""
        return self._position.hash

    @property
    def samples(self) -> bytes:
        """The content samples of what was read."""
        return self._position.samples

    @samples.setter
    def samples(self, samples: bytes) -> None:
        self._position.samples = samples

    @property
    def idle(self) -> bool:
        """Whether nothing is open and nothing held back: another reader could go on from here."""
        return self.file.view is None and not self.waiting

    @property
    def waiting(self) -> bool:
        """Whether an unfinished line or record is held back, or a whole block."""
        return self.held.some or self.in_line

    @property
    def in_line(self) -> bool:
        """Whether what was read ends with an unfinished line."""
        return self._splitter.pending > 0

    @property
    def at_nuls(self) -> bool:
        """Whether what was read ends with a sparse region, and nothing else is held back."""
        return self._splitter.in_nuls and not self.waiting

    @property
    def at_join(self) -> bool:
        """Whether the record held back here goes on in the next generation."""
        return self.held.record is not None and self.position == self.flush_points.join_at

    def open(self) -> FileView:
        """The file, opened if it was not.

        Raises:
            OSError: it can't be.
            MovedError: another file has the name by now; the next scan finds the new one.
        """
        opened = self.file.view is None
        view = self.file.open()
        if opened and self.position:
            self._detect_encoding(view.read(0, 2))
        return view

    def resize(self, keep: int) -> None:
        """Another longest line, from the next one on."""
        self._keep = keep
        self._splitter.resize(keep, keep // KEEP_FACTOR)

    def read(self, now: float, now_ns: int, modified_ns: int) -> Block | None:
        """The next block, or None when nothing new is there.

        Args:
            now: monotonic seconds, remembered as the time of growth.
            now_ns: wall clock, nanoseconds.
            modified_ns: the file's last change.

        Raises:
            OSError: the file can't be opened or read; nothing is lost, the next call tries again.
            DamagedError: the end of a compressed file can't be read; raised once.
            MovedError: another file has the name by now.
            RewrittenError: the bytes before the position are not those that were read.
        """
        self.grew, self.at_end = self.held.block is not None, False
        if self.grew:
            block, self.held.block = self.held.block, None
            return block
        if self.at_join or (self.file.gone and self.file.view is None):
            return None
        view = self.open()
        if not view.approach(self.position, UNPACK_BYTES):
            self.grew = True  # the others have their turns meanwhile
            return None
        self._skip_sparse_region(view)
        # What was flushed at a flush point was sent as it stood: joined with what follows it would be sent again.
        length = SKIP_BYTES if self._splitter.skipping and not view.compressed else CHUNK_BYTES
        length = self.flush_points.limit(self.position, length)
        data = self._proved(view, length)
        if not data:
            self.file.report_damage()
            return None
        self.grew = True
        if view.compressed and not (data := self._sound(data)):
            return None
        self.grew_at = now
        if data.count(b"\n") > MAX_LINES:
            data = self._few_lines(data)
        else:
            self.at_end = len(data) < length and not view.compressed
        self._position.advance(data)
        lines, offsets, cut = self._splitter.feed(data)
        self._note_updates(now, anew=bool(lines))
        if self.flush_points.passed(self.position):
            block = self._end_here(lines, offsets, cut, now_ns, modified_ns)
            block.final = self.position != self.flush_points.join_at
            return block
        return self._block(lines, offsets, cut, now_ns, modified_ns) if lines else None

    def _proved(self, view: FileView, length: int) -> bytes:
        """The next bytes, read in one call with those that prove that they are this generation's.

        Raises:
            RewrittenError: they are not.
        """
        before = 0 if view.compressed else self._position.hash.length
        data = view.read(self.position - before, max(before + length, self._fingerprint.length))
        if before:
            if hash_of(data[:before]) != self._position.hash:
                raise RewrittenError(self.file.path)
            self._position.proved(data[:before])
        elif self.position == 0:
            if hash_of(data[: self._fingerprint.length]) != self._fingerprint:
                raise RewrittenError(self.file.path)
            self._detect_encoding(data)
        return data[before : before + length]

    def _sound(self, data: bytes) -> bytes:
        """As much of a compressed file's bytes as is known to be sound or not; the origin tells which is not."""
        proof = self.file.proof(self.position)
        if self.origin.spoiled != proof.spoiled:
            self.origin = replace(self.origin, spoiled=proof.spoiled)
        return data[: max(0, proof.upto - self.position)]

    def _few_lines(self, data: bytes) -> bytes:
        """The first lines of many; blank ones, while these are skipped, cost nothing."""
        if self._splitter.skipping and (blank := len(data) - len(data.lstrip(SPACES))):
            return data[:blank]
        return data[: len(data) - len(data.split(b"\n", MAX_LINES)[-1])]

    def _skip_sparse_region(self, view: FileView) -> None:
        """Behind NULs, go to where the sparse region ends without reading it: it may be gigabytes long."""
        splitter = self._splitter
        if self.flush_points or not splitter.in_nuls or not isinstance(splitter, Splitter):
            return
        length = view.next_data(self.position) - self.position - CHUNK_BYTES
        if length > 0 and self._position.behind_nuls:
            splitter.pass_over(length)
            self._position.skip(length)

    def _detect_encoding(self, first: bytes) -> None:
        encoding = encoding_of(first)
        if encoding and isinstance(self._splitter, Splitter):
            self._splitter = WideSplitter(self.position, self._keep, encoding)

    def _end_here(
        self, lines: list[bytes], offsets: list[int], cut: dict[int, int], now_ns: int, modified_ns: int
    ) -> Block:
        """The block that an earlier run flushed here, with the part of a line that it sent."""
        rest, ends, rest_cut = self._splitter.take_rest()
        cut |= {len(lines) + index: length for index, length in rest_cut.items()}
        block = self._block(lines + rest, offsets[:-1] + ends, cut, now_ns, modified_ns)
        block.unterminated = bool(rest)
        block.final = True
        return block

    def _note_updates(self, now: float, *, anew: bool) -> None:
        if not self._splitter.updating:
            self.updated_at = 0.0
        elif anew or not self.updated_at:
            self.updated_at = now

    def finish(self, now_ns: int, modified_ns: int, *, with_line: bool, with_updates: bool = False) -> Block | None:
        """What is held back, as it stands: the unfinished record and, if asked, more.

        Args:
            now_ns: wall clock, nanoseconds.
            modified_ns: the file's last change.
            with_line: the unterminated line as well.
            with_updates: of an unterminated line what a progress bar has written over.
        """
        if self.held.block is not None:
            return None  # it comes first, and whole
        if self.at_join:
            self.flush_points.join_at = 0
        if with_line:
            lines, offsets, cut = self._splitter.take_rest()
        elif with_updates:
            lines, offsets, cut = self._splitter.take_updates()
        else:
            lines, offsets, cut = [], [self._splitter.start], {}
        if lines:
            self.updated_at = 0.0
        unterminated = bool(lines) and with_line
        if not lines and self.held.record is None:
            return None
        block = self._block(lines, offsets, cut, now_ns, modified_ns)
        block.unterminated = unterminated
        block.final = True
        return block

    def _block(
        self, lines: list[bytes], offsets: list[int], cut: dict[int, int], now_ns: int, modified_ns: int
    ) -> Block:
        parser_state = self.held.parser_state
        record = self.held.take_record()
        if record is not None:
            shift = len(record.lines)
            cut = {**record.cut, **{line + shift: length for line, length in cut.items()}}
            lines = record.lines + lines
            offsets = record.offsets[:-1] + offsets
        return Block(
            origin=self.origin,
            lines=lines,
            offsets=offsets,
            cut=cut,
            parser_state=parser_state,
            read_at_ns=now_ns,
            modified_ns=modified_ns,
            wide=not isinstance(self._splitter, Splitter),
        )
