"""Names of subjects and sessions in BIDS's spelling, with ``sub-`` and ``ses-``.  Pure.

The application writes ``sub-001`` in one line and ``001`` in another (VoxelOps omits the prefix).  Its database ids
(``subject_id: 12``) are not names and stay numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# A label is one word; other texts are returned unchanged.
_WORD = re.compile(r"[\w.+-]+")
PREFIXES = frozenset({"sub-", "ses-"})
"""BIDS's prefixes of these names, four characters each."""
MAX_ROW_ID_DIGITS = 7
"""Database ids count from one; names of digits are padded with zeros, dates, or a scanner's long numbers."""
MAX_LABEL_CHARS = 256
"""Longer texts are no labels."""


class Label(NamedTuple):
    """What a key of a log line names.

    Attributes:
        field: key under ``neuroflow``.
        prefix: BIDS's prefix of such names.
        always_name: numbers under this key are names, never database ids.
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
"""Key of a log line → what it names."""


@lru_cache(maxsize=8192)
def bids_name(text: str, label: Label) -> str:
    """Add the BIDS prefix to a label; database ids and other texts are returned unchanged."""
    prefix = label.prefix
    if text[:4] in PREFIXES or not _WORD.fullmatch(text):
        return text
    if not label.always_name and text.isdecimal() and text[0] != "0" and len(text) <= MAX_ROW_ID_DIGITS:
        return text
    return prefix + text
