"""What an empty state directory's first scan passes over, as ``shipper.start`` says.

Only files that this scan found are concerned: what appears later is read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from shipper.tail.file_content import FileView
from shipper.tail.found_files import Found
from shipper.tail.utf16 import encoding_of
from shipper.tail.waiting_since import ENDLESS

AUTO, BEGINNING, END = "auto", "beginning", "end"
# What ``auto`` stands for in a sidecar; with --once it is the beginning, since that ships everything there is.
USUAL = "7d"
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
# Where the first scan found no logs, those that appear later are old if they had not changed for so long before it.
QUIET_NS = 600 * 10**9
_PIECE = 64 * 1024
# So much is unpacked in one scan, bytes, and the rest of the last file: about a second's work.
MAX_UNPACKED = 2**28
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def chosen(start: str, *, once: bool) -> str:
    """The value that counts where ``auto`` is configured."""
    return start if start != AUTO else BEGINNING if once else USUAL


class FirstStart:
    """Decides for each file of the first scan from where on it is read.

    The first scan is the first one that finds logs: a directory may be mounted late.  Then only files that had not
    changed for a while when the sidecar was started count as old, so that nothing new is passed over.

    A compressed file has to be unpacked to its end, so that it is recognised later.  Where there are many, this takes
    several scans, and goes on after a restart.

    Args:
        start: ``beginning``, ``end`` or an age such as ``7d``.
        now_ns: when the first start's scan began, nanoseconds since the epoch.
        shipped: whether some of these files were shipped before: then the state was lost, and nothing is passed over.
        say: called with what is done, and whether something is passed over.
        before_ns: only files that changed before this are old; None: all that the first scan finds.
    """

    def __init__(
        self,
        start: str,
        now_ns: int,
        shipped: Callable[[list[Found]], bool] = lambda _: False,
        say: Callable[[str, bool], None] = lambda *_: None,
        *,
        before_ns: int | None = None,
    ) -> None:
        self._start = start
        self._now_ns = now_ns
        self._shipped = shipped
        self._say = say
        self._before_ns = before_ns
        age = 0 if start in (BEGINNING, END) else int(start[:-1]) * _SECONDS[start[-1]]
        self._since_ns = now_ns - age * 10**9 if age else 0
        self._found = False
        self._left: dict[tuple[int, int], Found] = {}
        self._deferred = self._unpacked = 0

    @classmethod
    def from_text(cls, text: str) -> FirstStart:
        """What an earlier run left of it, as ``text`` gave it."""
        start, at = text.split()
        return cls(start, int(at), before_ns=int(at))

    @property
    def text(self) -> str:
        """What is left of it after the last scan, for the store; empty for nothing."""
        if self._found and not self._deferred:
            return ""
        return f"{self._start} {self._now_ns if self._before_ns is None else self._before_ns}"

    def begin_scan(self, files: list[Found]) -> None:
        """Note the files of the first scan; some are judged after later ones, when their first lines are complete."""
        self._deferred = self._unpacked = 0
        if self._found:
            return
        self._found = any(file.size for file in files)
        old = self.old(files)
        if old and self._shipped(old):
            old = []
        self._left = {file.key: file for file in old}
        if text := sentence(files, old, self._start):
            self._say(text, bool(old))
        if not self._found and self._before_ns is None:
            self._before_ns = self._now_ns - QUIET_NS

    def old(self, files: Iterable[Found]) -> list[Found]:
        """The files of which something is passed over, as far as sizes and times of change tell."""
        return [file for file in files if self._is_old(file)]

    def _is_old(self, file: Found) -> bool:
        if not file.size or (self._before_ns is not None and file.mtime_ns >= self._before_ns):
            return False
        return self._start == END or file.mtime_ns < self._since_ns

    def passed_over(self, file: Found, view: FileView) -> int | None:
        """How much of a file's content is passed over: bytes, 0 for nothing; None: decided in the next scan."""
        before = self._left.get(file.key)
        if before is None or (before.size, before.mtime_ns) != (file.size, file.mtime_ns):
            return 0  # new, or rewritten since
        if file.compressed and self._unpacked >= MAX_UNPACKED:
            self._deferred += 1
            return None
        del self._left[file.key]
        if file.compressed:
            size = view.size(ENDLESS)
            self._unpacked += size
            return size
        return _last_line_end(view, file.size) if self._start == END else file.size


def _last_line_end(view: FileView, size: int) -> int:
    """Behind a file's last line feed: a line that is being written is shipped when it is finished."""
    encoding = encoding_of(view.read(0, 2))
    feed = "\n".encode(encoding) if encoding else b"\n"
    end = size - size % len(feed)
    while end > 0:
        start = max(0, end - _PIECE)
        data = view.read(start, end - start)
        at = data.rfind(feed)
        while at >= 0 and at % len(feed):
            at = data.rfind(feed, 0, at + len(feed) - 1)
        if at >= 0:
            return start + at + len(feed)
        end = start
    return 0


def sentence(files: Iterable[Found], old: list[Found], start: str) -> str | None:
    """What a first start does with these files, for people; None where there is nothing to say.

    Args:
        files: all of them.
        old: those of which something is passed over.
        start: the value that counts.
    """
    keys = {file.key for file in old}
    ahead = [file for file in files if file.size and file.key not in keys]
    parts = []
    if old:
        which = "that existed already" if start == END else f"that did not change in the last {start}"
        parts.append(
            f"passes over {_amount(old)} {which} (shipper.start: {start}); "
            "to ship these too, set shipper.start: beginning and start again"
        )
    if ahead:
        day = datetime.fromtimestamp(min(file.mtime_ns for file in ahead) / 1e9, UTC).date()
        limit = "" if old else "; shipper.start can limit this at a first start"
        parts.append(f"ships {_amount(ahead)}, the oldest last changed on {day}{limit}")
    return "; ".join(parts) or None


def _amount(files: list[Found]) -> str:
    return f"{_size(sum(file.size for file in files))} of {len(files)} log{'' if len(files) == 1 else 's'}"


def _size(count: int) -> str:
    power = min(max(0, count.bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"
