"""Makes glibc's allocator return memory to the system after a burst.

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


@functools.cache
def _library() -> Any:
    """The C library if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None


def map_large_blocks() -> None:
    """Map request bodies outside the heap."""
    if (library := _library()) is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)


def trim() -> None:
    """Return free memory to the system; takes time, so only while idle."""
    if (library := _library()) is not None:
        library.malloc_trim(0)
