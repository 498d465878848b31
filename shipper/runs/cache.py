"""What this process last wrote or read of run documents, so that a run that changes costs one write and no read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import orjson

from shipper.elastic.client import compress
from shipper.runs.facts import Fact

try:
    from isal.igzip import decompress as _decompress
except ImportError:  # no wheel for this machine
    from gzip import decompress as _decompress

unpack: Callable[[bytes], bytes] = _decompress
# Facts of a run are alike: longer than this they pack to a tenth.
_COMPRESS_FROM_BYTES = 2048
# What an entry takes beside its facts, bytes; measured, with what the allocator leaves between them.
_ENTRY_BYTES = 1000


class CachedRun(NamedTuple):
    """A run document as it was when this process last wrote it or read it.

    Attributes:
        facts: its facts, all of them.
        seq_no: of that state; with ``primary_term`` it tells whether anybody has written it since.
    """

    facts: dict[str, Fact]
    seq_no: int
    primary_term: int


class RunCache:
    """The run documents that were written last, as many as fit.

    Args:
        most: bytes that they may take.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._entries: OrderedDict[str, tuple[bytes, bool, int, int]] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._entries

    def get(self, identity: str) -> CachedRun | None:
        """What is known of a run."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        self._entries.move_to_end(identity)
        facts, packed, seq_no, primary_term = entry
        return CachedRun(orjson.loads(unpack(facts) if packed else facts), seq_no, primary_term)

    def put(self, identity: str, facts: bytes, seq_no: int, primary_term: int) -> None:
        """Remember a run, its facts as JSON; those that were not asked for longest make room."""
        packed = len(facts) > _COMPRESS_FROM_BYTES
        self.forget(identity)
        if packed:
            facts = compress(facts)
        self._entries[identity] = (facts, packed, seq_no, primary_term)
        self._size += len(facts) + _ENTRY_BYTES
        while self._size > self._most:
            _, (oldest, *_) = self._entries.popitem(last=False)
            self._size -= len(oldest) + _ENTRY_BYTES

    def forget(self, identity: str) -> None:
        """Somebody else has written it since."""
        entry = self._entries.pop(identity, None)
        if entry is not None:
            self._size -= len(entry[0]) + _ENTRY_BYTES

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._size = 0
