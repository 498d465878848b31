"""Explains why there is no connection to a server, and what to do: TLS of every kind, name, port, proxy.  Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError


@dataclass(frozen=True)
class Way:
    """How a server is reached, as far as it explains an error.

    Attributes:
        timeout: for an answer, seconds.
        tls: the address begins with ``https``.
        proxy: address of the proxy, without a login.
        client_cert: a client certificate is configured.
    """

    timeout: float
    tls: bool = False
    proxy: str | None = None
    client_cert: bool = False


def fault_of(error: TransportError, way: Way) -> str | None:
    """The rest of a sentence that begins with the server's address; None for another kind of error."""
    text = " ".join(str(one) for one in (error.message, *_causes(error)))
    if way.proxy and (sentence := _proxy_fault(text, way.proxy)):
        return sentence
    if isinstance(error, TlsError) or _alert(text):
        return f": TLS failed: {_tls_fault(error, text, way)}"
    if isinstance(error, ConnectionTimeout):
        if "ConnectTimeout" in "".join(type(one).__name__ for one in _causes(error)):
            return (
                f" can't be reached: no connection within {way.timeout:g} s (does a firewall drop it, are host and "
                "port right?)"
            )
        return f" did not answer within {way.timeout:g} s"
    if isinstance(error, TransportConnectionError):
        return f" can't be reached: {_cause(str(error.message), way)}"
    return None


def proxy_refusal(status: int, proxy: str) -> str | None:
    """Why a proxy did not forward a request, by the status of its answer; None for any other status.

    Args:
        status: of an answer, or of the answer to CONNECT.
        proxy: its address, without a login.
    """
    if status == 407:
        return f"the proxy {proxy} wants other credentials (407): write user and password into the URL of `proxy`"
    if status == 403:
        return f"the proxy {proxy} forbids this host or port (403): let its administrator allow it"
    if status in {502, 503, 504}:
        return (
            f"the proxy {proxy} answers, but can't reach the host ({status}): check the host's name and port, and "
            "that the proxy may connect to it"
        )
    return None


def _proxy_fault(text: str, proxy: str) -> str | None:
    if found := re.search(r"Tunnel connection failed: (\d{3})([^'\")]*)", text):
        status = int(found[1])
        refusal = proxy_refusal(status, proxy) or f"the proxy {proxy} answered {status}{found[2].rstrip()}"
        return f" can't be reached: {refusal}"
    if "Unable to connect to proxy" in text:
        return f" can't be reached: the proxy {proxy} is not available: {_cause(text, Way(0))}; check `proxy`"
    return None


def _causes(error: TransportError) -> Iterator[BaseException]:
    """The exceptions that an error of the client holds, down to the one that began it."""
    seen: list[BaseException] = []
    todo = _parts(error.errors, error.__cause__)
    while todo:
        one = todo.pop(0)
        if one not in seen:
            seen.append(one)
            yield one
            todo += _parts(one.args, one.__cause__)


def _parts(held: Iterable[object], cause: object) -> list[BaseException]:
    return [one for one in (*held, cause) if isinstance(one, BaseException)]


# OpenSSL's numbers of what is wrong with a certificate (x509_vfy.h) → what to do.
_AUTHORITY = (
    "set ca_certs to the certificate of the authority that signed the server's (a node that configured itself has it "
    "as certs/http_ca.crt), or ca_fingerprint"
)
_CERTIFICATE = {
    9: "its certificate is not valid yet: check the clock of this machine, and the certificate on the server",
    10: "its certificate has expired: renew it on the server (and check the clock of this machine)",
    18: f"its certificate is self-signed, and not trusted: {_AUTHORITY}",
    19: f"its certificate comes from an authority of its own, which is not trusted: {_AUTHORITY}",
    23: "its certificate is revoked: renew it on the server",
    **dict.fromkeys(
        (2, 7, 20, 21),
        f"its certificate was signed by another authority than those that are trusted: {_AUTHORITY}",
    ),
}
_NAME = "write the name that the certificate has into the configuration, or renew it with this name"


