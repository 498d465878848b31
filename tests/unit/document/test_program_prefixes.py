"""Lines of single programs, also with stamps that name no year → documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shipper.config import Shipper
from shipper.document.ecs import Documents
from shipper.parse import dispatch, foreign_timestamps
from shipper.tail.block import Block, Origin

READ = datetime(2026, 11, 28, 12, tzinfo=UTC)
AT = "2026-11-27T02:14:07"

LINES: dict[str, tuple[Any, ...]] = {
    "Nov 27 02:14:07 node app[12]: up": (f"{AT}.000000Z", None, None, "node app[12]: up"),
    "Nov  7 02:14:07.5 node kernel: up": ("2026-11-07T02:14:07.500000Z", None, None, "node kernel: up"),
    "<11>Nov 27 02:14:07 node app: up": (f"{AT}.000000Z", "error", None, "node app: up"),
    "<34>1 2026-11-27T02:14:07Z node app 12 - - up": (f"{AT}.000000Z", "critical", None, "node app 12 - - up"),
    "<6>up": (None, "info", None, "up"),
    "I1127 02:14:07.963123      12 server.go:12] up": (f"{AT}.963123Z", "info", None, "up"),
    "E1127 02:14:07.963 up": (f"{AT}.963000Z", "error", None, "up"),
    "W0000 00:00:1795745647.25 12 x.cc:1] up": (f"{AT}.250000Z", "warning", None, "up"),
    "[1127/021407.963:ERROR:x.cc(12)] up": (f"{AT}.963000Z", "error", None, "up"),
    "11-27 02:14:07 up": (f"{AT}.000000Z", None, None, "up"),
    "11-27 02:14:07 WARNING  up": (f"{AT}.000000Z", "warning", None, "up"),
    "11-27 02:14:07.123  1000  1002 E tag: up": (f"{AT}.123000Z", "error", None, "tag: up"),
    "Nov-27 02:14:07.123 [main] INFO  nextflow.cli.CmdRun - up": (
        f"{AT}.123000Z", "info", "nextflow.cli.CmdRun", "up",
    ),
    "[11/27/26 02:14:07] INFO     up       x.py:12": (f"{AT}.000000Z", "info", None, "up       x.py:12"),
    "                    ERROR    up       x.py:12": (None, "error", None, "up       x.py:12"),
    "[02:14:07] WARNING  up       x.py:12": (None, "warning", None, "up       x.py:12"),
    "[I 2026-11-27 02:14:07.123 ServerApp] up": (f"{AT}.123000Z", "info", "ServerApp", "up"),
    "[E 261127 02:14:07 web:2064] up": (f"{AT}.000000Z", "error", None, "up"),
    "E, [2026-11-27T02:14:07.123456 #12] ERROR -- : up": (f"{AT}.123456Z", "error", None, "up"),
    "12:M 27 Nov 2026 02:14:07.456 * up": (f"{AT}.456000Z", None, None, "up"),
    "Nov 27, 2026 2:14:07 AM org.apache.Main main": (f"{AT}.000000Z", None, None, "org.apache.Main main"),
    "Fri, 27 Nov 2026 02:14:07 +0000 ERROR up": (f"{AT}.000000Z", "error", None, "up"),
    "11/27/2026 02:14:07 AM ERROR up": (f"{AT}.000000Z", "error", None, "up"),
    "27.11.2026 02:14:07 ERROR up": (f"{AT}.000000Z", "error", None, "up"),
    "20261127-021407 ERROR up": (f"{AT}.000000Z", "error", None, "up"),
    "1795745647 ERROR up": (f"{AT}.000000Z", "error", None, "up"),
    "ERROR|2026-11-27 02:14:07|up": (f"{AT}.000000Z", "error", None, "up"),
    "2026-11-27 02:14:07,123 [main] INFO  a.b.C - up": (f"{AT}.123000Z", "info", "a.b.C", "up"),
    "2026-11-27 02:14:07 [worker] up": (f"{AT}.000000Z", None, None, "[worker] up"),
    "02:14:07.123 [main] ERROR a.b.C - up": (None, "error", "a.b.C", "up"),
    "distributed.worker - INFO - up": (None, "info", "distributed.worker", "up"),
    "[02:14:07 ERR] up": (None, "error", None, "up"),
    "(ERROR) up": (None, "error", None, "up"),
    "slurmstepd: error: up": (None, "error", None, "slurmstepd: error: up"),
    "ERROR ~ up": (None, "error", None, "ERROR ~ up"),
    "ERROR up": (None, "error", None, "ERROR up"),
    'caller=x level=error msg="is up"': (None, "error", None, "is up"),
}  # fmt: skip


def document_of(line: str, *, modified: datetime | None = None, read: datetime = READ) -> dict[str, Any]:
    """The document of one line of a file that was changed and read then."""
    block = Block(
        Origin(b"generation", "/p", "/p", "auto", "app"),
        [line.encode()],
        [0, len(line) + 1],
        final=True,
        read_at_ns=int(read.timestamp()) * 10**9,
        modified_ns=int(modified.timestamp()) * 10**9 if modified else 0,
    )
    (document,) = Documents(Shipper(timezone="UTC"), "1").of(dispatch.parse(block))
    return document


@pytest.mark.parametrize("line", LINES)
def test_what_a_programs_line_says(line: str) -> None:
    """Time, level, logger and message; without a time the line says so."""
    found = document_of(line)
    at = None if "no_timestamp" in found.get("tags", ()) else found["@timestamp"]
    assert "parse_failure" not in found.get("tags", ())
    assert LINES[line] == (at, found["log"].get("level"), found["log"].get("logger"), found["message"])


@pytest.mark.parametrize(
    "line", ["5/11/2026 02:14:07 ERROR up", "[27/11/26 02:14:07] INFO up", "31.2.2026 02:14:07 up"]
)
def test_a_day_that_may_be_two_or_is_none_is_no_time(line: str) -> None:
    """The time of reading is better than a wrong month."""
    assert ["no_timestamp"] == document_of(line)["tags"][:1]


@pytest.mark.parametrize(
    ("modified", "read", "year"),
    [
        ("2026-11-27T03:00:00", "2026-11-27T03:00:01", 2026),
        ("2026-11-27T01:00:00", "2026-11-27T01:00:01", 2026),
        ("2026-11-26T03:00:00", "2026-11-26T03:00:01", 2026),
        ("2026-11-26T02:00:00", "2026-11-26T02:00:01", 2025),
        ("2027-01-01T00:00:00", "2027-01-01T00:00:01", 2026),
        ("2025-12-24T00:00:00", "2027-06-01T00:00:00", 2025),
        (None, "2027-06-01T00:00:00", 2026),
        ("2031-06-01T00:00:00", "2027-06-01T00:00:00", 2026),
    ],
)
def test_the_year_is_the_last_in_which_it_was_not_ahead(modified: str | None, read: str, year: int) -> None:
    """Of the file's last change, or of the reading where that is earlier or the change unknown; a day is allowed."""
    of = datetime.fromisoformat
    changed = of(f"{modified}+00:00") if modified else None
    found = document_of("Nov 27 02:14:07 node app: up", modified=changed, read=of(f"{read}+00:00"))
    assert (f"{year}-11-27T02:14:07.000000Z", "UTC") == (found["@timestamp"], found["event"]["timezone"])


