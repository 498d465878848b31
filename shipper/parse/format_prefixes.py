"""The first line of a record in every format with a prefix.  Pure.

One expression for all formats: one match per line, whose groups are used to read the record.
"""

from __future__ import annotations

import re

ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ANSI_BYTES = re.compile(rb"\x1b\[[0-9;]*m")
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
# The last group is the format.  Possessive quantifiers keep the time linear in the length of the line.
HEAD = re.compile(
    rf"\[(?P<at>{_TIME})"
    r"(?:: (?P<celery_level>[A-Z]+)/(?P<celery>[^\]\n]*+)\] ?"
    r"|\] (?P<huey_level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<huey_logger>[\w.]++):(?P<huey>\d++):)"
    r"|(?P<stamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
    # A name in brackets may be a thread: a level is a known one or padded.
    r"(?: \[(?P<console>(?:debug|info|warn(?:ing)?|error|critical|exception|fatal|trace|notset)(?= *\])|[a-z]++(?= ))"
    r" *+\](?: |\Z)"
    r"| - (?P<stdlib_logger>\S{1,150}+(?: \S{1,20}+){0,6}?)"
    r" - (?P<stdlib>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL|NOTSET|Level \d++) - )"
    # The time is among the pairs, within _MAX_HEAD.
    r"|\[(?P<design>[a-z]{4,9}+) *+\] (?=[^\n]{0,350}? @timestamp=\d{4}-)",
    re.ASCII,
)
PREFIXED = frozenset({b"[", b"2", b"1"})
"""First bytes of such lines: a bracket or the century."""
PREFIXED_TEXT = frozenset({"[", "2", "1"})
PROCESS = r"(?:MainProcess|(?:Fork|Spawn|Forkserver)?(?:Pool)?(?:Worker|Process)-[\d:]+)"
"""What Celery and ``multiprocessing`` call their processes, as an expression."""
# Longer is no prefix.
_MAX_HEAD = 400
# Celery prints these past its log: what a worker says when it starts and when it stops.
_APART = re.compile(
    rb" -------------- \S+@|celery beat v|worker: (?:Warm|Cold|Soft|Hitting|Initiating)|Waiting gracefully for cold"
    rb"|Restarting celery worker|\S[^\n]{0,400}?:\d{1,9}: SecurityWarning: "
)
# Output of VoxelOps and the application around a run.
_OUTPUT = re.compile(
    rb"=++\s*\Z|Docker image|Running |Command:|\xe2\x9c[\x93\x97]|Duration:|Execution log saved|\+ \S++\s*\Z"
)
# What Python says before the traceback of a thread or a child process, what the application's command line says of
# its workers, and the beginning of indented JSON.
_OTHER = re.compile(
    rb"[{\[]\s*\Z|Exception in thread |Exception ignored in|Process \S++:\s*\Z|Stopping worker |Starting "
)


def begins(line: bytes) -> bool:
    """Whether a line begins a record in a format that has a prefix; colours do not matter."""
    if b"\x1b" in line[:2]:
        line = _ANSI_BYTES.sub(b"", line[: 2 * _MAX_HEAD])
    if line[:1] in PREFIXED:
        return HEAD.match(line[:_MAX_HEAD].decode("latin-1")) is not None
    return False


def begins_apart(line: bytes) -> bool:
    """Whether a line begins output outside the log, which belongs to no record before it."""
    return _APART.match(line) is not None


def is_output(line: bytes) -> bool:
    """Whether a line is known output of a run: one record of one line."""
    return _OUTPUT.match(line) is not None


def ends_notes(line: bytes) -> bool:
    """Whether a line after an exception's name is not a note."""
    return is_output(line) or _OTHER.match(line) is not None


def colourless(line: bytes) -> bytes:
    """A line without the codes of a terminal's colours."""
    return _ANSI_BYTES.sub(b"", line) if b"\x1b" in line else line
