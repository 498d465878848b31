"""Creates the Elasticsearch client from the configuration, and explains its errors.

The official client does all but compression: its own is gzip at level 9, which halves the throughput (measured:
28 against 62 thousand documents a second).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from elastic_transport import (
    ApiError,
    ApiResponse,
    NodeConfig,
    TransportError,
)
from elastic_transport._serializer import SerializerCollection  # public as the type of Transport.serializers
from elastic_transport.client_utils import basic_auth_to_header
from elasticsearch import Elasticsearch, OrjsonSerializer
from elasticsearch.exceptions import SerializationError
from elasticsearch.serializer import NdjsonSerializer

from shipper.addresses import address_of, cloud_address, without_login
from shipper.config import ConfigError
from shipper.config import Elasticsearch as Settings
from shipper.elastic.answers import NoAnswerError, json_of
from shipper.elastic.connection_faults import Way, fault_of, proxy_refusal
from shipper.elastic.http_node import LOGIN, PROXY, SENT, FastGzipNode, PlainNode
from shipper.elastic.tls import context_of


class ReadyNdjson(NdjsonSerializer):
    """Passes bulk bodies, which are bytes, unchanged; the client's own serializer would copy them twice."""

    def dumps(self, data: Any) -> bytes:
        """The body as it is, or serialised if it is not bytes."""
        return data if isinstance(data, bytes) else super().dumps(data)

    def loads(self, data: bytes) -> Any:  # noqa: ARG002 - the parent's signature
        """Raise ``SerializationError``: no request asks for NDJSON."""
        raise SerializationError("an answer as NDJSON")


class ShallowJson(OrjsonSerializer):
    """JSON of limited depth."""

    def json_loads(self, data: bytes) -> Any:
        """Parse JSON; ValueError if it is nested too deep."""
        return json_of(data)


class Readable(SerializerCollection):
    """Parses every answer; one that does not match its media type (a page, half of an answer) becomes a text.

    So its status still counts.  The client's own would raise an error that quotes the whole answer.
    """

    def loads(self, data: bytes, mimetype: str | None = None) -> Any:
        """The parsed data, or the data as a text."""
        try:
            return super().loads(data, mimetype)
        except SerializationError:
            return data.decode(errors="replace")


_JSON = {"accept": "application/json", "content-type": "application/json"}
# For the client's media types, with and without compatibility mode.
_SERIALIZERS = {
    f"application/{mode}{kind}": serializer
    for mode in ("", "vnd.elasticsearch+")
    for kind, serializer in (("json", ShallowJson()), ("x-ndjson", ReadyNdjson()))
}


def connect(
    settings: Settings,
    connections: int = 4,
    *,
    compressed: bool = True,
    sent: Callable[[int], None] | None = None,
) -> Elasticsearch:
    """Create a client for the configured cluster; sends nothing.

    Args:
        settings: the ``elasticsearch`` section.
        connections: the most concurrent requests to one node.
        compressed: gzip large bodies.
        sent: called with the size of each body, as it was sent, when its request was answered.

    Raises:
        ConfigError: the client rejects the settings.

    Retries are off: the sender decides what to send again, and a stop can interrupt its waiting.
    """
    options: dict[str, Any] = {
        "node_class": FastGzipNode if compressed else PlainNode,
        "request_timeout": settings.request_timeout,
        "connections_per_node": connections,
        "max_retries": 0,
        "retry_on_timeout": False,
        "serializers": _SERIALIZERS,
    }
    if settings.api_key:
        options["headers"] = {"authorization": f"ApiKey {settings.api_key}"}
    elif settings.username and settings.password:
        # The client's own option accepts ASCII only; HTTP and Elasticsearch accept UTF-8.
        options["headers"] = {"authorization": basic_auth_to_header((settings.username, settings.password))}
    try:
        client = Elasticsearch(_nodes(settings, sent), **options)
    except (OSError, ValueError) as error:
        raise ConfigError(f"elasticsearch: the client can't use this: {error}") from None
    client.transport.serializers = Readable(client.transport.serializers.serializers)
    return client


def _nodes(settings: Settings, sent: Callable[[int], None] | None) -> list[NodeConfig]:
    """Each node once, by its first address; TLS settings apply to https nodes only."""
    nodes: dict[NodeConfig, None] = {}
    if settings.cloud_id:
        addresses = [cloud_address(settings.cloud_id)]
    else:
        addresses = [address_of(host, host) for host in settings.hosts]
    tls: dict[str, Any] = {}
    if any(address.scheme == "https" for address in addresses):
        tls["ssl_context"] = context_of(
            verify=settings.verify_certs,
            ca_certs=settings.ca_certs,
            client_cert=settings.client_cert,
            client_key=settings.client_key,
        )
        if settings.ca_fingerprint:
            tls["ssl_assert_fingerprint"] = settings.ca_fingerprint
        elif not settings.verify_certs:
            tls |= {"verify_certs": False, "ssl_show_warn": False}
    for address in addresses:
        given = ((LOGIN, address.login), (PROXY, settings.proxy), (SENT, sent))
        extras = {key: value for key, value in given if value}
        options = tls if address.scheme == "https" else {}
        node = NodeConfig(address.scheme, address.host, address.port, address.path, _extras=extras, **options)
        nodes.setdefault(node)
    return list(nodes)


def where(settings: Settings) -> str:
    """The cluster's name for messages: its hosts, or the first part of its cloud id."""
    if settings.cloud_id:
        return settings.cloud_id.split(":", 1)[0]
    return ", ".join(map(without_login, settings.hosts))


