"""The names that rotations give to the earlier lives of a log.  Pure."""

from __future__ import annotations

import re

# ".1", ".10", ".2024-01-01", "-20240101", ".2024-01-01_12-30-00", "-1700000000", each with or without ".gz".
_ROTATION = re.compile(
    r"(?:[.-](?P<number>\d{1,3})|[.-](?P<date>\d{4}-?\d{2}-?\d{2}(?:[-_T.]?\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?)?|\d{10}))?"
    r"(?P<gz>\.gz)?\Z"
)


def split_rotation(name: str) -> tuple[str, int, bool]:
    """A file name as (name of the log, age of this life, compressed).

    The age is 0 for the log itself and grows with the rotation number; dates count from far above the numbers,
    the oldest date being the greatest age.

    >>> split_rotation("neuroflow.log.2.gz")
    ('neuroflow.log', 2, True)
    """
    found = _ROTATION.search(name)
    if found is None or found.start() == 0:
        return name, 0, False
    base, compressed = name[: found.start()], found["gz"] is not None
    if found["number"]:
        return base, int(found["number"]), compressed
    if found["date"]:
        digits = re.sub(r"\D", "", found["date"]).ljust(14, "0")[:14]
        return base, 10**15 - int(digits), compressed
    return base, 0, compressed
