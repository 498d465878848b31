"""Opens the files of a scan to compare their content; files that can't be opened are tried after the next scan."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.file_content import FileView
from shipper.tail.found_files import Found
from shipper.telemetry import ONCE, Throttle


class FileAccess:
    """Opens files for questions about their content.

    Attributes:
        renamed_meanwhile: whether another file had a name by the time it was opened.
        refused: path of each file that could not be read → why.
        empty: the same for compressed files of no bytes.

    Args:
        open_view: opens a file's content.
        warn: called once for each file that can't be read.
    """

    def __init__(self, open_view: Callable[..., FileView], warn: Callable[[str], None]) -> None:
        self._open_view = open_view
        self._throttle = Throttle(warn)
        self.renamed_meanwhile = False
        self.refused: dict[str, str] = {}
        self.empty: dict[str, str] = {}
        self._kinds: set[str] = set()

    def begin(self) -> None:
        """Begin a scan: what could be read in the last one is reported again when it can't be."""
        self._throttle.over(but=self._kinds)
        self.renamed_meanwhile, self.refused, self.empty, self._kinds = False, {}, {}, set()

    def ask(self, file: Found, question: Callable[[FileView, Found], bool]) -> bool:
        """The answer to a question about a file's content; True, so that nothing changes, if it can't be read."""
        view = self.open(file)
        if view is None:
            return True
        try:
            return question(view, file)
        except OSError as error:
            self._refuse(file, "read", f"can't be read: {error}")
            return True
        finally:
            view.close()

    def open(self, file: Found) -> FileView | None:
        """The file, or None where it can't be opened or is another by now."""
        try:
            view = self._open_view(file.real, compressed=file.compressed)
        except OSError as error:
            self._refuse(file, "open", f"can't be opened: {error.strerror}")
            return None
        if view.key != file.key:
            # It was renamed since the scan: another file has the name.
            view.close()
            self.renamed_meanwhile = True
            return None
        return view

    def report_damage(self, file: Found, view: FileView) -> None:
        """Report once what is wrong with a compressed file of which nothing can be read."""
        if view.damage:
            self._refuse(file, "damage", f"not {view.kind}, or damaged from its beginning ({view.damage})")

    def report_cut_off(self, file: Found, view: FileView) -> None:
        """Report once that a compressed file, which has not changed for long enough, ends before its first line."""
        if not view.unfinished:
            return
        if file.size:
            self._refuse(file, "cut off", str(view.trouble))
        else:
            reason = "is empty: the program that compresses it has not written yet, or failed"
            self._refuse(file, "empty", reason, harmless=True)

    def _refuse(self, file: Found, what: str, reason: str, *, harmless: bool = False) -> None:
        (self.empty if harmless else self.refused)[file.path] = reason
        kind = f"{what} {file.path}"
        self._kinds.add(kind)
        self._throttle.say(kind, f"{file.path}: {reason}; trying again every scan, nothing is lost", ONCE)
