"""Sends dead letters again: looks them up first, and halves requests that are refused whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.deliver.batch import Pair
from shipper.deliver.dead_letters import Letter
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.older_requests import waiting_message
from shipper.elastic.bulk_request import refusal_of, send
from shipper.elastic.client import is_genuine
from shipper.elastic.outcomes import EXISTS, Outcome, Verdict, judge_request
from shipper.elastic.packed import Packed

# Seconds after which waiting documents are reported.
SAY_AFTER = 2.0


def send_letters(
    client: Elasticsearch,
    dedupe: Dedupe,
    letters: list[Letter],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> list[Verdict]:
    """Send dead letters again; gives the verdict on each.

    They may have been indexed since, perhaps before a rollover: all are looked up first, until no request of an
    earlier replay can index them.

    Args:
        client: the cluster.
        dedupe: looks them up; created when the replay began.
        letters: what to send.
        say: called with a sentence when it waits.
        sleep: waits for so many seconds.

    Raises:
        ApiError, TransportError: the request as a whole failed.
    """
    items = [letter.item() for letter in letters]
    absent: list[bytes] = []
    undecided: Sequence[Pair] = [(item, b"") for item in items]
    waited = 0.0
    while undecided:
        found = dedupe.look_up(undecided, dedupe.began)
        absent += [item for item, _ in found.absent]
        undecided = found.undecided
        if undecided:
            if waited <= SAY_AFTER < waited + found.wait:
                say(waiting_message(len(undecided)))
            waited += found.wait
            sleep(found.wait)
    verdicts = dict(zip(absent, _send_apart(client, absent), strict=True))
    return [verdicts.get(item, EXISTS) for item in items]


def _send_apart(client: Elasticsearch, items: list[bytes]) -> list[Verdict]:
    """The verdicts on items, sent in halves where they are refused whole."""
    if not items:
        return []
    try:
        return send(client, Packed(items))
    except ApiError as error:
        status = error.meta.status
        if judge_request(status, genuine=is_genuine(error)) is not Outcome.DEAD:
            raise
        if len(items) == 1:
            return [refusal_of(error)]
    middle = len(items) // 2
    return _send_apart(client, items[:middle]) + _send_apart(client, items[middle:])
