from __future__ import annotations

import ssl
from typing import Any

import pytest
from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from urllib3.exceptions import ConnectTimeoutError, ProtocolError, ProxyError

from shipper.elastic.connection_faults import Way, fault_of, proxy_refusal

PROXY = "http://proxy.lab:3128"
DIRECT, SECURE = Way(30), Way(30, tls=True)
IDENTIFIED, BEHIND = Way(30, tls=True, client_cert=True), Way(30, tls=True, proxy=PROXY)


def caused(error: TransportError, cause: Exception) -> TransportError:
    """An error of the client as it raises one."""
    error.__cause__ = cause
    return error


def alert(name: str) -> TransportError:
    """The server ended the handshake."""
    return TlsError(f"[SSL: {name}] some text of this version of OpenSSL (_ssl.c:2580)")


def verified(code: int, message: str = "some reason") -> TransportError:
    """The server's certificate did not pass."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return caused(TlsError("TLS error"), error)


CASES: list[tuple[str, Any, Way]] = [
    (": TLS failed: its certificate is revoked: renew it on the server", verified(23), SECURE),
    (": TLS failed: its certificate is not accepted: some reason; renew it", verified(26), SECURE),
    (": TLS failed: its certificate was signed by another authority", verified(7), SECURE),
    (": TLS failed: its certificate comes from an authority of its own", verified(19), SECURE),
    (": TLS failed: its certificate is for another host (hostname 'a' doesn't match 'b')",
     TlsError("hostname 'a' doesn't match 'b'"), SECURE),
    (": TLS failed: it answers without TLS", TlsError("[SSL: RECORD_LAYER_FAILURE] record layer failure"), SECURE),
    (": TLS failed: it speaks older versions of TLS only", TlsError("[SSL: UNSUPPORTED_PROTOCOL] no"), SECURE),
    (": TLS failed: it requires a client certificate (bad certificate): set client_cert",
     alert("SSLV3_ALERT_BAD_CERTIFICATE"), SECURE),
    (": TLS failed: it refuses client_cert (bad certificate): use", alert("SSLV3_ALERT_BAD_CERTIFICATE"), IDENTIFIED),
    (": TLS failed: it refuses client_cert (certificate unknown)",
     alert("SSLV3_ALERT_CERTIFICATE_UNKNOWN"), IDENTIFIED),
    (": TLS failed: it refuses client_cert, which is revoked", alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), IDENTIFIED),
    (": TLS failed: it refuses client_cert (decrypt error)", alert("TLSV1_ALERT_DECRYPT_ERROR"), IDENTIFIED),
    (": TLS failed: it refused the handshake: it has no cipher", alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), IDENTIFIED),
    (": TLS failed: it refused the connection (internal error): look at the server's log",
     alert("TLSV1_ALERT_INTERNAL_ERROR"), SECURE),
    (": TLS failed: it ended the connection without an answer: is it stopping, does it require a client certificate",
     TlsError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"), SECURE),
    (": TLS failed: it ended the connection without an answer: is it stopping, does it refuse client_cert",
     TlsError("EOF occurred in violation of protocol (_ssl.c:1006)"), IDENTIFIED),
    (" can't be reached: it closed the connection without an answer (is it stopping, or does it refuse client_cert?)",
     TransportConnectionError("('Connection aborted.', ConnectionResetError(104))"), IDENTIFIED),
    (" can't be reached: no connection within 30 s (does a firewall drop it",
     caused(ConnectionTimeout("timed out"), ConnectTimeoutError("no")), DIRECT),
    (" did not answer within 30 s", ConnectionTimeout("timed out"), DIRECT),
    (" can't be reached: there is no route to it (is the network up, is a VPN needed?)",
     TransportConnectionError("NewConnectionError: [Errno 101] Network is unreachable"), DIRECT),
    (f" can't be reached: the proxy {PROXY} is not available: its name does not resolve; check `proxy`",
     caused(TransportConnectionError("no"), ProxyError("Unable to connect to proxy", OSError("failed to resolve"))),
     BEHIND),
    (f" can't be reached: the proxy {PROXY} is not available: no connection in time",
     caused(TransportConnectionError("no"), ProxyError("Unable to connect to proxy", OSError("timed out"))), BEHIND),
    (f" can't be reached: the proxy {PROXY} answered 418 Teapot",
     caused(TransportConnectionError("no"),
     ProtocolError("Connection aborted.", OSError("Tunnel connection failed: 418 Teapot"))), BEHIND),
    (": TLS failed: its certificate has expired", verified(10), BEHIND),
]  # fmt: skip


@pytest.mark.parametrize("text", ["[SSL: WRONG_VERSION_NUMBER] wrong version number", "EOF occurred in violation"])
def test_a_proxy_may_answer_itself(text: str) -> None:
    """What is no TLS may come from the proxy; without one it is not mentioned."""
    told = fault_of(TlsError(text), BEHIND)
    assert told is not None
    assert told.endswith(f" (or does the proxy {PROXY} answer in its place?)")
    assert "proxy" not in str(fault_of(TlsError(text), SECURE))


@pytest.mark.parametrize(("begins", "error", "way"), CASES)
def test_each_fault_has_a_sentence(begins: str, error: TransportError, way: Way) -> None:
    """It says what happened and what to do, whatever else libraries put around it."""
    said = fault_of(error, way)
    assert said is not None
    assert said.startswith(begins)


def test_other_errors_are_left_to_others() -> None:
    """Errors that are not about the connection have no sentence here."""
    assert fault_of(TransportError("an answer that makes no sense"), SECURE) is None
    assert [None, None] == [proxy_refusal(status, PROXY) for status in (200, 404)]


def test_an_error_may_be_its_own_cause() -> None:
    """Causes that lead in a circle end."""
    one, other = OSError("one"), OSError("other")
    one.__cause__, other.__cause__ = other, one
    assert " can't be reached: no" == fault_of(caused(TransportConnectionError("no"), one), DIRECT)
