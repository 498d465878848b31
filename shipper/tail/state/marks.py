"""Digests of a file's bytes, as they are kept."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """A digest of some bytes of a file and how many they were."""

    length: int
    digest: bytes


NOTHING = Mark(0, b"")
