"""The ``_id`` of each record, from its place in the file and its content.  Pure.

base64url of generation (9 bytes), offset of the first byte (8, big-endian) and CRC-32 of the record (4): 28
characters, slow-changing bytes first, which Elasticsearch compresses and seeks best.  Sending a record again gives a
conflict instead of a copy; two equal lines stay two documents.  Since the checksum of the line is in the id, a wrong
decision about a file's identity costs at worst a second copy, never a lost line.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from binascii import b2a_base64
from struct import Struct

from shipper.document.crc import crc32

_PLACE = Struct(">QI").pack
_CHARS = 16  # of a place in base64
ID_CHARS = 28
_URLSAFE = bytes.maketrans(b"+/", b"-_")


def generation_text(generation: bytes) -> str:
    """A generation's name as text: the first 12 characters of its ids."""
    return urlsafe_b64encode(generation).decode()


def ids_of(generation: bytes, starts: list[int], raws: list[bytes]) -> list[bytes]:
    """The id of each record, as ASCII.

    Args:
        generation: its name, 9 bytes.
        starts: offset of each record's first byte.
        raws: each record's bytes.
    """
    head = urlsafe_b64encode(generation)
    places = b"".join(map(_PLACE, starts, map(crc32, raws)))
    text = b2a_base64(places, newline=False).translate(_URLSAFE)
    return [head + text[at : at + _CHARS] for at in range(0, len(text), _CHARS)]
