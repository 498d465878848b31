"""Dead letters → the cluster, once more: looked up first, and in halves where they are refused whole."""

from __future__ import annotations

import time
from functools import lru_cache

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.cluster import is_genuine
from shipper.deliver.dead_letters import Letter
from shipper.deliver.outcomes import ALREADY, Outcome, Verdict, judge_request
from shipper.deliver.recovery import Recovery
from shipper.deliver.request import refusal_of, send
from shipper.telemetry import log


def send_letters(client: Elasticsearch, letters: list[Letter]) -> list[Verdict]:
    """Send dead letters again; gives the verdict on each.

    They may have been indexed since, perhaps before a rollover, so all are looked up first.

    Raises:
        ApiError, TransportError: the request as a whole failed.
    """
    items = [letter.item() for letter in letters]
    unknown = [item for item, _ in _recovery_of(client).unknown([(item, b"") for item in items], time.monotonic())]
    verdicts = dict(zip(unknown, _send_apart(client, unknown), strict=True))
    return [verdicts.get(item, ALREADY) for item in items]


@lru_cache(maxsize=1)
def _recovery_of(client: Elasticsearch) -> Recovery:
    return Recovery(client, lambda text: log.warning("%s", text))


def _send_apart(client: Elasticsearch, items: list[bytes]) -> list[Verdict]:
    """The verdicts on items, sent in halves where they are refused whole."""
    if not items:
        return []
    try:
        return send(client, items)
    except ApiError as error:
        status = error.meta.status
        if judge_request(status, genuine=is_genuine(error)) is not Outcome.DEAD:
            raise
        if len(items) == 1:
            return [refusal_of(error)]
    middle = len(items) // 2
    return _send_apart(client, items[:middle]) + _send_apart(client, items[middle:])
