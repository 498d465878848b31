"""Any argument of a log call: nothing raises, nothing is lost, and events below the level cost nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from shipper.emit import (
    AuditLog,
    PipelineLogCapture,
    WorkflowLogContext,
    add_workflow_context,
    get_logger,
    pipeline_failed,
    setup_logging,
)


def lines(folder: Path) -> list[dict[str, Any]]:
    """What was logged."""
    return [orjson.loads(line) for line in (folder / "neuroflow.log").read_bytes().splitlines()]


class Fails:
    """Whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        return 12345

    def __format__(self, _spec: str) -> str:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no")


class FailingError(Exception):
    """An exception that can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class FailingMapping(Mapping[str, Any]):
    """A mapping that promises a key and has none."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        yield "key"

    def __len__(self) -> int:
        return 1


class FailingZone(tzinfo):
    """A zone that doesn't know."""

    def utcoffset(self, _moment: datetime | None) -> timedelta:
        raise RuntimeError("no")

    dst = utcoffset

    def tzname(self, _moment: datetime | None) -> str:
        raise RuntimeError("no")


@dataclasses.dataclass
class Node:
    """One that has itself inside."""

    name: str
    inside: Any = None


def recursive() -> list[Any]:
    """A list in a mapping in this very list."""
    value: list[Any] = []
    value.append({"value": value})
    return value


def endless() -> Any:
    """A dataclass that shows itself inside itself."""
    node = Node("x")
    node.inside = [node]
    return node


