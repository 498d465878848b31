"""Tokens of a text, like those of Elasticsearch's standard analyzer, and patterns for them in longer names.  Pure."""

from __future__ import annotations

import re

from shipper.query.syntax_tree import Word

Part = Word
"""One token of a text, in lower case."""

# Characters that join two letters or two digits to one token (Unicode's word boundaries); an underscore always does.
_BETWEEN_LETTERS = frozenset(".:'\u00b7\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a")
_BETWEEN_DIGITS = frozenset(
    ".,;'\u037e\u0589\u060c\u060d\u066c\u07f8\u2018\u2019\u2024\u2044\uff07\uff0c\uff0e\uff1b"
)

BEGINNINGS = ("_", ".", ":", "'")
"""What may separate a word from what is before it in the same token."""
ENDINGS = ("_", ".", ":", "'")
"""What may separate a word from what is after it in the same token."""


def has_letters(word: Word) -> bool:
    """Whether a word is searchable: it has a letter, a digit or a wildcard."""
    return any(letter.isalnum() for letter in word.text) or bool(word.wild)


def parts_of(word: Word) -> list[Part]:
    """The tokens of a text, in lower case; wildcards stand for characters inside of tokens."""
    text = word.text
    parts: list[Part] = []
    start = None
    for at in range(len(text) + 1):
        inside = at < len(text) and _belongs(text, at, word.wild)
        if inside and start is None:
            start = at
        elif not inside and start is not None:
            parts.append(_cut(word, start, at))
            start = None
    return [part for part in parts if part.wild or any(letter.isalnum() for letter in part.text)]


def _belongs(text: str, at: int, wild: frozenset[int]) -> bool:
    letter = text[at]
    if at in wild or letter.isalnum() or letter == "_":
        return True
    if not 0 < at < len(text) - 1:
        return False
    before, behind = text[at - 1], text[at + 1]
    both_wild = at - 1 in wild or at + 1 in wild
    if letter in _BETWEEN_LETTERS and (both_wild or (before.isalpha() and behind.isalpha())):
        return True
    return letter in _BETWEEN_DIGITS and before.isdigit() and behind.isdigit()


def _cut(word: Word, start: int, end: int) -> Part:
    # Letter by letter, because lower case may be longer than upper case.
    text = [word.text[at] if len(word.text[at].lower()) > 1 else word.text[at].lower() for at in range(start, end)]
    return Part("".join(text), frozenset(at - start for at in word.wild if start <= at < end))


def whole_words(word: Word) -> str:
    """A regular expression for values that contain a text with no letter or digit beside it."""
    return _between("(.*[^0-9A-Za-z])?", word)


def in_tokens(part: Part) -> str:
    """The same for tokens, in which the code of a colour may precede a word: ``0;31mfailed``."""
    return _between("(.*[^0-9A-Za-z]|[0-9;]*[0-9]m)?", part)


def _between(before: str, word: Word) -> str:
    # A text that ends with a punctuation mark ends there, whatever follows.
    before = before if word.text[:1].isalnum() else ".*"
    behind = "([^0-9A-Za-z].*)?" if word.text[-1:].isalnum() else ".*"
    return before + regex_of(word) + behind


def regex_of(word: Word) -> str:
    """A text as a regular expression of Lucene."""
    wild = {"*": ".*", "?": "."}
    return "".join(
        wild[letter] if at in word.wild else re.sub(r"([^0-9A-Za-z\x80-\U0010ffff])", r"\\\1", letter)
        for at, letter in enumerate(word.text)
    )


def wildcard_of(word: Word) -> str:
    """A text as a pattern of ``*`` and ``?``."""
    return "".join(
        f"\\{letter}" if letter in "*?\\" and at not in word.wild else letter for at, letter in enumerate(word.text)
    )
