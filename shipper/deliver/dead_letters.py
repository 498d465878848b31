"""Keeps documents that Elasticsearch rejects permanently in a file, with their line and the reason.

The file is NDJSON under ``state_dir``; cursors move past dead lines.  ``replay`` sends them again under the same ids
once the cause is fixed.

A document that is written twice (its batch was abandoned after the first time) is listed once.  Letters are streamed:
memory does not grow with their number.
"""

from __future__ import annotations

import fcntl
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from shipper.credentials import credential_mask
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.redact.redactor import Redactor
from shipper.regular_files import open_regular
from shipper.tail.state.file_modes import open_private

FILE_NAME = "dead-letters.ndjson"
CHUNK_BYTES = 2**20
_BASE64 = "base64:"
# Of the letters in one request; a larger letter goes alone.
MAX_REQUEST_BYTES = 4 * 2**20


class Letter(NamedTuple):
    """One rejected document: when and why it was rejected, its origin and its content."""

    time: str
    status: int
    kind: str
    reason: str
    stream: str
    id: str
    path: str
    offset: int
    line: str
    document: dict[str, Any]

    def item(self) -> bytes:
        """The item of a bulk request that sends it again."""
        action = {"create": {"_index": self.stream, "_id": self.id}}
        return orjson.dumps(action) + b"\n" + orjson.dumps(self.document) + b"\n"

    def judged(self, verdict: Verdict) -> Letter:
        """The letter with the reason of a new rejection; other verdicts leave it unchanged."""
        if verdict.outcome is not Outcome.DEAD:
            return self
        return self._replace(status=verdict.status, kind=verdict.kind, reason=credential_mask.text(verdict.reason))


class DeadLetters:
    """The file of one state directory; several processes may append.

    Args:
        state_dir: where the file lies.
        now: gives the time in ISO 8601.
        redactor: redacts letters, also those that were written without it.
    """

    def __init__(self, state_dir: Path, now: Callable[[], str], redactor: Redactor | None = None) -> None:
        self.path = state_dir / FILE_NAME
        self._now = now
        self._redactor = redactor

    def append(self, dead: list[tuple[bytes, bytes, Verdict]]) -> None:
        """Append (item, line, verdict) and sync to disk.

        Raises:
            OSError: they could not be written; cursors must not move past them.
        """
        letters = (self._redacted(_entry(*one, self._now())) for one in dead)
        self._write(b"".join(orjson.dumps(letter._asdict()) + b"\n" for letter in letters))

    def __iter__(self) -> Iterator[Letter]:
        """Every dead letter, oldest first, each once; skips a line torn by a power failure."""
        seen: set[bytes] = set()
        for path in (self._aside, self.path):
            try:
                file = os.fdopen(open_regular(path, follow=False), "rb")
            except FileNotFoundError:
                continue
            with file:
                for letter in filter(None, map(self._letter, file)):
                    if _is_new(letter, seen):
                        yield letter

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)

    @property
    def _aside(self) -> Path:
        return self.path.with_suffix(".replaying")

    def replay(self, send: Callable[[list[Letter]], list[Verdict]], at_once: int = 500) -> tuple[int, int]:
        """Send all letters again; gives the numbers of those indexed and of those rejected again.

        Those rejected again are kept with the new reason.  The next replay continues an interrupted one; sending a
        document twice is harmless, for its id stays.

        Args:
            send: sends letters and gives the verdict on each; where it raises, its letters stay.
            at_once: the most letters in one request.
        """
        if not self._aside.exists() and not self.path.exists():
            return 0, 0
        indexed = stayed = 0
        seen: set[bytes] = set()
        # Holding the lock to the end allows one replay at a time.  New dead letters go into a new file meanwhile.
        with _locked(self._aside) as aside:
            with _locked(self.path) as current:
                for data in _chunks(current):
                    _append(aside, data)
                self.path.unlink()
            with self._aside.open("rb+") as file:
                while part := _next_part(file, at_once):
                    lines = [(line, self._letter(line)) for line in part]
                    letters = [letter for _, letter in lines if letter is not None and _is_new(letter, seen)]
                    kept = [line for line, letter in lines if letter is None and line.strip()]
                    for letter, verdict in zip(letters, send(letters) if letters else [], strict=True):
                        if verdict.outcome in {Outcome.ACKNOWLEDGED, Outcome.DUPLICATE}:
                            indexed += 1
                            continue
                        stayed += 1
                        kept.append(orjson.dumps(letter.judged(verdict)._asdict()) + b"\n")
                    self._write(b"".join(kept))
                    _blank(file, sum(map(len, part)))
            self._aside.unlink()
        return indexed, stayed

    def _letter(self, line: bytes) -> Letter | None:
        try:
            return self._redacted(Letter(**orjson.loads(line)))
        except (orjson.JSONDecodeError, TypeError):
            return None

    def _redacted(self, letter: Letter) -> Letter:
        redactor = self._redactor
        # A proxy may quote the request with its headers.
        letter = letter._replace(reason=credential_mask.text(letter.reason))
        if redactor is None or not redactor.active:
            return letter
        redactor.document(letter.document)  # first: the redactor learns ids from it that the line holds
        return letter._replace(
            reason=redactor.text(letter.reason),
            path=redactor.path(letter.path),
            line=_line(redactor.line(_raw(letter.line))),
        )

    def _write(self, data: bytes) -> None:
        if data:
            with _locked(self.path) as descriptor:
                _append(descriptor, data)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open, create if missing, and lock a file; again if it was renamed or deleted while waiting for the lock."""
    while True:
        descriptor = open_private(path, os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _names(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _append(descriptor: int, data: bytes) -> None:
    """Append whole lines and sync them to disk; ends a torn last line first."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        data = b"\n" + data
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _chunks(descriptor: int) -> Iterator[bytes]:
    """The content of a file in chunks of whole lines; the last may lack its line feed."""
    with open(descriptor, "rb", closefd=False) as file:
        while data := file.read(CHUNK_BYTES):
            yield data + file.readline()


def _next_part(file: IO[bytes], most: int) -> list[bytes]:
    """The lines for the next request."""
    lines: list[bytes] = []
    size = 0
    while len(lines) < most and size < MAX_REQUEST_BYTES and (line := file.readline()):
        lines.append(line)
        size += len(line)
    return lines


def _blank(file: IO[bytes], length: int) -> None:
    """Overwrite the ``length`` bytes before the position: what was sent is not sent again after a crash."""
    file.seek(-length, os.SEEK_CUR)
    file.write(b" " * (length - 1) + b"\n")
    file.flush()


def _is_new(letter: Letter, seen: set[bytes]) -> bool:
    """Whether the letter is not in ``seen``; adds it."""
    name = blake2b(f"{letter.stream} {letter.id}".encode(), digest_size=16).digest()
    if name in seen:
        return False
    seen.add(name)
    return True


def _entry(item: bytes, raw: bytes, verdict: Verdict, now: str) -> Letter:
    head, _, body = item.partition(b"\n")
    action = orjson.loads(head)["create"]
    document = orjson.loads(body)
    log = document.get("log", {})
    return Letter(
        time=now,
        status=verdict.status,
        kind=verdict.kind,
        reason=verdict.reason,
        stream=action["_index"],
        id=action["_id"],
        path=log.get("file", {}).get("path", ""),
        offset=log.get("offset", -1),
        line=_line(raw),
        document=document,
    )


def _line(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _BASE64 + b64encode(raw).decode()


def _raw(line: str) -> bytes:
    return b64decode(line[len(_BASE64) :]) if line.startswith(_BASE64) else line.encode()
