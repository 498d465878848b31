"""The output of one pipeline run, in a file that grows while the pipeline runs.

The file consists of ``=== STDOUT ===``, standard output, an empty line or line end, ``=== STDERR ===``, and standard
error.  Where the two streams alternate, each further piece begins with a line ``=== STDOUT (continued) ===`` or
``=== STDERR (continued) ===``, so the plain markers stay the first of their stream.
"""

from __future__ import annotations

import codecs
import io
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from shipper.emit.events import pipeline_log_capture_completed, pipeline_log_capture_started
from shipper.emit.forks import Forkable
from shipper.emit.logging import get_logger
from shipper.emit.plain import text as shown

log = get_logger("pipeline_output")

_Stream = Literal["STDOUT", "STDERR"]


def _now() -> datetime:
    return datetime.now(UTC)


def _original_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: bytes that were not UTF-8 (surrogateescape) as they were, other surrogates as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = (ord(char) for char in error.object[error.start : error.end])
    parts = (bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"\\u%04x" % code for code in codes)
    return b"".join(parts), error.end


def _text_of(given: str | bytes) -> str:
    """The given output as text, bytes unchanged; never raises, because the caller must not stop."""
    kind = type(given)  # not isinstance: an object may claim any class
    if issubclass(kind, bytes | bytearray | memoryview):
        return bytes(given).decode("utf-8", "surrogateescape")  # type: ignore[arg-type] # one of these
    return str.__str__(given) if issubclass(kind, str) else shown(given)


codecs.register_error("shipper.emit.bytes_again", _original_bytes)


class PipelineLogCapture(Forkable):
    """Captures stdout and stderr of a pipeline run into ``{pipeline}_{run_id}_{YYYYmmdd_HHMMSS}.log`` (UTC).

    Every write is in the file when it returns, so it survives a crash.  If the disk is full, the text is kept in
    memory and written with the next write, so that the pipeline continues.  Safe for threads, e.g. one for
    each stream, and for signal handlers.  A child that is forked inside the block may write, too; the process that
    entered the block completes the file.

    Args:
        run_id: the pipeline run.
        pipeline_name: part of the file's name.
        log_dir: the folder of the file; missing folders are created.
        clock: gives the time in the file's name.

    Raises:
        ValueError: the pipeline's name can't be part of a file name.
    """

    def __init__(
        self, run_id: int, pipeline_name: str, log_dir: Path, *, clock: Callable[[], datetime] = _now
    ) -> None:
        super().__init__()
        if "/" in pipeline_name or "\0" in pipeline_name:
            raise ValueError(f"pipeline name {pipeline_name!r} can't be part of a file name")
        self.run_id = run_id
        self.pipeline_name = pipeline_name
        self.log_dir = Path(log_dir)
        self.log_file: Path | None = None
        self._clock = clock
        # Re-entrant, because a signal handler may write while this thread holds it.
        self._mutex = threading.RLock()
        self._writing = False
        self._waiting: deque[tuple[_Stream | None, str]] = deque()
        self._in_child = False
        self._buffers: dict[_Stream, io.StringIO] = {"STDOUT": io.StringIO(), "STDERR": io.StringIO()}
        self._fd = -1
        self._stream: _Stream = "STDOUT"  # of the last text in the file
        self._stderr_begun = False
        self._at_line_start = True
        self._pending = b""  # not yet written, because of an error

    def __enter__(self) -> Self:
        """Create the file.

        Raises:
            OSError: it can't be created.
            ValueError: this capture was used before.
        """
        if self.log_file is not None:
            raise ValueError(f"the capture of run {self.run_id} was used before; create a new one")
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._fd, self.log_file = self._create()
        self._in_child = False
        self._put(None, "=== STDOUT ===\n")
        pipeline_log_capture_started(log, run_id=self.run_id, log_file=self.log_file)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the file, also after an exception.

        Raises:
            OSError: a part of the output still can't be written (and the block raised nothing).
        """
        with self._mutex:
            if not self._stderr_begun and not self._in_child:
                self._put(None, "\n=== STDERR ===\n")
            fd, self._fd = self._fd, -1
            os.close(fd)
            lost = len(self._pending)
        if lost:
            log.error("pipeline_log.incomplete", run_id=self.run_id, log_file=self.log_file, bytes=lost)
            if exc is None:
                raise OSError(f"{self.log_file}: the last {lost} bytes of the output could not be written")
        if not self._in_child:
            pipeline_log_capture_completed(log, run_id=self.run_id)

    def after_fork_in_child(self) -> None:
        """The thread that held the lock does not exist here; the parent completes its writes."""
        self._mutex = threading.RLock()
        self._writing = False
        self._waiting.clear()
        self._pending = b""
        self._in_child = self._fd >= 0

    def write_stdout(self, text: str | bytes) -> None:
        """Append standard output of the pipeline; bytes are written unchanged.

        Raises:
            ValueError: the capture is not running.
        """
        self._capture("STDOUT", text)

    def write_stderr(self, text: str | bytes) -> None:
        """Append standard error of the pipeline; bytes are written unchanged.

        Raises:
            ValueError: the capture is not running.
        """
        self._capture("STDERR", text)

    @property
    def stdout(self) -> str:
        """All of the standard output so far."""
        with self._mutex:
            return self._buffers["STDOUT"].getvalue()

    @property
    def stderr(self) -> str:
        """All of the standard error so far."""
        with self._mutex:
            return self._buffers["STDERR"].getvalue()

    def _create(self) -> tuple[int, Path]:
        moment = self._clock()
        while True:
            name = f"{self.pipeline_name}_{self.run_id}_{moment:%Y%m%d_%H%M%S}.log"
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
                return os.open(self.log_dir / name, flags, 0o666), self.log_dir / name
            except FileExistsError:  # the same run again within a second: both files are kept
                moment += timedelta(seconds=1)

    def _capture(self, stream: _Stream, given: str | bytes) -> None:
        text = _text_of(given)
        with self._mutex:
            if self._fd < 0:
                raise ValueError(f"the capture of run {self.run_id} is not running; write inside its with block")
            if not text:
                return
            self._buffers[stream].write(text)
            self._put(stream, text)

    def _put(self, stream: _Stream | None, text: str) -> None:
        """Write the text of a stream, or a marker.  Text from a signal handler meanwhile is written behind it."""
        self._waiting.append((stream, text))
        if self._writing:
            return
        self._writing = True
        try:
            while self._waiting:
                stream, text = self._waiting.popleft()
                self._write(self._switch(stream) + text if stream else text)
        finally:
            self._writing = False

    def _switch(self, stream: _Stream) -> str:
        if stream == self._stream:
            return ""
        self._stream = stream
        if stream == "STDERR" and not self._stderr_begun:
            self._stderr_begun = True
            return "\n=== STDERR ===\n"  # an empty line comes before it if the output ended its line
        marker = f"=== {stream} (continued) ===\n"
        return marker if self._at_line_start else f"\n{marker}"

    def _write(self, text: str) -> None:
        self._at_line_start = text.endswith("\n")
        self._pending += text.encode("utf-8", "shipper.emit.bytes_again")
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._fd, self._pending) :]
        except OSError:
            return  # kept in _pending; __exit__ raises
