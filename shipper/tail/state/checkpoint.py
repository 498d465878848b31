"""An offset in a file, with what proves later that it still means the same."""

from __future__ import annotations

from typing import NamedTuple


class Hash(NamedTuple):
    """A digest of some bytes of a file, and how many they were."""

    length: int
    digest: bytes


NOTHING = Hash(0, b"")


class Checkpoint(NamedTuple):
    """Where reading goes on.

    Attributes:
        offset: of the next byte.
        hash: the checkpoint hash, of the bytes right before it.
        parser_state: of the parser there.
        samples: the content samples of what precedes it.
    """

    offset: int = 0
    hash: Hash = NOTHING
    parser_state: str = ""
    samples: bytes = b""


START = Checkpoint()
