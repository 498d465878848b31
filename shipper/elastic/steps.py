"""What ``setup`` does to existing data streams, a step at a time: planned first, then printed or done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.client import is_genuine, reason_of, send_json


@dataclass(frozen=True)
class Step:
    """One request that changes the cluster.

    Attributes:
        about: the stream or template.
        what: is done, in words.
        method: of the request.
        path: of the request, with its query.
        body: of the request.
        loses: which documents Elasticsearch deletes because of it, in words; empty for none.
        otherwise: done instead where Elasticsearch refuses the request (400).
    """

    about: str
    what: str
    method: str
    path: str
    body: object = None
    loses: str = ""
    otherwise: Step | None = None


@dataclass(frozen=True)
class Remark:
    """Something that is not done, and why."""

    about: str
    text: str


def take(client: Elasticsearch, step: Step, say: Callable[[str], None]) -> bool:
    """Do a step; gives whether it succeeded.  A refusal of this one request is printed, so that the others follow.

    Raises:
        elasticsearch.ApiError: the answer is not Elasticsearch's, or the key is not accepted (401).
        elastic_transport.TransportError: the cluster can't be reached.
    """
    try:
        send_json(client, step.method, step.path, step.body)
    except ApiError as error:
        status = error.meta.status
        if not is_genuine(error) or status == 401:
            raise
        if status == 400 and step.otherwise is not None:
            return take(client, step.otherwise, say)
        say(f"{'failed':<10} {step.about}: {step.what}: {reason_of(error.body)} ({status})")
        return False
    say(f"{'done':<10} {step.about}: {step.what}")
    return True