def explain(error: Exception, settings: Settings) -> str:
    """An error of the client as one sentence."""
    place = where(settings)
    if isinstance(error, ApiError):
        status = error.meta.status
        reason = reason_of(error.body)
        if not is_genuine(error):
            way = way_to(settings)
            # What comes through a tunnel is not the proxy's.
            if way.proxy and not way.tls and (refusal := proxy_refusal(status, way.proxy)):
                return f"{place} can't be reached: {refusal}"
            moved = error.meta.headers.get("location")
            text = f"go to {moved}" if moved else " ".join(re.sub(r"<[^>]*>", " ", reason).split())
            reason = f"{text} (that was a proxy or another service, not Elasticsearch); check hosts and proxy"
            if status == 413:
                # Elasticsearch answers 413 without its product header and without a reason.
                reason = "the request is larger than Elasticsearch, or a proxy before it, accepts"
        if status == 401:
            return f"{place} rejects the credentials (401): check api_key or username and password; reason: {reason}"
        if lacks_privilege(error):
            return f"{place} refuses this (403): the API key lacks a privilege; reason: {reason}"
        if status == 503 and _misses_shards(error.body):
            excerpt = textwrap.shorten(reason, 240, placeholder=" …")
            return (
                f"{place} is only partly available (503): shards that this needs have no node at the moment, for "
                f"example while one starts; try again later; reason: {excerpt}"
            )
        return f"{place} answered {status}: {reason}"
    if isinstance(error, TransportError):
        return f"{place}{fault_of(error, way_to(settings)) or f': {error.message}'}"
    return f"{place}: {type(error).__name__}: {error}"


def way_to(settings: Settings) -> Way:
    """How the cluster is reached."""
    return Way(
        timeout=settings.request_timeout,
        tls=settings.cloud_id is not None or any(host.startswith("https") for host in settings.hosts),
        proxy=settings.proxy and without_login(settings.proxy),
        client_cert=settings.client_cert is not None,
    )


def is_genuine(error: ApiError | ApiResponse[Any]) -> bool:
    """Whether the answer is from Elasticsearch: by its product header, or as a refusal.

    Refusals (401, 403), of its security and of blocked indices, lack the header (seen on 9.5.3) and are recognised by
    their body.
    """
    return error.meta.headers.get("x-elastic-product") == "Elasticsearch" or _is_refusal(
        error.meta.status, error.body
    )


def lacks_privilege(error: ApiError) -> bool:
    """Whether Elasticsearch refused a request because of the key.

    A proxy's 403 tells nothing about the key, and that of a blocked index or cluster ends with the block.
    """
    return error.meta.status == 403 and is_genuine(error) and "cluster_block_exception" not in reason_of(error.body)


def _is_refusal(status: int, body: Any) -> bool:
    """Whether the body of a 401 or 403 has the shape that Elasticsearch gives it."""
    if status not in {401, 403} or not isinstance(body, dict) or body.get("status") != status:
        return False
    error = body.get("error")
    causes = error.get("root_cause") if isinstance(error, dict) else None
    return isinstance(causes, list) and any(
        isinstance(cause, dict) and cause.get("type") in {"security_exception", "cluster_block_exception"}
        for cause in (error, *causes)
    )


def send_json(
    client: Elasticsearch, method: str, path: str, body: Any = None, *, ignore: tuple[int, ...] = ()
) -> ApiResponse[Any]:
    """Send a request that not every version of the client has a method for.

    Args:
        client: of the cluster.
        method: of HTTP.
        path: with its query.
        body: JSON.
        ignore: statuses that are no errors, if the answer is Elasticsearch's.

    Raises:
        elasticsearch.ApiError: any other error.
    """
    answer = client.options(ignore_status=list(ignore)).perform_request(method, path, headers=_JSON, body=body)
    if answer.meta.status >= 400 and not is_genuine(answer):
        client.perform_request(method, path, headers=_JSON, body=body)  # raises
    return answer


def is_there(answer: ApiResponse[Any], request: str) -> bool:
    """Whether the requested object exists; Elasticsearch answers 404 where it doesn't.

    Raises:
        NoAnswerError: the 404 is not Elasticsearch's.
    """
    if answer.meta.status != 404:
        return True
    if not is_genuine(answer):
        raise NoAnswerError(
            f"the answer to {request} is a 404, but not Elasticsearch's (is there a proxy in between?)"
        )
    return False


def reason_of(body: Any) -> str:
    """The reason in an Elasticsearch error, at any depth; of anything else the first 300 characters."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        cause = next((one for one in _causes(error) if one.get("reason")), error)
        kind, reason = cause.get("type"), cause.get("reason")
        if kind is None and reason is None:
            return _excerpt(body)
        reason = reason if isinstance(reason, str) else _excerpt(reason)
        return f"{kind}: {reason}" if isinstance(kind, str) and kind else reason
    return _excerpt(error)


def _excerpt(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text[:300]


def _causes(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The causes of an error, the most specific first; any may lack a reason."""
    for cause in (*_list(error.get("root_cause")), error):
        below = cause
        while isinstance(below, dict):
            yield below
            below = below.get("caused_by")
    for failure in _list(error.get("failed_shards")):
        if isinstance(failure, dict) and isinstance(failure.get("reason"), dict):
            yield failure["reason"]


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


_SHARDS_MISSING = {"search_phase_execution_exception", "no_shard_available_action_exception"}


def _misses_shards(body: Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and str(error.get("type")) in _SHARDS_MISSING
