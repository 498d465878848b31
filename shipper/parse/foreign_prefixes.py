"""Prefixes of other loggers: a time, a level, and their surroundings.  Pure.

Uvicorn, gunicorn, loguru, Flask, Celery with formats of its own, access logs, ``key=value`` lines: written in many
ways, but each begins with a time, or a level, or both.  What of a prefix has no name stays in the message.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipper.parse import console_values, json_dialects, program_prefixes
from shipper.parse.format_prefixes import PROCESS
from shipper.parse.records import Record

_LEVEL = (
    r"(?:TRACE|DEBUG|INFO(?:RMATION)?|NOTICE|SUCCESS|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|ALERT|EMERG(?:ENCY)?"
    r"|PANIC|SEVERE|EXCEPTION)"
)
_ANY_LEVEL = rf"(?i:{_LEVEL})(?![\w.])"
_ISO = (
    r"\d{4}(?:-\d\d-|/\d\d/|\.\d\d\.)\d\d[T _]\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?"
    r"(?: ?(?:Z|[+-]\d\d:?\d\d(?!\d)|UTC|GMT|CES?T|EES?T|[ECMP][SD]T)\b)?"
)
_OF_ACCESS = r"\d{1,2}/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?"
_CTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \d{4}"
_STAMP = rf"(?:{_ISO}|{_OF_ACCESS}|{_CTIME}|\d{{10}}\.\d{{1,9}}(?=[\s\]|]))"
# A bar, a colon or a dash between blanks, blanks alone, or a bracket that follows without any.
_GAP = r"(?: *[|:;,-]{1,2} +| +|(?=[\[({<]))"
_PART = r"(?:\[[^\[\]\n]{0,80}\]|\([^()\n]{0,80}\)|\{[^{}\n]{0,80}\}|[\w./@#<>:+-]{1,80}+)"
_STAMPED = re.compile(
    rf"[\[(<]?(?P<stamp>{_STAMP})(?P<close>[\])>]?)(?: *[|:;,-]{{1,2}} +|: ?|[;|](?=\S)|,(?=[A-Z]{{4}})| +|(?=\[)|\Z)"
)
_GRADED = re.compile(
    rf"(?P<between>(?:{_PART}{_GAP}){{0,4}}?)"
    rf"(?P<open>[\[(<{{]?) {{0,8}}(?:(?<=\[)(?P<within>[a-z_]{{1,20}}):)?(?P<level>{_ANY_LEVEL})"
    r"(?:/(?P<glued>[A-Za-z][\w.:-]*+(?<!:)))? {0,8}(?P<shut>[\])>}]?)"
    r"(?P<sign> *[|:;-]{1,2}(?: +|\Z)|[:;|,](?=\S)|(?=[\[({<])| +|\Z)"
)
_LEVEL_FIRST = re.compile(
    rf"(?:\[ *(?P<boxed>{_ANY_LEVEL}) *\](?:{_GAP}|: ?|\Z)"
    rf"|(?P<level>{_LEVEL})(?: *[|:-] +| *[|:]\Z|(?: +|[:;|])(?=[\[(<]?{_STAMP})|  +|(?=\[)))"
)
# Default format of logging.basicConfig.
_BASIC = re.compile(rf"(?P<level>{_LEVEL}|Level \d{{1,3}}):(?P<logger>[A-Za-z_][\w.-]*):")
_ACCESS = re.compile(rf'\S{{1,255}} \S{{1,255}} \S{{1,255}} \[(?P<stamp>{_OF_ACCESS})\] "')
# Behind the level: loguru's place, a process, a logger with a dot in its name, Flask's module.
_PLACE = re.compile(
    r"(?P<logger>[A-Za-z_][\w.]*):(?P<function>[\w<>.]+):(?P<lineno>\d{1,7}) - "
    rf"|[\[(]?(?P<process>{PROCESS})(?:[\])]:?|:| -| \|) "
    r"|[\[(]?(?P<dotted>[A-Za-z_]\w*(?:\.\w+)+)(?:[\])]:?|:| -| \|) "
    r"|in (?P<module>[A-Za-z_][\w.]*): "
)
_FORMAT = re.compile(
    r"(?:[A-Za-z_][\w.]{0,40}=(?:\"[^\"\n]{0,200}\"|[^\s\"]{0,200}) ){0,4}?"
    r"(?:time|ts|t|timestamp|@timestamp|level|lvl|severity|event|msg)="
)
_NAMES = re.compile(
    rf"(?P<pid>\d{{1,10}})|(?P<source>[\w./-]+\.\w+:\d+)|(?P<process_name>{PROCESS})|(?P<logger>[A-Za-z_][\w.-]*)"
)
_TELLING = re.compile(r"[._:/-]|\d")


class Prefix(NamedTuple):
    """Fields of a prefix with structlog's keys, and its end."""

    fields: Record
    end: int


