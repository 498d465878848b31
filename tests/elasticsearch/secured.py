"""A node with security: its settings, and users in the form of the file realm."""

from __future__ import annotations

import base64
import hashlib
import os

# Beyond ASCII, and beyond Latin-1: HTTP takes UTF-8.
PASSWORD = "gar-nicht-so-geheim-pä€sswort"


def hashed(password: str) -> str:
    """As the file realm stores it."""
    salt, rounds = os.urandom(32), 10_000
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


SECURITY = {
    "xpack.security.enabled": True,
    # It is alone, so nobody needs certificates to talk to it.
    "xpack.security.transport.ssl.enabled": False,
    # Users in files only: this distribution can't make the index that others are kept in.
    "xpack.security.authc.reserved_realm.enabled": False,
    "xpack.security.authc.realms.file.files.order": 0,
    "xpack.security.authc.realms.native.index": {"order": 1, "enabled": False},
    # Nobody in particular may ask how it is, and no more: that is how it is seen to be up.
    "xpack.security.authc.anonymous.roles": "logstash_system",
}
