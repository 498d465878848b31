"""Fields of a line of container output: time, level, logger, workflow node.  Pure.

nipype (so fMRIPrep, QSIPrep, QSIRecon, MRIQC, XCP-D) writes a head, ``261127-02:14:07,963 nipype.workflow ERROR:``,
and the message below it, after a tab; FreeSurfer's ``recon-all`` ends its headings with a time; MRtrix, ANTs,
dcm2niix and the BIDS validator write a level and no time; loggers of Python write both.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from shipper.parse.foreign_timestamps import MONTHS
from shipper.parse.format_prefixes import ANSI
from shipper.parse.timestamps import FIRST_YEAR, LAST_YEAR

_MONTH = "|".join(MONTHS)
# Zone names with one offset (RFC 2822); others are ambiguous.
_OFFSETS = {
    "UTC": "Z", "GMT": "Z", "UT": "Z", "Z": "Z", "EDT": "-04:00", "EST": "-05:00", "CDT": "-05:00", "CST": "-06:00",
    "MDT": "-06:00", "MST": "-07:00", "PDT": "-07:00", "PST": "-08:00",
}  # fmt: skip
# Spellings of levels.
_LEVELS = {"err": "error", "warn": "warning", "crit": "critical", "fatal": "critical", "severe": "error"}
# Names of numeric levels, by lower bound.
_NUMBERED = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))
_STRONG = "DEBUG|INFO|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL"
_LEVEL = f"(?:{_STRONG}|TRACE|NOTICE|SUCCESS|IMPORTANT|SEVERE|ALERT|PANIC)"
_CLOCK = r"\d\d:\d\d:\d\d"
# ``date`` in English, with the clock before or behind the day.
_DATE = (
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:(?P<month>{_MONTH}) +(?P<day>\d\d?)"
    rf"|(?P<day_>\d\d?) +(?P<month_>{_MONTH})(?: +(?P<year_>\d{{4}}))?)"
    r" +(?P<clock>\d?\d:\d\d:\d\d)(?: +(?P<half>[AP]M))?"
    r"(?: +(?P<zone>[A-Z]{1,5}|[+-]\d\d:?\d\d))?(?: +(?P<year>\d{4}))?"
)
_NIPYPE = re.compile(
    rf"(?P<date>\d{{6}})-(?P<clock>{_CLOCK})(?:[,.](?P<fraction>\d{{1,3}}))? +(?P<logger>[\w.-]++) +"
    r"(?P<level>[A-Z]{3,12}|Level \d{1,3}) *:(?P<tail>.*)",
    re.ASCII | re.DOTALL,
)
_ISO = re.compile(
    rf"[\[(]?(?P<date>\d{{4}}[-/]\d\d[-/]\d\d)[T ](?P<clock>{_CLOCK})(?:[.,](?P<fraction>\d{{1,9}}))?"
    r" ?(?P<zone>Z\b|UTC\b|[+-]\d\d:?\d\d(?!\d))?(?=[\s\])|,:-]|\Z)(?P<tail>.*)",
    re.ASCII | re.DOTALL,
)
_RECON_ALL = re.compile(
    rf"(?:#@# (?P<node>\S.{{0,99}}?) +|(?P<heading>.{{0,200}}?\b(?:at|date):? +)|[\[(]?){_DATE}[\])]?\s*", re.ASCII
)
# Load line of FreeSurfer's programs.
_LOAD = re.compile(rf"@#@FSLOADPOST (?P<date>\d{{4}}:\d\d:\d\d):(?P<clock>{_CLOCK}) (?P<logger>[\w.-]++)", re.ASCII)
_TOOL = r"(?:(?P<tool>[A-Za-z][\w./+-]{0,60}+): {1,2})?"
_LEVELLED = re.compile(
    # In brackets, after the program's name (MRtrix) or a number (the BIDS validator).
    rf"(?:\d{{1,4}}: )?{_TOOL}\[ ?(?P<boxed>(?i:{_LEVEL})) {{0,9}}(?:\]|: )"
    rf"|{_TOOL.replace('tool', 'tool_')}(?P<plain>(?i:{_LEVEL})):(?::?(?=\s|\Z)|(?P<logger>[\w.]{{1,99}}+):)"
    rf"|(?P<strong>{_STRONG})(?:\s|!|\Z)"
    r"|\S[^\n]{0,300}?:\d{1,9}: \w*(?P<warned>Warning): ",
    re.ASCII,
)
# A level after a time, and the logger beside it.
_BEHIND = re.compile(
    rf"[\s\])|,:-]*(?:\[\d+\] )?(?:(?P<before>[\w.-]{{1,99}}+)(?: -)? +)?[\[(|]? ?"
    rf"(?P<level>{_LEVEL}|(?:(?<=[\[(|] )|(?<=[\[(|]))(?i:{_LEVEL})) *(?:[\])|:/-]|\s|\Z)"
    r"(?: *\[?(?P<after>[\w.]{1,99}+)(?:\]|:))?",
    re.ASCII,
)
_NODE = re.compile(
    r"\[(?:Map|Join)?Node\] (?:[A-Z][\w -]{0,40}? )?\"(?P<quoted>[\w.-]+)\""
    r"|\b(?:Node|node) \"?(?P<failed>[\w.-]+)\"? (?:failed|could not)"
    r"|\[Job \d+\] \w+ \((?P<job>[\w.-]+)\)"
    r"|(?:[Nn]ot run node:? |[Ee]xecuting [Nn]ode |Submitting: )\"?(?P<run>[\w-]+(?:\.[\w-]+)*)"
    r"|crash-\d{8}-\d{6}-[^-\s]+-(?P<crash>[\w.-]+?)-[0-9a-f]{8}-[0-9a-f]{4}-",
    re.ASCII,
)
# First characters of lines with a time; rules out most lines.
_FIRST = frozenset("0123456789[(#@")
_MAX_LENGTH = 1000


class LineFields(NamedTuple):
    """Fields of a line; missing ones are empty.

    Attributes:
        stamp: ISO 8601, without a zone if the line has none.
        level: in lower case.
        logger: the program or logger.
        node: of the workflow.
        headed: the line is a head: its message is the next line.
    """

    stamp: str = ""
    level: str = ""
    logger: str = ""
    node: str = ""
    headed: bool = False


def fields_of(text: str) -> LineFields | None:
    """The fields of a line; None if it has none."""
    text = text[:_MAX_LENGTH]
    if "\x1b" in text:
        text = ANSI.sub("", text)
    text = text.strip()
    if text[:1] in _FIRST and (found := _timed(text)) is not None:
        return found
    if (ended := _recon_all(text)) is not None:
        return ended
    found_level = _LEVELLED.match(text)
    if found_level is None:
        return None
    tool = found_level["tool"] or found_level["tool_"] or found_level["logger"] or ""
    if found_level["warned"]:
        return LineFields(level="warning", logger="py.warnings")
    level = found_level["boxed"] or found_level["plain"] or found_level["strong"]
    return LineFields(level=_level(level), logger=tool, node=node_in(text))


def node_in(text: str) -> str:
    """The node in a message of nipype; empty if there is none."""
    if "ode" not in text and "Job" not in text and "crash-" not in text and "ubmitting" not in text:
        return ""
    found = _NODE.search(text[:_MAX_LENGTH])
    return next(filter(None, found.groups()), "") if found else ""


def _timed(text: str) -> LineFields | None:
    if (found := _NIPYPE.match(text)) is not None:
        # nipype drops leading zeros: 7 means 7 ms.
        fraction = f".{found['fraction']:0>3}" if found["fraction"] else ""
        date = found["date"]
        stamp = _stamp(f"20{date[:2]}-{date[2:4]}-{date[4:]}T{found['clock']}{fraction}")
        if not stamp:
            return None
        tail = found["tail"]
        return LineFields(stamp, _level(found["level"]), found["logger"], node_in(tail), not tail.strip())
    if (found := _ISO.match(text)) is not None:
        fraction = f".{found['fraction']}" if found["fraction"] else ""
        zone = found["zone"] or ""
        date = found["date"].replace("/", "-")
        stamp = _stamp(f"{date}T{found['clock']}{fraction}{_OFFSETS.get(zone, zone)}")
        behind = _BEHIND.match(found["tail"][:200])
        if not stamp:
            return None
        if behind is None:
            return LineFields(stamp, node=node_in(text))
        return LineFields(stamp, _level(behind["level"]), behind["before"] or behind["after"] or "", node_in(text))
    if (found := _LOAD.match(text)) is not None:
        stamp = _stamp(f"{found['date'].replace(':', '-')}T{found['clock']}")
        return LineFields(stamp, logger=found["logger"]) if stamp else None
    return None


def _recon_all(text: str) -> LineFields | None:
    """A line that ends with the output of ``date``."""
    if ":" not in text[-30:] or not (text[-1:].isdigit() or text[-1:] in "TCMZ])") or len(text) > 300:
        return None
    found = _RECON_ALL.fullmatch(text)
    if found is None or not (year := found["year"] or found["year_"]):
        return None
    clock = found["clock"]
    hour, minutes = int(clock[:-6]), clock[-6:]
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] == "PM" else 0)
    zone = found["zone"] or ""
    month, day = MONTHS[found["month"] or found["month_"]], int(found["day"] or found["day_"])
    stamp = _stamp(
        f"{year}-{month:02}-{day:02}T{hour:02}{minutes}{_OFFSETS.get(zone, zone if zone[:1] in '+-' else '')}"
    )
    if not stamp:
        return None
    before = found["heading"] or ""
    ours = found["node"] or before.startswith("recon-all ")
    failed = "error" if "ERROR" in before else ""
    return LineFields(stamp, failed, "recon-all" if ours else "", found["node"] or "")


def _stamp(text: str) -> str:
    """The timestamp if it is valid and within the range of ``date_nanos`` in every zone; else empty."""
    try:
        year = datetime.fromisoformat(text).year
    except ValueError:
        return ""
    return text if FIRST_YEAR < year <= LAST_YEAR else ""


def _level(text: str) -> str:
    level = text.lower()
    if level.startswith("level "):
        number = int(level[6:])
        return next(name for least, name in _NUMBERED if number >= least)
    return _LEVELS.get(level, level)
