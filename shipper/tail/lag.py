"""How far a running sidecar is behind in each log.

``report`` gives the same for a store without its sidecar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipper.tail.found_files import shown
from shipper.tail.generation import Generation


class Lag(NamedTuple):
    """What of one log is not acknowledged.

    Attributes:
        path: of the file, to be redacted before it is shown.
        dataset: its data stream.
        size: of what is not acknowledged, bytes; of a compressed file that is not unpacked to its end, an estimate.
        since: since when the oldest of it waits, seconds since the epoch; 0 where that is not known.
    """

    path: str
    dataset: str
    size: int
    since: float


def lags(generations: Iterable[Generation]) -> Iterator[Lag]:
    """The logs that have something unacknowledged."""
    for generation in generations:
        reader, found, cursor = generation.active_reader, generation.found, generation.cursor
        position = cursor.offset if reader is None else reader.position
        if found is None or (found.compressed and reader is None):
            end = position
        elif reader is not None and reader.at_nuls and reader.position >= found.size:
            end = cursor.offset  # only NULs follow, as a crash may leave them: they are no line
        else:
            end = max(position, found.size)
        if end > cursor.offset:
            path, dataset = (found.path, found.source.dataset) if found else (cursor.file.path, "app")
            yield Lag(shown(path), dataset, end - cursor.offset, cursor.waiting_at)
