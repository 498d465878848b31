"""Blocks of lines as ``tail`` gives them to the parsers, and the records of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from shipper.config import Dataset, Format
from shipper.parse import dispatch
from shipper.parse.records import Records
from shipper.tail.block import Block, Origin


def block_of(
    data: str | bytes | Sequence[bytes], of: Format = "auto", dataset: Dataset = "app", *,
    at: int = 0, path: str = "/p", logical: str = "", layouts: tuple[str, ...] = (), final: bool = True, **more: Any,
) -> Block:  # fmt: skip
    """The lines of a file from offset ``at`` on; ``more`` are fields of the block."""
    data = data.encode() if isinstance(data, str) else data
    lines = data.split(b"\n") if isinstance(data, bytes) else list(data)
    offsets = list(accumulate((len(line) + 1 for line in lines), initial=at))
    origin = Origin(b"golden-01", path, logical or path, of, dataset, layouts=layouts)
    return Block(origin, lines, offsets, final=final, **more)


def records_of(data: str | bytes | Sequence[bytes], of: Format = "auto", **more: Any) -> Records:
    """The records of these lines; ``more`` as for ``block_of``."""
    return dispatch.parse(block_of(data, of, **more))
