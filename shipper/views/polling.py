"""Polling for new lines until the reader has enough, through outages of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from elasticsearch import ApiError, TransportError

from shipper.elastic.search_answers import Hit
from shipper.views.follow import Follower

# Seconds between two polls: a line shall be on the screen within two seconds of being written, and one of them goes
# by until Elasticsearch makes it searchable.  When polls take their time so do the pauses, up to a limit.
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 1.0
# The pause is at least so many times what the poll took.
PAUSE_FACTOR = 4
# An outage in which the cluster answers is not spoken of for so many seconds.
SILENT_SECONDS = 2.0
# So many refusals in a row count as part of an outage: a cluster that starts can't tell who we are at first.
MAX_REFUSALS = 60


def follow(
    follower: Follower,
    wait: Callable[[float], bool],
    notice: Callable[[Exception | None], None],
    begin: Callable[[], Iterator[list[Hit]]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Hit]]:
    """What is new, for ever; a cluster that is away is waited for.

    Args:
        follower: started, unless ``begin`` does that.
        wait: pauses for so many seconds between two polls and says whether to go on.
        notice: told once of an outage, with its cause, and once of its end, with None.
        begin: gives what comes first, and starts the follower.
        clock: monotonic seconds.

    Raises:
        elasticsearch.ApiError: the cluster refused in a way that waiting will not mend.
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
    """Whether the cluster is away, and what is said of it.

    Args:
        notice: told once of an outage, with its cause, and once of its end, with None.
        clock: monotonic seconds.
    """

    def __init__(self, notice: Callable[[Exception | None], None], clock: Callable[[], float]) -> None:
        self._notice = notice
        self._clock = clock
        self._since = 0.0
        self._noticed = False
        self._refusals = 0
        self.under_way = False

    def failed(self, error: ApiError | TransportError) -> float:
        """Another failure; gives how long to wait before the next attempt, or raises it if waiting will not help."""
        self._refusals = 0 if _passing(error) else self._refusals + 1
        if self._refusals and not (self.under_way and self._refusals <= MAX_REFUSALS):
            raise error
        if not self.under_way:
            self._since = self._clock()
        self.under_way = True
        # An index that is just being made can't be searched for a moment: nothing to speak of.
        if not self._noticed and isinstance(error, ApiError) and self._clock() - self._since < SILENT_SECONDS:
            return PAUSE_SECONDS
        if not self._noticed:
            self._notice(error)
        self._noticed = True
        return MAX_PAUSE_SECONDS

    def recovered(self) -> None:
        """The cluster answers."""
        if self._noticed:
            self._notice(None)
        self.under_way = self._noticed = False
        self._refusals = 0


def _passing(error: Exception) -> bool:
    # A lost snapshot (404) is as passing as a node that restarts.
    return not isinstance(error, ApiError) or error.meta.status in (404, 408, 429) or error.meta.status >= 500
