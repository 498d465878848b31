"""Which generation each file of a scan is: one that goes on, was renamed, copied or rewritten, or a new one.

This module reads the files; ``fingerprint`` and ``samples`` compare.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator

from shipper.tail.copies import Copies, Copy
from shipper.tail.file_access import FileAccess
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import (
    FINGERPRINT_BYTES,
    first_line_of,
    hash_of,
    repeats,
)
from shipper.tail.first_start import FirstStart
from shipper.tail.found_files import Found
from shipper.tail.framing import Framing
from shipper.tail.generation import MAX_BYTES, Generation, Met, Truncated
from shipper.tail.generation_table import GenerationTable, Key, Remembered
from shipper.tail.matching import Matcher
from shipper.tail.resting import Resting
from shipper.tail.rotation_names import age_of, aged
from shipper.tail.scan import Scan
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.rows import Cursor, LastSeen
from shipper.telemetry import Throttle


class Generations:
    """All generations, matched with the files of each scan.

    A file whose first line is unfinished gets no name yet, as half a line would give another name than the whole one
    if the state is lost.  After ``patience`` seconds without a change it is named as it stands.

    Attributes:
        table: all of them.
        access: opens their files; tells which it could not match after the last scan, and why.
        dirty: names of those that changed their file since the caller emptied it last.

    Args:
        cursors: of the store.
        host: name of this machine in generation names.
        keep: longest line kept whole, bytes.
        warn: called with a sentence for the sidecar's log.
        open_view: opens a file's content.
        conceal: what stands for a path in cursors that come from the store.
        framing: how the formats delimit records.
        first_start: what is passed over of the files of the first scan; None for nothing.
        remembered: the cursors that the store holds, to be taken from there when they are needed, beside ``cursors``.
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
        framing: Framing | None = None,
        first_start: FirstStart | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self._host = host
        self._keep = keep
        self._throttle = Throttle(warn)
        self._open_view = open_view
        self._framing = framing
        self._first_start = first_start
        self.access = FileAccess(open_view, warn)
        self.table = GenerationTable(conceal, remembered, self._generation_of)
        self._copies = Copies(self.table, self.access)
        self._matcher = Matcher(self.table, self._copies)
        self._nameless = Resting()
        # The number of the scan that met a file without a generation.
        self._met: dict[Key, int] = {}
        self._scan = Scan()
        self.dirty: set[bytes] = set()
        # Of two generations that were last seen in one file, the one with nothing acknowledged is the later.
        for cursor in sorted(cursors, key=lambda one: one.seen_at or math.inf):
            generation = self._generation_of(cursor)
            self._remember(generation)
            if cursor.file.inode:
                self.table.enters(generation, cursor.file.key)
        self.dirty.clear()

    def _generation_of(self, cursor: Cursor) -> Generation:
        return Generation(cursor, keep=self._keep, open_view=self._open_view)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.table)

    def __iter__(self) -> Iterator[Generation]:
        """Every generation that is remembered, but those that no file of a scan has asked the store for."""
        return iter(self.table)

    def reconfigure(self, host: str, keep: int) -> None:
        """Name new generations after this host, as known ones keep their names; keep lines of so many bytes whole."""
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
        return self.table.get(generation)

    def lives(self, logical: str) -> list[Generation]:
        """Every generation of the log with this path."""
        return self.table.of(logical)

    def observe(self, files: list[Found], now: float, patience: float) -> None:
        """Match a scan's files with the generations; afterwards each generation has its file.

        Args:
            files: what the scan found.
            now: monotonic seconds.
            patience: how long to wait for the end of a first line, seconds.
        """
        before = self._scan
        if files is before.files and not before.unsettled:
            return
        self._scan = Scan(self._scan.number + 1, files)
        self.access.begin()
        if self._first_start is not None:
            self._first_start.begin_scan(files)
        changed = before.changed(files)
        if changed is None:
            self._forget_all_but({file.key for file in files})
        homeless = [file for file in (files if changed is None else changed) if not self._at_home(file)]
        # Only now: whether a copy's original still is where it was is known.
        strangers = [file for file in homeless if (file.size or file.compressed) and not self._copies.knows(file)]
        for file in strangers:
            self._met.setdefault(file.key, self._scan.number)
        # Oldest first, and files that continue a generation before new ones: a renamed file has to find its
        # generation before the file at its old path is named.
        strangers.sort(key=lambda one: (one.logical, -one.age, one.compressed))
        for file in [file for file in strangers if not self.access.ask(file, self._found_again)]:
            self.access.ask(file, lambda view, file: self._place(view, file, now, patience))
        self._scan.unsettled |= (
            self.access.renamed_meanwhile
            or bool(self.access.refused or self.access.empty)
            or any(file.key not in self.table.by_key and not self._copies.knows(file) for file in strangers)
        )
        self.table.scanned = True
        self._scan.away = {id(file) for file in homeless if file.key not in self.table.by_key}

    def _forget_all_but(self, present: set[Key]) -> None:
        """Forget where the files are that are not there any more."""
        for key in self.table.by_key.keys() - present:
            self._detach(key)
        for memory in (self._copies.known, self._nameless, self._met):
            for key in memory.keys() - present:
                del memory[key]

    def _at_home(self, file: Found) -> bool:
        """Whether the generation that had this device and inode still is in this file."""
        generation = self.table.in_file(file.key)
        if generation is None:
            return False
        last = generation.found
        if last is file:
            return True  # the scan gives the same object for a file that is as it was
        if last is not None and last.key != file.key:
            self.table.leaves(file.key)
            return False
        if last is not None and last.path == file.path and last[2:7] == file[2:7]:
            generation.found = file._replace(logical=last.logical, age=last.age)
            return True
        return self.access.ask(file, lambda view, file: self._goes_on(view, file, generation))

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
                part = "truncated to a part that was read before; reading goes on behind that part"
                self._throttle.say(f"part {file.path}", f"{file.path}: {part}")
        if goes_on:
            if generation.found is None and (best := self._matcher.best(view, file)) is not None:
                generation = best
            self._attach(generation, file, view)
            self._grow_fingerprint(generation, view)
            return True
        self._lose(generation, Truncated(file.key, empty=not view.size(1)))
        unread = generation.cursor.file.size - expected.offset
        if unread > 0:
            self._throttle.say(
                f"unread {file.path}",
                f"{file.path}: truncated or rewritten with {unread} bytes unread; "
                "they are shipped if a scan finds a copy beside it, otherwise they are lost",
            )
        return False

    def rewritten(self, generation: Generation) -> None:
        """Match a file again in which the reader found other bytes before its position."""
        file = generation.found
        if file is not None:
            self._scan.unsettled = True
            self.access.ask(file, lambda view, file: self._goes_on(view, file, generation))

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
        """Decide what a file is that continues no generation: a copy, the original of one, or new."""
        head = view.read(0, FINGERPRINT_BYTES)
        if not head:
            self.access.report_damage(file, view)
            if self._nameless.for_long(file, now, patience):
                self.access.report_cut_off(file, view)
            return True
        last = self._copies.known.pop(file.key, None)
        if self._is_spent(view, file, last):
            return True
        if self._copies.takes(view, file, head, last, patience, self._met[file.key]):
            if (copy := self._copies.known.get(file.key)) is not None and copy.proven:
                self.dirty.add(copy.of.cursor.id)  # what proves it is stored
            return True
        if not (self._was_copied(view, file, head) or self._was_cut(view, file, head)):
            self._begin(view, file, head, now, patience)
        return True

    def _is_spent(self, view: FileView, file: Found, last: Copy | None) -> bool:
        """Whether a proven copy ends before what was read of the original, which was truncated since.

        The generation is set to the copy's end then and goes on in it.
        """
        if last is None or not last.proven or last.of.found is not None:
            return False
        if (last.size, last.mtime_ns) != (file.size, file.mtime_ns):
            return False
        generation = last.of
        if not self._is_settled(generation):
            self._copies.known[file.key] = last
            return True
        generation.go_back_to(view, view.size(generation.position))
        self._attach(generation, file, view)
        return True

    def _is_settled(self, generation: Generation) -> bool:
        """Whether all that was read of a generation is acknowledged; until then it can't be set back."""
        if generation.waiting:
            self.access.renamed_meanwhile = True  # flush what it holds back first
        return generation.settled

    def _was_copied(self, view: FileView, file: Found, head: bytes) -> bool:
        """Whether a rotated file that a generation was found in is only a copy of this one."""
        if file.logical in self._scan.renamed:
            return False
        alike = [
            one
            for one in self.table.alike(file, head)
            if one.found and file.logical in self.table.possible_logs(one.found)
        ]
        for generation in [*self.lives(file.logical), *alike]:
            copy, fingerprint = generation.found, generation.cursor.fingerprint
            if copy is None or hash_of(head[: fingerprint.length]) != fingerprint:
                continue
            if not (generation.met.rotated or generation in alike):
                continue
            other = self.access.open(copy)
            if other is None and generation in alike and not self.access.renamed_meanwhile:
                continue
            if other is None:
                return True  # perhaps renamed just now; matched after the next scan
            with contextlib.closing(other):
                length = view.size(1 << 62)
                size = other.size(length + 1)
                proven = repeats(size, other.read, length, view.read)
            if proven and size >= FINGERPRINT_BYTES and generation.continues_in(view):
                generation.has_copy(view, size)
                self._attach(generation, file, view)
                self._copies.known[copy.key] = Copy(generation, copy.size, copy.mtime_ns, proven=True)
                return True
        return False

    def _was_cut(self, view: FileView, file: Found, head: bytes) -> bool:
        """Whether a rotated file begins like a generation without a file, but ends before its position.

        Either the copy lacks lines that were written between copying and truncating, or it is another generation that
        begins alike.  What content samples do not prove is read again under the same name: lines that were indexed
        are recognised by their ids, others are indexed.  What they prove is not: how its records were delimited
        depended also on when their lines came, and on the rotation before.
        """
        if len(head) < FINGERPRINT_BYTES:
            return False
        framing, line_format = self._framing, file.source.format
        orphan = (lambda line: framing.orphan(line, line_format)) if framing is not None else None
        for generation in self.table.earlier(file):
            if generation.found is None and generation.cursor.fingerprint == hash_of(head):
                size = view.size(generation.position)
                if size >= generation.position:
                    continue
                if self._is_settled(generation):
                    # Of a pipeline's log each line is a record, and two attempts may print nearly the same.
                    copied = generation.copied_length(view, size, orphan) if line_format != "pipeline" else 0
                    generation.go_back_to(view, copied)
                    self._attach(generation, file, view)
                return True
        return False

    def _begin(self, view: FileView, file: Found, head: bytes, now: float, patience: float) -> None:
        first = first_line_of(head)
        if first is None:
            if not self._nameless.for_long(file, now, patience):
                return
            first = head
        length = self._first_start.passed_over(file, view) if self._first_start is not None else 0
        if length is None:
            return
        self._nameless.pop(file.key, None)
        identity, ordinal = self.table.named(self._host, file.logical, first)
        cursor = Cursor(
            id=identity,
            logical=file.logical,
            first_line=hash_of(first).digest,
            ordinal=ordinal,
            file=LastSeen(file.path, file.device, file.inode, file.size),
            fingerprint=hash_of(head),
        )
        generation = self._generation_of(cursor)
        generation.met = Met(self._scan.number, rotated=file.rotated or file.compressed)
        if length:
            generation.pass_over(view, length)
        if self.table.lost_some:
            generation.maybe_sent = MAX_BYTES if file.compressed else file.size
        self._remember(generation)
        self._attach(generation, file, view)

    def _attach(self, generation: Generation, file: Found, view: FileView) -> None:
        if generation.found is not None and generation.found.key != file.key:
            self.table.by_key.pop(generation.found.key, None)
            self._scan.unsettled = True
        if not self.table.is_of(generation, file.logical):
            file = self._renamed_to(generation, file)
        cursor = generation.cursor
        if not cursor.file.born_ns or cursor.file.key != file.key:
            cursor.file = cursor.file._replace(born_ns=view.born)
        if file.rotated and generation.truncated is None and cursor.file.path == cursor.logical:
            self._scan.renamed.add(file.logical)
        generation.moves_into(file, self.looked_at)
        self.table.enters(generation, file.key)
        self._copies.known.pop(file.key, None)
        self._met.pop(file.key, None)
        self.dirty.add(generation.cursor.id)

    def _grow_fingerprint(self, generation: Generation, view: FileView) -> None:
        generation.grow_fingerprint(view)
        self.table.knows_head(generation)

    def _renamed_to(self, generation: Generation, file: Found) -> Found:
        """A file under another log's name in which a generation goes on, with the log that it belongs to now."""
        for logical in self.table.possible_logs(file):
            if self.table.is_of(generation, logical):
                # "worker-20261127.log" has the name of a log, and was "worker.log" before.
                age, timeless = age_of(file.path.rpartition("/")[2], logical.rpartition("/")[2])
                return file._replace(logical=logical, age=aged(age, file.mtime_ns, timeless=timeless))
        # The generation's own name stays, so that its ids do.
        self.table.renamed(generation, file.logical)
        return file

    def _detach(self, key: Key) -> None:
        generation = self.table.leaves(key)
        if generation.found is None or generation.found.key == key:
            generation.loses_file()
            if generation.active_reader is not None:
                self.dirty.add(generation.cursor.id)

    def _remember(self, generation: Generation) -> None:
        self.table.add(generation)
        self.dirty.add(generation.cursor.id)
