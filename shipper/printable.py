"""Makes text from logs safe for a terminal: escapes control sequences and marks that reorder or hide text.  Pure.

Texts get Python's escapes; JSON gets JSON's, so that its value stays.
"""

from __future__ import annotations

import re

COLOURING = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters (but for tab and line feed), separators and marks that reorder what stands beside them,
# and halves of characters, which no encoding can write.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_COLOURS = re.compile(f"{COLOURING.pattern}|{_UNSAFE.pattern}")
# The same in UTF-8, without those that JSON always escapes.
_UNSAFE_UTF8 = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2(?:\x80[\x8e\x8f\xa8-\xae]|\x81[\xa6-\xa9])")


def printable(text: str, *, lines: bool = True) -> str:
    """The text without colours and with every other control character escaped."""
    text = _UNSAFE.sub(_python_escape, COLOURING.sub("", text))
    return text if lines else text.replace("\n", "\\n").replace("\t", "\\t")


def escaped(text: str) -> str:
    """The text with every control character escaped but those of colours: for a stream that is written coloured."""
    return _UNSAFE_BUT_COLOURS.sub(lambda found: found[0] if found[0][1:] else _python_escape(found), text)


def printable_json(data: bytes) -> bytes:
    """JSON of the same value with unsafe characters escaped."""
    if data.isascii() and b"\x7f" not in data:
        return data
    return _UNSAFE_UTF8.sub(_json_escape, data)


def _python_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _json_escape(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())
