"""Random access to a file's content, decompressed where it is gzip."""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from typing import IO

_PIECE = 64 * 1024
_GZIP = 31  # zlib's word for: a gzip member, any window


class FileView:
    """One open file; offsets count the bytes of its content.

    A gzip file may have several members, may still be written (it then ends where its data end so far, and goes on
    when there is more), or be damaged (it ends before the damage, and ``damage`` says what is wrong).

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: str, *, compressed: bool) -> None:
        self._raw: IO[bytes] = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - surrogates in paths; closed by close()
        self.compressed = compressed
        self.damage: str | None = None
        stat = os.fstat(self._raw.fileno())
        self.key = stat.st_dev, stat.st_ino
        self._restart()

    @property
    def unfinished(self) -> bool:
        """Whether a compressed file ends, so far, in the middle of a member."""
        return self.compressed and not self.damage and not self._engine.eof

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

        Args:
            offset: that will be read.
            most: bytes of content.

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

    def told_size(self) -> int:
        """What a gzip file's last bytes say of the length of its last member, modulo 2³² (RFC 1952); unproven.

        Raises:
            OSError: the disk failed.
        """
        end = os.fstat(self._raw.fileno()).st_size
        return int.from_bytes(os.pread(self._raw.fileno(), 4, max(0, end - 4)), "little")

    def close(self) -> None:
        """Let the file go."""
        self._raw.close()

    def _restart(self) -> None:
        self._start = 0
        self._window = b""
        self._engine = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._at = 0

    def _forget(self, length: int) -> None:
        self._window = self._window[length:]
        self._start += length

    def _inflate(self) -> bool:
        """Decompress a piece more; False where there is no more for now."""
        if self.damage:
            return False
        if not self._packed:
            self._packed = os.pread(self._raw.fileno(), _PIECE, self._at)
            self._at += len(self._packed)
        if self._engine.eof:
            # Another member, or padding behind the last.
            self._packed = self._packed.lstrip(b"\0")
            if not self._packed:
                return os.fstat(self._raw.fileno()).st_size > self._at
            self._engine = zlib.decompressobj(_GZIP)
        sound, packed = self._engine.copy(), self._packed
        try:
            # A piece may unpack to a thousand times as many bytes: memory takes no more of them at once.
            content = self._engine.decompress(packed, _PIECE)
        except zlib.error as error:
            self.damage = str(error)
            self._window += _before_damage(sound, packed)
            return False
        self._window += content
        self._packed = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
        return bool(packed or content)


def _before_damage(engine: zlib._Decompress, packed: bytes) -> bytes:
    """What precedes the damage in a piece: byte by byte, because zlib gives nothing of a call that fails."""
    content = b""
    with contextlib.suppress(zlib.error):
        for at in range(len(packed)):
            content += engine.decompress(packed[at : at + 1])
    return content
