"""How far a file was read, which is ahead of what is acknowledged, and what proves it at the next read.  Pure."""

from __future__ import annotations

from shipper.tail import samples
from shipper.tail.fingerprint import CHECKPOINT_BYTES, checkpoint_hash_of
from shipper.tail.state.checkpoint import NOTHING, Checkpoint, Hash

_OF_NULS = checkpoint_hash_of(bytes(CHECKPOINT_BYTES))


class ReadPosition:
    """An offset that moves with what is read.

    Attributes:
        offset: of the next byte to read.
        hash: the checkpoint hash of that offset.
        samples: the content samples of what was read.
    """

    __slots__ = ("_tail", "hash", "offset", "samples")

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.offset = checkpoint.offset
        self.hash: Hash = checkpoint.hash
        self.samples = checkpoint.samples
        self._tail = b""

    @property
    def behind_nuls(self) -> bool:
        """Whether nothing but NULs precede it, as far as its hash tells."""
        return self.hash == _OF_NULS

    def skip(self, length: int) -> None:
        """Move over NULs that follow other NULs."""
        self.offset += length

    def proved(self, before: bytes) -> None:
        """The bytes before it are these, as its hash says."""
        if not self._tail:
            self._tail = before

    def advance(self, data: bytes) -> None:
        """Move over bytes that were read."""
        self.samples = samples.extended(self.samples, self.offset, self._tail, data)
        self.offset += len(data)
        self._tail = (
            data[-CHECKPOINT_BYTES:] if len(data) >= CHECKPOINT_BYTES else (self._tail + data)[-CHECKPOINT_BYTES:]
        )
        self.hash = checkpoint_hash_of(self._tail) if self._tail else NOTHING