def prefix(line: str) -> Prefix | None:
    """The prefix of a line without colours, or None if it has none."""
    line = line.replace("\t", " ")
    stamped = _STAMPED.match(line)
    if stamped is None:
        return _without_stamp(line)
    fields: Record = {"timestamp": stamped["stamp"]}
    at = stamped.end()
    graded = _GRADED.match(line, at)
    if graded is None or not _is_level(graded):
        return Prefix(fields, at)
    fields["level"] = graded["level"]
    if _names(fields, graded):
        return _with_place(line, fields, graded.end())
    return Prefix(fields, at)


def record(line: str) -> Record | None:
    """The record of a line of ``key=value`` pairs with a time, level or message; None for others."""
    if not _FORMAT.match(line):
        return None
    shown, end = console_values.strictly(line, 0, [console_values.MAX_OPEN])
    found: Record = {}
    for key, text in shown:
        if key in found:
            return None
        found[key] = console_values.value(text)
    return found if end >= len(line) and len(found) > 1 and json_dialects.is_event(found) else None


def _without_stamp(line: str) -> Prefix | None:
    if basic := _BASIC.match(line):
        return Prefix({"level": basic["level"].removeprefix("Level "), "logger": basic["logger"]}, basic.end())
    if access := _ACCESS.match(line):
        return Prefix({"timestamp": access["stamp"]}, 0)
    if first := _LEVEL_FIRST.match(line):
        fields: Record = {"level": first["boxed"] or first["level"]}
        at = first.end()
        if stamped := _STAMPED.match(line, at):
            fields["timestamp"] = stamped["stamp"]
            at = stamped.end()
        return _with_place(line, fields, at)
    found = program_prefixes.prefix(line)
    return Prefix(*found) if found else None


def _is_level(found: re.Match[str]) -> bool:
    """Whether a word is a level and not part of the message."""
    if found["open"] or found["shut"]:
        return True
    firm = found["sign"].strip() != ""
    if found["level"].isupper():
        between = found["between"]
        return firm or _TELLING.search(between) is not None or len(between.split()) < 2
    return firm and not re.search(r"\w \w", found["between"])


def _names(fields: Record, found: re.Match[str]) -> bool:
    """Assign the parts beside the level to fields; False if one fits none."""
    names: Record = {"logger": found["within"]} if found["within"] else {}
    if found["glued"]:
        names["process_name" if re.fullmatch(PROCESS, found["glued"]) else "logger"] = found["glued"]
    for token in re.findall(_PART, found["between"]):
        bare = token.strip("[](){}:")
        if not bare or bare in {"-", "|", ":"}:
            continue
        name = _NAMES.fullmatch(bare)
        if name is None or name.lastgroup is None or name.lastgroup in names:
            return False
        names[name.lastgroup] = int(bare) if name.lastgroup == "pid" else bare
    fields.update(names)
    return True


def _with_place(line: str, fields: Record, at: int) -> Prefix:
    """Add logger or process after the level."""
    found = _PLACE.match(line, at)
    if found is None or found.end() == len(line):
        return Prefix(fields, at)
    name = found["logger"] or found["dotted"] or found["module"]
    if found["dotted"] and line[: line.find(fields["level"])].rstrip().endswith(f"[{fields.get('logger')}]"):
        fields["thread"] = fields.pop("logger")  # Java's loggers have the thread before the level
    if (name and "logger" in fields) or (found["process"] and "process_name" in fields):
        return Prefix(fields, at)
    if name:
        fields["logger"] = name
    if found["process"]:
        fields["process_name"] = found["process"]
    if found["function"]:
        fields.update(function=found["function"], lineno=int(found["lineno"]))
    return Prefix(fields, found.end())