class Claims:
    """A stranger that says that it is of another class."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._kind


class Raises:
    """One whose text raises something; by default what asking a cancelled task for its result does."""

    def __init__(self, error: type[BaseException] = asyncio.CancelledError) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error

    __repr__ = __str__


class EndlessMapping(FailingMapping):
    """A mapping with a key for every number, and a mapping like that under each."""

    def __getitem__(self, key: str) -> Any:
        return EndlessMapping()

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())


class EndlessList(list[Any]):
    """A list that goes on and on."""

    def __iter__(self) -> Iterator[Any]:
        return itertools.count()


class EndlessShape:
    """Something with one value, and more dimensions than anybody has seen."""

    shape = itertools.repeat(1)

    def item(self) -> int:
        return 1


class Logs:
    """An object that logs itself while it is shown."""

    def __str__(self) -> str:
        get_logger("inside").debug("shown", value=self)
        return "logs"

    __repr__ = __str__


def caused_by_itself() -> BaseException:
    """Two exceptions, each the cause of the other, in a group."""
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    return ExceptionGroup("group", [one, ExceptionGroup("inside", [other])])


def deep() -> Any:
    """Deeper than anybody reads."""
    value: Any = 0
    for _ in range(5000):
        value = [value]
    return value


GIVEN: dict[str, Callable[[], Any]] = {
    "fails": Fails, "exception": FailingError, "mapping": FailingMapping, "recursive": recursive,
    "dataclass": endless,
    "zone": lambda: datetime(2026, 1, 1, tzinfo=FailingZone()),
    "huge": lambda: 10**5000,
    "keys": lambda: {1: 2, None: 3, (4,): 5, Fails(): 6, "1": 7, b"x": 8},
    "bytes": lambda: b"\xff\x00",
    "surrogate": lambda: "\udce9",
    "set": lambda: {1, "a"},
    "generator": lambda: (n for n in range(3)),
    "class": lambda: Fails, "nan": lambda: float("nan"), "deep": deep,
    "claims to be a text": lambda: Claims(str),
    "claims to be bytes": lambda: Claims(bytes),
    "claims to be a mapping": lambda: Claims(dict),
    "claims to be a list": lambda: Claims(list),
    "claims to be a number": lambda: Claims(int),
    "claims to be an exception": lambda: Claims(ValueError),
    "claims no class": lambda: Claims(5),
    "cancelled": Raises,
    "generator exit": lambda: Raises(GeneratorExit),
    "endless mapping": EndlessMapping,
    "endless list": lambda: EndlessList([1]),
    "endless shape": EndlessShape, "logs": Logs, "exception group": caused_by_itself,
    "memoryview": lambda: memoryview(bytearray(8)).cast("I"),
}  # fmt: skip


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("form", ["json", "console"])
class TestAnything:
    def test_is_a_line(
        self,
        tmp_path: Path,
        form: Any,
        given: Callable[[], Any],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As field, event, argument, bound value, context, exception; with both kinds of loggers."""
        monkeypatch.setattr("shipper.emit.plain._MAX_VALUES", 500)  # what has no end need not be shown at length here
        setup_logging(log_dir=tmp_path, format=form)
        log: Any = get_logger("x")
        plain = logging.getLogger("lib")
        plain.propagate = True
        log.info("1", value=given())
        log.info(given())
        log.info("3 %s", given())
        log.info("4", given())  # noqa: PLE1205 - that is the case
        log.info(given(), given())
        log.bind(value=given()).info("6")
        with structlog.contextvars.bound_contextvars(value=given()), WorkflowLogContext(session_id=given()):
            log.info("7")
            handle("7", extra={"value": given()})
        log.info("8", exc_info=given())
        log.info("9", stack_info=given())
        log.info("10", component=given(), level=given(), service=given())
        log.log(given(), "11")
        pipeline_failed(log, pipeline="x", run_id=1, error="12", more=given())
        handle(given())
        handle("%s", given())
        handle("%d", given())
        handle("no place", given())
        handle("exception", exc_info=(ValueError, given(), None))
        handle("created", created=given())
        handle("level", levelname=given())
        AuditLog(tmp_path).record(given(), given(), given(), old_value=given(), details=given(), message=given())
        AuditLog(tmp_path).record("session", 1, "x", timestamp=given())
        with PipelineLogCapture(1, "x", tmp_path / "captured") as capture:
            capture.write_stdout(given())
            capture.write_stderr(given())
        told = (tmp_path / "neuroflow.log").read_bytes()
        assert 20 == told.count(b"\n") if form == "json" else told.count(b"\n") >= 20
        assert "" == capsys.readouterr().err

    def test_costs_nothing_where_nobody_wants_it(self, tmp_path: Path, form: Any, given: Callable[[], Any]) -> None:
        """Below the level nothing is formatted and no processor is called, neither by sync nor by async methods."""
        setup_logging("INFO", log_dir=tmp_path, format=form, components={"quiet": "ERROR"})
        seen: list[str] = []

        class Watched:
            def __str__(self) -> str:
                seen.append("shown")
                return "x"

            __repr__ = __str__

        def processor(_logger: Any, _name: str, event: Any) -> Any:
            seen.append("processed")
            return event

        structlog.configure(processors=[processor, *structlog.get_config()["processors"]])
        log: Any = get_logger("x")
        quiet = log.bind(component="quiet")
        log.debug("unwanted %s", Watched(), value=given(), other=Watched())
        log.debug(Watched())
        log.log(10, "unwanted %s", Watched())
        quiet.warning("unwanted %s", Watched())
        log.warning("unwanted %s", Watched(), component="quiet.below")
        logging.getLogger("lib").debug("unwanted %s", Watched())
        asyncio.run(log.adebug("unwanted %s", Watched()))
        assert [] == seen
        log.info("wanted %s", Watched())
        assert ["shown", "processed"] == seen


def handle(msg: Any, *args: Any, extra: Mapping[str, Any] | None = None, **attributes: Any) -> None:
    """A record as the standard library makes it, for our handler alone: pytest's own would raise."""
    made = {
        "name": "lib",
        "levelno": 20,
        "levelname": "INFO",
        "msg": msg,
        "args": args,
        **attributes,
        **(extra or {}),
    }
    (ours,) = [one for one in logging.getLogger().handlers if type(one).__name__ == "RecordHandler"]
    ours.handle(logging.makeLogRecord(made))


