from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

import shipper.emit.logging as emit_logging
from shipper.emit import WorkflowLogContext, add_workflow_context, get_logger, setup_logging

FULL = Path("/dev/full")  # every write to it fails: no space left on device


def lines(path: Path) -> list[dict[str, Any]]:
    """The events in a file; none if there is no file."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def names(path: Path) -> list[str]:
    """The names of the events in a file."""
    return [line["event"] for line in lines(path)]


def open_logs(folder: Path) -> list[str]:
    """Names of the logs below the folder that this process has open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(fd.readlink()))
        except OSError:
            continue
    return sorted(Path(name).name for name in found if name.startswith(str(folder)) and ".lock" not in name)


def fail() -> None:
    """Raise, with a local value that must not be logged."""
    secret = "hunter"
    secret += "2"
    raise KeyError("missing")


class TestLine:
    def test_shape(self, tmp_path: Path) -> None:
        """Component, fields, event, level, time, service: in this order, with these names."""
        setup_logging(log_dir=tmp_path)
        get_logger("workflow").info("workflow.completed", workflow_run_id=123, duration=3600)
        text = (tmp_path / "workflow.log").read_text()
        stamp = json.loads(text)["@timestamp"]
        assert text == (
            '{"component": "workflow", "workflow_run_id": 123, "duration": 3600, "event": "workflow.completed",'
            f' "level": "info", "@timestamp": "{stamp}", "service": "neuroflow"}}\n'
        )
        assert len(stamp) == len("2026-11-23T12:44:12.286093+00:00")
        assert stamp.endswith("+00:00")

    def test_add_workflow_context_is_a_processor(self) -> None:
        """It adds time and service to the event it is given, and returns it."""
        event = add_workflow_context(None, "info", {"event": "x"})
        assert event["service"] == "neuroflow"
        assert event["@timestamp"].endswith("+00:00")

    def test_exception_as_text(self, tmp_path: Path) -> None:
        """The traceback stands in one key, and the line stays one line."""
        setup_logging(log_dir=tmp_path)
        try:
            fail()
        except KeyError:
            get_logger().exception("boom", error="x\ny")
        (line,) = lines(tmp_path / "neuroflow.log")
        assert line["level"] == "error"
        assert line["error"] == "x\ny"
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("KeyError: 'missing'")
        assert "exc_info" not in line

    def test_names_given_to_structlog_become_components(self, tmp_path: Path) -> None:
        """The name given to structlog's own get_logger is kept, unless a component is bound."""
        setup_logging(log_dir=tmp_path)
        structlog.get_logger("pipeline_output").info("a")
        structlog.get_logger("pipeline_output", component="other").info("b")
        structlog.get_logger().info("c")
        assert [line.get("component") for line in lines(tmp_path / "neuroflow.log")] == [
            "pipeline_output",
            "other",
            None,
        ]

    def test_events_that_are_not_text(self, tmp_path: Path) -> None:
        """An exception or a number given as the event is still a line, its event text."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.error(ValueError("wrong"))
        log.info(7)
        log.info("at %d %%", 5)
        assert names(tmp_path / "neuroflow.log") == ["ValueError('wrong')", "7", "at 5 %"]

    def test_awkward_values_lose_no_line(self, tmp_path: Path) -> None:
        """Values JSON has no form for are shown as text or null."""
        setup_logging(log_dir=tmp_path)
        get_logger().info("x", path=Path("/a"), nan=float("nan"), raw=b"\xff", bad="\udce9", keys={(1, 2): 3})
        (line,) = lines(tmp_path / "neuroflow.log")
        assert line["path"] == "/a"
        assert line["nan"] is None
        assert line["raw"] == "\\xff"
        assert line["bad"] == "\\udce9"
        assert line["keys"] == {"(1, 2)": 3}


class TestRouting:
    def test_log_dir(self, tmp_path: Path) -> None:
        """Workflow and stage events go to workflow.log, all else to neuroflow.log, nothing to both."""
        setup_logging(log_dir=tmp_path / "new" / "folder")
        self.log_some()
        folder = tmp_path / "new" / "folder"
        assert names(folder / "workflow.log") == ["workflow.started", "stage.failed", "workflow.from_lib"]
        assert names(folder / "neuroflow.log") == ["pipeline.queued", "workflows.x", "staged", "x"]

    def test_log_file_alone(self, tmp_path: Path) -> None:
        """It gets all events."""
        setup_logging(log_file=tmp_path / "sub" / "all.log")
        self.log_some()
        assert len(lines(tmp_path / "sub" / "all.log")) == 7
        assert [path.name for path in tmp_path.rglob("*.log")] == ["all.log"]

    def test_log_file_with_log_dir(self, tmp_path: Path) -> None:
        """It replaces neuroflow.log; workflow.log stays in the folder."""
        setup_logging(log_file=tmp_path / "main.log", log_dir=tmp_path / "logs")
        self.log_some()
        assert len(names(tmp_path / "main.log")) == 4
        assert len(names(tmp_path / "logs" / "workflow.log")) == 3
        assert not (tmp_path / "logs" / "neuroflow.log").exists()

    def test_files_leave_stdout_alone(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A worker captures stdout into its own log, so a line there would come twice."""
        setup_logging(log_dir=tmp_path)
        self.log_some()
        assert capfd.readouterr() == ("", "")

    def test_stdout_without_files(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Neither file nor folder: everything goes to stdout, also what the standard library logs."""
        setup_logging()
        self.log_some()
        out = capsys.readouterr().out.splitlines()
        assert len([orjson.loads(line) for line in out]) == 7

    def test_rotation(self, tmp_path: Path) -> None:
        """The size limit of a configuration's mapping holds for both files."""
        setup_logging(log_dir=tmp_path, rotation={"max_size_mb": 0.001, "backup_count": 1})
        for n in range(40):
            get_logger().info("workflow.x", n=n)
            get_logger().info("x", n=n)
        assert sorted(path.name for path in tmp_path.glob("[!.]*")) == [
            "neuroflow.log", "neuroflow.log.1", "workflow.log", "workflow.log.1",
        ]  # fmt: skip

    @staticmethod
    def log_some() -> None:
        """Seven events: three of workflows and stages, four others."""
        log = get_logger("any")
        for event in ("workflow.started", "stage.failed", "pipeline.queued", "workflows.x", "staged", "x"):
            log.info(event)
        logging.getLogger("lib").warning("workflow.from_lib")


class TestLevels:
    def test_structlog_components(self, tmp_path: Path) -> None:
        """A component's level applies in both directions and to dotted children."""
        setup_logging("INFO", log_file=tmp_path / "a", components={"pipeline": "DEBUG", "workflow": "WARNING"})
        get_logger("pipeline").debug("1")
        get_logger("pipeline.qsiprep").debug("2")
        get_logger("workflow").info("dropped")
        get_logger("workflow").warning("3")
        get_logger("other").debug("dropped")
        get_logger().debug("dropped")
        get_logger("sqlalchemy").info("dropped")
        structlog.get_logger("pipeline").debug("4")
        structlog.get_logger().bind(component="pipeline").debug("5")
        with structlog.contextvars.bound_contextvars(component="pipeline"):
            get_logger().debug("6")
        assert names(tmp_path / "a") == ["1", "2", "3", "4", "5", "6"]

    def test_stdlib_loggers(self, tmp_path: Path) -> None:
        """The levels apply to the standard library's loggers, and the next call restores theirs."""
        setup_logging("INFO", log_file=tmp_path / "a", components={"pipeline": "DEBUG", "workflow": "WARNING"})
        logging.getLogger("pipeline.x").debug("1")
        logging.getLogger("workflow.x").info("dropped")
        logging.getLogger("sqlalchemy.engine").info("dropped")
        logging.getLogger("other").info("2")
        logging.getLogger("other").debug("dropped")
        setup_logging("INFO", log_file=tmp_path / "a", components={"sqlalchemy": "INFO"})
        logging.getLogger("pipeline.x").debug("dropped")
        logging.getLogger("workflow.x").info("3")
        logging.getLogger("sqlalchemy.engine").info("4")
        assert names(tmp_path / "a") == ["1", "2", "3", "4"]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"level": "LOUD"}, "'LOUD' is not a log level"),
            ({"format": "xml"}, "'xml' is not a log format; use one of json, console"),
            ({"components": {"x": "nope"}}, "level of x: 'nope' is not a log level"),
            ({"rotation": {"size": 1}}, "rotation: size: unknown key"),
        ],
    )
    def test_mistakes_change_nothing(self, tmp_path: Path, arguments: dict[str, Any], sentence: str) -> None:
        """A wrong call names the mistake, creates no files, and leaves the earlier configuration."""
        setup_logging(log_file=tmp_path / "a")
        with pytest.raises(ValueError, match=sentence):
            setup_logging(**{"log_file": tmp_path / "b", **arguments})
        get_logger().info("still here")
        assert names(tmp_path / "a") == ["still here"]
        assert not (tmp_path / "b").exists()

    def test_unusable_files_are_said(self, tmp_path: Path) -> None:
        """A folder that can't be created is an error, and no file stays open."""
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            setup_logging(log_file=tmp_path / "a", log_dir=tmp_path / "file")
        assert open_logs(tmp_path) == []


