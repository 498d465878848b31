"""Cache of the run documents that this process last wrote or read, so that a change costs one write and no read."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import orjson

from shipper.elastic.fast_gzip import compress, decompress
from shipper.runs.facts import Fact

# Facts of a run resemble each other: longer JSON than this compresses to a tenth.
_COMPRESS_FROM_BYTES = 2048
# Memory of an entry beside its facts; measured, with the allocator's overhead.
_ENTRY_BYTES = 1000


class CachedRun(NamedTuple):
    """A run document as this process last wrote or read it.

    Attributes:
        facts: all its facts.
        seq_no: of that state; a write on condition of it and of ``primary_term`` fails if the document has changed.
    """

    facts: dict[str, Fact]
    seq_no: int
    primary_term: int


class RunCache:
    """The most recently used run documents.

    Args:
        max_bytes: memory for them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: OrderedDict[str, tuple[bytes, bool, int, int]] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._entries

    def get(self, identity: str) -> CachedRun | None:
        """The cached state of a run, or None."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        self._entries.move_to_end(identity)
        facts, packed, seq_no, primary_term = entry
        return CachedRun(orjson.loads(decompress(facts) if packed else facts), seq_no, primary_term)

    def put(self, identity: str, facts: bytes, seq_no: int, primary_term: int) -> None:
        """Add a run with its facts as JSON; the least recently used ones are dropped if there is no room."""
        packed = len(facts) > _COMPRESS_FROM_BYTES
        self.forget(identity)
        if packed:
            facts = compress(facts)
        self._entries[identity] = (facts, packed, seq_no, primary_term)
        self._size += len(facts) + _ENTRY_BYTES
        while self._size > self._max_bytes:
            _, (oldest, *_) = self._entries.popitem(last=False)
            self._size -= len(oldest) + _ENTRY_BYTES

    def forget(self, identity: str) -> None:
        """Drop a run that another writer has changed."""
        entry = self._entries.pop(identity, None)
        if entry is not None:
            self._size -= len(entry[0]) + _ENTRY_BYTES

    def clear(self) -> None:
        """Drop all."""
        self._entries.clear()
        self._size = 0
