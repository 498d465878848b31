"""Which generation each file is now: the table that a scan is held against.

Owns the memory of every life of every log and decides, file by file, whether it goes on, was renamed, copied,
rewritten or is new.  The decisions themselves are ``identity``'s; this module asks the files.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from shipper.tail.copies import Copies, Copy
from shipper.tail.file_access import Views
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import (
    CHECKPOINT_BYTES,
    FINGERPRINT_BYTES,
    checkpoint_hash_of,
    first_line_of,
    hash_of,
    repeats,
)
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation, Met, Truncated
from shipper.tail.generation_table import Key, Lives
from shipper.tail.matching import Matcher
from shipper.tail.rotation_names import age_of, aged
from shipper.tail.state.checkpoint import START
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.rows import Cursor, LastSeen

__all__ = ["Generation", "Generations"]


@dataclass(slots=True)
class _Scan:
    """One scan that the table was held against.

    Attributes:
        number: counts the scans.
        files: what it found.
        unsettled: whether something is undecided, so that the same files are to be looked at again.
        renamed: logs that were renamed since the scan before: new files beside them are generations, not copies.
    """

    number: int = 0
    files: list[Found] | None = None
    unsettled: bool = False
    renamed: set[str] = field(default_factory=set)


class Generations:
    """All generations, matched with the files of each scan.

    ``dirty`` names those that changed their file since it was last emptied; the scan before began at ``looked_at``.

    Args:
        cursors: what is remembered from before.
        host: name of this machine in generation names.
        keep: longest line kept whole, bytes.
        warn: told in a sentence what the reader of the log should know.
        open_view: opens a file's content.
        conceal: what stands for a path in cursors that come from the store.

    A file whose first line is unfinished gets no name yet: named by half a line it would have another name once
    its state is lost.  It is named as it stands when it has not changed for ``patience`` seconds.
    """

    def __init__(
        self,
        cursors: Iterable[Cursor],
        *,
        host: str,
        keep: int,
        warn: Callable[[str], None],
        open_view: Callable[..., FileView] = FileView,
        conceal: Conceal = plain,
    ) -> None:
        self._host = host
        self._keep = keep
        self._warn = warn
        self._open_view = open_view
        self._views = Views(open_view, warn)
        self._lives = Lives(conceal)
        self._copies = Copies(self._lives, self._views)
        self._matcher = Matcher(self._lives, self._copies)
        self._nameless: dict[Key, tuple[int, float]] = {}
        # The number of the scan that met a file without a generation.
        self._met: dict[Key, int] = {}
        self._scan = _Scan()
        self.dirty: set[bytes] = set()
        # Of two lives that were last seen in one file the one that has nothing acknowledged yet is the later.
        for cursor in sorted(cursors, key=lambda one: one.seen_at or math.inf):
            generation = Generation(cursor, keep=keep, open_view=open_view)
            self._remember(generation)
            if cursor.file.inode:
                self._lives.enters(generation, cursor.file.key)
        self.dirty.clear()

    def __iter__(self) -> Iterator[Generation]:
        """Every generation that is remembered."""
        return iter(self._lives)

    def reconfigure(self, host: str, keep: int) -> None:
        """What is new has this host in its name, what is known keeps its own; lines may be so long from now on."""
        self._host, self._keep = host, keep
        for generation in self:
            generation.resize(keep)

    @property
    def looked_at(self) -> float:
        """When the last scan began, seconds since the epoch; 0 where that is not known."""
        return self._matcher.looked_at

    @looked_at.setter
    def looked_at(self, at: float) -> None:
        self._matcher.looked_at = at

    def get(self, generation: bytes) -> Generation:
        """The generation of this name."""
        return self._lives.get(generation)

    def lives(self, logical: str) -> list[Generation]:
        """Every life that is remembered of the log with this path."""
        return self._lives.of(logical)

    def observe(self, files: list[Found], now: float, patience: float) -> None:
        """Hold a scan's files against the table; afterwards each generation knows its file.

        Args:
            files: what the scan found.
            now: monotonic seconds.
            patience: how long an unfinished first line is waited for, seconds.
        """
        if files is self._scan.files and not self._scan.unsettled:
            return
        self._scan = _Scan(self._scan.number + 1, files)
        self._views.outrun, self._views.refused = False, {}
        present = {file.key for file in files}
        for key in self._lives.by_key.keys() - present:
            self._detach(key)
        for memory in (self._copies.known, self._nameless, self._met):
            for key in memory.keys() - present:
                del memory[key]
        strangers = [file for file in files if not (self._at_home(file) or not file.size or self._copies.knows(file))]
        for file in strangers:
            self._met.setdefault(file.key, self._scan.number)
        # Oldest life first, and every file that goes on before any that is new: a renamed file finds its
        # generation before the new one at its old place is named.
        strangers.sort(key=lambda one: (one.logical, -one.age, one.compressed))
        for file in [file for file in strangers if not self._views.ask(file, self._found_again)]:
            self._views.ask(file, lambda view, file: self._place(view, file, now, patience))
        self._scan.unsettled |= (
            self._views.outrun
            or bool(self._views.refused)
            or any(file.key not in self._lives.by_key and not self._copies.knows(file) for file in strangers)
        )

    @property
    def outrun(self) -> bool:
        """Whether files were renamed while the last scan's were looked at, so that another should follow soon."""
        return self._views.outrun

    @property
    def unread(self) -> dict[str, str]:
        """The files of which the last scan could not say what they are, and why."""
        return self._views.refused

    def _at_home(self, file: Found) -> bool:
        """Whether the generation that had this device and inode still is in this file."""
        generation = self._lives.by_key.get(file.key)
        if generation is None:
            return False
        last = generation.found
        if last is file:
            return True  # the scan gives the same object for a file that is as it was
        if last is not None and last.key != file.key:
            self._lives.leaves(file.key)
            return False
        if last is not None and last.path == file.path and last[2:7] == file[2:7]:
            generation.found = file._replace(logical=last.logical, age=last.age)
            return True
        return self._views.ask(file, lambda view, file: self._goes_on(view, file, generation))

    def _goes_on(self, view: FileView, file: Found, generation: Generation) -> bool:
        expected = generation.expected
        # A file that is another log by name must be the very file: the inode may have been given away.
        moved = not (
            self._matcher.has_name_of(generation, file) or self._matcher.is_same_file(generation, view, file)
        )
        goes_on = not moved and generation.continues_in(view)
        if goes_on and file.size == expected.offset and generation.was_rewritten_in(view):
            goes_on = False
        elif not (goes_on or moved or file.compressed or file.source.format == "pipeline"):
            # A pipeline's log is written anew by every attempt; every other log is only ever appended to.
            goes_on = generation.was_cut_in(view)
            if goes_on:
                self._warn(f"{file.path}: its end is gone; what is left was shipped, it goes on from there")
        if goes_on:
            if generation.found is None and (best := self._matcher.best(view, file)) is not None:
                generation = best
            self._attach(generation, file, view)
            self._grow_fingerprint(generation, view)
            return True
        self._lose(generation, Truncated(file.key, empty=not view.size(1)))
        unread = generation.cursor.file.size - expected.offset
        if unread > 0:
            self._warn(
                f"{file.path}: truncated or rewritten with {unread} bytes unread; "
                "they are shipped if a copy of them turns up beside it, else they are gone"
            )
        return False

    def rewritten(self, generation: Generation) -> None:
        """The reader found other bytes before its position: this file was cut, or is another life from now on."""
        file = generation.found
        if file is not None:
            self._scan.unsettled = True
            self._views.ask(file, lambda view, file: self._goes_on(view, file, generation))

    def _lose(self, generation: Generation, truncated: Truncated) -> None:
        """The file is another generation now: this one has none until a copy turns up."""
        generation.cursor.file = generation.cursor.file._replace(device=0, inode=0)
        self._detach(truncated.key)
        generation.truncated = truncated
        if generation.active_reader is not None:
            generation.active_reader.file.close()
            generation.active_reader.file.gone = True
        self.dirty.add(generation.cursor.id)

    def _found_again(self, view: FileView, file: Found) -> bool:
        """Whether a generation that is without a file goes on in this one."""
        generation = self._matcher.best(view, file)
        if generation is None:
            return False
        self._attach(generation, file, view)
        self._grow_fingerprint(generation, view)
        return True

    def _place(self, view: FileView, file: Found, now: float, patience: float) -> bool:
        """Say what a file is that continues nothing: a copy, what was copied, or a new life."""
        head = view.read(0, FINGERPRINT_BYTES)
        if not head:
            self._views.say_damage(file, view)
            return True
        last = self._copies.known.pop(file.key, None)
        if self._is_spent(view, file, last) or self._copies.takes(
            view, file, head, last, patience, self._met[file.key]
        ):
            return True
        if not (self._was_copied(view, file, head) or self._was_cut(view, file, head)):
            self._begin(view, file, head, now, patience)
        return True

    def _is_spent(self, view: FileView, file: Found, last: Copy | None) -> bool:
        """Whether a proven copy ends before what was read of the original, which has been cut off since.

        The generation rests at its end then: there it is found again.
        """
        if last is None or not last.proven or last.of.found is not None:
            return False
        if (last.size, last.mtime_ns) != (file.size, file.mtime_ns):
            return False
        generation = last.of
        if generation.waiting:
            self._views.outrun = True  # what it holds back goes out first
            self._copies.known[file.key] = last
            return True
        size = view.size(generation.position)
        generation.cursor.fingerprint = hash_of(view.read(0, FINGERPRINT_BYTES))
        before = checkpoint_hash_of(view.read(max(0, size - CHECKPOINT_BYTES), CHECKPOINT_BYTES))
        generation.restart(generation.cursor.checkpoint._replace(offset=size, hash=before))
        self._attach(generation, file, view)
        return True

    def _was_copied(self, view: FileView, file: Found, head: bytes) -> bool:
        """Whether a generation was taken for living in a rotated file that is but a copy of this one."""
        if file.logical in self._scan.renamed:
            return False
        alike = [
            one for one in self._lives.alike(file, head) if one.found and file.logical in self._lives.kin(one.found)
        ]
        for generation in [*self.lives(file.logical), *alike]:
            copy, fingerprint = generation.found, generation.cursor.fingerprint
            if copy is None or hash_of(head[: fingerprint.length]) != fingerprint:
                continue
            if not (generation.met.rotated or generation in alike):
                continue
            other = self._views.open(copy)
            if other is None and generation in alike and not self._views.outrun:
                continue
            if other is None:
                return True  # just renamed, perhaps; judged at the next scan
            with contextlib.closing(other):
                length = view.size(1 << 62)
                size = other.size(length + 1)
                proven = repeats(size, other.read, length, view.read)
            if proven and size >= FINGERPRINT_BYTES and generation.continues_in(view):
                self._attach(generation, file, view)
                self._copies.known[copy.key] = Copy(generation, copy.size, copy.mtime_ns, proven=True)
                return True
        return False

    def _was_cut(self, view: FileView, file: Found, head: bytes) -> bool:
        """Whether a rotated file begins like a generation that is without a file, but ends before its position.

        Lines written between copying and cutting off were read from the original, and the copy lacks them; or
        it is another life that began alike.  Nobody can tell, so it is read again under the same name: what was
        indexed is recognised by its ids, anything else is indexed.
        """
        if len(head) < FINGERPRINT_BYTES:
            return False
        for generation in self._lives.earlier(file):
            if generation.found is None and generation.cursor.fingerprint == hash_of(head):
                if view.size(generation.position) >= generation.position:
                    continue
                if generation.waiting:
                    self._views.outrun = True  # what it holds back goes out first
                    return True
                generation.restart(START)
                self._attach(generation, file, view)
                return True
        return False

    def _begin(self, view: FileView, file: Found, head: bytes, now: float, patience: float) -> None:
        first = first_line_of(head)
        if first is None:
            size, since = self._nameless.get(file.key, (-1, now))
            since = since if size == file.size else now
            self._nameless[file.key] = file.size, since
            if now - since < patience:
                return
            first = head
        self._nameless.pop(file.key, None)
        identity, ordinal = self._lives.named(self._host, file.logical, first)
        cursor = Cursor(
            id=identity,
            logical=file.logical,
            first_line=hash_of(first).digest,
            ordinal=ordinal,
            file=LastSeen(file.path, file.device, file.inode, file.size),
            fingerprint=hash_of(head),
        )
        generation = Generation(cursor, keep=self._keep, open_view=self._open_view)
        generation.met = Met(self._scan.number, rotated=file.rotated or file.compressed)
        self._remember(generation)
        self._attach(generation, file, view)

    def _attach(self, generation: Generation, file: Found, view: FileView) -> None:
        if generation.found is not None and generation.found.key != file.key:
            self._lives.by_key.pop(generation.found.key, None)
            self._scan.unsettled = True
        if not self._lives.is_of(generation, file.logical):
            file = self._renamed_to(generation, file)
        cursor = generation.cursor
        if not cursor.file.born_ns or cursor.file.key != file.key:
            cursor.file = cursor.file._replace(born_ns=view.born)
        if file.rotated and generation.truncated is None and cursor.file.path == cursor.logical:
            self._scan.renamed.add(file.logical)
        generation.moves_into(file, self.looked_at)
        self._lives.enters(generation, file.key)
        self._copies.known.pop(file.key, None)
        self._met.pop(file.key, None)
        self.dirty.add(generation.cursor.id)

    def _grow_fingerprint(self, generation: Generation, view: FileView) -> None:
        generation.grow_fingerprint(view)
        self._lives.knows_head(generation)

    def _renamed_to(self, generation: Generation, file: Found) -> Found:
        """A file that a life goes on in under the name of another log, as the log's that it is a life of."""
        for logical in self._lives.kin(file):
            if self._lives.is_of(generation, logical):
                # "worker-20261127.log" has the name of a log, and is what was "worker.log".
                age, timeless = age_of(file.path.rpartition("/")[2], logical.rpartition("/")[2])
                return file._replace(logical=logical, age=aged(age, file.mtime_ns, timeless=timeless))
        # The name that its lines have stays.
        self._lives.renamed(generation, file.logical)
        return file

    def _detach(self, key: Key) -> None:
        generation = self._lives.leaves(key)
        if generation.found is None or generation.found.key == key:
            generation.loses_file()
            if generation.active_reader is not None:
                self.dirty.add(generation.cursor.id)

    def _remember(self, generation: Generation) -> None:
        self._lives.add(generation)
        self.dirty.add(generation.cursor.id)
