"""Beginnings of records in any format: a time, a level, an object.  Pure.

Every rule that joins lines stops at such a line.
"""

from __future__ import annotations

import re

from shipper.parse import progress_bars

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_DATE = (
    r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{2,4}|\d{8}|\d{6}"
    rf"|\d\d?[-/ ]{_MONTH}[-/ ,]{{1,2}}\d{{4}}|{_MONTH}[- ]{{1,2}}\d\d?(?:,? \d{{4}})?)"
)
_CLOCK = r"\d\d?:\d\d:\d\d"
_STAMP = (
    rf"(?:(?:{_WEEKDAY},? {{1,2}})?{_DATE}[-T_:, ]{{1,3}}(?:{_CLOCK}|\d\d:\d\d|\d{{6}}(?!\d))"
    rf"|{_CLOCK}|\d{{4}}-\d\d-\d\d(?=[\s\]|]|\Z)"
    # Days without a year, days of the year, and the year first or not at all beside a month's name.
    rf"|\d\d?[-/.]\d\d?[ T]{_CLOCK}|\d{{4}}-\d{{3}}T\d\d:?\d\d"
    rf"|(?:\d{{4}} {_MONTH} \d\d?|\d\d?[ -]{_MONTH}),? {_CLOCK}"
    rf"|@4000000[0-9a-f]{{16,17}}(?!\w)|\d{{4}}-\d\d-\d\d--\d\d-\d\d"
    # Seconds since 1970, also milli-, micro- or nanoseconds; or since the machine's start, as its kernel writes it.
    r"|1\d{9}(?:\d{3}){0,3}(?:[.,]\d{1,9})?(?![\w.])|\d{1,9}\.\d{3,9}\])"
)
_LEVEL = (
    r"(?:TRACE|DEBUG|INFO(?:RMATION)?|NOTICE|SUCCESS|IMPORTANT|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|SEVERE|FATAL"
    r"|ALERT|EMERG(?:ENCY)?|PANIC)"
)
# In brackets also as four letters or one.
_SHORT = rf"(?:{_LEVEL}|DEBU|ERRO|FATA|VRB|DBG|INF|WRN|FTL|[TDIWEFC])"
_BEGINNING = re.compile(
    # A time, possibly after a bracket, a quote, a number of syslog, or letters for a level or a role.
    rf"(?:<\d{{1,3}}>(?:\d )?|\d{{1,7}}:[A-Z] )?[\[(<\"']{{0,2}}{_STAMP}"
    rf"|\[[^\]\n]{{1,60}}?[ =,:]{_STAMP}"
    rf"|[TDIWEF]\d{{4}} {_CLOCK}|[TDIWEFCV],? [\[(]?{_STAMP}|[VDIWEF]/[\w.-]{{1,60}}(?:\( *\d+\))?: "
    r"|<\d{1,3}>[^\s\d]|\[(?:\d+:\d+:)?\d{4}/\d{6}(?:\.\d+)?:[A-Z]"
    # A name, then date and time.
    rf"|[\w.-]{{1,99}}+:? [\[(]?\d{{4}}-\d\d-\d\d[T ]{_CLOCK}"
    # A program's name and a level (compilers, Slurm); PostgreSQL's LOG.
    r"|[\w.+-]{1,60}+: (?:fatal|error|warning|info|debug): |LOG:  "
    # A bracketed time after a host (web servers), and a host alone.
    rf"|(?:[^\s\[][^\s]{{0,99}}+ ){{1,5}}+\[{_STAMP}"
    r"|\d{1,3}(?:\.\d{1,3}){3}[ :]"
    r"|\"?(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /"
    # A level: in capitals with something behind it, first or behind a name or two; in any case in brackets, before a
    # colon, or before what parts columns.
    rf"|[\[(<|* ]{{0,2}}{_LEVEL}(?:[\s:|,;/\[\])>(-]|\Z)"
    rf"|[\[(<] ?(?i:{_SHORT}) {{0,9}}(?:[\])>:/,|]|\Z)|{_SHORT}\[\d"
    rf"|(?:[^\s]{{1,99}}+[ \t]{{1,40}}+){{1,3}}?[\[(<]?{_LEVEL}[\])>:|,]?(?:\s|\Z)"
    rf"|(?i:{_LEVEL})(?::(?:\s|\Z)|  |\t| [|-] )"
    # Pairs with a time or level.
    r"|(?:[A-Za-z_][\w.]{0,40}=(?:\"[^\"]{0,100}\"|[^\s\"]{0,100}) ){0,4}?"
    r"(?i:time|ts|t|timestamp|asctime|date|at|level|lvl|loglevel|levelname|severity)=[\w\"'\[]"
    # Prefixes of container names.
    r"|[\w.-]{1,99}+ {1,40}\| |\[pod/|\{",
    re.ASCII,
)
# Names of exceptions, which are no level in capitals and no lower level.
_EXCEPTION = re.compile(rf"(?!(?:{_LEVEL}|(?i:trace|debug|info|notice))\b)[A-Za-z_][\w.<>]*(?:: |:?\Z)")
# Unambiguous beginnings after blanks.
_INDENTED = re.compile(
    # rich leaves an unchanged time blank.
    r" {8,22} (?:DEBUG   |INFO    |WARNING |ERROR   |CRITICAL) "
    rf"|[ \t]+(?:[\[(]?{_STAMP}|\{{\"(?:event|level|timestamp|@timestamp|time|message|msg)\")",
    re.ASCII,
)
# Bytes of a line to match.
_MAX_LENGTH = 400
_BLANKS = frozenset({b" ", b"\t"})


def begins(line: bytes) -> bool:
    """Whether a line begins a record, in any format."""
    if line[:1] in _BLANKS:
        return False
    return _BEGINNING.match(line[:_MAX_LENGTH].decode("latin-1")) is not None or is_progress(line)


def names_no_exception(line: bytes) -> bool:
    """The same for a line where a traceback expects its exception."""
    return _EXCEPTION.match(line[:_MAX_LENGTH].decode("utf-8", "replace")) is None and begins(line)


def begins_indented(line: bytes) -> bool:
    """Whether an indented line begins a record."""
    return _INDENTED.match(line[:_MAX_LENGTH].decode("latin-1")) is not None


def is_progress(line: bytes) -> bool:
    """Whether a line was overwritten by carriage returns, backspaces or cursor codes."""
    if b"\r" in line and b"\r" in line.rstrip(b"\r"):
        return True
    return b"\x08" in line or (b"\x1b" in line and progress_bars.goes_back(line.decode("latin-1")))
