"""Progress bars: a carriage return ends an update, and the next one is written over it.  Pure."""

from __future__ import annotations

from shipper.parse.format_prefixes import ANSI


def last_state(text: str) -> str:
    """What a terminal shows of a line in the end: its last update that shows anything.

    The carriage return of a line's own end is none of an update's; a line without others is what it was.
    """
    shown = text.rstrip("\r")
    if "\r" not in shown:
        return text
    for update in reversed(shown.split("\r")):
        if update.strip() and ANSI.sub("", update).replace("\x1b[K", "").strip():
            return update
    return ""
