"""Where Elasticsearch and Kibana are, and what proves that it is they: addresses and certificates, checked.

The rules are those of the client (``elastic_transport``), which would say the same later, in a trace.  No message
holds what precedes an ``@``, since it may be a password.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

PORTS: Mapping[str, int] = {"http": 80, "https": 443}
"""What a port is where an address names none."""
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]+)"
    r"(?::(?P<port>[^/?#@]*))?"
    r"(?P<path>/[^?#]*)?"
)
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_PORT = 65535


class Address(NamedTuple):
    """A server: host without brackets, path without the slash at its end, and who asks, if the address says so."""

    scheme: str
    host: str
    port: int
    path: str
    login: tuple[str, str] | None


def address_of(url: str, example: str, ports: Mapping[str, int] = PORTS) -> Address:
    """Take an address apart.

    Args:
        url: of a server, with its base path if it has one.
        example: what it should look like, for the message.
        ports: those of schemes whose port may be left out.

    Raises:
        ValueError: it is none.
    """
    shown = url.rsplit("@", maxsplit=1)[-1]
    found = _URL.fullmatch(url)
    if found is None or _NO_URL.search(url):
        hint = "; in a password write all but letters and digits as %40 and the like" if "@" in url else ""
        raise ValueError(f"{shown!r} is not a URL; write it like {example}{hint}")
    scheme = found["scheme"]
    text = found["port"]
    if not text and scheme not in ports:
        raise ValueError(f"{shown!r} has no port; write it like {example}")
    if text and not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= _MOST_PORT):
        raise ValueError(f"{shown!r} has a port that is no number from 1 to {_MOST_PORT}; write it like {example}")
    try:
        host = host_of(found["host"])
    except ValueError:
        raise ValueError(f"{shown!r} names no host; write it like {example}") from None
    path = quote((found["path"] or "").rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return Address(scheme, host, int(text) if text else ports[scheme], path, _login(found["user"], shown))


def host_of(text: str) -> str:
    """A host as it can be looked up: a name in ASCII, or an IP address without brackets.

    Raises:
        ValueError: it is none.
    """
    if text.startswith("["):
        host = text[1:-1].replace("%25", "%", 1)
        IPv6Address(host)
        return host
    name = text.encode("idna").decode()  # also refuses empty and over-long parts, which the resolver would
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
        raise ValueError(f"what precedes the @ of {shown!r} has control characters, or is not UTF-8 when decoded")
    return login


def cloud_address(cloud_id: str) -> Address:
    """Elasticsearch's address in Elastic Cloud.

    Args:
        cloud_id: ``name:`` and base64 of ``domain[:port]$elasticsearch[$kibana]``.

    Raises:
        ValueError: it holds none.
    """
    try:
        domain, name, *_ = b64decode(cloud_id.partition(":")[2]).decode("ascii").split("$")
        domain, _, port = domain.partition(":")
        # An empty part of a name is refused as well.
        return address_of(f"https://{host_of(f'{name}.{domain}')}:{port or PORTS['https']}", "")
    except ValueError:
        raise ValueError("is not a cloud id: copy it from the deployment's page in Elastic Cloud") from None


def fingerprint_of(text: str) -> str:
    """A certificate's SHA-256 fingerprint in 64 digits.

    Raises:
        ValueError: it is none.
    """
    digits = text.strip().replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("is not a fingerprint: SHA-256 gives 64 hexadecimal digits, with or without colons")
    return digits


def certificates_at(text: str) -> str:
    """A file of certificates, or a directory of them in OpenSSL's manner, that can be read now.

    Raises:
        ValueError: it is none, or it can't be read.
    """
    import ssl  # noqa: PLC0415 - it costs 15 ms, which only who has certificates waits for

    path = place(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.is_dir():
            return str(path)
        context.load_verify_locations(cafile=path)
        if not context.cert_store_stats()["x509"]:
            raise ValueError(f"{path}: holds no certificate")
    except ssl.SSLError:
        raise ValueError(f"{path}: holds no certificate that can be read; it has to be in PEM format") from None
    except OSError as error:
        raise ValueError(f"{path}: can't be read: {error.strerror}") from None
    return str(path)


def place(text: str) -> Path:
    """A path as the file system takes it: absolute, ``~`` resolved.

    Raises:
        ValueError: no file system has such a path.
    """
    if not text:
        raise ValueError("is empty; give a path, or leave the key out")
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} has control characters in it")
    try:
        return (Path(text).expanduser() if text.startswith("~") else Path(text)).absolute()
    except RuntimeError:
        raise ValueError(f"{text!r} names the home directory of nobody here") from None
    except OSError as error:
        raise ValueError(f"{text!r} has no directory to start from: {error.strerror}") from None
