"""Connections to a node: its own login, a proxy, fast compression, and which product answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from elastic_transport import HttpHeaders, NodeConfig, TransportError, Urllib3HttpNode
from elastic_transport._node import NodeApiResponse  # public in signature only
from elastic_transport.client_utils import DEFAULT, DefaultType, basic_auth_to_header
from urllib3 import ProxyManager

from shipper.addresses import address_of
from shipper.elastic.answers import NoAnswerError, json_of
from shipper.elastic.fast_gzip import COMPRESS_FROM, compress
from shipper.elastic.products import OtherProductError, guess, may_be_other, name_of
from shipper.interrupts import interrupted
from shipper.telemetry import MINUTE

# Keys of a node's extras.  Its own login: the client would send the first node's headers to all nodes.
LOGIN = "_neuroflow_login"
PROXY = "_neuroflow_proxy"
# The function that counts what is sent.
SENT = "_neuroflow_sent"


class DirectNode(Urllib3HttpNode):
    """A connection that sends the login of its own address, through a proxy if there is one.

    Environment variables such as ``HTTP_PROXY`` have no effect: what is shipped goes only where the configuration
    says.
    """

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        extras = config._extras  # noqa: SLF001 - documented for such uses
        if login := extras.get(LOGIN):
            self.headers["authorization"] = basic_auth_to_header(login)
        if proxy := extras.get(PROXY):
            self.pool: Any = _ThroughProxy(proxy, self)

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """Send one request.

        Raises:
            elastic_transport.TransportError: there is no answer, or one that is no HTTP.
            KeyboardInterrupt: Ctrl-C, also where urllib3's clean-up replaces it (by a FullPoolError, where it comes
                before a connection was taken): whoever asked would take that for an outage, and go on.
        """
        try:
            return super().perform_request(method, target, body, headers, request_timeout)
        except Exception as error:
            if interrupted(error):
                raise KeyboardInterrupt from None
            if isinstance(error, TransportError):
                raise
            # The library passes on what Python's own modules raise: for a chunk of negative length a ValueError.
            what = f"{type(error).__name__}: {error}"
            raise NoAnswerError(f"the answer can't be read: {what} (is there a proxy in between?)") from error


class PlainNode(DirectNode):
    """A connection to Elasticsearch, which counts bytes, and notices when another product answers."""

    _compresses = False

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._sent: Callable[[int], None] | None = config._extras.get(SENT)  # noqa: SLF001 - as above
        self._asked_at = -inf
        self._other: str | None = None

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """Send one request, its body gzipped when that pays, if it is not yet; count its bytes once it is answered.

        Raises:
            OtherProductError: it was answered by OpenSearch, or by a version of Elasticsearch that does not fit.
        """
        if self._compresses and body and len(body) >= COMPRESS_FROM and "content-encoding" not in (headers or ()):
            body = compress(body)
            headers = headers.copy() if headers else HttpHeaders()
            headers["content-encoding"] = "gzip"
        answer = super().perform_request(method, target, body, headers, request_timeout)
        if body and self._sent is not None:
            self._sent(len(body))
        # The client would print a deprecation with a line of source beside it, also one of a setting of the cluster's
        # own, which has nothing to do with the request.
        answer.meta.headers.pop("warning", None)
        status, product = answer.meta.status, answer.meta.headers.get("x-elastic-product")
        if may_be_other(status, product, answer.body):
            other = self._product(headers, request_timeout) or guess(status, answer.body)
            if other is not None:
                raise OtherProductError(other)
        return answer

    def _product(self, headers: HttpHeaders | None, request_timeout: DefaultType | float | None) -> str | None:
        """The product, where it is another one; asked once a minute at most."""
        if time.monotonic() >= self._asked_at + MINUTE:
            self._asked_at = time.monotonic()
            given = {"accept": "application/json"}
            if headers and (login := headers.get("authorization")):
                given["authorization"] = login
            other = None
            with suppress(TransportError, ValueError):
                answer = super().perform_request("GET", "/", None, HttpHeaders(given), request_timeout)
                other = name_of(json_of(answer.body))
            self._other = other
        return self._other


class FastGzipNode(PlainNode):
    """The same, which compresses large bodies quickly."""

    _compresses = True


class _ThroughProxy:
    """What a node uses of its pool of connections, by way of a proxy: CONNECT for https, else absolute URLs."""

    def __init__(self, proxy: str, node: Urllib3HttpNode) -> None:
        address = address_of(proxy, proxy)
        config, host = node.config, f"[{node.host}]" if ":" in node.host else node.host
        self._origin = f"{config.scheme}://{host}:{config.port}"
        options: dict[str, Any] = {}
        if config.scheme == "https":
            # Exactly as without a proxy.
            options = {name: getattr(node.pool, name) for name in ("cert_reqs", "ca_certs", "assert_hostname")}
            options |= {"ssl_context": config.ssl_context, "assert_fingerprint": config.ssl_assert_fingerprint}
        shown = f"[{address.host}]" if ":" in address.host else address.host
        self._manager = ProxyManager(
            f"{address.scheme}://{shown}:{address.port}",
            proxy_headers={"proxy-authorization": basic_auth_to_header(address.login)} if address.login else None,
            maxsize=config.connections_per_node,
            block=True,
            **options,
        )
        # The node's own kind of pool compares the fingerprint with the whole chain.
        classes = self._manager.pool_classes_by_scheme
        self._manager.pool_classes_by_scheme = {**classes, config.scheme: type(node.pool)}

    def urlopen(self, method: str, target: str, **options: Any) -> Any:
        """Send a request and give the answer, as the pool of a node does."""
        return self._manager.urlopen(method, self._origin + target, redirect=False, **options)

    def close(self) -> None:
        """Close all connections."""
        self._manager.clear()
