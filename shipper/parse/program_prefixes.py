"""Prefixes of single programs: syslog, glog, rich, Jupyter, Ruby, redis, Chromium, java.util.logging.  Pure.

Unlike those of ``foreign_prefixes`` they have times without a year or in another order, or one-letter levels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from shipper.parse.records import Record

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_STRONG = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|SEVERE)"
_LETTERS = {
    "V": "trace", "T": "trace", "D": "debug", "I": "info", "W": "warning", "E": "error", "F": "critical",
    "C": "critical", "A": "critical",
    "VRB": "trace", "DBG": "debug", "INF": "info", "WRN": "warning", "ERR": "error", "FTL": "critical",
}  # fmt: skip
_SYSLOG = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")


class Found(NamedTuple):
    """Fields of a prefix with structlog's keys, and its end."""

    fields: Record
    end: int


def _plain(found: re.Match[str]) -> Found:
    """Groups are fields; ``letter`` is a level; with ``whole`` the message is the whole line."""
    fields: Record = {key: text for key, text in found.groupdict().items() if text and key != "whole"}
    if "letter" in fields:
        fields["level"] = _LETTERS[fields.pop("letter")]
    if "pid" in fields:
        fields["pid"] = int(fields["pid"])
    return Found(fields, 0 if found.groupdict().get("whole") is not None else found.end())


def _syslog(found: re.Match[str]) -> Found:
    """The number is priority and facility."""
    fields: Record = {"timestamp": found["stamp"] or found["iso"]} if found["stamp"] or found["iso"] else {}
    if found["number"]:
        fields["level"] = _SYSLOG[int(found["number"]) % 8]
    return Found(fields, found.end())


def _glog(found: re.Match[str]) -> Found:
    plain = _plain(found)
    date = plain.fields["timestamp"]
    if "seconds" in plain.fields:  # absl before it is initialised
        plain.fields["timestamp"] = plain.fields.pop("seconds")
    else:
        plain.fields["timestamp"] = f"{date[:2]}-{date[2:]}"
    return plain


def _chromium(found: re.Match[str]) -> Found:
    date, clock = found["date"], found["clock"]
    stamp = f"{date[:2]}-{date[2:]} {clock[:2]}:{clock[2:4]}:{clock[4:]}"
    return Found({"timestamp": stamp, "level": found["level"]}, found.end())


def _rich(found: re.Match[str]) -> Found:
    """``%x %X`` in the C locale; blank if the time equals that of the previous line."""
    fields: Record = {"level": found["level"]}
    if found["date"]:
        month, day, year = found["date"].split("/")
        fields["timestamp"] = f"20{year}-{month}-{day} {found['clock']}"
    return Found(fields, found.end())


def _tornado(found: re.Match[str]) -> Found:
    date = found["date"]
    return Found(
        {
            "timestamp": f"20{date[:2]}-{date[2:4]}-{date[4:]} {found['clock']}",
            "level": _LETTERS[found["letter"]],
            "source": found["source"],
        },
        found.end(),
    )


def _compact(found: re.Match[str]) -> Found:
    date, clock = found["date"], found["clock"]
    stamp = f"{date[:4]}-{date[4:6]}-{date[6:]} {clock[:2]}:{clock[2:4]}:{clock[4:]}"
    fields: Record = {"timestamp": stamp}
    if found["level"]:
        fields["level"] = found["level"]
    return Found(fields, found.end())


