"""Secrets in texts and URLs, recognised by the name before them.  Pure.

Names are keys (``password=``), options (``--token``), headers (``Authorization:``) and users in URLs
(``scheme://user:``).  Only the secret is replaced.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import defaultdict
from collections.abc import Callable, Iterable

from shipper.redact.key_value_spans import Value, name_around, value_after, words

REDACTED = "[redacted]"
MIN_SECRET_CHARS = 6
"""Shorter secrets may be common words: they are not replaced elsewhere in their document."""
_MAX_SECRET_CHARS = 4096
_MAX_FOUND = 32
_DEFAULT_NAMES = (
    ("password",),
    ("passwords",),
    ("passwd",),
    ("pwd",),
    ("passphrase",),
    ("secret",),
    ("secrets",),
    ("credential",),
    ("credentials",),
    ("cookie",),
    ("bearer",),
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("encryption", "key"),
    ("signing", "key"),
)
"""Names beside the configured ones; "tokens" is not among them, since it is a count."""
_HARMLESS = frozenset({"", "none", "null", "nil", "true", "false", "undefined", REDACTED})
# A shorter name may be the end of another word.
_MIN_SUFFIX_CHARS = 5
_VALUE_NEXT = re.compile(
    r"""\\{0,8}["']?[,\s]{1,16}\\{0,8}["']?(?:old_|new_)?value(?=\\{0,8}["']?[ \t]{0,4}[=:])""", re.IGNORECASE
)
_SLASHES = re.compile(r":(?:\\?/){2}")
_AUTHORITY = re.compile(r"""(?:(?!:\\?/\\?/)[^\s"'\x1b]|["'](?![,:;}\])\s\\]|\Z)){1,2048}""")
_PORT = re.compile(r"\d{1,5}(?:[/?#,;)\]}]|\Z)")
_CREDENTIALS = re.compile(r"\b(bearer|basic)[ \t]{1,4}([A-Za-z0-9._~+/=\-]{6,})", re.IGNORECASE)
_LONG_USER = 20
_URL = re.compile(rb"/(?:(?<=:/)/|(?<=:\\/)\\/)")
_CUT_URL = re.compile(rb""":\\?/\\?/[^\s/:@"']{0,256}:(?!\d)""")


# Letters by which names are searched; few, since every search reads all bytes.
_RARE_LETTERS = "kpcz"
_Search = Callable[[bytes], object]


class Secrets:
    """Finds secrets by their keys: configured and usual names; without configured ones nothing is secret."""

    def __init__(self, keys: Iterable[str]) -> None:
        configured = [words(key) for key in keys]
        names = list(dict.fromkeys([*filter(None, configured), *(_DEFAULT_NAMES if configured else ())]))
        self.active = bool(names)
        self._names = names
        self._joined = tuple(joined for name in names if len(joined := "".join(name)) >= _MIN_SUFFIX_CHARS)
        self._is_secret: dict[str, bool] = {}
        spelled = sorted((r"[ _.\-]?".join(map(re.escape, name)) for name in names), key=len, reverse=True)
        self._finder = re.compile("|".join(spelled) or r"(?!)", re.IGNORECASE)
        # The last words of the names, without those that contain another one.
        single = sorted({name[-1] for name in names}, key=len)
        self._marks = [one for at, one in enumerate(single) if not any(other in one for other in single[:at])]
        # JSON may escape names that are not ASCII, so that no search finds them.
        self._always = not all(map(str.isascii, map("".join, names)))
        self._searches = _searches([*names, ("basic",)])
        # Where no name has a digit, a text is suspected without its digits whenever it is with them.
        self.named_by_digits = any(sign.isdigit() for name in names for word in name for sign in word)

    def suspects(self, data: bytes) -> bool:
        """Whether a block's bytes may contain a secret."""
        if not self.active:
            return False
        if self._always:
            return True
        data = data.lower()
        for search in self._searches:
            if search(data):
                return True
        return _URL.search(data) is not None and (b"@" in data or _CUT_URL.search(data) is not None)

    def names(self, key: str) -> bool:
        """Whether a key of this name contains a secret."""
        judged = self._is_secret.get(key)
        if judged is None:
            judged = self._names_secret(key)
            if len(self._is_secret) < 20_000 and len(key) < 256:
                self._is_secret[key] = judged
        return judged

    def _names_secret(self, key: str) -> bool:
        parts = words(key)
        if any(word.endswith(self._joined) for word in parts):
            return True
        return any(name == parts[at : at + len(name)] for name in self._names for at in range(len(parts)))

    def text(self, text: str, found: set[str]) -> str:
        """The text without its secrets; adds those that are to be replaced elsewhere, too, to ``found``."""
        if not self.active:
            return text
        if "://" in text or ":\\/\\/" in text:
            text = self._without_passwords(text, found)
        low = text.lower()
        if any(mark in low for mark in self._marks):
            text = self._without_values(text, found)
        if "bearer" in low or "basic" in low:
            text = _CREDENTIALS.sub(_credentials, text)
        return text

    def _without_values(self, text: str, secrets: set[str]) -> str:
        parts: list[str] = []
        done = at = 0
        while found := self._finder.search(text, at):
            first, at = name_around(text, found.start(), found.end())
            first = max(first, done)
            if not self.names(text[first:at]):
                continue
            value = self._value(text, first, at)
            if value is None:
                continue
            if value.form != "brackets":
                _collect_secret(text[value.start : value.end], secrets)
            parts += text[done : value.start], REDACTED
            done = at = value.end
        return "".join(parts) + text[done:] if parts else text

    def _value(self, text: str, first: int, end: int) -> Value | None:
        follows = _VALUE_NEXT.match(text, end)
        if follows:
            first, end = follows.end() - 5, follows.end()
        value = value_after(text, first, end, self.names)
        if value is None or text.startswith(REDACTED, value.start):
            return None
        content = text[value.start : value.end]
        # Behind a blank only options have values: ``--token x``, not ``the token was``.
        if value.form == "bare" and value.link == " " and (text[first] != "-" or content.startswith("--")):
            return None
        return value if content.lower() not in _HARMLESS else None

    def _without_passwords(self, text: str, secrets: set[str]) -> str:
        parts: list[str] = []
        done = at = 0
        while slashes := _SLASHES.search(text, at):
            at = slashes.end()
            token = _AUTHORITY.match(text, at)
            if token is None:
                continue
            authority = token[0]
            span = _password(
                authority,
                web=text[max(0, slashes.start() - 5) : slashes.start()]
                .lower()
                .endswith(("http", "https", "ws", "wss")),
                cut=token.end() == len(text),
            )
            # Celery itself replaces passwords by stars.
            if span and (password := authority[span[0] : span[1]]) != REDACTED and password.strip("*"):
                _collect_secret(password, secrets)
                parts += text[done : at + span[0]], REDACTED
                done = at = at + span[1]
        return "".join(parts) + text[done:] if parts else text


def _collect_secret(secret: str, secrets: set[str]) -> None:
    """Add a secret that can't be a common word."""
    if len(secrets) < _MAX_FOUND and MIN_SECRET_CHARS <= len(secret) <= _MAX_SECRET_CHARS and not secret.isalpha():
        secrets.add(secret)


def _searches(names: Iterable[tuple[str, ...]]) -> list[_Search]:
    """Searches for any of these names in lower-case bytes.

    One search finds all names that share a letter: it goes from letter to letter and compares what is around, at half
    the cost of a search for each name.
    """
    around: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        *before, last = name
        anchor = next((letter for letter in _RARE_LETTERS if letter in last), last[0])
        tail = last[last.index(anchor) + 1 :]
        for sign in ("", r"[ _.\-]") if before else ("",):
            around[anchor][tail].append("".join(f"{re.escape(word)}{sign}" for word in before) + re.escape(last))
    patterns = [
        re.escape(anchor)
        + "(?:"
        + "|".join(
            re.escape(tail) + "(?:" + "|".join(f"(?<={name})" for name in whole) + ")"
            for tail, whole in tails.items()
        )
        + ")"
        for anchor, tails in around.items()
    ]
    return [re.compile(pattern.encode()).search for pattern in patterns]


def _password(authority: str, *, web: bool, cut: bool) -> tuple[int, int] | None:
    """Start and end of the password in the text behind ``scheme://``, or None.

    Args:
        authority: the text up to the next blank.
        web: paths of this scheme may contain an ``@``.
        cut: the text ends here, perhaps before its ``@``.
    """
    colon, at = authority.find(":"), authority.find("@")
    slash = next((i for i, sign in enumerate(authority) if sign in "/?#"), len(authority))
    if authority.startswith("[") or (at < 0 and not cut):
        return None
    if colon < 0 or slash < colon:
        return (0, at) if _LONG_USER <= at < slash else None
    rest = authority[colon + 1 :]
    if at < 0:
        return (colon + 1, len(authority)) if rest and not rest[0].isdigit() else None
    if _PORT.match(rest) and (web or "@" not in rest):
        return (0, at) if _LONG_USER <= at < slash else None
    query = authority.find("?", at)
    last = authority.rfind("@", colon + 1, query if query >= 0 else len(authority))
    return (colon + 1, last) if last > colon + 1 else None


def _credentials(found: re.Match[str]) -> str:
    kind, token = found[1], found[2]
    if kind.lower() == "basic":
        try:
            secret = b":" in b64decode(token, validate=True)
        except (Base64Error, ValueError):
            secret = False
    else:
        secret = len(token) >= 16 or any(map(str.isdigit, token))
    return f"{kind} {REDACTED}" if secret else found[0]