def test_it_does_not_depend_on_when_a_file_is_read_again() -> None:
    """A file that did not change has the same times whenever it is shipped."""
    changed = datetime(2024, 12, 1, tzinfo=UTC)
    for year in (2025, 2026, 2030):
        found = document_of("Nov 27 02:14:07 node up", modified=changed, read=datetime(year, 1, 1, tzinfo=UTC))
        assert "2024-11-27T02:14:07.000000Z" == found["@timestamp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Feb 29 01:02:03", "2024-02-29T01:02:03"),
        ("Feb 30 01:02:03", None), ("Now 27 01:02:03", None), ("13-01 01:02:03", None), ("11-27 25:02:03", None),
        ("01-02 03:04:05,678", "2026-01-02T03:04:05.678"),
        ("2026-11-27 01:02:03", None), ("", None),
    ],
)  # fmt: skip
def test_days_that_not_every_year_has(text: str, expected: str | None) -> None:
    """The last year that has the day; what is no such stamp is none."""
    assert expected == foreign_timestamps.with_year(text, READ)


def test_a_containers_time_tells_the_year() -> None:
    """When a runtime took the line is known better than when its file was changed."""
    found = document_of("2024-12-01T00:00:00.000000001Z stderr F Nov 27 02:14:07 node app: up")
    assert "2024-11-27T02:14:07.000000Z" == found["@timestamp"]
