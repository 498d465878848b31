"""Lines that containers print → documents: which clock counts."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.config import Format, Shipper
from shipper.document.ecs import Documents
from tests.unit.blocks import records_of

NOW = 1_795_438_800 * 10**9  # 2026-11-23T13:00:00Z
FRAME = [b"=" * 72, b"  STDOUT", b"=" * 72]
OWN = b"2026-11-20T00:00:00.500000Z [info     ] adapter.complete"


def documents_of(*lines: bytes, of: Format = "pipeline", by: Documents | None = None) -> list[dict[str, Any]]:
    """The documents of these lines, where the containers' zone is another."""
    settings = Shipper(host_name="h", timezone="Asia/Tokyo", pipeline_timezone="Asia/Jerusalem")
    records = records_of(lines, of, dataset="pipeline", path="/p/a.log", read_at_ns=NOW, modified_ns=NOW)
    return (by or Documents(settings, "1")).of(records)


def times(documents: list[dict[str, Any]]) -> list[str]:
    """The time of each line."""
    return [one["@timestamp"] for one in documents]


def nanoseconds(documents: list[dict[str, Any]]) -> list[str]:
    """The same with nine digits, which can be compared."""
    return [time.rstrip("Z").ljust(29, "0") for time in times(documents)]


def test_lines_follow_the_last_stamp_and_precede_the_first() -> None:
    """A nanosecond a byte, so that they stay in their order; the zone is the containers'."""
    found = documents_of(b"begin", b"261120-02:00:00,500 cli INFO: a", b"more", b"Fri Nov 20 01:00:00 UTC 2026")
    assert [
        "2026-11-20T00:00:00.499999994Z", "2026-11-20T00:00:00.500000Z",
        "2026-11-20T00:00:00.500000032Z", "2026-11-20T01:00:00.000000Z",
    ] == times(found)  # fmt: skip
    assert [None, "Asia/Jerusalem", "Asia/Jerusalem", None] == [one["event"].get("timezone") for one in found]


def test_a_stamp_in_the_future_puts_nothing_off() -> None:
    """Lines before it get the file's last change, as in a file without timestamps."""
    found = documents_of(b"begin", b"261127-02:00:00,500 cli INFO: a")
    assert ["2026-11-23T13:00:00.000000000Z", "2026-11-27T00:00:00.500000Z"] == times(found)


@pytest.mark.parametrize(
    "stamp", [b"1969-12-31 23:59:59", b"1970-01-01 00:30:00", b"9999-12-31 23:59:59", b"2026-11-20 02:00:00+99:99"]
)
@pytest.mark.parametrize("of", ["pipeline", "console"])
def test_what_no_index_holds_is_no_time(stamp: bytes, of: Format) -> None:
    """The line and those after it get the times that they would have without it."""
    frame = [OWN, *FRAME] if of == "console" else []
    documents = documents_of(*frame, stamp + b" text", b"more", of=of)
    assert [(stamp + b" text").decode(), "more"] == [one["message"] for one in documents[-2:]]
    assert all(one["@timestamp"][:13] in {"2026-11-23T13", "2026-11-20T00"} for one in documents)
    assert sorted(nanoseconds(documents)) == nanoseconds(documents)


def test_output_in_a_sessions_log_has_the_containers_clock() -> None:
    """The lines of its section have the container's time; those around it have the application's."""
    other = [b"=" * 72, b"  ERROR", b"=" * 72]
    found = documents_of(
        OWN, *FRAME, b"begin", b"261120-01:00:00,7 nipype.workflow ERROR:", b"\t Node a.b failed to run on host c.",
        *other, b"no", OWN, of="console",
    )  # fmt: skip
    assert [
        "2026-11-20T00:00:00.500000Z", "2026-11-20T00:00:00.5000", "2026-11-20T00:00:00.5000",
        "2026-11-19T23:00:00.007000Z", "2026-11-19T23:00:00.007000041Z", "2026-11-20T00:00:00.5000",
        "2026-11-20T00:00:00.500000Z",
    ] == [
        time if at in {0, 3, 4, 6} else time[:24] for at, time in enumerate(times(found))
    ]  # fmt: skip
    told = [(one["log"].get("level"), one["log"].get("logger"), one["neuroflow"].get("node")) for one in found]
    assert [("error", "nipype.workflow", "a.b")] * 2 == told[3:5]
    assert ["no_timestamp" in one.get("tags", ()) for one in found] == [False, True, True, False, True, True, False]
