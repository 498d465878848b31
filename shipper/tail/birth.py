"""When a file was created, which tells a renamed file from another one that reuses its inode.

``os.stat`` does not give it on Linux; ``statx(2)`` does, where the file system keeps it (ext4, xfs, btrfs, tmpfs).
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from functools import cache

_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the open file itself
_BTIME = 0x800  # STATX_BTIME
_SIZE = 256
# struct statx: stx_mask at 0, stx_btime (seconds, nanoseconds) at 80.
_MASK, _BORN = struct.Struct("=I"), struct.Struct("=qI")
_BORN_AT = 80


@cache
def _statx() -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return None
    return function


def born_ns(descriptor: int) -> int:
    """When an open file was created, nanoseconds since the epoch; 0 where the file system does not tell."""
    statx = _statx()
    if statx is None:
        return 0
    buffer = ctypes.create_string_buffer(_SIZE)
    if statx(descriptor, b"", _EMPTY_PATH, _BTIME, buffer) != 0:
        return 0
    (mask,) = _MASK.unpack_from(buffer.raw)
    seconds, nanoseconds = _BORN.unpack_from(buffer.raw, _BORN_AT)
    return seconds * 10**9 + nanoseconds if mask & _BTIME else 0
