"""Removes the credentials of a configuration from texts, in any spelling.  Pure.

Libraries may put credentials into messages (a rejected header is printed with its key), so all output goes through a
``CredentialMask``.
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
"""Characters; shorter credentials are not masked, because they occur in ordinary words."""
_PLAIN = 8
"""Characters; shorter credentials are masked only as whole words."""
_SECRET_KEYS = frozenset({"api_key", "password", "hash_key"})
# Bounded: a value may be of any length, and without bounds the time grows with its square.
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://([^/?#\s]{0,1024}|[^\s]{0,1024})@", re.IGNORECASE)


def credentials_in(sections: Any, secrets: Iterable[str] = ()) -> frozenset[str]:
    """All credentials in the sections of a configuration, valid or not, and ``secrets``."""
    found = set(secrets)
    _walk(sections, found, secret=False)
    for name in ("elasticsearch", "kibana"):
        settings = sections.get(name) if isinstance(sections, dict) else None
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
    """The spellings of a secret that messages may contain: escaped, quoted, encoded."""
    whole = {secret, secret.strip(), *secret.splitlines()}
    with suppress(ValueError):
        # An API key is base64 of id:key; the decoded key is as secret.
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
    """Replaces credentials in texts by an ellipsis; those of earlier configurations stay masked after a reload."""

    def __init__(self) -> None:
        self._masked: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, credentials: Iterable[str]) -> CredentialMask:
        """Mask these credentials too from now on."""
        masked = self._masked.union(credentials)
        if masked != self._masked:
            spelled = sorted({one for secret in masked for one in spellings(secret)}, key=len, reverse=True)
            parts = [re.escape(one) if len(one) >= _PLAIN else rf"(?<!\w){re.escape(one)}(?!\w)" for one in spelled]
            self._masked, self._pattern = masked, re.compile("|".join(parts)) if parts else None
        return self

    def text(self, text: str) -> str:
        """The text with credentials masked."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(HIDDEN, text)

    def stream(self, stream: TextIO) -> TextIO:
        """A stream that masks credentials in what is written, such as tracebacks and warnings of libraries."""
        return changed_stream(stream, self.text)


def changed_stream(stream: TextIO, change: Callable[[str], str]) -> TextIO:
    """A stream that changes all texts that are written, and passes them on to ``beneath``, the one given here."""
    return cast("TextIO", _ChangedStream(stream, change))


class _ChangedStream:
    def __init__(self, stream: TextIO, change: Callable[[str], str]) -> None:
        self.beneath = stream
        self._change = change

    def write(self, text: str) -> int:
        self.beneath.write(self._change(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


credential_mask = CredentialMask()
"""The mask of this process; commands add the credentials that they load."""
