"""A small client of Kibana's HTTP interface: address, space, credentials, TLS, and patience while it starts."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from elastic_transport import HttpHeaders, NodeConfig, TransportError, Urllib3HttpNode
from elastic_transport.client_utils import basic_auth_to_header

from shipper.addresses import address_of
from shipper.config import Config, ConfigError
from shipper.kibana.responses import Answer, KibanaError, is_starting, refusal, unreachable

# How long a Kibana that is still starting is waited for, and how long between two looks, in seconds.
STARTING_SECONDS = 60.0
PAUSE_SECONDS = 2.0

Say = Callable[[str], None]


class KibanaClient:
    """Asks one space of one Kibana.

    Args:
        config: ``kibana`` for the address, space and key; ``elasticsearch`` for what is missing there: credentials,
            and certificates.
        say: told when Kibana has to be waited for.
        clock: seconds, of any beginning.
        sleep: waits for so many seconds.

    Raises:
        ConfigError: the configuration names no address, or no usable one.
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
        self.place = re.sub(r"//.*@", "//", config.kibana.url.rstrip("/"))
        self._timeout = config.elasticsearch.request_timeout
        self._say, self._clock, self._sleep = say, clock, sleep
        self._patient_until: float | None = None
        try:
            self._node = Urllib3HttpNode(_node_config(config))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{config.path}: kibana.url, elasticsearch.ca_certs: {error}") from None
        self._headers = {"kbn-xsrf": "true", "accept": "application/json", **_authorization(config)}

    def close(self) -> None:
        """Close the connection."""
        self._node.close()

    def check_space(self) -> None:
        """See that the space is there: Kibana writes into one that is not, where nobody ever sees it.

        Raises:
            KibanaError: there is none, or Kibana can't be asked; not when the key may not look.
        """
        if self.space == "default":
            return
        answer = self._send("GET", f"/api/spaces/space/{quote(self.space, safe='')}", None, {})
        if answer.status == 404 and answer.from_kibana:
            # A base path that is wrong is answered in the same way.
            path = ", or its path in kibana.url is wrong" if self._node.path_prefix else ""
            raise KibanaError(
                f"{self.place} has no space {self.space!r}{path}: make it in Kibana under Spaces, "
                "or change kibana.space"
            )
        if not answer.ok and answer.status != 403:
            raise KibanaError(refusal(answer, self.place, needs="access to the space"))

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request within the space, with a JSON body if any; whatever the status is.

        Raises:
            KibanaError: there was no answer.
        """
        if body is None:
            return self._send(method, f"{self._prefix}{path}", None, {})
        return self._send(method, f"{self._prefix}{path}", orjson.dumps(body), {"content-type": "application/json"})

    def upload(self, path: str, file: bytes, name: str) -> Answer:
        """Post a file within the space, as a form does.

        Raises:
            KibanaError: there was no answer.
        """
        boundary = "neuroflow-ship"
        while boundary.encode() in file:
            boundary += "-"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/ndjson\r\n\r\n"
        )
        body = head.encode() + file + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return self._send("POST", f"{self._prefix}{path}", body, headers)

    @property
    def _prefix(self) -> str:
        return "" if self.space == "default" else f"/s/{quote(self.space, safe='')}"

    def _send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send, and again while Kibana says that it is starting; all that we send may be sent twice."""
        while True:
            try:
                response = self._node.perform_request(
                    method, target, body, HttpHeaders({**self._headers, **headers}), self._timeout
                )
            except TransportError as error:
                raise KibanaError(unreachable(error, self.place, self._timeout)) from None
            found = {name.lower(): value for name, value in response.meta.headers.items()}
            answer = Answer(response.meta.status, found, response.body)
            if not is_starting(answer):
                return answer
            if self._patient_until is None:
                self._patient_until = self._clock() + STARTING_SECONDS
                self._say(f"{self.place} is not ready yet; waiting for it, {STARTING_SECONDS:g} s at most")
            if self._clock() + PAUSE_SECONDS > self._patient_until:
                return answer
            self._sleep(PAUSE_SECONDS)


def _node_config(config: Config) -> NodeConfig:
    url = config.kibana.url or ""
    given = address_of(url, url)
    options: dict[str, Any] = {}
    if given.scheme == "https":
        if not config.elasticsearch.verify_certs:
            options = {"verify_certs": False, "ssl_show_warn": False}
        elif config.elasticsearch.ca_certs:
            # Beside the public authorities: Kibana may have its certificate from either.
            context = ssl.create_default_context()
            certificates = Path(config.elasticsearch.ca_certs)
            if certificates.is_dir():
                context.load_verify_locations(capath=certificates)
            else:
                context.load_verify_locations(cafile=certificates)
            options = {"ssl_context": context}
    return NodeConfig(
        scheme=given.scheme,
        host=given.host,
        port=given.port,
        path_prefix=given.path,
        headers={"authorization": basic_auth_to_header(given.login)} if given.login else {},
        connections_per_node=1,
        **options,
    )


def _authorization(config: Config) -> dict[str, str]:
    """The key of this Kibana, else who the address names, else whoever the cluster knows."""
    kibana, cluster = config.kibana, config.elasticsearch
    if kibana.api_key:
        return {"authorization": f"ApiKey {kibana.api_key}"}
    if re.match(r"https?://[^/]*@", kibana.url or ""):
        return {}  # the node sends them
    if cluster.api_key:
        return {"authorization": f"ApiKey {cluster.api_key}"}
    if cluster.username and cluster.password:
        return {"authorization": basic_auth_to_header((cluster.username, cluster.password))}
    return {}
