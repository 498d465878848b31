"""Random access to a file's content, decompressed where it is gzip, xz or bzip2."""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from typing import IO

from shipper.regular_files import open_canonical
from shipper.tail.birth import born_ns
from shipper.tail.compression import DAMAGE, Gzip, Unpacker, unpacker

_PIECE = 64 * 1024
# What zlib says when a gzip member does not end as its content demands, and how many bytes of the end follow.
_TRAILER = {"incorrect data check": 4, "incorrect length check": 0}


class FileView:
    """One open file; offsets count the bytes of its content.

    A compressed file may have several members, may still be written (it then ends where its data end so far, and goes
    on when there is more), or be damaged: it ends before the damage, and ``damage`` says what is wrong.  Where only a
    gzip member's checksum is wrong, the next member follows.  ``kind`` is how its last member was compressed,
    ``whole`` where the members end that were unpacked to their ends, ``spoiled`` are the parts of the content that
    come from damaged ones.

    Args:
        path: of the file, with all links resolved; or its descriptor.
        compressed: it is; how, its first bytes tell.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """

    def __init__(self, path: str | int, *, compressed: bool) -> None:
        descriptor = open_canonical(path) if isinstance(path, str) else path
        self._raw: IO[bytes] = os.fdopen(descriptor, "rb", buffering=0)
        self.compressed = compressed
        self.damage: str | None
        stat = os.fstat(self._raw.fileno())
        self.key = stat.st_dev, stat.st_ino
        self._restart()

    @property
    def unfinished(self) -> bool:
        """Whether a compressed file ends, so far, in the middle of a member."""
        if not self.compressed or self._ended or (self._unpacker is not None and self._unpacker.eof):
            return False
        return self._unpacker is not None or bool(self._packed) or not self._member_at

    @property
    def trouble(self) -> str | None:
        """What keeps a compressed file from being read to its end, as far as it was unpacked; None for nothing."""
        if self.damage:
            return f"the {self.kind} stream is damaged ({self.damage})"
        kind = self.kind if self._unpacker is not None or self.whole else "compressed"
        return f"the {kind} stream is cut off: its end is missing" if self.unfinished else None

    @property
    def born(self) -> int:
        """When the file was made, nanoseconds since the epoch; 0 where nobody knows."""
        return born_ns(self._raw.fileno())

    def read(self, offset: int, length: int) -> bytes:
        """The content there, fewer bytes at its end.

        Raises:
            OSError: the disk failed.
        """
        if not self.compressed:
            return os.pread(self._raw.fileno(), length, offset)
        if offset < self._start:
            self._restart()
        while self._start + len(self._window) < offset + length:
            if not self._inflate():
                break
            surplus = offset - self._start
            if surplus > 0:
                self._forget(min(surplus, len(self._window)))
        self._forget(min(max(0, offset - self._start), len(self._window)))
        return self._window[:length] if self._start == offset else b""

    def approach(self, offset: int, most: int) -> bool:
        """Unpack so many bytes at most on the way to an offset; gives whether ``read`` there costs no more of them.

        Raises:
            OSError: the disk failed.
        """
        if not self.compressed:
            return True
        if offset < self._start:
            self._restart()
        upto = self._start + most
        while self._start + len(self._window) < offset:
            self._forget(len(self._window))
            if self._start >= upto:
                return False
            if not self._inflate():
                break
        return True

    def next_data(self, offset: int) -> int:
        """Where a plain file's hole that ``offset`` is in ends: up to there it holds NULs.

        Raises:
            OSError: the disk failed.
        """
        if self.compressed:
            return offset
        size = os.fstat(self._raw.fileno()).st_size
        try:
            return os.lseek(self._raw.fileno(), offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return max(offset, size)
            return offset  # this file system does not tell

    def size(self, upto: int) -> int:
        """Length of the content; of compressed content only up to ``upto``, which is all that is asked of it."""
        if not self.compressed:
            return os.fstat(self._raw.fileno()).st_size
        self.read(upto, 0)
        return self._start + len(self._window)

    def told_size(self) -> int | None:
        """What a gzip file's last bytes say of the length of its last member, modulo 2³² (RFC 1952); unproven.

        None where it is compressed in another way.

        Raises:
            OSError: the disk failed.
        """
        if not isinstance(unpacker(os.pread(self._raw.fileno(), _PIECE, 0)), Gzip):
            return None
        end = os.fstat(self._raw.fileno()).st_size
        return int.from_bytes(os.pread(self._raw.fileno(), 4, max(0, end - 4)), "little")

    def close(self) -> None:
        """Let the file go."""
        self._raw.close()

    @property
    def heavy(self) -> bool:
        """Whether it is in the midst of a member that takes megabytes of memory to be unpacked."""
        return self.kind == "xz" and self._unpacker is not None and not self._unpacker.eof and not self._ended

    def again(self) -> FileView:
        """The same file, from its beginning, wherever its name has gone.

        Raises:
            OSError: there are no descriptors left.
        """
        return FileView(os.dup(self._raw.fileno()), compressed=self.compressed)

    def _restart(self) -> None:
        self._start = 0
        self._window = b""
        self._packed = b""
        self._at = 0
        self._skip = 0
        self.kind = "gzip"
        self._ended = False
        self.damage = None
        self.spoiled: list[tuple[int, int]] = []
        self._begin_member()

    def _begin_member(self) -> None:
        """What follows is a member, or nothing."""
        self._unpacker: Unpacker | None = None
        self.whole = self._start + len(self._window)
        self._member_at = self._at - len(self._packed)

    def _forget(self, length: int) -> None:
        self._window = self._window[length:]
        self._start += length

    def _inflate(self) -> bool:
        """Decompress a piece more; False where there is no more for now."""
        if self._ended:
            return False
        asked = not self._packed and (self._unpacker is None or self._unpacker.hungry or self._unpacker.eof)
        if asked:
            self._packed = os.pread(self._raw.fileno(), _PIECE, self._at)
            self._at += len(self._packed)
        if self._skip:
            skipped = min(self._skip, len(self._packed))
            self._packed, self._skip = self._packed[skipped:], self._skip - skipped
        if self._unpacker is not None and self._unpacker.eof:
            self._begin_member()
        if self._unpacker is None:
            if self.whole or self._member_at:
                self._packed = self._packed.lstrip(b"\0")  # padding behind a member
            self._member_at = self._at - len(self._packed)
            self._unpacker = unpacker(self._packed)
            if self._unpacker is None:
                return self._await()
            self.kind = self._unpacker.kind
        packed, self._packed = self._packed, b""
        last, before = self._unpacker, self._unpacker.engine.copy() if isinstance(self._unpacker, Gzip) else None
        try:
            # A piece may unpack to a thousand times as many bytes: memory takes no more of them at once.
            content = last.unpack(packed, _PIECE)
        except DAMAGE as error:
            self._spoil(str(error), packed, before)
            return not self._ended
        self._window += content
        self._packed = last.rest
        return bool(packed or content or not asked)

    def _await(self) -> bool:
        """Too few bytes to tell what they begin: more of them, if there are."""
        more = os.pread(self._raw.fileno(), _PIECE, self._at)
        self._packed += more
        self._at += len(more)
        return bool(more)

    def _spoil(self, why: str, packed: bytes, before: zlib._Decompress | None) -> None:
        """A member is damaged: give what precedes the damage, and what follows if only its checksum is wrong."""
        self.damage = self.damage or why
        self._ended = True
        if before is not None:
            content, rest, trailer = _before_damage(before, packed)
            self._window += content
            if trailer is not None:
                self._ended, self._packed, self._skip = False, rest, trailer
        else:
            self._window += self._unpack_again()
        end = self._start + len(self._window)
        if end > self.whole:
            self.spoiled.append((self.whole, end))
        self._begin_member()

    def _unpack_again(self) -> bytes:
        """What a member gives between the last piece and its damage: nothing of a call that fails is kept.

        So the last pieces are unpacked byte by byte.
        """
        there, slowly = self._start + len(self._window) - self.whole, self._at - 2 * _PIECE
        at, done, content = self._member_at, 0, bytearray()
        engine = unpacker(os.pread(self._raw.fileno(), _PIECE, at))
        with contextlib.suppress(*DAMAGE):
            while engine is not None and not engine.eof:
                most = 1 if at >= slowly else min(_PIECE, slowly - at)
                asked = engine.hungry
                packed = os.pread(self._raw.fileno(), most, at) if asked else b""
                piece = engine.unpack(packed, min(_PIECE, there - done) if done < there else 1)
                at, done = at + len(packed), done + len(piece)
                content += piece if done > there else b""
                if not (packed or piece) and asked:
                    break
        return bytes(content)


def _before_damage(engine: zlib._Decompress, packed: bytes) -> tuple[bytes, bytes, int | None]:
    """What precedes the damage in a piece: byte by byte, because zlib gives nothing of a call that fails.

    Returns:
        That content; what follows the byte where it failed; and how many bytes of the member's end are still to come
        if it was its checksum or its length that did not fit (RFC 1952): another member may follow.
    """
    content = b""
    for at in range(len(packed)):
        try:
            content += engine.decompress(packed[at : at + 1])
        except zlib.error as error:
            trailer = next((left for text, left in _TRAILER.items() if text in str(error)), None)
            return content, packed[at + 1 :], trailer
    return content, b"", None
