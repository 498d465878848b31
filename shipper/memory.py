"""What the process asks of the C library's allocator: that a burst's memory goes back to the system.

Measured with ten thousand sleeping logs after their first reading: 121 MB stay resident by default, 92 MB with both.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

# Blocks above this are mapped one by one and returned when freed; by default glibc raises the limit to the size of
# the largest body that it has seen, which then lives among the small blocks for ever.
_MAPPED_FROM = 256 * 1024
_M_MMAP_THRESHOLD = -3


@functools.cache
def _library() -> Any:
    """The C library, where it is glibc; None elsewhere."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None


def map_large_blocks() -> None:
    """Keep request bodies out of the heap."""
    if (library := _library()) is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)


def give_back() -> None:
    """Return what is free to the system; for moments when there is nothing to do."""
    if (library := _library()) is not None:
        library.malloc_trim(0)
