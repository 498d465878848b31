"""Documents that become searchable long after they were read, found by counting the documents of each index.

Of documents older than a follower's window only the number is kept.  When an index holds more, the others arrived
late (the cluster took no documents for a while, or did not refresh), and are among those indexed last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from sys import intern

from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.snapshot import Snapshot

Key = tuple[str, str]

# Documents remembered after they left the window, because they may have been indexed after a late one.
MAX_RECENT = 100_000
# The order in which an index took documents, and its reverse.
_AS_INDEXED, _LAST_INDEXED = ({"_seq_no": {"order": order}} for order in ("asc", "desc"))


class LateArrivals:
    """Keeps the numbers of documents that were shown and have left the window, and finds late ones."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._counts: dict[str, int] = {}
        self._recent: dict[Key, None] = {}

    def begin(self, snapshot: Snapshot, old: Query) -> None:
        """Treat everything old in a snapshot as shown."""
        self._counts = {_original(name): count for name, count in snapshot.counts(old).items()}

    def remember(self, keys: Iterable[Key], *, counted: bool = False) -> None:
        """Add documents that left the window; ``counted`` if they were in the first snapshot."""
        for key in keys:
            self._recent[key] = None
            if not counted:
                self._add(key[0], 1)
        for key in list(islice(self._recent, max(0, len(self._recent) - MAX_RECENT))):
            del self._recent[key]

    def late(self, old: Query) -> Iterator[list[Hit]]:
        """The old documents that were never shown, in pages, in the order in which they were indexed."""
        with self._snapshot() as snapshot:
            for name, count in snapshot.counts(old).items():
                missing = count - self._counts.get(_original(name), 0)
                if missing > 0:
                    yield from self._late_in(snapshot, every([old, {"term": {"_index": name}}]), missing)
                # Missing documents were deleted; late ones that were not found are not searched for again.
                self._counts[_original(name)] = count

    def _late_in(self, snapshot: Snapshot, old: Query, missing: int) -> Iterator[list[Hit]]:
        begin = self._begin_of(snapshot, old, missing)
        if begin is None:
            return
        # If this is interrupted, the remaining ones are still those indexed last.
        window = every([old, {"range": {"_seq_no": {"gte": begin}}}])
        for hits in snapshot.pages(window, [_AS_INDEXED]):
            fresh = [hit for hit in hits if key_of(hit) not in self._recent]
            yield fresh
            self.remember(map(key_of, fresh))

    def _begin_of(self, snapshot: Snapshot, old: Query, missing: int) -> int | None:
        """The sequence number of the first missing document."""
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
    """The identity of a document: an id is unique inside one index only."""
    return intern(hit["_index"]), hit["_id"]


def _original(name: str) -> str:
    # A backing index that is shrunk, or mounted from a snapshot, holds the same documents under a longer name.
    return name[max(0, name.find(".ds-")) :]
