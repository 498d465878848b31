"""What can be found out on this machine for a configuration: Elasticsearch, the time zone, rights."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOST, PORT = "127.0.0.1", 9200
# Seconds to wait for a local answer.
PATIENCE = 2.0
# Where a node that configured its security itself has its authority's certificate, and where docs/ put a copy.
AUTHORITIES = (
    "/etc/elasticsearch/certs/http_ca.crt",
    "/usr/share/elasticsearch/config/certs/http_ca.crt",
    "/etc/neuroflow/http_ca.crt",
)


class LocalCluster(NamedTuple):
    """An Elasticsearch node on this machine.

    Attributes:
        url: its address.
        secured: whether it asks for credentials.
        authority: the certificate file that verifies it; None without TLS, or where the system's authorities do.
        verified: whether its certificate was verified.
    """

    url: str
    secured: bool
    authority: Path | None = None
    verified: bool = True


def local_cluster(
    host: str = HOST, port: int = PORT, authorities: Iterable[str] = AUTHORITIES
) -> LocalCluster | None:
    """Ask for Elasticsearch on this machine, with TLS first; None where none answers. Sends no credentials."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    secured = _answer(http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=unverified))
    if secured is None:
        secured = _answer(http.client.HTTPConnection(host, port, timeout=PATIENCE))
        return None if secured is None else LocalCluster(f"http://{host}:{port}", secured)
    found = LocalCluster(f"https://{host}:{port}", secured)
    for authority in (None, *authorities):
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError:  # not there, not readable, or no certificate
            continue
        if _answer(http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)) is not None:
            return found._replace(authority=Path(authority) if authority else None)
    return found._replace(verified=False)


def _answer(connection: http.client.HTTPConnection) -> bool | None:
    """Whether Elasticsearch asks for credentials; None where something else answers, or nothing."""
    try:
        connection.request("GET", "/", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(10_000)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if answer.status in {401, 403}:
        return True if b"security_exception" in body else None  # a refusal has no product header
    return False if answer.headers.get("x-elastic-product") == "Elasticsearch" else None


def time_zone(environ: Mapping[str, str], etc: Path = Path("/etc")) -> str | None:
    """The IANA name of this machine's time zone: from ``TZ``, ``/etc/timezone`` or where ``/etc/localtime`` leads."""
    candidates = [environ.get("TZ", "").removeprefix(":")]
    with suppress(OSError, UnicodeDecodeError):
        candidates.append((etc / "timezone").read_text(encoding="utf-8").strip())
    with suppress(OSError):
        candidates.append(os.path.realpath(etc / "localtime").partition("/zoneinfo/")[2])
    for name in filter(None, candidates):
        with suppress(ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
            try:
                ZoneInfo(name)
            except KeyError:
                continue
            return name
    return None


def may_be_written(path: Path, access: Callable[[Path, int], bool] = os.access) -> bool:
    """Whether this user may write the directory, or create it."""
    for place in (path, *path.parents):
        if access(place, os.F_OK):
            return access(place, os.W_OK | os.X_OK)
    return False
