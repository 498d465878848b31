"""Which generation each file is now: the table that a scan is held against.

Owns the memory of every life of every log and decides, file by file, whether it goes on, was renamed, copied,
rewritten or is new.  The decisions themselves are ``identity``'s; this module asks the files.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator

from shipper.tail.copies import Copies, Copy
from shipper.tail.file_access import Views
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import ANCHOR_BYTES, HEAD_BYTES, anchor_of, first_line_of, mark, repeats
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.generation_table import Key, Lives
from shipper.tail.resting import Resting
from shipper.tail.rotation_names import age_of, aged
from shipper.tail.state.marks import NOTHING
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.store import Cursor

__all__ = ["Generation", "Generations"]


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
        self._nameless = Resting()
        # When a file without a generation was met, and how many scans there were.
        self._met: dict[Key, int] = {}
        self._scans = 0
        # Logs that were renamed since the last scan: what is new beside them are lives, not copies.
        self._renamed: set[str] = set()
        self.dirty: set[bytes] = set()
        self.looked_at = 0.0
        self._files: list[Found] | None = None
        self._unsettled = False
        # Of two lives that were last seen in one file the one that has nothing acknowledged yet is the later.
        for cursor in sorted(cursors, key=lambda one: one.seen_at or math.inf):
            generation = Generation(cursor, keep=keep, open_view=open_view)
            self._remember(generation)
            if cursor.inode:
                self._lives.enters(generation, (cursor.device, cursor.inode))
        self.dirty.clear()

    def __iter__(self) -> Iterator[Generation]:
        """Every generation that is remembered."""
        return iter(self._lives)

    def reconfigure(self, host: str, keep: int) -> None:
        """What is new has this host in its name, what is known keeps its own; lines may be so long from now on."""
        self._host, self._keep = host, keep
        for generation in self:
            generation.resize(keep)

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
        if files is self._files and not self._unsettled:
            return
        self._files, self._unsettled, self._scans = files, False, self._scans + 1
        self._views.outrun, self._views.refused, self._views.empty = False, {}, {}
        self._renamed.clear()
        present = {file.key for file in files}
        for key in self._lives.by_key.keys() - present:
            self._detach(key)
        for memory in (self._copies.known, self._nameless, self._met):
            for key in memory.keys() - present:
                del memory[key]
        strangers = [
            file for file in files
            if not (self._at_home(file) or not (file.size or file.compressed) or self._copies.knows(file))
        ]  # fmt: skip
        for file in strangers:
            self._met.setdefault(file.key, self._scans)
        # Oldest life first, and every file that goes on before any that is new: a renamed file finds its
        # generation before the new one at its old place is named.
        strangers.sort(key=lambda one: (one.logical, -one.age, one.compressed))
        for file in [file for file in strangers if not self._views.ask(file, self._found_again)]:
            self._views.ask(file, lambda view, file: self._place(view, file, now, patience))
        self._unsettled |= (
            self._views.outrun
            or bool(self._views.refused or self._views.empty)
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

    @property
    def empty(self) -> dict[str, str]:
        """The compressed files that the last scan found to hold nothing yet, in words."""
        return self._views.empty

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
        known = generation.known
        # A file that is another log by name must be the very file: the inode may have been given away.
        moved = not (self._is_life_of(generation, file) or self._is_the_very(generation, view, file))
        goes_on = not moved and generation.continues_in(view)
        if goes_on and file.size == known.offset and generation.was_rewritten_in(view):
            goes_on = False
        elif not (goes_on or moved or file.compressed or file.source.format == "pipeline"):
            # A pipeline's log is written anew by every attempt; every other log is only ever appended to.
            goes_on = generation.was_cut_in(view)
            if goes_on:
                self._warn(f"{file.path}: its end is gone; what is left was shipped, it goes on from there")
        if goes_on:
            if generation.found is None and (best := self._best(view, file)) is not None:
                generation = best
            self._attach(generation, file, view)
            self._grow_head(generation, view)
            return True
        self._lose(generation, file.key)
        generation.emptied = not view.size(1)
        unread = generation.cursor.size - known.offset
        if unread > 0:
            self._warn(
                f"{file.path}: truncated or rewritten with {unread} bytes unread; "
                "they are shipped if a copy of them turns up beside it, else they are gone"
            )
        return False

    def _is_life_of(self, generation: Generation, file: Found) -> bool:
        """Whether a file's name is one that the log of this life, or its earlier lives, may have."""
        is_of = self._lives.is_of
        return is_of(generation, file.logical) or any(is_of(generation, one) for one in self._lives.kin(file))

    def _is_the_very(self, generation: Generation, view: FileView, file: Found) -> bool:
        """Whether this is the file that a life was last in, and not another that was given its inode."""
        cursor, last = generation.cursor, generation.found
        if cursor.born and (born := view.born):
            return born == cursor.born
        if generation.known.offset >= HEAD_BYTES:
            return True  # what it says is to be proved in any case
        if last is not None:
            return last.mtime_ns == file.mtime_ns
        return file.size == cursor.size and file.mtime_ns <= self.looked_at * 10**9

    def rewritten(self, generation: Generation) -> None:
        """The reader found other bytes before its position: this file was cut, or is another life from now on."""
        file = generation.found
        if file is not None:
            self._unsettled = True
            self._views.ask(file, lambda view, file: self._goes_on(view, file, generation))

    def _lose(self, generation: Generation, key: Key) -> None:
        """The file is another life now: this one has none, until a copy turns up."""
        generation.cursor.device = generation.cursor.inode = 0
        self._detach(key)
        generation.left = key
        if generation.awake is not None:
            generation.awake.close()
            generation.awake.gone = True
        self.dirty.add(generation.cursor.id)

    def _found_again(self, view: FileView, file: Found) -> bool:
        """Whether a generation that is without a file goes on in this one."""
        generation = self._best(view, file)
        if generation is None:
            return False
        self._attach(generation, file, view)
        self._grow_head(generation, view)
        return True

    def _best(self, view: FileView, file: Found) -> Generation | None:
        """Of the generations without a file, the one of which this file proves most."""
        best: Generation | None = None
        for generation, least in self._candidates(view, file):
            known = generation.known
            if generation.found is not None or known.offset < least or (best and known.offset <= best.known.offset):
                continue
            if generation.left == file.key and (known.offset < HEAD_BYTES or generation.emptied):
                continue  # it was cut off here: what begins as it did is another life
            if generation.continues_in(view):
                best = generation
        return best

    def _candidates(self, view: FileView, file: Found) -> Iterator[tuple[Generation, int]]:
        """The lives that may go on in a file, and how much must have been read of each to tell."""
        for logical in (file.logical, *self._lives.kin(file)):
            yield from ((one, 0) for one in self.lives(logical))
        if (lost := self._lives.lost(file.key)) is not None and self._is_the_very(lost, view, file):
            yield lost, 0
        if (copy := self._copies.known.get(file.key)) is not None:
            yield copy.of, 0
        yield from ((one, HEAD_BYTES) for one in self._lives.alike(file, view.read(0, HEAD_BYTES)))

    def _place(self, view: FileView, file: Found, now: float, patience: float) -> bool:
        """Say what a file is that continues nothing: a copy, what was copied, or a new life."""
        head = view.read(0, HEAD_BYTES)
        if not head:
            self._views.say_damage(file, view)
            if self._nameless.for_long(file, now, patience):
                self._views.say_cut_off(file, view)
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
        generation.cursor.head = mark(view.read(0, HEAD_BYTES))
        anchor = anchor_of(view.read(max(0, size - ANCHOR_BYTES), ANCHOR_BYTES))
        generation.restart(size, anchor, generation.cursor.carry)
        self._attach(generation, file, view)
        return True

    def _was_copied(self, view: FileView, file: Found, head: bytes) -> bool:
        """Whether a generation was taken for living in a rotated file that is but a copy of this one."""
        if file.logical in self._renamed:
            return False
        alike = [
            one for one in self._lives.alike(file, head) if one.found and file.logical in self._lives.kin(one.found)
        ]
        for generation in [*self.lives(file.logical), *alike]:
            copy, known = generation.found, generation.known
            if copy is None or mark(head[: known.head.length]) != known.head:
                continue
            if not (generation.begun_aside or generation in alike):
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
            if proven and size >= HEAD_BYTES and generation.continues_in(view):
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
        if len(head) < HEAD_BYTES:
            return False
        for generation in self._lives.earlier(file):
            if generation.found is None and generation.cursor.head == mark(head):
                if view.size(generation.position) >= generation.position:
                    continue
                if generation.waiting:
                    self._views.outrun = True  # what it holds back goes out first
                    return True
                generation.restart(0, NOTHING, "")
                self._attach(generation, file, view)
                return True
        return False

    def _begin(self, view: FileView, file: Found, head: bytes, now: float, patience: float) -> None:
        first = first_line_of(head)
        if first is None:
            if not self._nameless.for_long(file, now, patience):
                return
            first = head
        self._nameless.pop(file.key, None)
        identity, ordinal = self._lives.named(self._host, file.logical, first)
        cursor = Cursor(
            id=identity,
            logical=file.logical,
            first_line=mark(first).digest,
            ordinal=ordinal,
            path=file.path,
            device=file.device,
            inode=file.inode,
            size=file.size,
            head=mark(head),
        )
        generation = Generation(cursor, keep=self._keep, open_view=self._open_view)
        generation.begun_at = self._scans
        generation.begun_aside = file.rotated or file.compressed
        self._remember(generation)
        self._attach(generation, file, view)

    def _attach(self, generation: Generation, file: Found, view: FileView) -> None:
        if generation.found is not None and generation.found.key != file.key:
            self._lives.by_key.pop(generation.found.key, None)
            self._unsettled = True
        if not self._lives.is_of(generation, file.logical):
            file = self._renamed_to(generation, file)
        cursor = generation.cursor
        if not cursor.born or (cursor.device, cursor.inode) != file.key:
            cursor.born = view.born
        if file.rotated and generation.left is None and cursor.path == cursor.logical:
            self._renamed.add(file.logical)
        generation.moves_into(file, self.looked_at)
        self._lives.enters(generation, file.key)
        self._copies.known.pop(file.key, None)
        self._met.pop(file.key, None)
        self.dirty.add(generation.cursor.id)

    def _grow_head(self, generation: Generation, view: FileView) -> None:
        generation.grow_head(view)
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
            if generation.awake is not None:
                self.dirty.add(generation.cursor.id)

    def _remember(self, generation: Generation) -> None:
        self._lives.add(generation)
        self.dirty.add(generation.cursor.id)
