"""A table in a box, like those of the application's own commands, in bounded memory."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import TextIO

from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from shipper.printable import printable
from shipper.views.hits import Flat
from shipper.views.render import terminal
from shipper.views.views import Column

# The first rows decide the widths of the columns; the others are written as they come.
MEASURED_ROWS = 1000

_BORDER = re.compile("[━-]+")  # a hyphen where the terminal has no box characters


class BoxTable:
    """Rows with a title and headings; texts are folded where they don't fit, never cut.

    Nothing is written when there are no rows.
    """

    def __init__(self, title: str, columns: Sequence[Column], zone: tzinfo | None, stream: TextIO) -> None:
        self._title = title
        self._columns = columns
        self._zone = zone
        self._console = terminal(stream)
        self._rows: list[list[Text]] = []
        self._widths: list[int] = []
        self._bottom: list[Segment] = []

    def write(self, docs: Iterable[Flat]) -> None:
        """Add rows; they are written once there are enough to decide the widths."""
        rows = iter([self._cell(column, doc) for column in self._columns] for doc in docs)
        while batch := list(itertools.islice(rows, MEASURED_ROWS - len(self._rows))):
            self._rows += batch
            if len(self._rows) == MEASURED_ROWS:
                self._flush()

    def close(self) -> None:
        """Write the remaining rows and the end of the box."""
        if self._rows:
            self._flush()
        if self._bottom:
            self._put([self._bottom])

    def _cell(self, column: Column, doc: Flat) -> Text:
        shown = column.cell(doc, self._zone)
        return Text(printable(shown, lines=True), column.style(shown) if column.style else "")

    def _flush(self) -> None:
        table = Table(title=None if self._widths else self._title, show_header=not self._widths)
        for at, column in enumerate(self._columns):
            width = self._widths[at] if self._widths else None
            table.add_column(Text(column.title), overflow="fold", width=width)
        for row in self._rows:
            table.add_row(*row)
        self._rows = []
        # The widths that rich has chosen, read from the border, also apply to later rows.
        lines = self._console.render_lines(table, pad=False)
        if self._widths:
            del lines[0]
        else:
            border = next(text for line in lines if (text := _plain(line)).startswith(("┏", "+")))
            self._widths = [len(run) - 2 for run in _BORDER.findall(border)]
        self._bottom = lines.pop()
        self._put(lines)

    def _put(self, lines: Iterable[list[Segment]]) -> None:
        for line in lines:
            self._console.print(_Line(line), soft_wrap=True)


class _Line:
    """A rendered line."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments

    def __rich_console__(self, *_: object) -> Iterable[Segment]:
        yield from self._segments
        yield Segment.line()


def _plain(line: list[Segment]) -> str:
    return "".join(segment.text for segment in line)
