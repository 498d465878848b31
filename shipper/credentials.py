"""Removes the credentials of a configuration from texts, in whatever spelling.  Pure.

Messages of libraries are beyond us (a header that was refused is printed with the key in it), so every text of ours
goes through a ``CredentialMask`` on its way out.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "…"
MIN_LENGTH = 4
"""A shorter one may be any syllable, and keeps nobody out."""
_PLAIN = 8
"""A shorter one is taken out where it stands by itself only: ``elastic`` as a password is no part of a word."""
_SECRET_KEYS = frozenset({"api_key", "password", "hash_key"})
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#\s]*|[^\s]*)@", re.IGNORECASE)


def credentials_in(sections: Any) -> frozenset[str]:
    """Every credential that sections of a configuration hold, right or wrong.

    Args:
        sections: as YAML gives them, variables expanded.
    """
    found: set[str] = set()
    _walk(sections, found, secret=False)
    settings = sections.get("elasticsearch") if isinstance(sections, dict) else None
    if isinstance(settings, dict) and isinstance(settings.get("username"), str):
        found |= {f"{settings['username']}:{secret}" for secret in _texts(settings.get("password"))}
    return frozenset(one for one in found if len(one.strip()) >= MIN_LENGTH)


def _walk(value: Any, found: set[str], *, secret: bool) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _walk(item, found, secret=secret or key in _SECRET_KEYS)
    elif isinstance(value, list):
        for item in value:
            _walk(item, found, secret=secret)
    elif secret:
        found.update(_texts(value))
    elif isinstance(value, str):
        for login in _LOGIN.finditer(value):
            user, colon, password = login[1].partition(":")
            found.update({login[1], unquote(login[1])} if colon else ())
            found.update((password, unquote(password)) if colon else (user, unquote(user)))


def _texts(value: Any) -> Iterator[str]:
    if value is not None and not isinstance(value, bool | dict | list):
        yield str(value)


def spellings(secret: str) -> set[str]:
    """The ways in which a secret may turn up in a message."""
    whole = {secret, secret.strip(), *secret.splitlines()}
    with suppress(ValueError):
        # An API key is base64 of id:key, and what it holds opens as much as itself.
        inner = b64decode(secret.strip(), validate=True).decode()
        whole |= {inner, inner.partition(":")[2]} if inner.isprintable() else set()
    spelled: set[str] = set()
    for one in whole:
        data = one.encode("utf-8", "surrogatepass")
        spelled |= {
            one,
            repr(one)[1:-1],
            repr(data)[2:-1],
            json.dumps(one)[1:-1],
            one.encode("unicode_escape").decode(),
        }
        spelled |= {quote(data, safe=""), quote(data), quote_plus(data), b64encode(data).decode()}
    return {one for one in spelled if len(one) >= MIN_LENGTH}


class CredentialMask:
    """Takes credentials out of texts; those of every configuration that was in use stay secret."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, credentials: Iterable[str]) -> CredentialMask:
        """These are credentials too from now on."""
        known = self._known.union(credentials)
        if known != self._known:
            spelled = sorted({one for secret in known for one in spellings(secret)}, key=len, reverse=True)
            parts = [re.escape(one) if len(one) >= _PLAIN else rf"(?<!\w){re.escape(one)}(?!\w)" for one in spelled]
            self._known, self._pattern = known, re.compile("|".join(parts)) if parts else None
        return self

    def text(self, text: str) -> str:
        """The text without them."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(HIDDEN, text)

    def stream(self, stream: TextIO) -> TextIO:
        """A stream that says the same without them, whoever writes to it: traces and warnings of libraries too."""
        return cast("TextIO", _MaskedStream(stream, self.text))


class _MaskedStream:
    def __init__(self, stream: TextIO, change: Callable[[str], str]) -> None:
        self._stream = stream
        self._change = change

    def write(self, text: str) -> int:
        self._stream.write(self._change(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


credential_mask = CredentialMask()
"""What this process must not say: commands tell it what they have read."""
