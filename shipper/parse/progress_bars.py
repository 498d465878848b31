"""Progress bars: what a terminal finally shows of an overwritten line.  Pure.

Updates overwrite each other by carriage returns, backspaces or cursor codes.
"""

from __future__ import annotations

import re

from shipper.parse.format_prefixes import ANSI

# Cursor to a column or up, or erase line.
_BACK = re.compile(r"\x1b\[(?:[0-9]{0,4}[AFG]|2K)")
_PARTS = re.compile(r"\x1b\[(?P<number>[0-9;]{0,40})(?P<code>[A-Za-z])|\x1b\[[?][0-9;]{0,40}[hl]|(?P<back>\x08+)")


def goes_back(text: str) -> bool:
    """Whether a line is overwritten without a carriage return."""
    return "\x08" in text or ("\x1b" in text and _BACK.search(text) is not None)


def last_state(text: str) -> str:
    """What a terminal finally shows of a line: its last visible update.

    A carriage return at the end belongs to the line's end.  Lines that are not overwritten are returned unchanged.
    """
    shown = text.rstrip("\r")
    if "\r" not in shown:
        return _drawn(shown) if goes_back(shown) else text
    for update in reversed(shown.split("\r")):
        drawn = _drawn(update) if goes_back(update) else update
        if ANSI.sub("", drawn).replace("\x1b[K", "").strip():
            return drawn
    return ""


def _drawn(text: str) -> str:
    """The line that a terminal shows, without colours.

    The cursor never passes the end of the text, so that the time is linear.
    """
    cells: list[str] = []
    cursor = at = 0
    for part in [*_PARTS.finditer(text), None]:
        written = text[at : part.start() if part else len(text)]
        cells[cursor : cursor + len(written)] = written
        cursor += len(written)
        if part is None:
            break
        at = part.end()
        code, number = part["code"], part["number"]
        if part["back"]:
            cursor = max(0, cursor - len(part["back"]))
        elif code == "G":
            cursor = min(int(number[:4]) - 1 if number.isdigit() and int(number[:4]) else 0, len(cells))
        elif code == "K" and number in {"", "0"}:
            del cells[cursor:]
        elif code in {"A", "F"} or (code == "K" and number == "2"):
            cells.clear()
            cursor = 0
    return "".join(cells).rstrip()