def _tls_fault(error: TransportError, text: str, way: Way) -> str:
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            if one.verify_code in {62, 64}:
                return f"its certificate is for another host ({one.verify_message}): {_NAME}"
            if one.verify_code in _CERTIFICATE:
                return _CERTIFICATE[one.verify_code]
            return f"its certificate is not accepted: {one.verify_message}; renew it on the server"
    if found := re.search(r'Fingerprints did not match. Expected "[^"]*", got (.*?)\.?$', str(error.message)):
        return (
            f"ca_fingerprint is that of another certificate; the server's are {found[1][:200]}: compare with "
            "`openssl x509 -noout -fingerprint -sha256 -in http_ca.crt` on the server"
        )
    if (alert := _alert(text)) is not None:
        return _refusal(alert, way)
    if "doesn't match" in text:
        return f"its certificate is for another host ({error.message}): {_NAME}"
    plain = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    if any(sign in plain for sign in ("wrong version number", "http request", "record layer failure")):
        return f"it answers without TLS: write http://, or the port that takes https{_or_the_proxy(way)}"
    if any(sign in plain for sign in ("unsupported protocol", "no protocols available")):
        return f"it speaks {_OLD}"
    if "eof" in plain:
        maybe = "does it refuse client_cert" if way.client_cert else "does it require a client certificate"
        return (
            f"it ended the connection without an answer: is it stopping, {maybe}, or does a firewall end it? Look at "
            f"the server's log{_or_the_proxy(way)}"
        )
    return f"{error.message}; check ca_certs, ca_fingerprint and the host's name"


def _or_the_proxy(way: Way) -> str:
    return f" (or does the proxy {way.proxy} answer in its place?)" if way.proxy else ""


_OLD = "older versions of TLS only, and 1.2 is the least: allow TLS 1.2 or 1.3 on the server"
_SET_CLIENT_CERT = "set client_cert and client_key to a certificate that it accepts"


def _alert(text: str) -> str | None:
    """The alert by which the server ended a connection, in lower case without underscores."""
    found = re.search(r"\b\w*ALERT_([A-Z_]+)", text)
    return found[1].lower().replace("_", " ") if found else None


def _refusal(alert: str, way: Way) -> str:
    if alert == "protocol version":
        return f"it accepts {_OLD}"
    if not way.client_cert and alert in {
        "certificate required", "bad certificate", "certificate unknown", "access denied", "unsupported certificate",
    }:  # fmt: skip
        return f"it requires a client certificate ({alert}): {_SET_CLIENT_CERT}"
    if alert == "handshake failure":
        hint = "" if way.client_cert else f"it requires a client certificate ({_SET_CLIENT_CERT}), or "
        return f"it refused the handshake: {hint}it has no cipher of TLS 1.2 or 1.3 in common with this machine"
    if alert == "certificate expired":
        return "it refuses client_cert, which has expired: renew it (or correct the server's clock)"
    if alert == "certificate revoked":
        return "it refuses client_cert, which is revoked: use another one"
    if alert == "unknown ca":
        return (
            "it refuses client_cert, whose authority it does not know: use a certificate of the server's authority, "
            "or let the server trust that one"
        )
    if way.client_cert and ("certificate" in alert or alert in {"access denied", "decrypt error"}):
        return f"it refuses client_cert ({alert}): use a certificate and key that it accepts"
    return f"it refused the connection ({alert}): look at the server's log"


def _cause(text: str, way: Way) -> str:
    """Why there is no connection, in words."""
    if "Connection refused" in text:
        return "connection refused (is it running, is the port right?)"
    if "Name or service not known" in text or "getaddrinfo" in text or "resolve" in text:
        return "its name does not resolve"
    if "Network is unreachable" in text or "No route to host" in text:
        return "there is no route to it (is the network up, is a VPN needed?)"
    if "timed out" in text:
        return "no connection in time (does a firewall drop it, are host and port right?)"
    if re.search(r"BadStatusLine\(['\"]?\\?.?x15", text):
        return "it takes https only: write https://"
    if "Connection aborted" in text:
        if way.tls:
            maybe = "does it refuse client_cert" if way.client_cert else "does it require a client certificate"
            return f"it closed the connection without an answer (is it stopping, or {maybe}?)"
        # Elasticsearch with TLS closes the connection when it is spoken to without.
        return "it closed the connection without an answer (is it stopping, or does it take https:// only?)"
    return text.split(": ", 1)[-1] if "NewConnectionError" in text else text
