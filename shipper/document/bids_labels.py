"""Names of subjects and sessions in one spelling: with ``sub-`` and ``ses-``, as BIDS writes them.  Pure.

The application names a participant ``sub-001`` in one line and ``001`` in another (VoxelOps leaves the prefix away),
and keys of its database (``subject_id: 12``) are no names at all: these stay numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What may be a label: one word.  Anything else is left as it was said.
_WORD = re.compile(r"[\w.+-]+")
# The database counts from one; a name of digits is padded with zeros, or a date, or a long number of the scanner.
_MOST_KEY_DIGITS = 7
MOST_LABEL = 256
"""Longer texts are no names, nor are they worth remembering: they are left as they were said."""


class Label(NamedTuple):
    """Where a key of a log line belongs, and what its values are.

    Attributes:
        home: key under ``neuroflow``.
        prefix: that BIDS puts before such a name.
        always: a number under this key is a name too, never a key of the database.
    """

    home: str
    prefix: str
    always: bool


LABELS = {
    "subject_id": Label("subject_id", "sub-", always=False),
    "subject": Label("subject_id", "sub-", always=False),
    "participant": Label("subject_id", "sub-", always=True),
    "participant_id": Label("subject_id", "sub-", always=True),
    "session_id": Label("session_id", "ses-", always=False),
    "session": Label("session_id", "ses-", always=False),
}
"""Key in the source → what it names."""


@lru_cache(maxsize=8192)
def labelled(text: str, label: Label) -> str:
    """A name with its prefix; the key of a row in the application's database as it is."""
    prefix = label.prefix
    if text.startswith(("sub-", "ses-")) or not _WORD.fullmatch(text):
        return text
    if not label.always and text.isdecimal() and text[0] != "0" and len(text) <= _MOST_KEY_DIGITS:
        return text
    return prefix + text
