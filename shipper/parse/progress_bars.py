"""Progress bars: lines that are written over, and what a terminal shows of them in the end.  Pure.

A carriage return ends an update, and the next one is written over it; spinners and percentages go back by backspaces,
others by the cursor's codes.
"""

from __future__ import annotations

import re

from shipper.parse.format_prefixes import ANSI

# To a column, up, or all of the line is erased: what follows is written over it.
_BACK = re.compile(r"\x1b\[(?:[0-9]{0,4}[AFG]|2K)")
_PARTS = re.compile(r"\x1b\[(?P<number>[0-9;]{0,40})(?P<code>[A-Za-z])|\x1b\[[?][0-9;]{0,40}[hl]|(?P<back>\x08+)")


def goes_back(text: str) -> bool:
    """Whether a line is written over without a carriage return."""
    return "\x08" in text or ("\x1b" in text and _BACK.search(text) is not None)


def last_state(text: str) -> str:
    """What a terminal shows of a line in the end: its last update that shows anything.

    The carriage return of a line's own end is none of an update's; a line without others that nothing is written over
    is what it was.
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

    The cursor is never behind what is there, so that a line takes no longer than its length.
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