class TestAgain:
    def test_replaces_the_earlier_files(self, tmp_path: Path) -> None:
        """Each event goes to the newest place only, once, and the older files are closed."""
        setup_logging(log_dir=tmp_path / "1")
        setup_logging(log_dir=tmp_path / "2")
        setup_logging(log_dir=tmp_path / "2")
        get_logger().info("x")
        logging.getLogger("lib").warning("y")
        assert lines(tmp_path / "1" / "neuroflow.log") == []
        assert names(tmp_path / "2" / "neuroflow.log") == ["x", "y"]
        assert open_logs(tmp_path) == ["neuroflow.log", "workflow.log"]

    def test_loggers_obtained_before_follow(self, tmp_path: Path) -> None:
        """Loggers made, bound and used before, or between two calls, log into the new place at the new level."""
        early = get_logger("x")
        with structlog.testing.capture_logs():
            early.info("before")
        bound = early.bind(key=1)
        setup_logging("ERROR", log_dir=tmp_path / "1")
        between = get_logger("y").bind(key=2)
        between.info("too quiet")
        setup_logging("DEBUG", log_dir=tmp_path / "2")
        early.debug("a")
        bound.debug("b")
        between.debug("c")
        assert names(tmp_path / "2" / "neuroflow.log") == ["a", "b", "c"]
        assert lines(tmp_path / "1" / "neuroflow.log") == []

    def test_capture_logs_of_structlog_still_works(self, tmp_path: Path) -> None:
        """Tests of the application may look at events with structlog's own tool."""
        setup_logging(log_dir=tmp_path)
        with structlog.testing.capture_logs() as captured:
            get_logger("x").info("seen", key=1)
        get_logger("x").info("written")
        assert captured == [{"component": "x", "event": "seen", "key": 1, "log_level": "info"}]
        assert names(tmp_path / "neuroflow.log") == ["written"]

    def test_processors_configured_later(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An application that configures structlog itself afterwards gets its lines printed, as usual."""
        setup_logging(log_dir=tmp_path)
        structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
        structlog.get_logger("x").info("mine")
        assert capsys.readouterr().out == "event='mine'\n"

    def test_no_event_falls_in_between(self, tmp_path: Path) -> None:
        """Threads that log while the files are exchanged lose nothing."""
        setup_logging(log_file=tmp_path / "0")

        def work(thread: int) -> None:
            for n in range(500):
                get_logger().info("x", thread=thread, n=n)
                logging.getLogger("lib").info("y")

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for n in range(1, 30):
            setup_logging(log_file=tmp_path / str(n))
        for thread in threads:
            thread.join()
        written = [line for path in tmp_path.glob("[0-9]*") for line in lines(path)]
        seen = {(line["thread"], line["n"]) for line in written if line["event"] == "x"}
        assert len(written) == 4 * 500 * 2
        assert len(seen) == 4 * 500
        assert open_logs(tmp_path) == ["29"]


class TestConsole:
    def test_shape(self, tmp_path: Path) -> None:
        """Time in UTC, level, event, sorted fields; no colours in files, no service."""
        setup_logging(format="console", log_dir=tmp_path)
        get_logger("c").info("scan.completed", path="/x", bad="\udce9", timestamp="mine")
        text = (tmp_path / "neuroflow.log").read_text()
        stamp, rest = text.split(" ", 1)
        assert rest == (
            "[info     ] scan.completed                 bad=\\udce9 component=c path=/x timestamp_=mine\n"
        )
        assert len(stamp) == len("2026-11-23T12:40:14.007446Z")
        assert stamp.endswith("Z")

    def test_an_event_is_a_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Line feeds of an event are shown as such in files; on a terminal they are line feeds."""
        setup_logging(format="console", log_dir=tmp_path)
        get_logger("c").info("one\ntwo", key="a\nb")
        (line,) = (tmp_path / "neuroflow.log").read_text().splitlines()
        assert "one\\ntwo " in line
        assert line.endswith("component=c key='a\\nb'")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        setup_logging(format="console")
        get_logger().info("one\ntwo")
        assert 2 == len(capsys.readouterr().out.splitlines())

    def test_exceptions_are_plain(self, tmp_path: Path) -> None:
        """A traceback follows its line; no boxes, no local values."""
        setup_logging(format="console", log_dir=tmp_path)
        try:
            fail()
        except KeyError:
            get_logger().exception("boom")
        first, second, *_, last = (tmp_path / "neuroflow.log").read_text().splitlines()
        assert "boom" in first
        assert second == "Traceback (most recent call last):"
        assert last == "KeyError: 'missing'"
        assert "hunter2" not in (tmp_path / "neuroflow.log").read_text()

    @pytest.mark.parametrize("terminal", [True, False])
    def test_colours_only_on_a_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
    ) -> None:
        """Escape codes of colours appear on terminals only."""
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
        setup_logging(format="console")
        get_logger().info("x")
        assert ("\x1b[" in capsys.readouterr().out) == terminal


