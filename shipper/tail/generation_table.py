"""Every generation that is remembered: by name, log, fingerprint, and the file that it was last seen in."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from shipper.tail.fingerprint import FINGERPRINT_BYTES, generation_name, hash_of
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.rotation_names import originals
from shipper.tail.state.checkpoint import Hash
from shipper.tail.state.path_hashing import Conceal
from shipper.tail.state.rows import Cursor

Key = tuple[int, int]
# If more generations than this begin with the same kilobyte, the beginning tells nothing.
_MAX_ALIKE = 8
_TIME = re.compile(rb"\d\d:?\d\d:?\d\d[.,]\d{3}|\d{10}\.\d{3}")


class Remembered(Protocol):
    """What the store remembers of generations that nobody has asked for yet; see ``tail.state.dormant``."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def lost(self) -> bool:
        """Whether some of them may be missing."""

    def named(self, generation: bytes) -> list[Cursor]:
        """The one of this name, if there is one."""

    def of_log(self, logical: str) -> list[Cursor]:
        """Those of a log, by its path or what stands for it."""

    def in_file(self, device: int, inode: int) -> list[Cursor]:
        """Those that were last seen in this file, the last one at the end."""

    def that_begin(self, head: Hash, most: int) -> list[Cursor]:
        """Those whose files began with this kilobyte; so many at most."""

    def passed_over(self) -> list[Cursor]:
        """Those of which the first start passed something over."""

    def not_seen_since(self, at: float) -> list[bytes]:
        """The names of those whose files were last seen before a time, seconds since the epoch."""


class GenerationTable:
    """The generations, and which file each is in.

    Those that only the store remembers are taken from there when somebody asks for their name, log, file or
    beginning, with all others of their log: of a log either all are here or none.

    Attributes:
        by_key: those that have a file now, or had one when the last run ended, by device and inode.
        scanned: whether a scan has told which of them still have one.

    Args:
        conceal: what stands for a path in cursors that come from the store.
        remembered: by the store; None where all are added.
        make: gives the generation of a cursor.
    """

    def __init__(self, conceal: Conceal, remembered: Remembered | None, make: Callable[[Cursor], Generation]) -> None:
        self._conceal = conceal
        self._remembered = remembered if remembered is not None and remembered.count else None
        self._make = make
        self._asleep = self._remembered.count if self._remembered is not None else 0
        self._asked: set[Key] = set()
        self.scanned = False
        self._by_id: dict[bytes, Generation] = {}
        self._by_logical: defaultdict[str, list[Generation]] = defaultdict(list)
        self._by_head: defaultdict[Hash, dict[bytes, Generation]] = defaultdict(dict)
        self._lost: dict[Key, Generation] = {}
        self.by_key: dict[Key, Generation] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_id) + self._asleep

    def __iter__(self) -> Iterator[Generation]:
        """Every one of them that somebody has asked for."""
        return iter(self._by_id.values())

    def get(self, generation: bytes) -> Generation:
        """The generation of this name."""
        return self._by_id[generation]

    @property
    def lost_some(self) -> bool:
        """Whether the store has lost some of them."""
        return self._remembered is not None and self._remembered.lost

    def find(self, generation: bytes) -> Generation | None:
        """The generation of this name, None if there is none."""
        if generation not in self._by_id and self._remembered is not None:
            self._wake(self._remembered.named(generation))
        return self._by_id.get(generation)

    def passed_over(self) -> list[Generation]:
        """Those of which the first start passed something over."""
        if self._remembered is not None:
            self._wake(self._remembered.passed_over())
        return [one for one in self if one.cursor.passed_over]

    def forgotten(self, before: float) -> list[bytes]:
        """Those without a file that were last seen before a time, seconds since the epoch."""
        here = [one.cursor.id for one in self if one.found is None and one.cursor.seen_at < before]
        if self._remembered is None:
            return here
        asleep = [one for one in self._remembered.not_seen_since(before) if one not in self._by_id]
        self._asleep -= len(asleep)
        return here + asleep

    def of(self, logical: str) -> list[Generation]:
        """The generations of the log with this path."""
        key = self._conceal(logical)
        log = self._by_logical.get(key)
        if log is None and self._remembered is not None:
            log = self._by_logical[key]
            for cursor in self._remembered.of_log(key):
                if cursor.id not in self._by_id:
                    self._asleep -= 1
                    self.add(self._make(cursor))
        return log if log is not None else []

    def _wake(self, cursors: Iterable[Cursor]) -> list[Generation]:
        """The generations of these cursors, taken from the store with their logs."""
        for cursor in (cursors := list(cursors)):
            if cursor.id not in self._by_id:
                self.of(cursor.logical)
        return [self._by_id[cursor.id] for cursor in cursors if cursor.id in self._by_id]

    def _asleep_in(self, key: Key) -> Generation | None:
        """The generation that was last seen in a file, if the store remembers one and nobody has asked before."""
        if self._remembered is None or key in self._asked:
            return None
        self._asked.add(key)
        for last in self._wake(self._remembered.in_file(*key))[-1:]:
            if last.found is None and last.cursor.file.key == key:
                return last
        return None

    def in_file(self, key: Key) -> Generation | None:
        """The generation that is in a file, or was when the last run ended; None for another or a new file."""
        generation = self.by_key.get(key)
        if generation is None and not self.scanned and (generation := self._asleep_in(key)) is not None:
            self.by_key[key] = generation
        return generation

    def lost(self, key: Key) -> Generation | None:
        """The generation without a file whose last file this was."""
        generation = self._lost.get(key)
        if generation is None and (generation := self._asleep_in(key)) is not None:
            self._lost[key] = generation
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
        found = self._that_begin(hash_of(head)) if len(head) >= FINGERPRINT_BYTES else {}
        if len(found) > _MAX_ALIKE:
            return []
        base = file.logical.rpartition("/")[2]
        stamped = _TIME.search(head) is not None
        return [
            one
            for one in found.values()
            if not self.is_of(one, file.logical) and (stamped or one.cursor.logical.rpartition("/")[2] == base)
        ]

    def _that_begin(self, head: Hash) -> dict[bytes, Generation]:
        """Those that begin with this kilobyte; where they are too many to tell anything, not all of them."""
        found = self._by_head.get(head, {})
        if self._remembered is not None and len(found) <= _MAX_ALIKE:
            asleep = [
                one
                for one in self._remembered.that_begin(head, _MAX_ALIKE + len(found) + 1)
                if one.id not in self._by_id
            ]
            if asleep:
                self._wake(asleep[: _MAX_ALIKE + 1])
                found = self._by_head.get(head, {})
        return found

    def named(self, host: str, logical: str, first_line: bytes) -> tuple[bytes, int]:
        """The name and the ordinal of a generation that begins now."""
        digest = hash_of(first_line).digest
        ordinal = max((one.cursor.ordinal for one in self.of(logical) if one.cursor.first_line == digest), default=-1)
        # A generation that was renamed to another log has kept its name, which is taken then.
        while self.find(identity := generation_name(host, logical, first_line, ordinal := ordinal + 1)) is not None:
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
        self.of(logical)
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
