"""One scan that the generations were matched with, and what is to be looked at in the next."""

from __future__ import annotations

from dataclasses import dataclass, field

from shipper.tail.found_files import Found


@dataclass(slots=True)
class Scan:
    """One scan.

    Attributes:
        number: counts the scans.
        files: what it found.
        unsettled: whether something is undecided, so that the same files are to be looked at again.
        away: those of the files that no generation goes on in, by the objects that the scan gave for them.
        renamed: logs that were renamed since the scan before: new files beside them are generations, not copies.
    """

    number: int = 0
    files: list[Found] | None = None
    unsettled: bool = False
    away: set[int] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)

    def changed(self, files: list[Found]) -> list[Found] | None:
        """The files of the next scan to be looked at; None for all, and what was in those that are gone.

        Where files only grew, a generation whose file is as it was is still in it, if nothing was left undecided.
        """
        if self.unsettled or self.files is None or len(self.files) != len(files):
            return None
        pairs = list(zip(files, self.files, strict=True))
        if any(file is not last and not last.is_as_named(file) for file, last in pairs):
            return None
        return [file for file, last in pairs if file is not last or id(last) in self.away]