class TestErrors:
    @pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
    def test_full_disk_does_not_stop_the_work(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is raised, and the line is shown on standard error instead."""
        setup_logging(log_file=FULL)
        get_logger().info("important", key=1)
        logging.getLogger("lib").warning("too")
        first, second = capsys.readouterr().err.splitlines()
        assert first.startswith("logging failed (OSError: [Errno 28] No space left on device); the line was: {")
        assert '"event": "important"' in first
        assert '"event": "too"' in second

    def test_closed_streams_do_not_stop_the_work(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A daemon without stdout and stderr still works."""
        setup_logging()
        monkeypatch.setattr(sys, "stdout", None)
        monkeypatch.setattr(sys, "stderr", None)
        get_logger().info("x")
        monkeypatch.undo()
        assert capsys.readouterr() == ("", "")

    def test_narrow_stdout(self) -> None:
        """A terminal that is not UTF-8 gets escapes instead of an error."""
        code = "from shipper.emit import *; setup_logging(format='console'); get_logger().info('caf\\xe9 \\u2028')"
        run = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert b"caf\\xe9 \\u2028" in run.stdout
        assert run.stderr == b""


class TestStdlibRecords:
    def test_record_becomes_an_event(self, tmp_path: Path) -> None:
        """Logger as component, rendered arguments, extra as keys, context, level, time of the record."""
        setup_logging(log_dir=tmp_path)
        with WorkflowLogContext(workflow_run_id=5):
            logging.getLogger("my.lib").warning("%s of %d\nfailed", "one", 2, extra={"path": Path("/x")})
        (line,) = lines(tmp_path / "neuroflow.log")
        stamp = line.pop("@timestamp")
        assert line == {
            "component": "my.lib", "path": "/x", "event": "one of 2\nfailed", "workflow_run_id": 5,
            "level": "warning", "service": "neuroflow",
        }  # fmt: skip
        assert stamp.endswith("+00:00")

    def test_exceptions_and_stacks(self, tmp_path: Path) -> None:
        """A traceback stands in exception, a stack in stack; no exception means no key."""
        setup_logging(log_dir=tmp_path)
        log = logging.getLogger("lib")
        try:
            fail()
        except KeyError:
            log.exception("a")
        log.error("b", exc_info=True)  # noqa: LOG014 - there is none: that is the case
        log.info("c", stack_info=True)
        first, second, third = lines(tmp_path / "neuroflow.log")
        assert first["exception"].endswith("KeyError: 'missing'")
        assert "exception" not in second
        assert third["stack"].startswith("Stack (most recent call last):")

    def test_arguments_that_do_not_fit(self, tmp_path: Path) -> None:
        """The message is shown with its arguments, and nothing is raised."""
        setup_logging(log_dir=tmp_path)
        record = logging.makeLogRecord({"name": "lib", "msg": "%d files", "args": ("many",)})
        emit_logging._state._handler.handle(record)  # pytest's own handler would raise
        assert names(tmp_path / "neuroflow.log") == ["%d files ('many',)"]

    def test_extra_does_not_hide_what_is_ours(self, tmp_path: Path) -> None:
        """Keys of extra that we use ourselves are kept under another name."""
        setup_logging(log_dir=tmp_path)
        logging.getLogger("lib").warning("real", extra={"event": "fake", "level": 3, "service": "heudiconv"})
        (line,) = lines(tmp_path / "neuroflow.log")
        assert (line["event"], line["level"], line["service"]) == ("real", "warning", "neuroflow")
        assert (line["event_"], line["level_"], line["service_"]) == ("fake", 3, "heudiconv")

    def test_other_handlers_stay(self, tmp_path: Path) -> None:
        """Handlers of others on the root logger stay."""
        other = logging.NullHandler()
        logging.getLogger().addHandler(other)
        try:
            setup_logging(log_dir=tmp_path)
            setup_logging(log_dir=tmp_path)
            assert other in logging.getLogger().handlers
        finally:
            logging.getLogger().removeHandler(other)
