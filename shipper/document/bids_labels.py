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
_MAX_ROW_ID_DIGITS = 7
MAX_LABEL_CHARS = 256
"""Longer texts are no names, nor are they worth remembering: they are left as they were said."""


class Label(NamedTuple):
    """Where a key of a log line belongs, and what its values are.

    Attributes:
        field: key under ``neuroflow``.
        prefix: that BIDS puts before such a name.
        always_name: a number under this key is a name too, never a key of the database.
    """

    field: str
    prefix: str
    always_name: bool


LABELS = {
    "subject_id": Label("subject_id", "sub-", always_name=False),
    "subject": Label("subject_id", "sub-", always_name=False),
    "participant": Label("subject_id", "sub-", always_name=True),
    "participant_id": Label("subject_id", "sub-", always_name=True),
    "session_id": Label("session_id", "ses-", always_name=False),
    "session": Label("session_id", "ses-", always_name=False),
}
"""Key in the source → what it names."""


@lru_cache(maxsize=8192)
def bids_name(text: str, label: Label) -> str:
    """A name with its prefix; the key of a row in the application's database as it is."""
    prefix = label.prefix
    if text.startswith(("sub-", "ses-")) or not _WORD.fullmatch(text):
        return text
    if not label.always_name and text.isdecimal() and text[0] != "0" and len(text) <= _MAX_ROW_ID_DIGITS:
        return text
    return prefix + text