_DATED = (
    rf"(?:{_DAY}, )?(?:\d\d? {_MONTH} \d{{4}}|{_MONTH} \d\d?, \d{{4}}|\d\d?[./]\d\d?[./]\d{{4}}),? \d\d?:\d\d:\d\d"
    r"(?:[.,]\d{1,9})?(?: [AP]M)?(?: [+-]\d{4}| [A-Z]{3,4}(?= ))?"
)
_GRADE = rf"(?P<level>{_STRONG})"
_THREAD = r"\[(?P<thread>[^\]\n]{1,80})\] "
_LOGGER = r"(?:(?P<logger>[\w.$-]{1,200}) - )?"
_PLACE = r"(?: +(?P<pid>\d{1,9}))?(?: (?P<source>[\w./-]+:\d+)\])? +"
_FORMS: dict[str, Callable[[re.Match[str]], Found]] = {
    # Syslog: host and program stay in the message.
    rf"<(?P<number>\d{{1,3}})>(?:\d )?(?:(?P<stamp>{_MONTH} [ \d]\d {_CLOCK})|(?P<iso>{_ISO}))?(?: |(?<=>))": _syslog,
    rf"(?P<number>)(?P<iso>)(?P<stamp>{_MONTH} [ \d]\d {_CLOCK}) ": _syslog,
    # glog, klog, absl (without a day before its initialisation); Chromium.
    rf"(?P<letter>[IWEF])(?P<timestamp>\d{{4}} {_CLOCK}){_PLACE}": _glog,
    rf"(?P<letter>[IWEF])(?P<timestamp>\d{{4}}) 00:00:(?P<seconds>\d{{10}}\.\d{{1,9}}){_PLACE}": _glog,
    r"\[(?:\d+:\d+:)?(?P<date>\d{4})/(?P<clock>\d{6}(?:\.\d+)?):(?P<level>[A-Z]+\d*):[^\]]*\] ": _chromium,
    r"(?:\[(?P<date>\d\d/\d\d/\d\d) (?P<clock>\d\d:\d\d:\d\d)\]|\[\d\d:\d\d:\d\d\]| {8,22}) " + _GRADE + " +": _rich,
    # Nextflow; Android and the short time of Python's documentation.
    rf"(?P<timestamp>{_MONTH}-\d\d {_CLOCK}) {_THREAD}{_GRADE} +{_LOGGER}": _plain,
    rf"(?P<timestamp>\d\d-\d\d {_CLOCK})(?: +(?P<pid>\d{{1,9}}) +\d{{1,9}} (?P<letter>[VDIWEF]) | +{_GRADE}\b:? +| )":
        _plain,
    # Jupyter, Tornado, Ruby, redis.
    rf"\[(?P<letter>[TDIWEFC]) (?P<timestamp>{_ISO})(?: (?P<logger>[\w.-]+))?\] ": _plain,
    r"\[(?P<letter>[TDIWEFC]) (?P<date>\d{6}) (?P<clock>\d\d:\d\d:\d\d) (?P<source>[\w.-]+:\d+)\] ": _tornado,
    rf"(?P<letter>[DIWEFA]), \[(?P<timestamp>{_ISO}) #(?P<pid>\d+)\] +[A-Z]+ -- (?P<logger>[^:\n]{{1,80}})?: ":
        _plain,
    rf"(?:(?P<pid>\d+):[A-Z] )?(?P<timestamp>\d\d? {_MONTH} \d{{4}} {_CLOCK}) [*#.-] ": _plain,
    # Dates in other orders (java.util.logging among them), compact dates, seconds since the epoch.
    rf"(?P<timestamp>{_DATED})(?: +\[?{_GRADE}\]?:?(?: - | +)| )": _plain,
    rf"(?P<date>\d{{8}})[-T_](?P<clock>\d{{6}})(?: +{_GRADE}\b:?)? ": _compact,
    rf"(?P<timestamp>\d{{10}}) \[?{_GRADE}\]?:? +": _plain,
    # Without a date: Serilog, Java, Dask.
    r"\[(?:\d\d:\d\d:\d\d )?(?P<letter>VRB|DBG|INF|WRN|ERR|FTL)\] ": _plain,
    rf"\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})? (?:{_THREAD})?{_GRADE} +{_LOGGER}": _plain,
    rf"(?P<logger>[A-Za-z_][\w.]{{0,99}}) - {_GRADE} - ": _plain,
    rf"\({_GRADE}\) +": _plain,
    # Slurm, compilers, argparse, Nextflow: the program name stays in the message.
    r"(?P<whole>)(?:[A-Za-z][\w.+-]{0,60}: )?(?P<level>fatal|error|warning|info|debug): ": _plain,
    rf"(?P<whole>){_GRADE}(?: ~)? (?=\S)": _plain,
}  # fmt: skip
_READERS = tuple((re.compile(form, re.ASCII), read) for form, read in _FORMS.items())
# Lines that begin with a small letter can only have these forms.
_OF_NAMES = tuple(one for one in _READERS if one[0].match("name - INFO - x") or one[0].match("name: error: x"))
_SMALL = frozenset("abcdefghijklmnopqrstuvwxyz_")


def prefix(line: str) -> Found | None:
    """The prefix of a line without colours; None if it has no known one."""
    if line[:1] in _SMALL:
        if " - " not in line and ": " not in line:
            return None
        readers = _OF_NAMES
    else:
        readers = _READERS
    for form, read in readers:
        if found := form.match(line):
            return read(found)
    return None
