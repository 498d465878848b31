"""Standard output and error, line by line, from threads and from forked children.

Python's own stream has a lock and a buffer.  A child that is forked while a thread of the parent writes gets the lock
held, for ever, and the buffer with the thread's line in it.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from typing import Literal, TextIO

from shipper.emit.forks import Forkable

_MAX_WAIT = 1.0
"""Seconds that a fork waits for a thread that writes (which may wait for a reader), and a child for the stream."""


class StandardStream(Forkable):
    """One of the two streams, looked up for every line, because test runners and workers replace it.

    Args:
        name: in the module ``sys``.
    """

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        super().__init__()
        self._name = name
        # Re-entrant: a signal handler may log.
        self._mutex = threading.RLock()
        self._held_by: list[int] = []  # threads that fork at this moment
        self._inherited: object = None  # the stream that was there at the fork, until it has answered

    def write(self, record: bytes) -> None:
        """Write the record, of UTF-8, in the stream's own encoding.

        Raises:
            OSError: the stream refuses.
            AttributeError: there is none.
        """
        with self._mutex:
            if self._inherited is not None:
                self._replace_if_locked()
            stream = self._stream()
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(record.decode("utf-8").encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()

    def close(self) -> None:
        """Nothing to do: it is not ours."""

    def before_fork(self) -> None:
        """Let the thread that writes finish its line, so that the child does not get it too."""
        if self._mutex.acquire(timeout=_MAX_WAIT):
            self._held_by.append(threading.get_ident())

    def after_fork_in_parent(self) -> None:
        """Go on."""
        me = threading.get_ident()
        if me in self._held_by:
            self._held_by.remove(me)
            self._mutex.release()

    def after_fork_in_child(self) -> None:
        """A lock of the child's own; the application's threads, which print, may hold the stream's."""
        self._mutex = threading.RLock()
        self._held_by.clear()
        self._inherited = self._stream()

    def _stream(self) -> TextIO:
        stream: TextIO = getattr(sys, self._name)
        return stream

    def _replace_if_locked(self) -> None:
        """Put a stream of the child's own in place of one whose lock a thread of the parent held."""
        stream, self._inherited = self._inherited, None
        if stream is not self._stream() or not isinstance(stream, io.TextIOWrapper):
            return
        if not isinstance(stream.buffer, io.BufferedWriter) or _answers(stream):
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
"""Streams whose lock nobody releases: to close one, which forgetting does, would wait for it."""


def _answers(stream: TextIO) -> bool:
    """Whether the stream's lock can be had; to ask for it is to wait, so another thread asks."""
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, ValueError):  # an answer too
            stream.flush()
        answered.set()

    try:
        threading.Thread(target=ask, daemon=True).start()
    except RuntimeError:  # no more threads: what can't be asked is taken for usable, as it nearly always is
        return True
    return answered.wait(_MAX_WAIT)


STDOUT = StandardStream("stdout")
STDERR = StandardStream("stderr")


def report_failure(error: BaseException, line: str) -> None:
    """Say on standard error that a line could not be written, with the line; never raises."""
    try:
        said = f"logging failed ({type(error).__name__}: {_message(error)}); the line was: {line}\n"
        STDERR.write(said.encode("utf-8", "backslashreplace"))
    except Exception:  # noqa: BLE001, S110 - there is nobody left to tell
        pass


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it runs __str__ of strangers, which may raise anything
        return "it can't be shown"
