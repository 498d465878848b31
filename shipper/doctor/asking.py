"""Requests to the cluster whose answers may have any status, since a key may be refused anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.elastic.client import is_genuine


@dataclass(frozen=True)
class Answer:
    """An answer of any status.

    Attributes:
        status: of HTTP.
        body: parsed, or a text.
        genuine: it is Elasticsearch's.
        date: the header ``Date``, which proxies add.
    """

    status: int
    body: Any
    genuine: bool = True
    date: str | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The body of a success; empty for any other."""
        return self.body if self.status == 200 and self.genuine and isinstance(self.body, dict) else {}


def ask(
    client: Elasticsearch, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
) -> Answer:
    """Send a request.

    Raises:
        elastic_transport.TransportError: there is no answer.
    """
    headers = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
    try:
        answer: Any = client.perform_request(method, path, params=params, headers=headers, body=body)
    except ApiError as refused:
        answer = refused
    date = answer.meta.headers.get("date")
    return Answer(answer.meta.status, answer.body, is_genuine(answer), date)
