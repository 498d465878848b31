"""Times in the newest lines: a wrong zone, and times in the future."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipper.config import Shipper
from shipper.doctor.zones import LastTime, last_times, shift_of, zone_findings
from shipper.tail.scanner import Scanner
from shipper.tail.sources import builtin_sources

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def last(
    hours: float = 0.0, zone: str | None = "UTC", path: str = "/l/a.log", key: str | None = "shipper.timezone"
) -> LastTime:
    """A log whose last time lies so many hours behind its last change, which is now."""
    return LastTime(path, NOW + timedelta(hours=hours), NOW, zone, key)


@pytest.mark.parametrize(("hours", "shift"), [
    (0, 0), (2, 7200), (-5.5, -19800), (5.75, 20700), (5.6, None), (1.01, None), (2 + 2 / 3600, 7200), (20, None),
])  # fmt: skip
def test_shift(hours: float, shift: int | None) -> None:
    """Only a multiple of a quarter hour, within some seconds and half a day, is one."""
    assert shift == shift_of(last(hours))


@pytest.mark.parametrize(("hours", "zone", "offset", "name", "value"), [
    (2, "UTC", 3600, "UTC+2", "the zone of the program that writes them"),
    (1, "UTC", 3600, "UTC+1", "set shipper.timezone: local"),
    (-1, "Europe/Berlin", 3600, "zone UTC,", "set shipper.timezone: UTC"),
    (-6, "Europe/Berlin", 3600, "UTC-5", "the zone of the program"),
    (4.5, "+01:00", 3600, "UTC+5.5", "the zone of the program"),
    (5.75, "UTC", 3600, "UTC+5.75", "the zone of the program"),
])  # fmt: skip
def test_wrong_zone_is_named(hours: float, zone: str, offset: int, name: str, value: str) -> None:
    """The zone in which the lines were written, and the key to set."""
    [finding] = zone_findings([last(hours, zone)], NOW, offset)
    assert "wrong-zone" == finding.name
    assert name in finding.sentence
    assert f"reads them as {zone}" in finding.sentence
    assert value in finding.do


def test_only_where_it_is_likely() -> None:
    """As many logs that fit are enough evidence for the zone; lines with a zone of their own tell nothing."""
    assert [] == list(zone_findings([last(2), last(0, path="/l/b.log")], NOW, 0))
    assert [] == list(zone_findings([last(-2, None), last(0.3)][:1], NOW, 0))
    [finding] = zone_findings([last(2), last(2, path="/l/b.log"), last(0, path="/l/c.log")], NOW, 0)
    assert "one more file is alike" in finding.sentence
    [finding] = zone_findings([last(2, key="shipper.pipeline_timezone"), last(0)], NOW, 0)
    assert finding.do.startswith("set shipper.pipeline_timezone")


def test_audit_trail_is_utc() -> None:
    """No key changes how it is read, so the application has to."""
    [finding] = zone_findings([last(2, key=None)], NOW, 0)
    assert "let the application write the audit trail in UTC" in finding.do


def test_times_in_the_future() -> None:
    """A time far ahead of this machine that no zone explains is a wrong clock."""
    [finding] = zone_findings([last(0.1, None), last(0.2, None, "/l/b.log")], NOW, 0)
    assert ("lines-in-future", "/l/b.log") == (finding.name, finding.subject)
    assert "720 s after this machine's time" in finding.sentence
    assert [] == list(zone_findings([last(0.01, None)], NOW, 0))


def test_last_times_of_files(tmp_path: Path) -> None:
    """The last time of each log that is being written, with the zone that was assumed; a half line does not count."""
    (tmp_path / "celery").mkdir()
    (tmp_path / "pipelines" / "q").mkdir(parents=True)
    at = datetime(2026, 11, 27, 11, 0, tzinfo=UTC).timestamp()
    contents = {
        "neuroflow.log": '{"timestamp":"2026-11-27T11:00:00Z","event":"x"}\n{"timestamp":"2026-11-27T13:00',
        "celery/worker.log": "[2026-11-27 13:00:00,000: INFO/MainProcess] hello\n",
        "celery/worker.log.1": "[2026-11-27 09:00:00,000: INFO/MainProcess] hello\n",
        "pipelines/q/q_1_20261127_110000.log": "261127-20:00:00,000 nipype.workflow INFO:\n\t x\n",
        "workflow.log": "no time at all\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        os.utime(tmp_path / name, (at, at))
    files = Scanner(builtin_sources(tmp_path), [], lambda _: None).scan()
    settings = Shipper(timezone="Europe/Berlin", pipeline_timezone="Asia/Tokyo")
    found = {Path(one.path).name: (one.at.hour, one.zone, one.key) for one in last_times(files, settings)}
    assert {
        "neuroflow.log": (11, None, "shipper.timezone"),
        "worker.log": (12, "Europe/Berlin", "shipper.timezone"),
        "q_1_20261127_110000.log": (11, "Asia/Tokyo", "shipper.pipeline_timezone"),
    } == found
