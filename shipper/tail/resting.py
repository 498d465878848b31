"""How long files without a name have not grown: what is still being written is judged later."""

from __future__ import annotations

from shipper.tail.found_files import Found
from shipper.tail.generation_table import Key


class Resting(dict[Key, tuple[int, float]]):
    """Size and since when, by device and inode."""

    def for_long(self, file: Found, now: float, patience: float) -> bool:
        """Whether a file has had its size for so long; the first look at a size begins the count."""
        size, since = self.get(file.key, (-1, now))
        since = since if size == file.size else now
        self[file.key] = file.size, since
        return now - since >= patience
