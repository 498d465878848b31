"""One generation's file, read forward: bytes → blocks.

A reader keeps its handle when the file is renamed or deleted, knows how far it has read (which is ahead of what
is acknowledged), and holds at most one unfinished record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shipper.tail.checksums import Proof
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import ANCHOR_BYTES, anchor_of, mark
from shipper.tail.samples import climb
from shipper.tail.splitter import KEEP_FACTOR, Block, Origin, Splitter
from shipper.tail.state.marks import NOTHING, Mark
from shipper.tail.utf16 import WideSplitter, encoding_of

# A block's documents should fit the processor's cache: 64 KiB does 145 thousand lines a second where 512 does 96.
CHUNK_BYTES = 64 * 1024
# Where nothing but NULs or blank lines come, more at once is still quick.
SKIP_BYTES = 16 * CHUNK_BYTES
# So much of a compressed file is unpacked in one turn on the way to the position, bytes.
UNPACK_BYTES = 64 * CHUNK_BYTES


_OF_HOLE = anchor_of(bytes(ANCHOR_BYTES))


class RewrittenError(Exception):
    """The file was truncated or rewritten under its reader."""


class DamagedError(Exception):
    """A compressed file ends in the middle; the message says what became of it."""


class MovedError(Exception):
    """The file was renamed since the scan."""


class Reader:
    """Reads one generation from an offset on.

    Args:
        origin: what its documents have in common.
        offset: where to go on.
        anchor: of that offset.
        carry: parser state at that offset.
        keep: longest line kept whole, bytes.
        cuts: offsets at which an earlier run ended what it held back: nothing is joined over them.
        join_at: the one of them at which a record continued in the log's next generation: it is held back there, and
            nothing more is read until it is joined or given up.
        rungs: the ladder of what was read before.
        head: what the file begins with; it proves the first read, which has no anchor yet.

    ``gone`` says that the file's name is lost: what an open handle still gives is read, nothing is opened again.
    ``begun`` says that it is decided whether the file's first lines go on with another life's record.
    ``updated_at`` is since when updates of a progress bar wait in the unfinished line, 0 where none do.
    """

    __slots__ = (
        "_head",
        "_keep",
        "_open",
        "_proof",
        "_returned",
        "_splitter",
        "_tail",
        "anchor",
        "begun",
        "carry",
        "compressed",
        "cuts",
        "gone",
        "grew",
        "grew_at",
        "held",
        "join_at",
        "key",
        "origin",
        "path",
        "position",
        "rungs",
        "said_damage",
        "updated_at",
        "view",
    )

    def __init__(
        self,
        origin: Origin,
        *,
        offset: int,
        anchor: Mark,
        carry: str,
        keep: int,
        compressed: bool,
        cuts: tuple[int, ...] = (),
        join_at: int = 0,
        rungs: bytes = b"",
        head: Mark = NOTHING,
        open_view: Callable[..., FileView] = FileView,
    ) -> None:
        self.origin = origin
        self.path = origin.path
        self.key: tuple[int, int] | None = None
        self.compressed = compressed
        self.position = offset
        self.anchor = anchor
        self.carry = carry
        self.cuts = cuts
        self.join_at = join_at
        self.rungs = rungs
        self.gone = self.begun = False
        self.grew = False
        self.said_damage = False
        self.grew_at = self.updated_at = 0.0
        self.view: FileView | None = None
        self.held: Block | None = None
        self._returned: Block | None = None
        self._proof: Proof | None = None
        self._head = head
        self._keep = keep
        self._open = open_view
        # Of a pipeline's log every line is shipped.
        self._splitter: Splitter | WideSplitter = Splitter(
            offset, keep, whole=origin.format == "pipeline", updates=keep // KEEP_FACTOR
        )
        self._tail = b""

    @property
    def restful(self) -> bool:
        """Whether it could be made anew from what is acknowledged up to here: nothing open, nothing held back."""
        return self.view is None and not self.waiting

    @property
    def unpacking(self) -> bool:
        """Whether it is a compressed file that is still being written: its last line is not there yet."""
        return self.view is not None and self.view.unfinished

    @property
    def spent(self) -> bool:
        """Whether it is a compressed file of which all was read: nothing is added to a whole one."""
        return self.view is not None and self.view.compressed and not self.view.unfinished

    @property
    def waiting(self) -> bool:
        """Whether an unfinished line or record is held back, or a whole block."""
        return self.held is not None or self.ragged or self._returned is not None

    @property
    def ragged(self) -> bool:
        """Whether what was read ends with an unfinished line."""
        return self._splitter.pending > 0

    @property
    def at_join(self) -> bool:
        """Whether the record held back here goes on in the next life."""
        return self.held is not None and self.position == self.join_at

    @property
    def returned(self) -> bool:
        """Whether a block was given back, and is the next to be given again."""
        return self._returned is not None

    @property
    def unbegun(self) -> bool:
        """Whether the file's first lines have been read, and not been given yet."""
        block = self._returned or self.held
        return block is not None and not block.offsets[0]

    def open(self) -> FileView:
        """The file, opened if it was not.

        Raises:
            OSError: it can't be.
            MovedError: another file has the name by now; the next scan knows the new one.
        """
        if self.view is None:
            view = self._open(self.path, compressed=self.compressed)
            if self.key is not None and view.key != self.key:
                view.close()
                raise MovedError(self.path)
            self.view = view
            if self.position:
                self._know_encoding(view.read(0, 2))
        return self.view

    def resize(self, keep: int) -> None:
        """Another longest line, from the next one on."""
        self._keep = keep
        self._splitter.resize(keep, keep // KEEP_FACTOR)

    def close(self) -> None:
        """Let the handle go; position and held lines stay."""
        if self.view is not None:
            self.view.close()
            self.view = None
        if self._proof is not None:
            self._proof.close()
            self._proof = None

    def read(self, now: float, now_ns: int, modified_ns: int) -> Block | None:
        """The next block, or None when nothing new is there.

        Args:
            now: monotonic seconds, remembered as the time of growth.
            now_ns: wall clock, nanoseconds.
            modified_ns: the file's last change.

        Raises:
            OSError: the file can't be opened or read; nothing is lost, the next call tries again.
            DamagedError: the end of a compressed file can't be read; said once.
            MovedError: another file has the name by now.
            RewrittenError: the bytes before the position are not those that were read.
        """
        self.grew = self._returned is not None
        if self._returned is not None:
            block, self._returned = self._returned, None
            return block
        if self.at_join or (self.gone and self.view is None):
            return None
        view = self.open()
        if not view.approach(self.position, UNPACK_BYTES):
            self.grew = True  # the others have their turns meanwhile
            return None
        self._pass_hole(view)
        before = 0 if view.compressed else self.anchor.length
        # What was ended at a cut was sent as it stood: joined with what follows it would be sent again.
        length = SKIP_BYTES if self._splitter.skipping and not view.compressed else CHUNK_BYTES
        length = min(length, self.cuts[0] - self.position) if self.cuts else length
        data = view.read(self.position - before, max(before + length, self._head.length))
        if before:
            # The anchor is read with the data, in one call: what follows it can be nothing but our file's.
            if mark(data[:before]) != self.anchor:
                raise RewrittenError(self.path)
            if not self._tail:
                self._tail = data[:before]
            data = data[before:]
        elif self.position == 0:
            if mark(data[: self._head.length]) != self._head:
                raise RewrittenError(self.path)
            self._know_encoding(data)
        data = data[:length]
        if not data:
            if view.damage and not self.said_damage:
                self.said_damage = True
                raise DamagedError(
                    f"the {view.kind} stream is damaged ({view.damage}); what can be unpacked is shipped, with the "
                    "tag checksum_failed where it comes from a damaged part"
                )
            return None
        if view.compressed:
            upto = self._proven(view)
            if upto <= self.position:
                self.grew = True
                return None
            data = data[: upto - self.position]
        self.grew = True
        self.grew_at = now
        self.rungs = climb(self.rungs, self.position, self._tail, data)
        self.position += len(data)
        self._remember(data)
        lines, offsets, cut = self._splitter.feed(data)
        self._note_updates(now, anew=bool(lines))
        if self.cuts and self.position >= self.cuts[0]:
            self.cuts = self.cuts[1:]
            block = self._end_here(lines, offsets, cut, now_ns, modified_ns)
            block.final = self.position != self.join_at
            return block
        if not lines:
            return None
        return self._block(lines, offsets, cut, now_ns, modified_ns)

    def _proven(self, view: FileView) -> int:
        """The offset up to which it is known whether the content is sound."""
        if self._proof is None:
            self._proof = Proof(view.again())
        self._proof.reaches(self.position, UNPACK_BYTES)
        if self.origin.spoiled != self._proof.spoiled:
            self.origin = replace(self.origin, spoiled=self._proof.spoiled)
        return self._proof.upto

    def _pass_hole(self, view: FileView) -> None:
        """Inside of what is NULs only, go to where its hole ends: two gigabytes need not be read for that."""
        splitter = self._splitter
        if self.cuts or not splitter.in_hole or not isinstance(splitter, Splitter):
            return
        length = view.next_data(self.position) - self.position - CHUNK_BYTES
        if length <= 0 or self.anchor != _OF_HOLE:
            return
        splitter.pass_over(length)
        self.position += length

    def _know_encoding(self, head: bytes) -> None:
        encoding = encoding_of(head)
        if encoding and isinstance(self._splitter, Splitter):
            self._splitter = WideSplitter(self.position, self._keep, encoding)

    def _end_here(
        self, lines: list[bytes], offsets: list[int], cut: dict[int, int], now_ns: int, modified_ns: int
    ) -> Block:
        """The block that an earlier run ended here, with the part of a line that it sent."""
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
        if self._returned is not None:
            return None  # it comes first, and whole
        self.join_at = 0 if self.at_join else self.join_at
        if with_line:
            lines, offsets, cut = self._splitter.take_rest()
        elif with_updates:
            lines, offsets, cut = self._splitter.take_updates()
        else:
            lines, offsets, cut = [], [self._splitter.start], {}
        if lines:
            self.updated_at = 0.0
        unterminated = bool(lines) and with_line
        if not lines and self.held is None:
            return None
        block = self._block(lines, offsets, cut, now_ns, modified_ns)
        block.unterminated = unterminated
        block.final = True
        return block

    def hold(self, block: Block, index: int, carry: str) -> None:
        """Keep the block's lines from ``index`` on for the next block: their record is not finished yet."""
        self.carry = carry
        if index >= len(block.lines):
            self.held = None
            return
        self.held = Block(
            origin=block.origin,
            lines=block.lines[index:],
            offsets=block.offsets[index:],
            cut={line - index: length for line, length in block.cut.items() if line >= index},
            carry=carry,
        )

    def give_back(self, block: Block) -> None:
        """Keep a whole block: the next reading gives it again, and nothing is read on before."""
        self._returned = block

    def take_held(self) -> Block | None:
        """The record that is held back, to be finished elsewhere."""
        held, self.held, self.join_at = self.held, None, 0
        return held

    def _block(
        self, lines: list[bytes], offsets: list[int], cut: dict[int, int], now_ns: int, modified_ns: int
    ) -> Block:
        held = self.held
        if held is not None:
            shift = len(held.lines)
            cut = {**held.cut, **{line + shift: length for line, length in cut.items()}}
            lines = held.lines + lines
            offsets = held.offsets[:-1] + offsets
            self.held = None
        return Block(
            origin=self.origin,
            lines=lines,
            offsets=offsets,
            cut=cut,
            carry=self.carry,
            read_at_ns=now_ns,
            modified_ns=modified_ns,
            wide=not isinstance(self._splitter, Splitter),
        )

    def _remember(self, data: bytes) -> None:
        if len(data) >= ANCHOR_BYTES:
            self._tail = data[-ANCHOR_BYTES:]
        else:
            self._tail = (self._tail + data)[-ANCHOR_BYTES:]
        self.anchor = anchor_of(self._tail) if self._tail else NOTHING
