"""Findings about each configured address of the cluster: whether Elasticsearch answers there, and takes the key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

from elastic_transport import ApiError, ConnectionTimeout, TlsError
from elastic_transport import ConnectionError as TransportConnectionError

from shipper.addresses import address_of
from shipper.config import ConfigError
from shipper.config import Elasticsearch as Settings
from shipper.doctor.finding import CONFIGURATION, Finding, Severity, ok, warning
from shipper.elastic.client import connect, explain, is_genuine, where
from shipper.elastic.products import OtherProductError

HEALTH = "/_cluster/health"
# The most addresses that are asked at once.
_AT_ONCE = 16

_DO = {
    CONFIGURATION: "correct the section elasticsearch of the configuration",
    "tls": "do what the sentence says; the sidecar retries until the connection is accepted",
    "timeout": "see whether a firewall drops the packets, and how busy the cluster is; raise "
    "elasticsearch.request_timeout for slow networks",
    "unreachable": "start Elasticsearch, or correct elasticsearch.hosts",
    "credentials": "",  # see _credentials
    "not-elasticsearch": "write Elasticsearch's own address into elasticsearch.hosts, or correct the proxy",
    "version-too-old": "update the cluster, or name another one in elasticsearch.hosts",
    "cluster-unavailable": "look at the cluster's log; the sidecar retries until it answers",
}


@dataclass(frozen=True)
class Reached:
    """How one address answered.

    Attributes:
        host: as in messages.
        problem: name of the finding; None where Elasticsearch answers.
        sentence: the problem in words, or what it answered.
        settings: that reach this address alone.
    """

    host: str
    problem: str | None
    sentence: str
    settings: Settings


def reach(settings: Settings) -> list[Reached]:
    """Ask every configured address, all at once, so that those that do not answer cost one time-out together."""
    if settings.cloud_id:
        return [_reach(settings)]
    each = [settings.model_copy(update={"hosts": [host]}) for host in dict.fromkeys(settings.hosts)]
    with ThreadPoolExecutor(min(_AT_ONCE, len(each))) as pool:
        return list(pool.map(_reach, each))


def host_findings(reached: Iterable[Reached], *, no_key: bool) -> Iterator[Finding]:
    """A finding for each address; an error where none answers, else a warning for those that do not.

    Args:
        reached: all addresses.
        no_key: no credentials are configured, or they are empty.
    """
    found = list(reached)
    severity = Severity.WARNING if any(one.problem is None for one in found) else Severity.ERROR
    for one in found:
        if one.problem is None:
            yield ok("cluster", one.host, f"cluster: {one.host}: {one.sentence}")
            continue
        do = _DO[one.problem]
        if one.problem == "credentials" and not no_key:
            do = _credentials(one.settings)
        elif one.problem in {"unreachable", "tls"} and ": the proxy " in one.sentence:
            do = "correct elasticsearch.proxy, or what the sentence names; the sidecar retries until it gets through"
        elif one.problem == "credentials":
            do = (
                "no credentials are configured: set elasticsearch.api_key; if it names an environment variable, see "
                "whether the variable is set and not empty where the sidecar and this command run"
            )
        yield Finding(one.problem, severity, one.host, one.sentence, do)


def _credentials(settings: Settings) -> str:
    """What to do about a key or a password that is refused."""
    then = "and send SIGHUP to the sidecar; nothing is lost meanwhile"
    if not settings.api_key:
        return f"write the right user and password into elasticsearch.username and elasticsearch.password, {then}"
    if ":" in settings.api_key:
        return f"elasticsearch.api_key is the field `encoded` of a new key, the base64 of id:key: write that, {then}"
    return (
        "the key is wrong, has expired, or was invalidated: create a new one (docs/permissions.md), write it into "
        f"elasticsearch.api_key, {then}"
    )


def problem_of(error: Exception, sentence: str) -> str | None:
    """The name of the finding for an error of the client; None where Elasticsearch refuses, but takes the key.

    Args:
        error: of the client.
        sentence: that explains it: an alert of TLS may break a connection in any phase, with any error.
    """
    if isinstance(error, TlsError) or ": TLS failed: " in sentence:
        return "tls"
    if isinstance(error, OtherProductError):
        return "version-too-old" if error.too_old else "not-elasticsearch"
    if isinstance(error, ConnectionTimeout):
        return "timeout"
    if isinstance(error, TransportConnectionError):
        return "unreachable"
    if isinstance(error, ApiError):
        status = error.meta.status
        if status == 401:
            return "credentials"
        if not is_genuine(error):
            return "not-elasticsearch"
        # 403, and 410 of a serverless project: it answers, and does not tell its health.
        return "cluster-unavailable" if status >= 500 else None
    return "not-elasticsearch"


def _reach(settings: Settings) -> Reached:
    host = where(settings)
    client = None
    try:
        client = connect(settings)
        answer = client.perform_request(
            "GET",
            HEALTH,
            params={"filter_path": "status,number_of_nodes"},
            headers={"accept": "application/json"},
        )
        if not is_genuine(answer):
            raise ApiError("", answer.meta, answer.body)  # noqa: TRY301 - explained like one
    except ConfigError as error:
        return Reached(host, CONFIGURATION, str(error), settings)
    except Exception as error:  # noqa: BLE001 - the answer may be anything, such as a proxy's page
        sentence = explain(error, settings)
        problem = problem_of(error, sentence)
        if problem is None:
            refused = isinstance(error, ApiError) and error.meta.status == 403
            why = "; reading its health needs the privilege `monitor`" if refused else ", but without its health"
            return Reached(host, None, f"it answers{why}", settings)
        return Reached(host, problem, sentence, settings)
    finally:
        if client is not None:
            client.close()
    body = answer.body
    if not isinstance(body, dict) or "status" not in body:
        return Reached(host, None, "it answers, but without its health", settings)
    nodes = body.get("number_of_nodes")
    return Reached(host, None, f"{body['status']}, {nodes} node{'' if nodes == 1 else 's'}", settings)


def protection_findings(settings: Settings) -> Iterator[Finding]:
    """What others on the way to the cluster can read or pretend to be."""
    place = where(settings)
    addresses = [] if settings.cloud_id else [address_of(host, host) for host in settings.hosts]
    secure = settings.cloud_id is not None or any(one.scheme == "https" for one in addresses)
    if secure and not settings.verify_certs and not settings.ca_fingerprint:
        yield warning(
            "unprotected",
            place,
            "elasticsearch.verify_certs is false: whoever stands between this machine and the cluster can pretend to "
            "be it, and gets the key and the logs",
            "set elasticsearch.ca_certs or ca_fingerprint, and leave verify_certs out",
        )
    plain = [one.host for one in addresses if one.scheme == "http" and not _is_loopback(one.host)]
    if plain and has_key(settings):
        yield warning(
            "unprotected",
            place,
            f"the key and the logs go to {', '.join(plain)} without TLS: whoever is in between can read them",
            "switch TLS on in the cluster, and write https:// into elasticsearch.hosts",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def has_key(settings: Settings) -> bool:
    """Whether any credentials are configured."""
    in_address = any(re.search(r"//.*@", host) for host in settings.hosts)
    return bool(settings.api_key or settings.username or settings.client_cert or in_address)
