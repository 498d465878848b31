"""A small client of Kibana's HTTP API: address, space, credentials, TLS, and waiting while Kibana starts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson
from elastic_transport import HttpHeaders, NodeConfig, TransportError
from elastic_transport.client_utils import basic_auth_to_header
from urllib3 import encode_multipart_formdata

from shipper.addresses import address_of, without_login
from shipper.config import Config, ConfigError
from shipper.elastic.connection_faults import Way
from shipper.elastic.http_node import LOGIN, PROXY, DirectNode
from shipper.elastic.tls import context_of
from shipper.kibana.responses import Answer, KibanaError, is_starting, refusal, unreachable

# How long to wait for a Kibana that is starting, and between two attempts.
STARTING_SECONDS = 60.0
PAUSE_SECONDS = 2.0

Say = Callable[[str], None]


class KibanaClient:
    """Sends requests to one space of one Kibana.

    Args:
        config: ``kibana`` for address and space; what it lacks (credentials, certificates, proxy) is that of
            ``elasticsearch``.
        say: called with a message when it starts to wait for Kibana.
        clock: monotonic seconds.
        sleep: waits for so many seconds.

    Raises:
        ConfigError: the address is missing or unusable.
    """

    def __init__(
        self,
        config: Config,
        *,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if config.kibana.url is None:
            raise ConfigError(f"{config.path}: kibana.url is missing; write it like http://127.0.0.1:5601")
        self.space = config.kibana.space
        self.place = without_login(config.kibana.url.rstrip("/"))
        self._timeout = config.elasticsearch.request_timeout
        self._way = Way(
            timeout=self._timeout,
            tls=config.kibana.url.startswith("https"),
            proxy=(proxy := _proxy(config)) and without_login(proxy),
            client_cert=config.elasticsearch.client_cert is not None,
        )
        self._say, self._clock, self._sleep = say, clock, sleep
        self._wait_until: float | None = None
        try:
            self._node = DirectNode(_node_config(config))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{config.path}: kibana.url, ca_certs: {error}") from None
        self._headers = {"kbn-xsrf": "true", "accept": "application/json", **_authorization(config)}

    def close(self) -> None:
        """Close the connection."""
        self._node.close()

    def check_space(self) -> None:
        """Check that the space exists: Kibana would also write into a missing one, where objects can't be found.

        Raises:
            KibanaError: there is none, or Kibana can't be reached; not when the key may not read spaces.
        """
        if self.space == "default":
            return
        answer = self._send("GET", f"/api/spaces/space/{quote(self.space, safe='')}", None, {})
        if answer.status == 404 and answer.from_kibana:
            # A wrong base path is answered in the same way.
            path = ", or its path in kibana.url is wrong" if self._node.path_prefix else ""
            raise KibanaError(
                f"{self.place} has no space {self.space!r}{path}: create it in Kibana under Spaces, "
                "or change kibana.space"
            )
        if not answer.ok and answer.status != 403:
            raise KibanaError(refusal(answer, self.place, needs="access to the space"))

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer, of any status, to one request within the space, with a JSON body if any."""
        if body is None:
            return self._send(method, f"{self._prefix}{path}", None, {})
        return self._send(method, f"{self._prefix}{path}", orjson.dumps(body), {"content-type": "application/json"})

    def upload(self, path: str, file: bytes, name: str) -> Answer:
        """The answer to a form with one file (NDJSON), posted within the space."""
        body, content_type = encode_multipart_formdata({"file": (name, file, "application/ndjson")})
        return self._send("POST", f"{self._prefix}{path}", body, {"content-type": content_type})

    @property
    def _prefix(self) -> str:
        return "" if self.space == "default" else f"/s/{quote(self.space, safe='')}"

    def _send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request, and again while Kibana is starting; all our requests can be repeated."""
        while True:
            try:
                response = self._node.perform_request(
                    method, target, body, HttpHeaders({**self._headers, **headers}), self._timeout
                )
            except TransportError as error:
                raise KibanaError(unreachable(error, self.place, self._way)) from None
            found = {name.lower(): value for name, value in response.meta.headers.items()}
            answer = Answer(response.meta.status, found, response.body)
            if not is_starting(answer):
                return answer
            if self._wait_until is None:
                self._wait_until = self._clock() + STARTING_SECONDS
                self._say(f"{self.place} is not ready yet; retrying for up to {STARTING_SECONDS:g} s")
            if self._clock() + PAUSE_SECONDS > self._wait_until:
                return answer
            self._sleep(PAUSE_SECONDS)


def _node_config(config: Config) -> NodeConfig:
    kibana, cluster = config.kibana, config.elasticsearch
    url = kibana.url or ""
    given = address_of(url, url)
    options: dict[str, Any] = {}
    if given.scheme == "https":
        verify = cluster.verify_certs if kibana.verify_certs is None else kibana.verify_certs
        options["ssl_context"] = context_of(
            verify=verify,
            ca_certs=kibana.ca_certs or cluster.ca_certs,
            client_cert=cluster.client_cert,
            client_key=cluster.client_key,
        )
        if not verify:
            options |= {"verify_certs": False, "ssl_show_warn": False}
    proxy = _proxy(config)
    return NodeConfig(
        scheme=given.scheme,
        host=given.host,
        port=given.port,
        path_prefix=given.path,
        connections_per_node=1,
        _extras={key: value for key, value in ((LOGIN, given.login), (PROXY, proxy)) if value},
        **options,
    )


def _proxy(config: Config) -> str | None:
    proxy = config.kibana.proxy or config.elasticsearch.proxy
    return None if proxy == "direct" else proxy


def _authorization(config: Config) -> dict[str, str]:
    """The header for the key or login of this Kibana, else the one in its address, else the cluster's credentials."""
    kibana, cluster = config.kibana, config.elasticsearch
    if kibana.api_key:
        return {"authorization": f"ApiKey {kibana.api_key}"}
    if kibana.username and kibana.password:
        return {"authorization": basic_auth_to_header((kibana.username, kibana.password))}
    if re.match(r"https?://[^/]*@", kibana.url or ""):
        return {}  # the node sends the login
    if cluster.api_key:
        return {"authorization": f"ApiKey {cluster.api_key}"}
    if cluster.username and cluster.password:
        return {"authorization": basic_auth_to_header((cluster.username, cluster.password))}
    return {}
