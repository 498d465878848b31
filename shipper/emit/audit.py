"""The audit trail: who changed what, one JSON object a line, one file a month."""

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


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Writes ``<log_dir>/audit/audit_YYYY_MM.jsonl``; safe for threads and processes, which may share files.

    Args:
        log_dir: the folder that holds ``audit/``; missing folders are created.
        clock: gives the time of records that don't bring their own.
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

        Values of any type are kept, as text where JSON has no form for them.

        Args:
            entity_type: what was changed: subject, session, pipeline_run, workflow_run.
            entity_id: which one.
            action: what was done to it, e.g. ``status_changed``.
            old_value: what held before, kept as text.
            new_value: what holds now, kept as text.
            triggered_by: system, workflow, callback, …
            user_id: who, if it was a person.
            message: a sentence about it.
            details: further facts, kept as an object.
            subject_id: the subject it belongs to.
            session_id: the session it belongs to.
            id: the record's own number, if a database gave it one.
            timestamp: when it happened; without a zone it is taken as UTC.  Its month (in UTC) is the file's.
                ISO text will do; of what is no time the clock's is taken, and it is kept in ``details``.

        Raises:
            OSError: the disk refuses; the record can't be relied on to be in the trail.
        """
        told = plain(details)
        if details is not None and not isinstance(told, dict):
            told = {"value": told}
        moment = _moment(timestamp)
        if moment is None:
            moment = self._clock().astimezone(UTC)
            if timestamp is not None:
                told = {**(told or {}), "timestamp": timestamp}
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
            "details": told,
            "subject_id": subject_id,
            "session_id": session_id,
        }
        self._append(self.directory / f"audit_{moment:%Y_%m}.jsonl", json_line(entry).encode() + b"\n")

    def _append(self, path: Path, line: bytes) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Opened for each record: they are rare, and nothing is then shared between threads.
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with closed_in_child(fd), _locked(fd, path) as locked:
                size = os.fstat(fd).st_size
                if not is_ended(fd, size) and is_torn(fd, alone=locked):
                    # A full disk or a kill tore the record before; its rest must not take this one with it.
                    line = b"\n" + line
                written = os.write(fd, line)
            if written != len(line):
                raise OSError(f"{path}: only {written} of {len(line)} bytes of an audit record were written")
            # The state that the record speaks of is durable in a database; after a power cut the trail of it
            # must be there too.
            os.fsync(fd)
            if not size:
                self._sync_directory()
        finally:
            os.close(fd)

    def _sync_directory(self) -> None:
        """A new file survives a power cut only once its folder's entry is on the disk."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _locked(fd: int, path: Path) -> Iterator[bool]:
    """Hold the file's lock; gives False where it can't be had: appending alone keeps lines whole."""
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
    """The time in UTC, or None for what is none; times in text are taken as ISO."""
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if not isinstance(moment, datetime):
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except Exception:  # noqa: BLE001 - it runs time zones of strangers, which may raise anything
        return None
