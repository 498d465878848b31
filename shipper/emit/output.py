"""Events → lines, and each line to its file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from shipper.emit.levels import Levels
from shipper.emit.plain import json_line, plain, text
from shipper.emit.rotating_file import RotatingFile, Rotation
from shipper.emit.standard_streams import STDOUT, report_failure
from shipper.emit.strangers import FAILURES
from shipper.taxonomy import WORKFLOW_LOG_PREFIXES

Format = Literal["json", "console"]
_FORMATS = ("json", "console")


class _Sink(Protocol):
    def write(self, record: bytes) -> None: ...
    def close(self) -> None: ...


class Output:
    """The configuration of one call of ``setup_logging``: levels, format of the lines, files.

    Raises:
        ValueError: the form is unknown.
        OSError: a file can't be opened.
    """

    def __init__(
        self, levels: Levels, form: Format, log_file: Path | None, log_dir: Path | None, rotation: Rotation
    ) -> None:
        if form not in _FORMATS:
            raise ValueError(f"format: {form!r} is not a log format; use one of {', '.join(_FORMATS)}")
        self.levels = levels
        main = log_file or (log_dir / "neuroflow.log" if log_dir else None)
        self._main: _Sink = RotatingFile(main, rotation) if main else STDOUT
        self._workflow: _Sink = self._main
        if log_dir:
            try:
                self._workflow = RotatingFile(log_dir / "workflow.log", rotation)
            except OSError:
                self._main.close()
                raise
        self._console: structlog.dev.ConsoleRenderer | None = None
        self._on_terminal = main is None and sys.stdout is not None and sys.stdout.isatty()
        if form == "console":
            self._console = structlog.dev.ConsoleRenderer(
                colors=self._on_terminal,
                # Rich's tracebacks show local values, which may be secrets.
                exception_formatter=structlog.dev.plain_traceback,
            )

    def write(self, event: Mapping[str, Any]) -> None:
        """Write the finished event; to standard error if its file can't be written.

        Never raises.
        """
        line = repr(type(event))
        try:
            line = self._line(event)
            name = text(event.get("event", ""))
            sink = self._workflow if name.startswith(WORKFLOW_LOG_PREFIXES) else self._main
            sink.write(f"{line}\n".encode())
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, line)

    def close(self) -> None:
        """Close the files."""
        self._main.close()
        self._workflow.close()

    def _line(self, event: Mapping[str, Any]) -> str:
        shown = {**event, "event": text(event.get("event", ""))}
        if self._console is None:
            return json_line(shown)
        shown = plain(shown)
        if "timestamp" in shown:
            shown["timestamp_"] = shown.pop("timestamp")
        # The renderer puts "timestamp" first.  The service is the same on every line.
        shown["timestamp"] = str(shown.pop("@timestamp", "")).replace("+00:00", "Z")
        shown.pop("service", None)
        if not self._on_terminal:  # one line per event in a file, as the renderer does for fields
            shown["event"] = shown["event"].replace("\n", "\\n")
        return self._console(None, "", shown)
