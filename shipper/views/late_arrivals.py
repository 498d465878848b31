"""Documents that become searchable long after they were read: known by how many there are, index by index.

Of what is older than a follower's window only the number is kept.  When an index holds more than that, the rest
came late (the cluster took no documents for a while, or showed none), and is among what was indexed last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from sys import intern

from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.snapshot import Snapshot

Key = tuple[str, str]

# Documents remembered after they left the window; they may have been indexed after one that comes late.
MAX_RECENT = 100_000
# In the order in which an index took them.
_AS_INDEXED, _LAST_INDEXED = ({"_seq_no": {"order": order}} for order in ("asc", "desc"))


class Settled:
    """What was shown, or was there before, and has left the window.

    Args:
        snapshot: gives the documents as they are now.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._counts: dict[str, int] = {}
        self._recent: dict[Key, None] = {}

    def begin(self, snapshot: Snapshot, old: Query) -> None:
        """Take everything old in a snapshot as shown."""
        self._counts = _by_original(snapshot.counts(old))

    def remember(self, keys: Iterable[Key], *, counted: bool = False) -> None:
        """These have left the window; ``counted`` if they were in the snapshot that it began with."""
        for key in keys:
            self._recent[key] = None
            if not counted:
                self._add(key[0], 1)
        for key in list(islice(self._recent, max(0, len(self._recent) - MAX_RECENT))):
            del self._recent[key]

    def late(self, old: Query) -> Iterator[list[Hit]]:
        """What is old and was never shown, in pages, in the order in which it was indexed.

        Args:
            old: what is older than the window.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        with self._snapshot() as snapshot:
            for name, count in snapshot.counts(old).items():
                missing = count - self._counts.get(_original(name), 0)
                if missing > 0:
                    yield from self._late_in(snapshot, every([old, {"term": {"_index": name}}]), missing)
                # Whatever is gone was deleted; what can't be found by its number is not looked for again.
                self._counts[_original(name)] = count

    def _late_in(self, snapshot: Snapshot, old: Query, missing: int) -> Iterator[list[Hit]]:
        begin = self._begin_of(snapshot, old, missing)
        if begin is None:
            return
        # Broken off, what is left is still what was indexed last.
        window = every([old, {"range": {"_seq_no": {"gte": begin}}}])
        for hits in snapshot.pages(window, [_AS_INDEXED]):
            fresh = [hit for hit in hits if key_of(hit) not in self._recent]
            yield fresh
            self.remember(map(key_of, fresh))

    def _begin_of(self, snapshot: Snapshot, old: Query, missing: int) -> int | None:
        """The number under which the first of the missing was indexed."""
        begin = None
        for hits in snapshot.pages(old, [_LAST_INDEXED], source=False, ascending=False):
            for hit in hits:
                if key_of(hit) in self._recent:
                    continue
                begin = int(hit["sort"][0])
                missing -= 1
                if not missing:
                    return begin
        return begin

    def _add(self, name: str, count: int) -> None:
        name = _original(name)
        self._counts[name] = self._counts.get(name, 0) + count


def key_of(hit: Hit) -> Key:
    """What tells a document from every other: an id is unique inside one index only."""
    return intern(hit["_index"]), hit["_id"]


def _original(name: str) -> str:
    # A backing index that is shrunk, or mounted from a snapshot, holds the same documents under a longer name.
    return name[max(0, name.find(".ds-")) :]


def _by_original(counts: dict[str, int]) -> dict[str, int]:
    return {_original(name): count for name, count in counts.items()}
