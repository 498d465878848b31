"""TLS of connections to Elasticsearch and Kibana."""

from __future__ import annotations

import ssl
from pathlib import Path


def context_of(
    *, verify: bool, ca_certs: str | None = None, client_cert: str | None = None, client_key: str | None = None
) -> ssl.SSLContext:
    """A context for one server; the files are read now.

    Args:
        verify: check the server's certificate and name.
        ca_certs: a file or directory of authorities, in addition to those that the system trusts.
        client_cert: a file with a certificate to identify with, if the server asks for one.
        client_key: the file with its private key; None: the same file.

    Raises:
        OSError: a file can't be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_certs:
        directory = Path(ca_certs).is_dir()
        context.load_verify_locations(**{"capath" if directory else "cafile": ca_certs})
    if client_cert:
        context.load_cert_chain(client_cert, client_key)
    return context
