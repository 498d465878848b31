"""The audit trail: who changed what; a JSON object per line, a file per month."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipper.emit.ends import is_ended, is_torn
from shipper.emit.file_locks import lock_exclusive, unlock
from shipper.emit.forks import closed_in_child
from shipper.emit.plain import json_line, plain, text
from shipper.emit.strangers import FAILURES


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Writes ``<log_dir>/audit/audit_YYYY_MM.jsonl``; safe for threads and for processes that share the files.

    Args:
        log_dir: the folder that contains ``audit/``; missing folders are created.
        clock: gives the time of records without ``timestamp``.
    """

    def __init__(self, log_dir: Path | str, *, clock: Callable[[], datetime] = _now) -> None:
        self.directory = Path(log_dir).absolute() / "audit"
        self._clock = clock

    def record(
        self,
        entity_type: str,
        entity_id: int,
        action: str,
        *,
        old_value: Any = None,
        new_value: Any = None,
        triggered_by: str = "system",
        user_id: Any = None,
        message: str | None = None,
        details: Mapping[str, Any] | None = None,
        subject_id: int | None = None,
        session_id: int | None = None,
        id: int | None = None,  # noqa: A002 - the column's name
        timestamp: datetime | None = None,
    ) -> None:
        """Append one record; it is on the disk when this returns.

        Values of any type are accepted, and written as text where JSON has no form for them.

        Args:
            entity_type: what was changed: subject, session, pipeline_run, workflow_run.
            entity_id: which one.
            action: what was done to it, e.g. ``status_changed``.
            old_value: the value before, written as text.
            new_value: the value after, written as text.
            triggered_by: system, workflow, callback, …
            user_id: who, if it was a person.
            message: a sentence about it.
            details: further values, written as an object.
            subject_id: the subject it belongs to.
            session_id: the session it belongs to.
            id: the record's number in a database.
            timestamp: when it happened, as datetime or ISO text, UTC unless it has a zone; its month in UTC is the
                file's.  Anything else goes to ``details``, and the clock gives the time.

        Raises:
            OSError: the record could not be written to the disk.
        """
        shown_details = plain(details)
        if details is not None and not isinstance(shown_details, dict):
            shown_details = {"value": shown_details}
        moment = _moment(timestamp)
        if moment is None:
            moment = self._clock().astimezone(UTC)
            if timestamp is not None:
                shown_details = {**(shown_details or {}), "timestamp": timestamp}
        entry = {
            "id": id,
            "timestamp": moment.isoformat(timespec="microseconds"),
            "entity_type": entity_type,
            "entity_id": entity_id,
            "action": action,
            "old_value": None if old_value is None else text(old_value),
            "new_value": None if new_value is None else text(new_value),
            "triggered_by": triggered_by,
            "user_id": None if user_id is None else text(user_id),
            "message": message,
            "details": shown_details,
            "subject_id": subject_id,
            "session_id": session_id,
        }
        self._append(self.directory / f"audit_{moment:%Y_%m}.jsonl", json_line(entry).encode() + b"\n")

    def _append(self, path: Path, line: bytes) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Records are rare; opening the file for each leaves nothing for threads to share.
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with closed_in_child(fd), _locked(fd, path) as locked:
                size = os.fstat(fd).st_size
                if not is_ended(fd, size) and is_torn(fd, alone=locked):
                    # A full disk or a kill has cut the record before; this one must begin on a line of its own.
                    line = b"\n" + line
                written = os.write(fd, line)
            if written != len(line):
                raise OSError(f"{path}: only {written} of {len(line)} bytes of an audit record were written")
            # The change itself is durable in a database: after a power cut its record must be on the disk, too.
            os.fsync(fd)
            if not size:
                self._sync_directory()
        finally:
            os.close(fd)

    def _sync_directory(self) -> None:
        """Write the folder to the disk; without that a new file may be gone after a power cut."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _locked(fd: int, path: Path) -> Iterator[bool]:
    """Hold the file's lock; gives False where it can't be had: appending without it still keeps lines whole."""
    try:
        locked = lock_exclusive(fd, path)
    except OSError:  # a file system without locks
        locked = False
    try:
        yield locked
    finally:
        if locked:
            unlock(fd)


def _moment(given: Any) -> datetime | None:
    """A datetime or ISO text as time in UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if not isinstance(moment, datetime):
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except FAILURES:  # the application's time zones may raise anything
        return None
