"""What an empty state directory's first scan passes over, as ``shipper.start`` says.

Only files that this scan found are concerned: what appears later is read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shipper.tail.file_content import FileView
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.utf16 import encoding_of
from shipper.tail.waiting_since import ENDLESS

AUTO, BEGINNING, END = "auto", "beginning", "end"
# What ``auto`` stands for in a sidecar; with --once it is the beginning, since that ships everything there is.
USUAL = "7d"
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PIECE = 64 * 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def chosen(start: str, *, once: bool) -> str:
    """The value that counts where ``auto`` is configured."""
    return start if start != AUTO else BEGINNING if once else USUAL


class FirstStart:
    """Decides for each file of the first scan from where on it is read.

    Args:
        start: ``beginning``, ``end`` or an age such as ``7d``.
        now_ns: when the scan began, nanoseconds since the epoch.
        shipped: whether some of these files were shipped before: then the state was lost, and nothing is passed over.
    """

    def __init__(self, start: str, now_ns: int, shipped: Callable[[list[Found]], bool] = lambda _: False) -> None:
        self.start = start
        self._shipped = shipped
        age = 0 if start in (BEGINNING, END) else int(start[:-1]) * _SECONDS[start[-1]]
        self._since_ns = now_ns - age * 10**9 if age else 0
        self._sizes: dict[tuple[int, int], int] = {}

    def concerns(self, file: Found) -> bool:
        """Whether some of a file is passed over, as far as its time of change tells."""
        return self.start == END or file.mtime_ns < self._since_ns

    def meet(self, files: Iterable[Found]) -> None:
        """Note the files of the first scan; some are judged after later ones, when their first lines are complete."""
        concerned = [file for file in files if file.size and self.concerns(file)]
        if concerned and not self._shipped(concerned):
            self._sizes = {file.key: file.size for file in concerned}

    def passed_over(self, file: Found, view: FileView) -> int:
        """How much of a file's content is passed over: bytes, 0 for nothing."""
        size = self._sizes.pop(file.key, 0)
        if not size or file.compressed:
            return view.size(ENDLESS) if size else 0
        return _last_line_end(view, size) if self.start == END else size


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


@dataclass(frozen=True)
class Inventory:
    """What a first start found.

    Attributes:
        logs: how many files are shipped.
        bytes: how many bytes of them, compressed where the file is.
        passed_logs: how many files are passed over, wholly or in part.
        passed_bytes: how many bytes of them, unpacked where the file is compressed.
        oldest: when the longest unchanged of the files that are shipped changed, seconds since the epoch; 0 for none.
    """

    logs: int = 0
    bytes: int = 0
    passed_logs: int = 0
    passed_bytes: int = 0
    oldest: float = 0.0


def inventory(generations: Iterable[Generation]) -> Inventory:
    """Sum up what the first scan found."""
    there = [(one.found, one.cursor) for one in generations if one.found is not None]
    ahead = [
        (file, file.size - (0 if file.compressed else cursor.offset))
        for file, cursor in there
        if (not cursor.offset if file.compressed else file.size > cursor.offset)
    ]
    passed = [cursor.passed_over for _, cursor in there if cursor.passed_over]
    return Inventory(
        len(ahead),
        sum(size for _, size in ahead),
        len(passed),
        sum(passed),
        min((file.mtime_ns / 1e9 for file, _ in ahead), default=0.0),
    )


def planned(files: Iterable[Found], start: str, now_ns: int) -> Inventory:
    """What a first start would find now, as far as sizes and times of the files tell."""
    first = FirstStart(start, now_ns)
    passed = [file for file in files if file.size and first.concerns(file)]
    ahead = [file for file in files if file.size and not first.concerns(file)]
    return Inventory(
        len(ahead),
        sum(file.size for file in ahead),
        len(passed),
        sum(file.size for file in passed),
        min((file.mtime_ns / 1e9 for file in ahead), default=0.0),
    )


def sentence(found: Inventory, start: str) -> str | None:
    """What a first start does, for the log; None where there is nothing to say."""
    parts = []
    if found.passed_logs:
        which = "that existed already" if start == END else f"that did not change in the last {start}"
        parts.append(
            f"passes over {_size(found.passed_bytes)} of {_logs(found.passed_logs)} {which} "
            f"(shipper.start: {start}); to ship these too, set shipper.start: beginning and start again"
        )
    if found.logs:
        day = datetime.fromtimestamp(found.oldest, UTC).date()
        limit = "" if start == END or found.passed_logs else "; shipper.start can limit this at a first start"
        parts.append(f"ships {_size(found.bytes)} of {_logs(found.logs)}, the oldest last changed on {day}{limit}")
    return "; ".join(parts) or None


def _size(count: int) -> str:
    power = min(max(0, count.bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"


def _logs(count: int) -> str:
    return f"{count} log{'' if count == 1 else 's'}"
