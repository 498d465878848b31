"""Every generation that is remembered: by name, log, fingerprint, and the file that it was last seen in."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator

from shipper.tail.fingerprint import FINGERPRINT_BYTES, generation_name, hash_of
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.rotation_names import originals
from shipper.tail.state.checkpoint import Hash
from shipper.tail.state.path_hashing import Conceal

Key = tuple[int, int]
# If more generations than this begin with the same kilobyte, the beginning tells nothing.
_MAX_ALIKE = 8
_TIME = re.compile(rb"\d\d:?\d\d:?\d\d[.,]\d{3}|\d{10}\.\d{3}")


class GenerationTable:
    """The generations, and which file each is in.

    Attributes:
        by_key: those that have a file now, or had one when the last run ended, by device and inode.

    Args:
        conceal: what stands for a path in cursors that come from the store.
    """

    def __init__(self, conceal: Conceal) -> None:
        self._conceal = conceal
        self._by_id: dict[bytes, Generation] = {}
        self._by_logical: defaultdict[str, list[Generation]] = defaultdict(list)
        self._by_head: defaultdict[Hash, dict[bytes, Generation]] = defaultdict(dict)
        self._lost: dict[Key, Generation] = {}
        self.by_key: dict[Key, Generation] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Generation]:
        """Every one of them."""
        return iter(self._by_id.values())

    def get(self, generation: bytes) -> Generation:
        """The generation of this name."""
        return self._by_id[generation]

    def of(self, logical: str) -> list[Generation]:
        """The generations of the log with this path."""
        return self._by_logical.get(self._conceal(logical), [])

    def lost(self, key: Key) -> Generation | None:
        """The generation without a file whose last file this was."""
        generation = self._lost.get(key)
        return generation if generation is not None and generation.found is None else None

    def is_of(self, generation: Generation, logical: str) -> bool:
        """Whether this is a generation of that log."""
        own = generation.cursor.logical
        return own == logical or self._conceal(own) == self._conceal(logical)

    def possible_logs(self, file: Found) -> list[str]:
        """The logs of which a file that has a log's name may be a rotated file, as its name tells."""
        directory, base = os.path.split(file.logical)
        # The second attempt's log of a pipeline may have a number, and the same content as the first.
        names = originals(base, numbers=file.source.format != "pipeline")
        return [f"{directory}/{one}" for one in names]

    def earlier(self, file: Found) -> list[Generation]:
        """The generations that this file may continue or repeat though it is not their log, as its name tells."""
        own = [file.logical] if file.rotated or file.compressed else []
        return [one for logical in own + self.possible_logs(file) for one in self.of(logical)]

    def alike(self, file: Found, head: bytes) -> list[Generation]:
        """The generations of other logs that a file may continue or repeat, as only its content can tell.

        Two runs may print the same to the last byte: without a time in it, the file must also have the same name.

        Args:
            file: as the scan saw it.
            head: its first bytes; less than a kilobyte tells nothing.
        """
        found = self._by_head.get(hash_of(head), {}) if len(head) >= FINGERPRINT_BYTES else {}
        if len(found) > _MAX_ALIKE:
            return []
        base = file.logical.rpartition("/")[2]
        stamped = _TIME.search(head) is not None
        return [
            one
            for one in found.values()
            if not self.is_of(one, file.logical) and (stamped or one.cursor.logical.rpartition("/")[2] == base)
        ]

    def named(self, host: str, logical: str, first_line: bytes) -> tuple[bytes, int]:
        """The name and the ordinal of a generation that begins now."""
        digest = hash_of(first_line).digest
        ordinal = max((one.cursor.ordinal for one in self.of(logical) if one.cursor.first_line == digest), default=-1)
        # A generation that was renamed to another log has kept its name, which is taken then.
        while (identity := generation_name(host, logical, first_line, ordinal := ordinal + 1)) in self._by_id:
            pass
        return identity, ordinal

    def add(self, generation: Generation) -> None:
        """Remember a generation."""
        self._by_id[generation.cursor.id] = generation
        self._by_logical[self._conceal(generation.cursor.logical)].append(generation)
        self.knows_head(generation)

    def knows_head(self, generation: Generation) -> None:
        """Index a generation by its fingerprint, if that is long enough."""
        head = generation.cursor.fingerprint
        if head.length >= FINGERPRINT_BYTES:
            self._by_head[head][generation.cursor.id] = generation

    def renamed(self, generation: Generation, logical: str) -> None:
        """File a generation under that log from now on."""
        self.of(generation.cursor.logical).remove(generation)
        self._by_logical[self._conceal(logical)].append(generation)

    def enters(self, generation: Generation, key: Key) -> None:
        """Note that a generation is in this file now."""
        self.by_key[key] = generation
        self._lost.pop(key, None)

    def leaves(self, key: Key) -> Generation:
        """Note that a file is gone, or is another generation now; gives the generation that was in it."""
        generation = self.by_key.pop(key)
        if generation.cursor.file.key == key:
            self._lost[key] = generation
        return generation
