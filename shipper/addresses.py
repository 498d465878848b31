"""Validates the addresses and certificates of Elasticsearch, Kibana and proxies.

The rules are those of the client (``elastic_transport``), which would fail later with a traceback.  No message holds
what precedes an ``@``, since it may be a password.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from shipper.regular_files import open_regular
from shipper.secret_files import check_private

PORTS: Mapping[str, int] = {"http": 80, "https": 443}
"""Default ports by scheme."""
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]+)"
    r"(?::(?P<port>[^/?#@]*))?"
    r"(?P<path>/[^?#]*)?"
)
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_PORT = 65535
# Bytes; chains and keys are shorter.
_MAX_PEM = 2**20


class Address(NamedTuple):
    """A server: host without brackets, path without final slash, and the login if the address has one."""

    scheme: str
    host: str
    port: int
    path: str
    login: tuple[str, str] | None


def address_of(url: str, example: str, ports: Mapping[str, int] = PORTS) -> Address:
    """Parse an address.

    Args:
        url: of a server, with an optional base path.
        example: a valid address, for the message.
        ports: defaults, by scheme; other schemes need a port.

    Raises:
        ValueError: the address is invalid.
    """
    shown = url.rsplit("@", maxsplit=1)[-1]
    found = _URL.fullmatch(url)
    if found is None or _NO_URL.search(url):
        hint = "; in a password, percent-encode everything but letters and digits (@ is %40)" if "@" in url else ""
        raise ValueError(f"{shown!r} is not a URL; write it like {example}{hint}")
    scheme = found["scheme"]
    text = found["port"]
    if not text and scheme not in ports:
        raise ValueError(f"{shown!r} has no port; write it like {example}")
    if text and not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= _MAX_PORT):
        raise ValueError(f"{shown!r} has a port that is no number from 1 to {_MAX_PORT}; write it like {example}")
    try:
        host = host_of(found["host"])
    except ValueError:
        raise ValueError(f"{shown!r} names no host; write it like {example}") from None
    path = quote((found["path"] or "").rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return Address(scheme, host, int(text) if text else ports[scheme], path, _login(found["user"], shown))


def host_of(text: str) -> str:
    """A host for the resolver: a name in ASCII, or an IP address without brackets."""
    if text.startswith("["):
        host = text[1:-1].replace("%25", "%", 1)
        IPv6Address(host)
        return host
    name = text.encode("idna").decode()  # also rejects empty and over-long parts
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError(text)
    return name


def _login(user: str | None, shown: str) -> tuple[str, str] | None:
    if not user:
        return None
    name, _, password = user.partition(":")
    try:
        login = unquote(name, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        login = "\0", ""
    if _CONTROL.search("".join(login)):
        raise ValueError(
            f"the login before the @ of {shown!r} contains control characters, or is not UTF-8 when decoded"
        )
    return login


def proxy_of(url: str) -> str:
    """The URL of an HTTP proxy.

    Raises:
        ValueError: it is none that can be used.
    """
    example = "http://proxy.lab:3128"
    try:
        address = address_of(url, example, {})
    except ValueError as error:
        raise ValueError(f"proxy {error}") from None
    if address.scheme != "http" or address.path:
        shown = url.rsplit("@", maxsplit=1)[-1]
        raise ValueError(
            f"proxy {shown!r} is not supported: the connection to the proxy is plain http, without a path, like "
            f"{example} (what goes to an https host is encrypted on its way through it)"
        )
    return url


def without_login(url: str) -> str:
    """An address for messages."""
    return re.sub(r"//.*@", "//", url)


def cloud_address(cloud_id: str) -> Address:
    """Elasticsearch's address in Elastic Cloud.

    Args:
        cloud_id: ``name:`` and base64 of ``domain[:port]$elasticsearch[$kibana]``.

    Raises:
        ValueError: the id is invalid.
    """
    try:
        domain, name, *_ = b64decode(cloud_id.partition(":")[2]).decode("ascii").split("$")
        domain, _, port = domain.partition(":")
        # host_of rejects empty parts of the name.
        return address_of(f"https://{host_of(f'{name}.{domain}')}:{port or PORTS['https']}", "")
    except ValueError:
        raise ValueError("is not a cloud id: copy it from the deployment's page in Elastic Cloud") from None


def fingerprint_of(text: str) -> str:
    """A certificate's SHA-256 fingerprint as 64 hexadecimal digits.

    Raises:
        ValueError: the text is no fingerprint.
    """
    digits = text.strip().replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("is not a fingerprint: SHA-256 gives 64 hexadecimal digits, with or without colons")
    return digits


def certificates_at(text: str) -> str:
    """The path of a file of certificates, or of a directory of them in OpenSSL's layout.

    Raises:
        ValueError: it holds no certificate, or can't be read.
    """
    import ssl  # noqa: PLC0415 - costs 15 ms, needed only with certificates

    path = absolute_path(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.is_dir():
            if not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", one.name) for one in path.iterdir()):
                raise ValueError(
                    f"{path}: holds no certificate under a name that OpenSSL looks for (like 5ed36f99.0): run "
                    f"`openssl rehash {path}`, or name a file"
                )
            return str(path)
        if path.exists() and not path.is_file():
            raise ValueError(f"{path}: is no regular file")
        context.load_verify_locations(cafile=path)
        if not context.cert_store_stats()["x509"]:
            raise ValueError(f"{path}: holds no certificate")
    except ssl.SSLError:
        raise ValueError(f"{path}: holds no certificate that can be read; it has to be in PEM format") from None
    except OSError as error:
        raise ValueError(f"{path}: can't be read: {error.strerror}") from None
    return str(path)


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9479``, ``[::1]:9479``, ``localhost:9479`` or ``:9479`` (the loopback).

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(
        r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s:\[\]/@]*)):(?P<port>[0-9]{1,5})", text
    )
    if found is None or int(found["port"]) > _MAX_PORT:
        raise ValueError(
            f"is not an address; write 127.0.0.1:9479, [::1]:9479 or :9479, the port between 0 and {_MAX_PORT}"
        )
    return found["six"] or found["host"] or "127.0.0.1", int(found["port"])


def path_of(text: str) -> str:
    """The absolute path as a text.

    Raises:
        ValueError: the path is invalid.
    """
    return str(absolute_path(text))


def check_client_certificate(certificate: str, key: str | None) -> None:
    """Check that files are a certificate in PEM format and its private key, which no other user may read.

    Args:
        certificate: its path.
        key: path of the key; None: the file of the certificate holds it as well.

    Raises:
        ValueError: they can't be used; the message names the file.
    """
    import ssl  # noqa: PLC0415 - as above

    path, key_path = Path(certificate), Path(key or certificate)
    _check_pem(path, b"CERTIFICATE-----", "certificate")
    advice = "" if key else "; set client_key to the file that does"
    _check_pem(key_path, b"PRIVATE KEY-----", "private key", advice)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, key_path, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key_path}: is not the private key of the certificate {path}") from None
        raise ValueError(
            f"{path}, {key_path}: no certificate and private key that OpenSSL can read ({error.reason or error})"
        ) from None
    except _PassphraseError:
        raise ValueError(
            f"{key_path}: the private key has a passphrase, which nobody could type at a start: remove it with "
            "`openssl pkey -in OLD -out NEW`, and protect the new file with `chmod 600`"
        ) from None


def _check_pem(path: Path, mark: bytes, what: str, advice: str = "") -> None:
    """Check that a file holds a part of PEM, and if it is a key, that no other user may read it."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(_MAX_PEM)
            if b"PRIVATE KEY-----" in data:
                check_private(path, os.fstat(file.fileno()))
    except OSError as error:
        raise ValueError(f"{path}: the {what} can't be read: {error.strerror}") from None
    if mark not in data:
        raise ValueError(f"{path}: holds no {what} in PEM format{advice}")


class _PassphraseError(Exception):
    pass


def _no_passphrase() -> str:
    raise _PassphraseError


def absolute_path(text: str) -> Path:
    """The absolute path, with ``~`` resolved.

    Raises:
        ValueError: the path is invalid.
    """
    if not text:
        raise ValueError("is empty; give a path, or leave the key out")
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} contains control characters")
    try:
        return (Path(text).expanduser() if text.startswith("~") else Path(text)).absolute()
    except RuntimeError:
        raise ValueError(f"{text!r} names the home directory of an unknown user") from None
    except OSError as error:
        raise ValueError(f"{text!r} has no directory to start from: {error.strerror}") from None
