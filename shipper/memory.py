"""Makes glibc's allocator hold less memory, and return it to the system after a burst.

Measured with ten thousand idle logs after their first reading: 121 MB stay resident by default, 92 MB with both.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

# Bytes; larger blocks are mapped and returned when freed.  By default glibc raises the limit to the largest body seen
# and later bodies fragment the heap.
_MAPPED_FROM = 256 * 1024
_M_MMAP_THRESHOLD = -3
# By default each thread gets a heap of its own, whose free parts no other thread uses.
_HEAPS = 1
_M_ARENA_MAX = -8


@functools.cache
def _library() -> Any:
    """The C library if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None


def hold_little() -> None:
    """Map request bodies outside the heap, and share one heap among all threads that start from now on."""
    if (library := _library()) is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        library.mallopt(_M_ARENA_MAX, _HEAPS)


def trim() -> None:
    """Return free memory to the system; takes time, so only while idle."""
    if (library := _library()) is not None:
        library.malloc_trim(0)
