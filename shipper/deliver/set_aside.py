"""Batches that a bug keeps from being delivered: logged, set aside, and read again at the next start.

None of their spans is acknowledged, so the cursors of their files stay before them; their documents count as in
flight.  Only the spans are kept in memory, not the documents.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import orjson

from shipper import telemetry
from shipper.deliver.batch import Batch
from shipper.document.ids import generation_text
from shipper.telemetry import Throttle, bug, log

MAX_BATCHES = 1000
"""Batches that a run may set aside; at this number the sidecar exits, since only a restart can help."""
# Files of one batch that a message names.
_MAX_NAMED = 5


class SetAside:
    """Counts and logs batches that are set aside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._throttle = Throttle(telemetry.error)
        self._batches = 0
        self._in_a_row = 0

    @property
    def full(self) -> bool:
        """Whether as many are set aside as a run may leave."""
        with self._lock:
            return self._batches >= MAX_BATCHES

    def delivered(self) -> None:
        """A batch was delivered: the bug does not affect all."""
        with self._lock:
            self._in_a_row = 0

    def take(self, batch: Batch, error: Exception) -> int:
        """Log that a batch is set aside; gives how many in a row were, which determines the pause.

        Without a pause, a bug that affects every batch would make the sidecar read all logs in vain.
        """
        with self._lock:
            self._batches += 1
            self._in_a_row += 1
            batches, in_a_row = self._batches, self._in_a_row
        self._throttle.say(
            "set aside",
            f"a bug ({bug(error)}) keeps {len(batch.items)} documents from being delivered: "
            f"{'; '.join(_named(batch))}; they are set aside and sent at the next start, keep these files until "
            f"then; other batches go on ({batches} set aside so far)",
        )
        if batches == MAX_BATCHES:
            log.error(
                "%d batches are set aside, the most that a run may leave: exiting; they are sent at the next start",
                MAX_BATCHES,
            )
        return in_a_row


def _named(batch: Batch) -> Iterator[str]:
    """The byte ranges of files in a batch, in words."""
    stretches: dict[bytes, tuple[int, int]] = {}
    for span in (part for one in batch.spans for part in one.parts()):
        start, end = stretches.get(span.generation, (span.start, span.end))
        stretches[span.generation] = min(start, span.start), max(end, span.end)
    paths = _paths(batch, len(stretches))
    for at, (generation, (start, end)) in enumerate(stretches.items()):
        if at == _MAX_NAMED:
            yield f"and {len(stretches) - at} more files"
            return
        yield f"{paths.get(generation_text(generation), 'a file without documents')}, bytes {start} to {end}"


def _paths(batch: Batch, wanted: int) -> dict[str, str]:
    """The path of each generation, from its documents."""
    paths: dict[str, str] = {}
    for item in batch.items:
        if len(paths) == wanted:
            break
        try:
            document: Any = orjson.loads(item.splitlines()[1])
            paths.setdefault(str(document["neuroflow"]["generation"]), str(document["log"]["file"]["path"]))
        except (LookupError, TypeError, ValueError):
            continue  # perhaps that is the bug
    return paths
