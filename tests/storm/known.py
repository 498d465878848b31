"""Lines of which the parsers are known to drop something.  What is mended there is taken out here.  Pure."""

from __future__ import annotations

import re

# What stands behind six digits of a fraction: ``2026-11-23T12:44:12.000001 nobody sees this Z``.
_FRACTION = re.compile(rb"[.,][0-9]{6}[0-9]*(?! ?[+-])[^0-9Zz\"',\s\]}+-]")
# The lines below such a line go under these keys, unless it says them itself.
_BELOW = re.compile(rb"\"(?:continuation|exception)\"")
# VoxelOps' lines and the scheduler's get these keys, also where they have them.
_OF_EXECUTION = re.compile(rb"\"(?:event|level|logger|timestamp|pipeline)\"")
_OF_AUDIT = re.compile(rb"\"(?:event|action|level|logger|outcome|pipeline)\"")
_OF_SCHEDULER = re.compile(rb"\"(?:action|pipeline)\"")
_PAIR = re.compile(rb"(?<!\S)([^\s=]++)=")
_OF_CONSOLE = frozenset({b"event", b"level", b"timestamp"})


def is_known(line: bytes) -> bool:
    """Whether something in a line, or in the lines below it, may be dropped."""
    if _FRACTION.search(line) or (line[:1] == b"[" and _BELOW.search(line)):
        return True
    if b'"tool"' in line and _OF_EXECUTION.search(line):
        return True
    if b'"procedure"' in line and (_OF_AUDIT if b'"event_type"' in line else _OF_SCHEDULER).search(line):
        return True
    if b"] " not in line[:80] or b"{" in line:
        return False
    keys = _PAIR.findall(line)  # of the console: the first of a key is kept
    return len(set(keys) - _OF_CONSOLE) < len(keys)