class TestArguments:
    def test_that_fit(self, tmp_path: Path) -> None:
        """By place, and by name from one mapping."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.info("%s of %d %%", "one", 2)
        log.info("%(a)s", {"a": 1})
        log.info("50 %")
        assert ["one of 2 %", "1", "50 %"] == [line["event"] for line in lines(tmp_path)]

    @pytest.mark.parametrize(
        ("event", "arguments"),
        [
            ("converted", ["sub-01"]), ("pipeline.completed", ["sub-01", 2]), ("%d files", ["many"]),
            ("%s", ["one", "two"]), ("%s %s", ["one"]), ("100%", ["x"]), ("converted", [{"subject": "sub-01"}]),
        ],
    )  # fmt: skip
    def test_that_do_not_fit(self, tmp_path: Path, event: str, arguments: list[Any]) -> None:
        """The event's name stays what it is, and the arguments are kept beside it."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.info(event, *arguments, positional_args="mine")
        (line,) = lines(tmp_path)
        assert event == line["event"]
        assert ("mine", arguments) == (line["positional_args"], line["positional_args_"])

    def test_before_set_up(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A logger that is used or bound before set-up raises nothing either."""
        log: Any = get_logger("x")
        log.info("converted", "sub-01")  # noqa: PLE1205 - that is the case
        log.bind(a=1).info("%d", "x", event="mine")
        printed = capsys.readouterr().out.splitlines()
        assert ("converted" in printed[0], "sub-01" in printed[0]) == (True, True)
        assert "mine" in printed[1]

    def test_an_event_by_name(self, tmp_path: Path) -> None:
        """As structlog's own methods take it; where one is given by place as well, both are kept."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.info(event="by name", n=1)
        asyncio.run(log.ainfo(event="by name"))
        log.info("by place", event="by name")
        log.info("", "argument", event="by name")  # noqa: PLE1205 - that is the case
        said = [(line["event"], line.get("event_"), line.get("positional_args")) for line in lines(tmp_path)]
        assert [
            ("by name", None, None),
            ("by name", None, None),
            ("by place", "by name", None),
            ("by name", None, ["argument"]),
        ] == said

    def test_no_event(self, tmp_path: Path) -> None:
        """Fields alone are a line."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.info(subject="sub-01")
        assert [("", "sub-01")] == [(line["event"], line["subject"]) for line in lines(tmp_path)]


class TestOwnKeys:
    OWN = ("event", "level", "@timestamp", "service")

    @pytest.mark.parametrize("way", ["field", "bound", "context", "extra", "wrapped"])
    def test_the_applications_are_kept_beside_ours(self, tmp_path: Path, way: str) -> None:
        """However they get there; a second one of the same name too."""
        setup_logging(log_dir=tmp_path)
        mine: dict[str, Any] = {**{key: f"my {key}" for key in self.OWN}, "event_": "another", "self": 1, "method": 2}
        log: Any = get_logger("x")
        if way == "field":
            log.info("real", **mine)
        elif way == "bound":
            mine.pop("self")
            log.bind(**mine).info("real")
        elif way == "context":
            with structlog.contextvars.bound_contextvars(**mine):
                log.info("real")
        elif way == "extra":
            handle("real", extra=mine)
        else:
            mine.pop("event")
            handle({"event": "real", **mine})
        (line,) = lines(tmp_path)
        assert ("real", "info", "neuroflow") == (line["event"], line["level"], line["service"])
        assert datetime.fromisoformat(line["@timestamp"]).tzinfo == UTC
        assert line["@timestamp"] != mine["@timestamp"]
        kept = list(line.values())
        assert [] == [value for value in mine.values() if value not in kept]

    def test_exception_and_stack(self, tmp_path: Path) -> None:
        """A text of the application's own stays; where there is a traceback too, it stands beside it."""
        setup_logging(log_dir=tmp_path)
        log: Any = get_logger()
        log.info("a", exception="mine", stack="mine too", stack_info=False, exc_info=False)
        try:
            raise KeyError("x")  # noqa: TRY301 - there has to be one
        except KeyError:
            log.exception("b", exception="mine", stack="mine too", stack_info=True)
        first, second = lines(tmp_path)
        assert ("mine", "mine too") == (first["exception"], first["stack"])
        assert not {"stack_info", "exc_info", "stack_", "exception_"} & set(first)
        assert ("mine", "mine too") == (second["exception_"], second["stack_"])
        assert second["exception"].endswith("KeyError: 'x'")
        assert "shipper/emit" not in second["stack"]
        assert "log.exception(" in second["stack"].splitlines()[-1]

    @pytest.mark.parametrize("way", ["extra", "context"])
    def test_component_of_a_standard_library_logger(self, tmp_path: Path, way: str) -> None:
        """Its name is the component; what the application calls so is kept."""
        setup_logging(log_dir=tmp_path)
        if way == "extra":
            handle("x", extra={"component": "mine"})
        else:
            with structlog.contextvars.bound_contextvars(component="mine"):
                handle("x")
        (line,) = lines(tmp_path)
        assert ("lib", "mine") == (line["component"], line["component_"])

    def test_what_says_the_same_is_not_said_twice(self, tmp_path: Path) -> None:
        """A chain that adds the level itself."""
        setup_logging(log_dir=tmp_path)
        handle({"event": "x", "level": "info", "service": "neuroflow"})
        (line,) = lines(tmp_path)
        assert {"component", "event", "level", "@timestamp", "service"} == set(line)

    def test_processor(self) -> None:
        """The one that an application may put into its own chain."""
        event = add_workflow_context(None, "info", {"event": "x", "service": "heudiconv", "@timestamp": "noon"})
        assert ("neuroflow", "heudiconv", "noon") == (event["service"], event["service_"], event["@timestamp_"])


class TestChainsOfTheApplication:
    """An application that configured structlog for the standard library, and then our handlers."""

    @pytest.mark.parametrize(
        "last",
        [
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            structlog.stdlib.render_to_log_kwargs,
            structlog.processors.JSONRenderer(),
        ],
        ids=["wrap_for_formatter", "render_to_log_kwargs", "JSONRenderer"],
    )
    @pytest.mark.parametrize("wrapper", [structlog.stdlib.BoundLogger, None], ids=["stdlib", "ours"])
    def test_no_field_is_lost(self, tmp_path: Path, last: Any, wrapper: Any) -> None:
        """Event, fields, level, exception and times arrive, as keys of one line."""
        setup_logging(log_dir=tmp_path)
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                last,
            ],
            wrapper_class=wrapper,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
        log = structlog.get_logger("my.app")
        with structlog.contextvars.bound_contextvars(workflow_run_id=7):
            try:
                raise KeyError("x")  # noqa: TRY301 - there has to be one
            except KeyError:
                log.exception("pipeline.failed", run_id=5, subject="sub-01")
        (line,) = lines(tmp_path)
        assert {
            "event": "pipeline.failed", "component": "my.app", "level": "error", "service": "neuroflow",
            "run_id": 5, "subject": "sub-01", "workflow_run_id": 7,
        }.items() <= line.items()  # fmt: skip
        assert line["exception"].rstrip().endswith("KeyError: 'x'")
        assert datetime.fromisoformat(line["timestamp"])
        assert not {"_logger", "_name", "exc_info"} & set(line)

    @pytest.mark.parametrize("chain", ["ours", "wrap_for_formatter"])
    def test_arguments_that_nobody_filled_in(self, tmp_path: Path, chain: str) -> None:
        """The standard library's kind of logger leaves them to a processor."""
        setup_logging(log_dir=tmp_path)
        structlog.configure(
            processors=None if chain == "ours" else [structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
        log = structlog.get_logger("my.app")
        log.info("%s of %d", "one", 2)
        log.info("converted", "sub-01")  # noqa: PLE1205 - that is the case
        first, second = lines(tmp_path)
        assert ("one of 2", False) == (first["event"], "positional_args" in first)
        assert ("converted", ["sub-01"]) == (second["event"], second["positional_args"])

    def test_exceptions_that_nobody_rendered(self, tmp_path: Path) -> None:
        """A chain may leave exception and stack to the formatter: then they are rendered here."""
        setup_logging(log_dir=tmp_path)
        structlog.configure(
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
        try:
            raise KeyError("x")  # noqa: TRY301 - there has to be one
        except KeyError:
            structlog.get_logger("my.app").exception("a", stack_info=True, component="mine")
        (line,) = lines(tmp_path)
        assert line["exception"].endswith("KeyError: 'x'")
        assert line["stack"].startswith("Stack (most recent call last):")
        assert ("mine", "my.app") == (line["component"], line["logger"])

    def test_texts_that_look_like_events(self, tmp_path: Path) -> None:
        """JSON without an event is a message like any other."""
        setup_logging(log_dir=tmp_path)
        for text in ('{"a": 1}', "{broken}", "{}", '{"event": 1', "[1]"):
            handle(text)
        handle({"a": 1})
        assert ['{"a": 1}', "{broken}", "{}", '{"event": 1', "[1]", "{'a': 1}"] == [
            line["event"] for line in lines(tmp_path)
        ]


class TestOthers:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_what_ends_the_application_goes_through(self, tmp_path: Path, error: type[BaseException]) -> None:
        """A signal handler raises it wherever the application is; the lines after it are whole."""
        setup_logging(log_dir=tmp_path)
        log = get_logger()
        with pytest.raises(error):
            log.info("x", value=Raises(error))
        log.info("afterwards", value=Raises())
        assert ["afterwards"] == [line["event"] for line in lines(tmp_path)]

    def test_an_object_in_the_context_that_logs_itself(self, tmp_path: Path) -> None:
        """Each line shows it several times, each of which logs a line: that ends, and every line is whole."""
        setup_logging("DEBUG", log_dir=tmp_path)
        with structlog.contextvars.bound_contextvars(one=Logs(), other=Logs()):
            get_logger().info("x", value=Logs())
        said = lines(tmp_path)
        assert "x" == said[-1]["event"]
        assert ("logs", "logs", "logs") == tuple(said[-1][key] for key in ("one", "other", "value"))
        assert "<Logs that can't be shown>" in {line.get("value") for line in said}

    def test_very_long_values(self, tmp_path: Path) -> None:
        """A hundred thousand values are shown of one line, and that there are more."""
        setup_logging(log_dir=tmp_path)
        get_logger().info("x", first=list(range(60_000)), second={"a": list(range(60_000))}, third=3)
        (line,) = lines(tmp_path)
        assert 60_000 == len(line["first"])
        assert "<more that is not shown>" == line["second"]["a"][-1]
        assert 30_000 < len(line["second"]["a"]) < 60_000

    def test_processors_that_fail(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What the application has put before us fails: the work goes on, and standard error has the line."""
        setup_logging(log_dir=tmp_path)

        def fails(_logger: Any, _name: str, _event: Any) -> Any:
            raise RuntimeError("mine")

        structlog.configure(processors=[fails, *structlog.get_config()["processors"]])
        get_logger().info("important", key=1)
        told = capsys.readouterr().err
        assert "logging failed (RuntimeError: mine)" in told
        assert "important" in told

    def test_filters_that_fail(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A filter of the application's on our handler."""
        setup_logging(log_dir=tmp_path)
        (ours,) = [one for one in logging.getLogger().handlers if type(one).__name__ == "RecordHandler"]

        def fails(_record: logging.LogRecord) -> bool:
            raise RuntimeError("mine")

        ours.addFilter(fails)
        try:
            handle("important")
        finally:
            ours.removeFilter(fails)
        assert ["important"] == [line["event"] for line in lines(tmp_path)]
        assert "RuntimeError: mine" in capsys.readouterr().err

    def test_values_that_change_while_they_are_written(self, tmp_path: Path) -> None:
        """A mapping that another thread adds to."""
        setup_logging(log_dir=tmp_path)

        class Growing(dict[str, Any]):
            def items(self) -> Any:
                for item in super().items():
                    self[f"{len(self)}"] = 1
                    yield item

        get_logger().info("x", value=Growing(a=1))
        assert 1 == len(lines(tmp_path))

    def test_at_the_end_of_the_stack(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An application that recurses without end logs until there is no room, and gets its own error."""
        setup_logging(log_dir=tmp_path)
        log = get_logger()

        def down(n: int) -> None:
            log.info("x", n=n)
            down(n + 1)

        with pytest.raises(RecursionError):
            down(0)
        capsys.readouterr()
        log.info("afterwards")
        assert "afterwards" == lines(tmp_path)[-1]["event"]

    @pytest.mark.parametrize("level", [25, 5, "WARNING", "nothing", 100, None])
    def test_levels_of_log(self, tmp_path: Path, level: Any) -> None:
        """Numbers between the usual ones, and names; anything else counts as info."""
        setup_logging("DEBUG", log_dir=tmp_path)
        log: Any = get_logger()
        log.log(level, "x")
        expected = {
            25: ["info"], 5: [], "WARNING": ["warning"], "nothing": ["info"], 100: ["critical"], None: ["info"],
        }  # fmt: skip
        assert expected[level] == [line["level"] for line in lines(tmp_path)]

    def test_every_method_of_structlogs_loggers(self, tmp_path: Path) -> None:
        """The application may call whichever it knows."""
        setup_logging("DEBUG", log_dir=tmp_path)
        theirs = structlog.make_filtering_bound_logger(0)
        ours = type(get_logger().bind())
        assert set() == {name for name in vars(theirs) if name[:1] != "_"} - set(dir(ours))
        log: Any = get_logger()
        for name in ("debug", "info", "msg", "warn", "warning", "error", "err", "exception", "critical", "fatal"):
            getattr(log, name)("x")
        assert ["debug", *["info"] * 2, *["warning"] * 2, *["error"] * 3, *["critical"] * 2] == [
            line["level"] for line in lines(tmp_path)
        ]

    def test_async_methods(self, tmp_path: Path) -> None:
        """Fields, context and exception are those of the call."""
        setup_logging(log_dir=tmp_path)

        async def work() -> None:
            log: Any = get_logger("x")
            with structlog.contextvars.bound_contextvars(workflow_run_id=7):
                await log.ainfo("%s", "a", event="mine")
                await log.alog(30, "converted", "sub-01")
            try:
                raise KeyError("x")  # noqa: TRY301 - there has to be one
            except KeyError:
                await log.aexception("b")
            await log.aerror("c", exc_info=True)

        asyncio.run(work())
        first, second, third, last = lines(tmp_path)
        assert ("a", "mine", 7) == (first["event"], first["event_"], first["workflow_run_id"])
        assert ("warning", ["sub-01"]) == (second["level"], second["positional_args"])
        assert third["exception"].endswith("KeyError: 'x'")
        assert "exception" not in last

    def test_levels_are_known(self, tmp_path: Path) -> None:
        """An application may ask before it works for a line."""
        setup_logging("WARNING", log_dir=tmp_path, components={"loud": "DEBUG"})
        log: Any = get_logger("x")
        loud: Any = get_logger("loud")
        assert (False, True) == (log.is_enabled_for(20), log.is_enabled_for(30))
        assert (logging.WARNING, True) == (log.get_effective_level(), loud.is_enabled_for(10))
