"""Cache of the run documents that this process last wrote or read, so that a change costs one write and no read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shipper.document.fact_templates import TemplateFacts
from shipper.elastic.fast_gzip import compress, decompress
from shipper.runs.facts import Fact, decoded

# Facts of a run resemble each other: longer JSON than this compresses to a tenth.
_COMPRESS_FROM_BYTES = 2048
# Memory of an entry beside its facts; measured, with the allocator's overhead.
_ENTRY_BYTES = 1000
# Of the facts of a run that were made from templates, about.
_TEMPLATE_FACTS_BYTES = 600


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
        self._entries: OrderedDict[str, tuple[bytes | TemplateFacts, int, int]] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._entries

    def get(self, identity: str) -> CachedRun | None:
        """The cached state of a run, or None."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        self._entries.move_to_end(identity)
        facts, seq_no, primary_term = entry
        json = decompress(facts) if type(facts) is bytes and facts[:1] != b"{" else facts
        return CachedRun(decoded(json), seq_no, primary_term)

    def put(self, identity: str, facts: bytes | TemplateFacts, seq_no: int, primary_term: int) -> None:
        """Add a run; the least recently used ones are dropped if there is no room.

        Args:
            identity: the id of its document.
            facts: all of them, as JSON or with their templates.
            seq_no: of the document.
            primary_term: the same.
        """
        self.forget(identity)
        if type(facts) is bytes and len(facts) > _COMPRESS_FROM_BYTES:
            facts = compress(facts)
        self._entries[identity] = facts, seq_no, primary_term
        self._size += _size_of(facts)
        self._drop_oldest()

    def put_new(self, runs: Sequence[tuple[str, TemplateFacts]], states: Iterable[tuple[int, int]]) -> None:
        """Add runs that are not cached, with the sequence number and the primary term of each document."""
        self._entries.update(
            (identity, (facts, *state)) for (identity, facts), state in zip(runs, states, strict=True)
        )
        self._size += len(runs) * (_TEMPLATE_FACTS_BYTES + _ENTRY_BYTES)
        self._drop_oldest()

    def forget(self, identity: str) -> None:
        """Drop a run that another writer has changed."""
        entry = self._entries.pop(identity, None)
        if entry is not None:
            self._size -= _size_of(entry[0])

    def _drop_oldest(self) -> None:
        while self._size > self._max_bytes:
            _, (facts, *_) = self._entries.popitem(last=False)
            self._size -= _size_of(facts)

    def clear(self) -> None:
        """Drop all."""
        self._entries.clear()
        self._size = 0


def _size_of(facts: bytes | TemplateFacts) -> int:
    """Memory of an entry."""
    return _ENTRY_BYTES + (len(facts) if type(facts) is bytes else _TEMPLATE_FACTS_BYTES)
