"""A log that is written and rotated, for the model of the sidecar."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, ".bz2": bz2.decompress}


def content(path: Path) -> bytes:
    """The unpacked bytes of a file; of an incomplete one nothing."""
    if path.suffix not in UNPACK:
        return path.read_bytes()
    try:
        return UNPACK[path.suffix](path.read_bytes())
    except (EOFError, ValueError, lzma.LZMAError):
        return b""


class RotatedLog(RuleBasedStateMachine):
    """One log with its rotated files.

    A line has two halves with a bar between them, so that what is written in two parts is known by either.

    Args:
        name: of the log.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.log = self.root / name
        self.log.parent.mkdir(exist_ok=True)
        self.log.touch()
        self.number = 0
        self.rest = b""
        self.must: set[bytes] = set()

    def see(self) -> None:
        """All complete lines that exist now must be in the index at the end."""
        for path in filter(Path.is_file, self.log.parent.iterdir()):
            self.must.update(content(path).split(b"\n")[:-1])

    def rotated(self) -> list[tuple[int, Path]]:
        """Rotated files, the oldest first."""
        others = [path for path in self.log.parent.iterdir() if path != self.log and path.is_file()]
        names = [(int(path.name.split(".")[2]), path) for path in others]
        return sorted(names, reverse=True)

    def shift(self) -> None:
        """Rename each rotated file to the next number."""
        for number, path in self.rotated():
            path.rename(str(path).replace(f"log.{number}", f"log.{number + 1}"))

    def rename_log(self) -> None:
        self.shift()
        self.log.rename(f"{self.log}.1")
        self.log.touch()
        # A half line goes on in the new file only after copytruncate; a logger that renames writes whole lines.
        self.rest = b""

    def truncate_log(self) -> None:
        with self.log.open("r+b") as file:
            file.truncate(0)

    def copytruncate_log(self) -> None:
        self.shift()
        shutil.copy(self.log, f"{self.log}.1")
        self.truncate_log()

    def plain(self) -> list[Path]:
        """Rotated files that are not compressed, the oldest first."""
        return [path for _, path in self.rotated() if path.suffix not in UNPACK]

    @rule(count=st.integers(1, 12), width=st.sampled_from([1, 40, 200]), part=st.booleans())
    def write(self, count: int, width: int, part: bool) -> None:
        """Write lines, the last one perhaps only in part."""
        with self.log.open("ab") as file:
            for _ in range(count):
                self.number += 1
                name = f"{self.number:05}".encode()
                file.write(self.rest)
                file.write(b"a" + name + b"-" * width)
                self.rest = b"|b" + name + b"-" * width + b"\n"
            if not part:
                file.write(self.rest)
                self.rest = b""
