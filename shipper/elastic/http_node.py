"""Connections to a node: its own login, fast compression, a proxy."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

from elastic_transport import HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport._node import NodeApiResponse  # public in signature only
from elastic_transport.client_utils import DEFAULT, DefaultType, basic_auth_to_header
from urllib3 import ProxyManager

from shipper.addresses import address_of

try:
    from isal import igzip

    def compress(body: bytes) -> bytes:
        """Gzip, fast: Intel's ISA-L does 1.6 GB/s where zlib's level 1 does 0.3."""
        packed: bytes = igzip.compress(body, compresslevel=1, mtime=0)
        return packed

except ImportError:  # no wheel for this machine: zlib's fastest level does the same, slower

    def compress(body: bytes) -> bytes:
        """Gzip at zlib's fastest level."""
        return gzip.compress(body, compresslevel=1, mtime=0)


# Bytes; compressing a smaller body costs more than it saves.
COMPRESS_FROM = 4096

# Keys of a node's extras.  Its own login: the client would send the first node's headers to all nodes.
LOGIN = "_neuroflow_login"
PROXY = "_neuroflow_proxy"
# The function that counts what is sent.
SENT = "_neuroflow_sent"


class PlainNode(Urllib3HttpNode):
    """A connection that sends the login of its own address, through a proxy if there is one, and counts bytes.

    Environment variables such as ``HTTP_PROXY`` have no effect: what is shipped goes only where the configuration
    says.
    """

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        extras = config._extras  # noqa: SLF001 - documented for such uses
        self._sent: Callable[[int], None] | None = extras.get(SENT)
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
        """Send one request; count the bytes of its body once it is answered."""
        answer = super().perform_request(method, target, body, headers, request_timeout)
        if body and self._sent is not None:
            self._sent(len(body))
        return answer


class FastGzipNode(PlainNode):
    """The same, which compresses large bodies quickly."""

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """Send one request, its body gzipped when that pays."""
        if body and len(body) >= COMPRESS_FROM:
            body = compress(body)
            headers = headers.copy() if headers else HttpHeaders()
            headers["content-encoding"] = "gzip"
        return super().perform_request(method, target, body, headers, request_timeout)


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
