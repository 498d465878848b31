"""What a file is by its first bytes: compressed in a way that the standard library reads, in another, or text.

A name may say anything; these bytes are what the packing programs themselves look at.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib

# So many bytes tell what a file is.
HEAD = 512
# The most that unpacking one xz file may take, bytes: its writer chooses, and `xz -9` needs 65 MiB.
MAX_MEMORY = 100 * 2**20
_GZIP = 31  # zlib's word for: a gzip member, any window
_XZ = b"\xfd7zXZ\0"
# What the ones that are read begin with.
_BZIP2, _LZMA = b"BZh", b"]\0\0"
_READ = (b"\x1f\x8b", _BZIP2, _XZ, _LZMA)
_OTHER = (
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x9d", "compress"),
    (b"\x1f\xa0", "compress"),
    (b"LZIP", "lzip"),
    (b"\x89LZO\0", "lzop"),
    (b"\xff\x06\0\0sNaPpY", "snappy"),
    (b"-----BEGIN PGP MESSAGE", "PGP"),
    (b"age-encryption.org/v1", "age"),
    (b"-----BEGIN AGE ENCRYPTED", "age"),
    (b"Salted__", "openssl enc"),
    (b"SQLite format 3\0", "SQLite"),
)
# By their names only: what has no first bytes of its own, or unpacks to something else than a log.
_NAMES = {
    "zst": "zstd", "zstd": "zstd", "zip": "zip", "lz4": "lz4", "7z": "7-Zip", "rar": "rar", "z": "compress",
    "lz": "lzip", "lzo": "lzop", "br": "brotli", "sz": "snappy", "snappy": "snappy", "rz": "rzip", "lrz": "lrzip",
    "gpg": "PGP", "pgp": "PGP", "asc": "PGP", "age": "age", "enc": "encrypted", "aes": "encrypted",
    "crypt": "encrypted", "tar": "tar", "tgz": "tar", "tbz": "tar", "tbz2": "tar", "txz": "tar", "tzst": "tar",
    "cpio": "cpio",
}  # fmt: skip
_ENDING = re.compile(r"\.tar\.[a-z0-9]+\Z|\.([a-z0-9]+)\Z", re.IGNORECASE)
_ARCHIVES = tuple(begins for begins, kind in _OTHER if kind != "SQLite")
# A time of day at the beginning of a line, an object with a logger's keys, a traceback, or a level between brackets.
_OF_A_LOG = re.compile(
    rb"""^(?:[^\n]{0,32}\b\d\d:\d\d:\d\d\b
    |[ \t]*\{[^\n]*"(?:event|message|msg|action|(?:log\.)?level|levelname|severity|@?timestamp|asctime)"[ ]*:[ ]*["\d]
    |Traceback[ ]\(most[ ]recent[ ]call[ ]last\):
    |[^\n]{0,64}[\[|(][ ]*(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL)[ ]*[\]|)])""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_CONTROL = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")


DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)
"""What an unpacker raises over damaged bytes."""


class Gzip:
    """A gzip member, unpacked a piece at a time; ``kind`` is what people call it."""

    kind = "gzip"

    def __init__(self) -> None:
        self.engine = zlib.decompressobj(_GZIP)
        self.rest = b""

    @property
    def eof(self) -> bool:
        """Whether the member is over."""
        return self.engine.eof

    @property
    def hungry(self) -> bool:
        """Whether nothing more comes before it is given more."""
        return not self.rest

    def unpack(self, packed: bytes, most: int) -> bytes:
        """The next of the content, so many bytes at most; ``rest`` is to be given again, or follows the member.

        Raises:
            Exception: one of ``DAMAGE``: what was given is damaged, or unpacking it needs more than ``MAX_MEMORY``.
        """
        content = self.engine.decompress(packed, most)
        self.rest = self.engine.unused_data if self.engine.eof else self.engine.unconsumed_tail
        return content


class Buffering:
    """The same for a kind whose unpacker keeps by itself what it has not used."""

    def __init__(self, kind: str, engine: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self.kind = kind
        self._engine = engine

    @property
    def eof(self) -> bool:
        """Whether the member is over."""
        return self._engine.eof

    @property
    def rest(self) -> bytes:
        """What follows the member."""
        return self._engine.unused_data if self._engine.eof else b""

    @property
    def hungry(self) -> bool:
        """Whether nothing more comes before it is given more."""
        return self._engine.needs_input

    def unpack(self, packed: bytes, most: int) -> bytes:
        """The next of the content."""
        return self._engine.decompress(packed, most)


Unpacker = Gzip | Buffering


def unpacker(packed: bytes) -> Unpacker | None:
    """What unpacks a member that begins with these bytes; None where they are too few to tell."""
    if any(one.startswith(packed) and len(packed) < len(one) for one in _READ):
        return None
    if packed.startswith(_BZIP2):
        return Buffering("bzip2", bz2.BZ2Decompressor())
    if packed.startswith((_XZ, _LZMA)):
        return Buffering("xz", lzma.LZMADecompressor(memlimit=MAX_MEMORY))
    return Gzip()


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed in a way that can be read."""
    if head.startswith(_BZIP2):
        return head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}  # a line of text may begin with these letters
    return head.startswith(_READ)


def unreadable(name: str, head: bytes, *, strange: bool) -> str | None:
    """What a file is that can't be read as a log; None where it can, or where nothing speaks against it.

    Args:
        name: of the file.
        head: its first bytes.
        strange: its name is not one that a rotation gives: its content has to look like text.
    """
    for begins, kind in _OTHER:
        if head.startswith(begins):
            return kind
    ending = _ENDING.search(name)
    if ending is not None and not ending[1]:
        return "tar"
    if ending is not None and not is_text(head) and ending[1].lower() in _NAMES:
        return _NAMES[ending[1].lower()]
    if head[257:262] == b"ustar":
        return "tar"
    return "binary" if strange and not is_packed(head) and not is_text(head) else None


def says_log(head: bytes) -> bool:
    """Whether a file that begins so may be a log: it is compressed, or has a line as loggers write them."""
    if is_packed(head) or head.startswith(_ARCHIVES):
        return True
    return is_text(head) and _OF_A_LOG.search(head) is not None


def is_text(head: bytes) -> bool:
    """Whether bytes may be the beginning of a log: UTF-8, UTF-16 with its mark, or hardly any control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        head[: len(head) - 3 if len(head) >= HEAD else None].decode()
    except UnicodeDecodeError:
        return len(_CONTROL.findall(head)) * 50 < len(head)
    return len(_CONTROL.findall(head)) * 10 <= len(head)
