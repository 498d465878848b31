"""Polling for new lines until the reader has enough, through outages of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from elasticsearch import ApiError, TransportError

from shipper.elastic.search_answers import Hit
from shipper.views.follow import Follower

# Seconds between two polls: a line appears within two seconds of being written, one of which is Elasticsearch's
# refresh.  After slow polls the pauses are longer, up to a limit.
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 1.0
# The pause is at least so many times as long as the poll took.
PAUSE_FACTOR = 4
# An outage in which the cluster answers is reported after so many seconds.
SILENT_SECONDS = 2.0
# So many refusals in a row count as part of an outage: a starting cluster can't authenticate anybody at first.
MAX_REFUSALS = 60


def follow(
    follower: Follower,
    wait: Callable[[float], bool],
    notice: Callable[[Exception | None], None],
    begin: Callable[[], Iterator[list[Hit]]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Hit]]:
    """New hits, until ``wait`` ends it; retries while the cluster can't be reached.

    Args:
        follower: started, unless ``begin`` does that.
        wait: pauses for so many seconds between two polls and returns whether to continue.
        notice: called once for an outage, with its cause, and once for its end, with None.
        begin: gives the first hits, and starts the follower.
        clock: monotonic seconds.

    Raises:
        elasticsearch.ApiError: the cluster refuses permanently.
        elastic_transport.TransportError: the cluster could not be reached when following began.
    """
    outage = Outage(notice, clock)
    step, pause = begin or follower.poll, PAUSE_SECONDS
    while (step is begin and not outage.under_way) or wait(pause):
        began, given = clock(), False
        try:
            for hits in step():
                given = True
                yield hits
        except (ApiError, TransportError) as error:
            if step is begin and (given or not isinstance(error, ApiError)):
                raise
            pause = outage.failed(error)
            follower.outage()
        else:
            outage.recovered()
            step, pause = follower.poll, min(max(PAUSE_SECONDS, PAUSE_FACTOR * (clock() - began)), MAX_PAUSE_SECONDS)


class Outage:
    """Tracks whether the cluster answers, and reports the beginning and the end of an outage."""

    def __init__(self, notice: Callable[[Exception | None], None], clock: Callable[[], float]) -> None:
        self._notice = notice
        self._clock = clock
        self._since = 0.0
        self._noticed = False
        self._refusals = 0
        self.under_way = False

    def failed(self, error: ApiError | TransportError) -> float:
        """Record a failure; gives the seconds until the next attempt, or raises it if retrying can't help."""
        self._refusals = 0 if _passing(error) else self._refusals + 1
        if self._refusals and not (self.under_way and self._refusals <= MAX_REFUSALS):
            raise error
        if not self.under_way:
            self._since = self._clock()
        self.under_way = True
        # An index that is being created can't be searched for a moment: that is no outage.
        if not self._noticed and isinstance(error, ApiError) and self._clock() - self._since < SILENT_SECONDS:
            return PAUSE_SECONDS
        if not self._noticed:
            self._notice(error)
        self._noticed = True
        return MAX_PAUSE_SECONDS

    def recovered(self) -> None:
        """Record that the cluster answers."""
        if self._noticed:
            self._notice(None)
        self.under_way = self._noticed = False
        self._refusals = 0


def _passing(error: Exception) -> bool:
    # A lost snapshot (404) is as temporary as a node that restarts.
    return not isinstance(error, ApiError) or error.meta.status in (404, 408, 429) or error.meta.status >= 500
