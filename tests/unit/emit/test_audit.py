from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.emit import AuditLog

NOON = datetime(2026, 11, 23, 12, 40, 24, 666895, tzinfo=UTC)


def audit_log(folder: Path) -> AuditLog:
    """A trail with a fixed clock."""
    return AuditLog(folder, clock=lambda: NOON)


def lines(folder: Path, month: str = "2026_11") -> list[dict[str, Any]]:
    """The content of a month's file."""
    text = (folder / "audit" / f"audit_{month}.jsonl").read_bytes()
    assert text.endswith(b"\n")
    return [orjson.loads(line) for line in text.splitlines()]


class TestRecord:
    def test_columns(self, tmp_path: Path) -> None:
        """One JSON object a line with every column, in the order of the table; absent values are null."""
        audit_log(tmp_path / "new").record("session", 12, "status_changed")
        text = (tmp_path / "new" / "audit" / "audit_2026_11.jsonl").read_text()
        assert text == (
            '{"id": null, "timestamp": "2026-11-23T12:40:24.666895+00:00", "entity_type": "session",'
            ' "entity_id": 12, "action": "status_changed", "old_value": null, "new_value": null,'
            ' "triggered_by": "system", "user_id": null, "message": null, "details": null,'
            ' "subject_id": null, "session_id": null}\n'
        )

    def test_everything_given(self, tmp_path: Path) -> None:
        """All values are kept; details as an object."""
        given: dict[str, Any] = {
            "id": 7, "old_value": "running", "new_value": "failed", "triggered_by": "callback", "user_id": "anna",
            "message": "Session status: running -> failed",
            "details": {"exit_code": 1, "nested": [{"a": None}]},
            "subject_id": 3, "session_id": 12,
        }  # fmt: skip
        audit_log(tmp_path).record("pipeline_run", 5, "status_changed", **given)
        (line,) = lines(tmp_path)
        assert {key: line[key] for key in given} == given

    @pytest.mark.parametrize(
        ("timestamp", "month", "shown"),
        [
            (datetime(2026, 12, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026_11", "2026-11-30T23:00:00"),
            (datetime(2025, 1, 2, 3, 4, 5), "2025_01", "2025-01-02T03:04:05"),  # noqa: DTZ001 - that is the case
            (datetime(2026, 1, 31, 23, 0, tzinfo=timezone(-timedelta(hours=2))), "2026_02", "2026-02-01T01:00:00"),
        ],
    )
    def test_month_is_that_of_the_record_in_utc(
        self, tmp_path: Path, timestamp: datetime, month: str, shown: str
    ) -> None:
        """The record's own time decides the file; without a zone it is UTC."""
        audit_log(tmp_path).record("session", 1, "created", timestamp=timestamp)
        (line,) = lines(tmp_path, month)
        assert line["timestamp"] == f"{shown}.000000+00:00"

    def test_awkward_values_lose_no_record(self, tmp_path: Path) -> None:
        """Values without a form in JSON or the columns become text; details stay an object or null."""
        details: Any = ["not", "an object"]
        audit = audit_log(tmp_path)
        audit.record("session", 1, "x", old_value=5, new_value=Path("/a"), message="bad \udce9\nline")
        audit.record("session", 1, "x", details=details)
        mixed: Any = {"nan": float("nan"), "path": Path("/a"), (1,): {2}}
        audit.record("session", 1, "x", details=mixed)
        first, second, third = lines(tmp_path)
        assert (first["old_value"], first["new_value"], first["message"]) == ("5", "/a", "bad \\udce9\nline")
        assert second["details"] == {"value": ["not", "an object"]}
        assert third["details"] == {"nan": None, "path": "/a", "(1,)": "{2}"}

    def test_own_clock_is_utc(self, tmp_path: Path) -> None:
        """Without clock and time, the current time is used."""
        before = datetime.now(UTC)
        AuditLog(tmp_path).record("session", 1, "created")
        (file,) = (tmp_path / "audit").iterdir()
        (line,) = [orjson.loads(text) for text in file.read_bytes().splitlines()]
        assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)


class TestDisk:
    def test_each_record_is_one_write_and_synced(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A record is whole in one write, and on the disk before the call returns; so is a new file's name."""
        calls: list[str] = []
        write, fsync = os.write, os.fsync

        def watched_write(fd: int, data: bytes) -> int:
            calls.append("write")
            return write(fd, data)

        def watched_fsync(fd: int) -> None:
            calls.append(f"sync {Path(f'/proc/self/fd/{fd}').readlink().name}")
            fsync(fd)

        monkeypatch.setattr(os, "write", watched_write)
        monkeypatch.setattr(os, "fsync", watched_fsync)
        audit = audit_log(tmp_path)
        audit.record("session", 1, "created")
        audit.record("session", 2, "created")
        assert calls == ["write", "sync audit_2026_11.jsonl", "sync audit", "write", "sync audit_2026_11.jsonl"]

    def test_errors_are_raised(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error, or a write of only a part, raises: an entry must not vanish silently."""

        def full(_fd: int, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        audit = audit_log(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space left"):
                audit.record("session", 1, "created")
        write = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
            with pytest.raises(OSError, match=r"only 10 of \d+ bytes"):
                audit.record("session", 2, "created")
        audit.record("session", 3, "created")
        torn, whole = (tmp_path / "audit" / "audit_2026_11.jsonl").read_bytes().splitlines()
        assert len(torn) == 10
        assert orjson.loads(whole)["entity_id"] == 3

    def test_unusable_folder_is_raised(self, tmp_path: Path) -> None:
        """A folder that can't be created raises OSError."""
        (tmp_path / "audit").write_text("a file")
        with pytest.raises(OSError, match="audit"):
            audit_log(tmp_path).record("session", 1, "created")
