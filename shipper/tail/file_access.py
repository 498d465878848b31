"""Looks into the files of a scan: what can't be opened just now is judged at the next one."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.file_content import FileView
from shipper.tail.scanner import Found


class Views:
    """Opens files for questions about their content.

    ``outrun`` says that another file had the name by the time it was opened; ``refused`` holds why those could not be
    read that could not, by path; ``empty`` the same for compressed files of no bytes.

    Args:
        open_view: opens a file's content.
        warn: told once, in a sentence, that a file can't be read.
    """

    def __init__(self, open_view: Callable[..., FileView], warn: Callable[[str], None]) -> None:
        self._open_view = open_view
        self._warn = warn
        self._warned: set[tuple[str, str]] = set()
        self.outrun = False
        self.refused: dict[str, str] = {}
        self.empty: dict[str, str] = {}

    def ask(self, file: Found, question: Callable[[FileView, Found], bool]) -> bool:
        """The answer to a question about a file's content; unreadable just now, it stays as it is till next scan."""
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
        self._warned.discard(("open", file.path))
        if view.key != file.key:
            # A rotation went by between the scan and now: another file has the name; the next scan knows more.
            view.close()
            self.outrun = True
            return None
        return view

    def say_damage(self, file: Found, view: FileView) -> None:
        """Say once what is wrong with a compressed file of which nothing can be read."""
        if view.damage:
            self._refuse(file, "damage", f"not {view.kind}, or damaged from its beginning ({view.damage})")

    def say_cut_off(self, file: Found, view: FileView) -> None:
        """Say once that a compressed file, which has not changed for long enough, ends before its first line."""
        if not view.unfinished:
            return
        if file.size:
            self._refuse(file, "cut off", str(view.trouble))
        else:
            reason = "is empty: the program that compresses it has not written yet, or failed"
            self._refuse(file, "empty", reason, harmless=True)

    def _refuse(self, file: Found, what: str, reason: str, *, harmless: bool = False) -> None:
        (self.empty if harmless else self.refused)[file.path] = reason
        if (what, file.path) not in self._warned:
            self._warned.add((what, file.path))
            self._warn(f"{file.path}: {reason}; trying again every scan, nothing is lost")
