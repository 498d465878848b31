"""Cache of the run documents that this process last wrote or read, so that a change costs one write and no read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shipper.document.fact_templates import TemplateFacts
from shipper.elastic.fast_gzip import compress, decompress
from shipper.runs.facts import Fact, decoded
from shipper.runs.grown import Grown, grown_of

# Facts of a run resemble each other: longer JSON than this compresses to a tenth.
_COMPRESS_FROM_BYTES = 2048
# Memory of an entry beside its facts (measured with tracemalloc, 3.11).
_ENTRY_BYTES = 300
# Of the facts of a run that were made from templates, about.
_TEMPLATE_FACTS_BYTES = 400
# Of what is known of facts beside their JSON, for one and for each of the newest, about.
_LENGTH_BYTES, _NEWEST_BYTES = 2, 1000


class CachedRun(NamedTuple):
    """A run document as this process last wrote or read it.

    Attributes:
        told: all its facts.
        seq_no: of that state; a write on condition of it and of ``primary_term`` fails if the document has changed.
    """

    told: dict[str, Fact] | bytes | TemplateFacts | Grown
    seq_no: int
    primary_term: int

    def facts(self) -> dict[str, Fact]:
        """All its facts, decoded."""
        return decoded(self.told.json if isinstance(self.told, Grown) else self.told)

    def grown(self) -> Grown | None:
        """All its facts, to add later ones; None where these can't be added that way."""
        return self.told if isinstance(self.told, Grown) else grown_of(self.facts())


class RunCache:
    """The most recently used run documents.

    Args:
        max_bytes: memory for them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: OrderedDict[str, tuple[bytes | TemplateFacts | Grown, int, int]] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._entries

    def get(self, identity: str) -> CachedRun | None:
        """The cached state of a run, or None."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        self._entries.move_to_end(identity)
        facts, seq_no, primary_term = entry
        if isinstance(facts, Grown):
            facts = facts._replace(json=_unpacked(facts.json))
        elif isinstance(facts, bytes):
            facts = _unpacked(facts)
        return CachedRun(facts, seq_no, primary_term)

    def put(self, identity: str, facts: bytes | TemplateFacts | Grown, seq_no: int, primary_term: int) -> None:
        """Add a run; the least recently used ones are dropped if there is no room.

        Args:
            identity: the id of its document.
            facts: all of them, as JSON or with their templates.
            seq_no: of the document.
            primary_term: the same.
        """
        self.forget(identity)
        if isinstance(facts, Grown):
            facts = facts._replace(json=_packed(facts.json))
        elif isinstance(facts, bytes):
            facts = _packed(facts)
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


def _packed(json: bytes) -> bytes:
    return compress(json) if len(json) > _COMPRESS_FROM_BYTES else json


def _unpacked(packed: bytes) -> bytes:
    return packed if packed[:1] == b"{" else decompress(packed)


def _size_of(facts: bytes | TemplateFacts | Grown) -> int:
    """Memory of an entry."""
    if isinstance(facts, Grown):
        beside = len(facts.lengths) * _LENGTH_BYTES + len(facts.newest) * _NEWEST_BYTES
        return _ENTRY_BYTES + len(facts.json) + beside
    return _ENTRY_BYTES + (len(facts) if isinstance(facts, bytes) else _TEMPLATE_FACTS_BYTES)
