"""Text → record, by the format of its first line.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from shipper.parse import celery, console, foreign_prefixes, huey, stdlib, traceback
from shipper.parse.celery_layouts import Layouts, match
from shipper.parse.format_prefixes import ANSI, HEAD, PREFIXED_TEXT
from shipper.parse.records import Record

READERS: dict[str | None, Callable[[re.Match[str], str, str], Record]] = {
    "celery": celery.record,
    "console": console.record,
    "design": console.of_pairs,
    "huey": huey.record,
    "stdlib": stdlib.record,
}
"""Name of a head → reader; takes the head, the text after it and the lines below."""
_WARNED = re.compile(r"\S[^\n]{0,400}?:\d{1,9}: \w*Warning: ")
_BANNER = re.compile(r" -------------- \S+@|celery beat v|worker: |Waiting gracefully|Restarting celery worker")


def parse(text: str, layouts: Layouts = ()) -> Record | None:
    """The record of a line and the lines joined to it; None if the format is unknown."""
    if layouts:
        first, _, below = ANSI.sub("", text).partition("\n")
        if laid := match(layouts, first):
            fields, at = laid
            return {"logger": "celery", **_prefixed(fields, first[at:], below)}
    plain = ANSI.sub("", text) if "\x1b" in text[:2] else text
    head = HEAD.match(plain) if plain[:1] in PREFIXED_TEXT else None
    if head is None:
        return _unprefixed(text, ANSI.sub("", text) if "\x1b" in text else text)
    first, _, below = plain[head.end() :].partition("\n")
    if "\x1b" in below and head.lastgroup in {"console", "design"}:
        below = ANSI.sub("", below)
    return READERS[head.lastgroup](head, first, below)


def _unprefixed(text: str, plain: str) -> Record | None:
    """A warning, a banner, a foreign format, or a traceback without a prefix."""
    if _WARNED.match(plain):
        return {"event": text, "level": "warning", "logger": "py.warnings"}
    if _BANNER.match(plain):
        return {"event": text, "level": "info", "logger": "celery.beat" if plain[:7] == "celery " else "celery"}
    first, _, below = plain.partition("\n")
    if found := foreign_prefixes.prefix(first):
        # A prefix without a message is the message.
        return _prefixed(found.fields, first[found.end :] or first, below)
    if not below and (pairs := foreign_prefixes.record(first)):
        return pairs
    return of_traceback(plain)


def _prefixed(fields: Record, first: str, below: str) -> Record:
    """A line in a foreign format, which may be Celery's or wrap another line."""
    if inner := celery.inside(fields, first, below):
        return inner
    event, trace = traceback.split(f"{first}\n{below}") if below else (first, None)
    return {**fields, "event": event} | ({"exception": trace} if trace else {})


def of_traceback(text: str) -> Record | None:
    """The record of a text with a traceback but no prefix; None if it has no traceback."""
    event, trace = traceback.split(text)
    if trace is None:
        return None
    # Text before the traceback is the event.
    if not event:
        kind, message = traceback.exception_of(trace)
        event = (f"{kind}: {message}" if message else kind) or trace.partition("\n")[0].strip()
    return {"event": event, "exception": trace, "level": "error"}
