"""What a terminal must not be told: control sequences, and marks that reorder or hide what stands beside them.  Pure.

Logs hold what anybody wrote.  Texts have such characters spelled out as Python spells them; JSON has them escaped,
which is the same value to every program that reads it.
"""

from __future__ import annotations

import re

COLOURING = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters (but for tab and line feed), separators and marks that reorder what stands beside them,
# and halves of characters, which no encoding can write.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# The same in UTF-8, without those that every writer of JSON escapes.
_UNSAFE_UTF8 = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2(?:\x80[\x8e\x8f\xa8-\xae]|\x81[\xa6-\xa9])")


def printable(text: str, *, lines: bool = True) -> str:
    """The text without colouring and with every other control character spelled out.

    Args:
        text: anything a log, a file's name or an answer of the cluster may hold.
        lines: whether line feeds and tabs may stay.
    """
    text = _UNSAFE.sub(_spelled, COLOURING.sub("", text))
    return text if lines else text.replace("\n", "\\n").replace("\t", "\\t")


def printable_json(data: bytes) -> bytes:
    """JSON of the same value that a terminal may be told.

    Args:
        data: valid JSON in UTF-8; what is unsafe can stand inside its strings only.
    """
    if data.isascii() and b"\x7f" not in data:
        return data
    return _UNSAFE_UTF8.sub(_escaped, data)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())
