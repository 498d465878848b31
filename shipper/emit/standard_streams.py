"""Standard output and error, line by line, safe for threads and for forked children.

Python's own stream has a lock and a buffer.  A child that is forked while a thread of the parent writes inherits a
lock that is never released, and a buffer that contains the thread's line.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from typing import Literal, TextIO

from shipper.emit.forks import Forkable
from shipper.emit.strangers import FAILURES, guarded

_MAX_WAIT = 1.0
"""Seconds that a fork waits for a thread that writes, and a child for the stream's lock."""


class StandardStream(Forkable):
    """One of the two streams, looked up for every line, because test runners and workers replace it."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        super().__init__()
        self._name = name
        # Re-entrant: a signal handler may log.
        self._mutex = threading.RLock()
        self._held_by: list[int] = []  # threads that fork at this moment
        self._inherited: object = None  # the stream at the fork, until it has been checked

    def write(self, record: bytes) -> None:
        """Write a record in UTF-8 to the stream, in the stream's encoding.

        Raises:
            OSError: the stream can't be written.
            AttributeError: there is no stream.
        """
        with self._mutex:
            if self._inherited is not None:
                self._replace_if_locked()
            stream = self._stream()
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(record.decode("utf-8").encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""

    def before_fork(self) -> None:
        """Wait until a thread that writes has finished its line, so that the child does not inherit it."""
        if self._mutex.acquire(timeout=_MAX_WAIT):
            self._held_by.append(threading.get_ident())

    def after_fork_in_parent(self) -> None:
        """Release what ``before_fork`` acquired."""
        me = threading.get_ident()
        if me in self._held_by:
            self._held_by.remove(me)
            self._mutex.release()

    def after_fork_in_child(self) -> None:
        """Create a lock for the child, and check the stream's own, which a printing thread may have held."""
        self._mutex = threading.RLock()
        self._held_by.clear()
        self._inherited = self._stream()

    def _stream(self) -> TextIO:
        stream: TextIO = getattr(sys, self._name)
        return stream

    def _replace_if_locked(self) -> None:
        """Replace the stream if a thread of the parent held its lock at the fork."""
        stream, self._inherited = self._inherited, None
        if stream is not self._stream() or not isinstance(stream, io.TextIOWrapper):
            return
        if not isinstance(stream.buffer, io.BufferedWriter) or _is_unlocked(stream):
            return
        replacement = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
        )
        _unusable.append(stream)
        setattr(sys, self._name, replacement)
        if getattr(sys, f"__{self._name}__") is stream:
            setattr(sys, f"__{self._name}__", replacement)


_unusable: list[object] = []
"""Streams whose lock is never released: they are kept, since garbage collection would close them and wait."""


def _is_unlocked(stream: TextIO) -> bool:
    """Whether the stream's lock is free; only an attempt shows it, which another thread makes, since it may wait."""
    tried = threading.Event()
    locked = False

    def flush() -> None:
        nonlocal locked
        try:
            with contextlib.suppress(OSError, ValueError):  # also shows that the lock is free
                stream.flush()
        except RuntimeError:  # "reentrant call": this thread has got the id of the one that held the lock at the fork
            locked = True
        tried.set()

    try:
        threading.Thread(target=flush, daemon=True).start()
    except RuntimeError:  # no more threads: assume that the lock is free, as it nearly always is
        return True
    return tried.wait(_MAX_WAIT) and not locked


STDOUT = StandardStream("stdout")
STDERR = StandardStream("stderr")


def report_failure(error: BaseException, line: str) -> None:
    """Write to standard error that a line could not be written, and the line; never raises."""
    try:
        report = f"logging failed ({type(error).__name__}: {_message(error)}); the line was: {line}\n"
        STDERR.write(report.encode("utf-8", "backslashreplace"))
    except FAILURES:  # no other output is left
        pass


def _message(error: BaseException) -> str:
    try:
        return guarded(str, error)
    except FAILURES:  # __str__ of the application's objects may raise anything
        return "it can't be shown"
