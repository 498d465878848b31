"""The log views over a real node, through the command line."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from shipper.cli.logs import logs
from shipper.config import load
from shipper.elastic.templates import install
from shipper.query.conditions import every
from shipper.testnode.node import Node
from shipper.views import follow, follow_window
from shipper.views.follow import Follower
from shipper.views.hits import flat
from shipper.views.snapshot import Snapshot
from shipper.views.views import sort

REPOSITORY = Path(__file__).parents[2]
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

Doc = dict[str, Any]


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Bench:
    """One namespace of the node, its configuration, and the commands over both."""

    def __init__(self, es: Elasticsearch, url: str, namespace: str, folder: Path) -> None:
        self.es = es
        self.namespace = namespace
        self.config = folder / "neuroflow.yaml"
        self.config.write_text(f"elasticsearch: {{hosts: ['{url}']}}\nshipper: {{namespace: {namespace}}}\n")

    def stream(self, dataset: str) -> str:
        return f"logs-neuroflow.{dataset}-{self.namespace}"

    def put(self, dataset: str, *docs: Doc, refresh: bool = True) -> None:
        """Create documents as the sidecar does."""
        for at in range(0, len(docs), 5000):
            operations: list[Doc] = []
            for doc in docs[at : at + 5000]:
                name = f"{doc['neuroflow']['generation']}-{doc['log']['offset']}"
                operations += [{"create": {"_id": name}}, doc]
            answer = self.es.bulk(index=self.stream(dataset), operations=operations, require_data_stream=True)
            assert not answer["errors"], answer
        if refresh:
            self.es.indices.refresh(index=self.stream(dataset))

    def run(self, *args: str, code: int | None = 0) -> Result:
        """Run the command and check how it ends, unless any way will do."""
        result = CliRunner().invoke(logs, ["--config", str(self.config), *args], catch_exceptions=False)
        assert code is None or result.exit_code == code, result.output
        return result

    def messages(self, *args: str) -> list[str]:
        return [
            json.loads(line)["message"] for line in self.run("show", *args, "--format", "ndjson").stdout.splitlines()
        ]

    def start(self, *args: str, patience: float = 60) -> subprocess.Popen[str]:
        """The command as a process, killed after ``patience`` seconds if it hangs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper.cli.logs", "--config", str(self.config), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            # Tests that run in the background of a shell inherit a SIGINT that is ignored.
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - sets one signal and returns
        )
        guard = threading.Timer(patience, process.kill)
        guard.daemon = True
        guard.start()
        return process


@pytest.fixture
def bench(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Bench:
    """A fresh namespace with its templates."""
    install(es)
    return Bench(es, node.url, namespace, tmp_path)


def line(offset: int, message: str, **more: Any) -> Doc:
    """The document of a log line; ``at`` and ``created`` are seconds after START, other keys top-level fields."""
    at, created = more.pop("at", offset), more.pop("created", offset)
    path, generation = more.pop("path", "/var/log/neuroflow/neuroflow.log"), more.pop("generation", "g")
    return {
        "@timestamp": (START + timedelta(seconds=at)).isoformat(),
        "message": message,
        "event": {"created": (START + timedelta(seconds=created)).isoformat(timespec="milliseconds")},
        "service": {"name": "neuroflow"},
        **more,
        "log": {"file": {"path": path}, "offset": offset, **more.get("log", {})},
        "neuroflow": {"generation": generation, **more.get("neuroflow", {})},
    }


def file_of(content: bytes, run_id: int, name: str, created: int = 0) -> list[Doc]:
    """The documents of a pipeline log; exact bytes are kept only where the message differs from them."""
    docs, offset = [], 0
    for raw in content.splitlines(keepends=True) if b"\r" not in content else _by_line_feed(content):
        message = raw.removesuffix(b"\n").decode("utf-8", "replace")
        own: Doc = {"run_id": str(run_id)}
        if message.encode() + b"\n" != raw:
            own["original"] = base64.b64encode(raw).decode()
        path = f"/var/log/neuroflow/pipelines/mriqc/{name}"
        more = {"path": path, "generation": f"{name}-{created}", "neuroflow": own, "created": created}
        docs.append(line(offset, message, at=0, **more))
        offset += len(raw)
    return docs


def _by_line_feed(content: bytes) -> Iterator[bytes]:
    *whole, rest = content.split(b"\n")
    yield from (part + b"\n" for part in whole)
    if rest:
        yield rest


class TestShow:
    """``show``."""

    def test_newest_lines_oldest_first(self, bench: Bench) -> None:
        """The newest N lines of three streams by time, file and offset, the oldest first."""
        bench.put("app", line(1, "a1", at=1), line(4, "a4", at=4))
        bench.put("workflow", line(2, "w2", at=2, path="/b", generation="w"), line(9, "w9", at=4, path="/a"))
        bench.put("celery", line(3, "c3", at=3, generation="c"), line(7, "c7", at=3, generation="c"))
        bench.put("audit", line(8, "never", at=8, generation="z"))
        assert bench.messages() == ["a1", "w2", "c3", "c7", "w9", "a4"]
        assert bench.messages("--tail", "3") == ["c7", "w9", "a4"]
        assert bench.messages("--dataset", "celery", "--dataset", "app", "--tail", "3") == ["c3", "c7", "a4"]
        assert bench.run("show", "--tail", "0").stdout == ""

    def test_filters_filter(self, bench: Bench) -> None:
        """A component includes its children but not similar names; levels match in any case; both combine."""
        rows = [("workflow", "info"), ("workflow.stage", "error"), ("workflows", "error"), ("a.workflow", "warning")]
        docs = [line(at, name, log={"logger": name, "level": level}) for at, (name, level) in enumerate(rows)]
        bench.put("app", *docs, line(9, "bare"))
        assert bench.messages("--component", "workflow") == ["workflow", "workflow.stage"]
        assert bench.messages("--level", "ERROR") == ["workflow.stage", "workflows"]
        assert bench.messages("--level", "Error", "--component", "workflow") == ["workflow.stage"]
        assert bench.messages() == ["workflow", "workflow.stage", "workflows", "a.workflow", "bare"]
        bench.run("show", "--component", "work*", code=1)

    def test_span_of_time(self, bench: Bench) -> None:
        """Both ends belong to the range; a duration counts back from now."""
        bench.put("app", *(line(at, f"m{at}") for at in range(5)))
        span = ("--utc", "--since", "2026-11-23T12:00:01", "--until", "2026-11-23 12:00:03")
        assert bench.messages(*span) == ["m1", "m2", "m3"]
        now = datetime.now(UTC) - START
        bench.put("app", line(77, "recent", at=now.total_seconds() - 600))
        assert bench.messages("--since", "1h", "--until", "now") == ["recent"]
        bench.run("show", "--since", "soon", code=2)

    def test_formats_give_the_documents(self, bench: Bench) -> None:
        """JSON and NDJSON have every field under its full name; the table every row as text."""
        evil = "[/red] [bold]x[/] \x1b[2J\x00 <&> ö\u2028"
        doc = line(3, evil, tags=["b", "a"], neuroflow={"run_id": "2", "extra": {"why": "[/opt/x]"}})
        doc["@timestamp"] = "2026-11-23T12:44:12.285994123Z"
        bench.put("app", doc)
        [one] = json.loads(bench.run("show", "--format", "json").stdout)
        [two] = [json.loads(row) for row in bench.run("show", "--format", "ndjson").stdout_bytes.splitlines()]
        expected = flat(doc)
        expected["event.created"] = "2026-11-23T12:00:03.000Z"
        one["event.created"] = two["event.created"] = expected["event.created"]
        assert one == two == expected
        assert next(iter(one)) == "@timestamp"
        head, row = bench.run("show", "--utc").stdout.splitlines()
        assert head.split() == ["Timestamp", "Level", "Component", "Message"]
        assert row.startswith("2026-11-23 12:44:12.285 ")
        assert row.endswith(r"[/red] [bold]x[/] \x1b[2J\x00 <&> ö\u2028 run_id=2 why=[/opt/x]")

    def test_many_lines_come_in_pages(self, bench: Bench) -> None:
        """More lines than one search returns, many with the same time, come completely, once and in order."""
        docs = [line(at, str(at), at=at // 700, created=0) for at in range(12_000)]
        for doc in docs[:3000]:
            del doc["log"]["file"]
        bench.put("app", *docs)
        assert bench.messages("--tail", "11000") == [str(at) for at in range(1000, 12_000)]
        assert bench.messages("--tail", "99999") == [str(at) for at in range(12_000)]

    def test_lost_snapshot_is_taken_again(self, bench: Bench) -> None:
        """After the cluster has dropped the snapshot, the reader still gets every line once."""
        bench.put("app", *(line(at, str(at)) for at in range(1500)))
        order = sort(["@timestamp", "log.file.path", "log.offset"], newest_first=False)
        read: list[str] = []
        with Snapshot(bench.es, [bench.stream("app")]) as snapshot:
            for hits in snapshot.pages(every([]), order):
                read += [hit["_source"]["message"] for hit in hits]
                bench.es.options(ignore_status=404).close_point_in_time(id=snapshot._id)
        assert read == [str(at) for at in range(1500)]

    def test_nothing_there(self, bench: Bench) -> None:
        """A missing stream is not an error: the command reports that nothing was found and exits 1."""
        names = ", ".join(map(bench.stream, ("app", "workflow", "celery")))
        hint = f"nothing was ever shipped to {names}; is shipper.namespace right?\n"
        result = bench.run("show", code=1)
        assert (result.stdout, result.stderr) == ("", f"{hint}No log lines found\n")
        bench.put("app", line(1, "there"))
        assert bench.run("show", "--level", "error", code=1).stderr == "No log lines found\n"
        assert bench.run("audit", code=1).stderr.startswith(f"nothing was ever shipped to {bench.stream('audit')};")

    def test_nothing_in_other_formats(self, bench: Bench) -> None:
        """JSON gives an empty array, NDJSON no line."""
        assert json.loads(bench.run("show", "--format", "json", code=1).stdout) == []
        assert bench.run("show", "--format", "ndjson", "--tail", "50000", code=1).stdout == ""

    def test_usage(self, bench: Bench) -> None:
        """Combinations without an end are refused before the cluster is asked."""
        bench.run("show", "-f", "--format", "json", code=2)
        bench.run("show", "-f", "--until", "now", code=2)
        bench.run("show", "--tail", "-1", code=2)


NASTY = {
    "plain": b"=== STDOUT ===\nhello\n\n=== STDERR ===\nwarn\n",
    "markup": b"[info     ] dropped tag\n[/red] [/opt/x] [bold]b[/bold] :smile:\nnipype [Node]\n",
    "ansi": b"\x1b[31mred\x1b[0m \x1b]0;title\x07\n\x1b[2J\n",
    "no end": b"one\ntwo without an end",
    "crlf": b"a\r\nb\rc\r\n\r\n",
    "nul": b"\x00\x00a\x00b\n\x00\n",
    "invalid": b"\xff\xfe\n\xc3(\n\xed\xa0\x80\nok \xf0\x9f\xa7\xa0\n",
    "replacement": "\ufffd is itself\n".encode(),
    "separators": "a\u2028b\u2029c\x0bd\x0ce\x85f\n".encode(),
    "blank": b"\n\n \n\t\n",
    "long": b"x" * 500_000 + b"\n" + "€".encode() * 50_000 + b"\n",
    "one byte": b"x",
}


class TestPipeline:
    """``pipeline RUN_ID``."""

    @pytest.mark.parametrize("content", NASTY.values(), ids=NASTY.keys())
    def test_log_comes_back_byte_for_byte(self, bench: Bench, content: bytes) -> None:
        """The output equals what the container printed."""
        bench.put("pipeline", *file_of(content, 456, "mriqc_456_20261123_124412.log"))
        assert bench.run("pipeline", "456").stdout_bytes == content

    def test_log_of_many_lines(self, bench: Bench) -> None:
        """More lines than one search returns come completely and in order."""
        content = b"".join(b"line %d [/x]\n" % at for at in range(12_000))
        docs = file_of(content, 456, "mriqc_456_20261123_124412.log")
        bench.put("pipeline", *docs[::-1])
        assert bench.run("pipeline", "456").stdout_bytes == content
        assert len(json.loads(bench.run("pipeline", "456", "--format", "json").stdout)) == 12_000

    def test_newest_attempt_alone(self, bench: Bench) -> None:
        """Of several attempts the newest by name is printed, and of equal names the one read last."""
        bench.put("pipeline", *file_of(b"newest\n", 456, "mriqc_456_20261124_000000.log", created=1))
        bench.put("pipeline", *file_of(b"older\nlonger\n", 456, "mriqc_456_20261123_235959.log", created=9))
        bench.put("pipeline", *file_of(b"other run\n", 457, "mriqc_457_20261125_000000.log", created=9))
        assert bench.run("pipeline", "456").stdout_bytes == b"newest\n"
        bench.put("pipeline", *file_of(b"rewritten\n", 456, "mriqc_456_20261124_000000.log", created=5))
        assert bench.run("pipeline", "456").stdout_bytes == b"rewritten\n"

    def test_line_that_speaks_of_another_run_stays_in_its_file(self, bench: Bench) -> None:
        """The file is printed completely even where a line has the id of another run."""
        docs = file_of(b"one\ntwo\nthree\n", 456, "mriqc_456_20261123_124412.log")
        docs[1]["neuroflow"]["run_id"] = "457"
        bench.put("pipeline", *docs)
        assert bench.run("pipeline", "456").stdout_bytes == b"one\ntwo\nthree\n"
        assert bench.run("pipeline", "457").stdout_bytes == b"two\n"

    def test_copy_over_a_rollover_is_printed_once(self, bench: Bench) -> None:
        """The same line in two backing indices is one line of the file."""
        docs = file_of(b"one\ntwo\ntwo\n", 456, "mriqc_456_20261123_124412.log")
        bench.put("pipeline", *docs)
        bench.es.indices.rollover(alias=bench.stream("pipeline"))
        bench.put("pipeline", *docs[:2])
        assert bench.run("pipeline", "456").stdout_bytes == b"one\ntwo\ntwo\n"

    def test_documents(self, bench: Bench) -> None:
        """As NDJSON the documents of the log, in the order of the file."""
        bench.put("pipeline", *file_of(b"b\na\n\xff\n", 456, "mriqc_456_20261123_124412.log"))
        docs = [json.loads(row) for row in bench.run("pipeline", "456", "--format", "ndjson").stdout.splitlines()]
        assert [(doc["log.offset"], doc["message"]) for doc in docs] == [(0, "b"), (2, "a"), (4, "\ufffd")]
        assert docs[2]["neuroflow.original"] == base64.b64encode(b"\xff\n").decode()

    def test_no_log_and_no_run(self, bench: Bench) -> None:
        """A known run without a log and an unknown run have different messages."""
        assert bench.run("pipeline", "3", code=1).stderr == "Pipeline run 3 not found\n"
        bench.put("app", line(1, "pipeline.queued", neuroflow={"run_id": "3"}))
        result = bench.run("pipeline", "3", code=1)
        assert (result.stdout_bytes, result.stderr) == (b"", "No log file found for run 3\n")
        bench.es.index(index=f"neuroflow-runs-{bench.namespace}", id="pipeline_run:4", document={}, refresh=True)
        assert bench.run("pipeline", "4", code=1).stderr == "No log file found for run 4\n"
        result = bench.run("pipeline", "404", "--format", "json", code=1)
        assert (json.loads(result.stdout), result.stderr) == ([], "Pipeline run 404 not found\n")
        bench.run("pipeline", "four", code=2)


class TestFollow:
    """``show -f``: the polls with a simulated clock, and the command itself."""

    @pytest.fixture
    def clock(self) -> dict[str, float]:
        """The present, in seconds after START."""
        return {"now": 100.0}

    @pytest.fixture
    def follower(self, bench: Bench, clock: dict[str, float]) -> Follower:
        """Not started, over the app stream."""
        now: Callable[[], float] = lambda: (START.timestamp() + clock["now"]) * 1000  # noqa: E731 - a clock
        return Follower(bench.es, [bench.stream("app")], every([]), now)

    def start(self, bench: Bench, follower: Follower) -> None:
        """Take what is there as shown."""
        with Snapshot(bench.es, [bench.stream("app")]) as snapshot:
            follower.start(snapshot)

    def poll(self, follower: Follower) -> list[str]:
        return [hit["_source"]["message"] for hits in follower.poll() for hit in hits]

    def test_late_and_old_lines_come_once(self, bench: Bench, follower: Follower) -> None:
        """Lines that were indexed late, and lines with old times, come once."""
        self.start(bench, follower)
        assert self.poll(follower) == []
        bench.put("app", line(50, "b", created=90), line(40, "a", created=89, at=-9999))
        assert self.poll(follower) == ["a", "b"]
        assert self.poll(follower) == []
        bench.put("app", line(30, "late", created=10), line(60, "c", created=95))
        assert self.poll(follower) == ["late", "c"]
        assert self.poll(follower) == []

    def test_what_the_tail_showed_is_not_repeated(self, bench: Bench, follower: Follower) -> None:
        """Everything in the snapshot counts as shown, however old; only the rest is new."""
        bench.put("app", *(line(at, str(at), created=at % 100) for at in range(300)))
        self.start(bench, follower)
        assert self.poll(follower) == []
        bench.put("app", line(301, "new", created=0))
        assert self.poll(follower) == ["new"]

    def test_late_line_behind_a_full_page(self, bench: Bench, follower: Follower) -> None:
        """A late line is found even when the newest page holds none of it."""
        bench.put("app", *(line(at, str(at), created=80) for at in range(3000)))
        self.start(bench, follower)
        bench.put("app", line(5000, "late", created=5))
        assert self.poll(follower) == ["late"]
        assert self.poll(follower) == []

    def test_burst_comes_whole_in_bounded_memory(
        self, bench: Bench, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More lines than are remembered come completely, once each, over several polls."""
        monkeypatch.setattr(follow_window, "MAX_REMEMBERED", 1000)
        monkeypatch.setattr(follow, "MAX_BURST", 700)
        self.start(bench, follower)
        bench.put("app", *(line(at, str(at), created=at // 50) for at in range(5000)))
        read: list[str] = []
        while fresh := self.poll(follower):
            read += fresh
            # What is remembered, what ends a burst, and the page that went over it.
            assert len(follower._window) <= 1000 + 700 + 800
        assert sorted(read, key=int) == [str(at) for at in range(5000)]

    def test_block_read_in_one_millisecond(
        self, bench: Bench, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More lines with one time of reading than are remembered come completely."""
        monkeypatch.setattr(follow_window, "MAX_REMEMBERED", 1000)
        monkeypatch.setattr(follow, "MAX_BURST", 700)
        monkeypatch.setattr(follow, "ONE_BATCH", 5000)
        self.start(bench, follower)
        bench.put("app", *(line(at, str(at), created=90) for at in range(3000)))
        read: list[str] = []
        while fresh := self.poll(follower):
            read += fresh
        assert read == [str(at) for at in range(3000)]

    def test_start_over_more_than_is_remembered(
        self, bench: Bench, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lines that existed before the start are never new, even those that are not remembered."""
        monkeypatch.setattr(follow_window, "MAX_REMEMBERED", 1000)
        bench.put("app", *(line(at, str(at), created=at // 100) for at in range(1200)))
        self.start(bench, follower)
        assert self.poll(follower) == []

    def test_window_waits_for_deliveries_after_an_outage(
        self, bench: Bench, follower: Follower, clock: dict[str, float]
    ) -> None:
        """Lines that were read before an outage may arrive long after newer lines."""
        self.start(bench, follower)
        clock["now"] = 1000.0
        follower.outage()
        bench.put("app", line(2, "after", created=999))
        assert self.poll(follower) == ["after"]
        clock["now"] = 1010.0
        bench.put("app", line(1, "before", created=99))
        assert self.poll(follower) == ["before"]
        clock["now"] = 2000.0
        assert self.poll(follower) == []
        assert follower._window._floor > (START.timestamp() + 800) * 1000

    def test_command_shows_the_tail_and_goes_on(self, bench: Bench) -> None:
        """It prints the last lines, then new ones that match the filter, until Ctrl-C."""
        now = (datetime.now(UTC) - START).total_seconds()
        level = {"level": "error"}
        bench.put("app", line(1, "first", created=now, log=level))
        process = bench.start("show", "-f", "--tail", "1", "--level", "error", "--format", "ndjson")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["message"] == "first"
        bench.put("app", line(2, "quiet", created=now, at=now), line(3, "second", created=now, at=-5, log=level))
        assert json.loads(process.stdout.readline())["message"] == "second"
        bench.put("celery", line(4, "third", created=now - 1, log=level))
        assert json.loads(process.stdout.readline())["message"] == "third"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
        assert (rest, errors, process.returncode) == ("", "", 0)

    def test_closed_pipe_ends_it(self, bench: Bench) -> None:
        """When its output is closed the command ends by itself, without a new line."""
        bench.put("app", line(1, "first"))
        process = bench.start("show", "-f", "--format", "ndjson")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0
        process.stderr.close()


class TestEnds:
    """How commands end."""

    def test_closed_pipe_is_quiet(self, bench: Bench) -> None:
        """``| head -1`` of a long log is no error."""
        content = b"".join(b"line %d\n" % at for at in range(12_000))
        bench.put("pipeline", *file_of(content, 456, "mriqc_456_20261123_124412.log"))
        for args in (["pipeline", "456"], ["pipeline", "456", "--format", "json"]):
            process = bench.start(*args)
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait() == 0
            process.stderr.close()

    @pytest.mark.parametrize("args", [("show",), ("show", "-f"), ("show", "--tail", "9999"), ("pipeline", "1")])
    def test_unreachable_cluster_is_a_sentence(self, tmp_path: Path, args: tuple[str, ...]) -> None:
        """Exit 3 and one line that names the place, no trace."""
        config = tmp_path / "neuroflow.yaml"
        config.write_text("elasticsearch: {hosts: ['http://127.0.0.1:9']}\n")
        result = CliRunner().invoke(logs, ["--config", str(config), *args], catch_exceptions=False)
        assert result.exit_code == 3
        assert result.stdout == ""
        [sentence] = result.stderr.splitlines()
        assert sentence.startswith("http://127.0.0.1:9 can't be reached")

    def test_mounted_in_another_application(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """The group works below another click group and leaves that group's context unchanged."""
        held: list[object] = []

        @click.group()
        @click.pass_context
        def neuroflow(ctx: click.Context) -> None:
            ctx.obj = {"config": "theirs"}
            ctx.call_on_close(lambda: held.append(ctx.obj))

        neuroflow.add_command(logs)
        bench.put("app", line(1, "first"))
        monkeypatch.setenv("NEUROFLOW_CONFIG", str(bench.config))
        result = CliRunner().invoke(neuroflow, ["logs", "show"], catch_exceptions=False)
        assert result.exit_code == 0
        assert result.stdout.endswith("first\n")
        assert held == [{"config": "theirs"}]

    @pytest.mark.parametrize("how", ["held", "file", "option"])
    def test_takes_the_configuration_of_its_application(self, bench: Bench, how: str) -> None:
        """It uses the ``config`` of the application's context or its ``--config`` option."""

        @click.group()
        @click.option("--config", type=click.Path(path_type=Path))
        @click.pass_context
        def neuroflow(ctx: click.Context, config: Path | None) -> None:
            ctx.obj = {"config": {"held": load(bench.config), "file": str(bench.config), "option": config}[how]}

        neuroflow.add_command(logs)
        bench.put("app", line(1, "first"))
        option = ["--config", str(bench.config)] if how == "option" else []
        result = CliRunner().invoke(neuroflow, [*option, "logs", "show"], catch_exceptions=False)
        assert (0, True) == (result.exit_code, result.stdout.endswith("first\n"))

    def test_help_needs_no_cluster_library(self) -> None:
        """``--help`` answers without loading what only commands need."""
        program = (
            "import sys\n"
            "from shipper.cli.logs import logs\n"
            "logs(['show', '--help'], standalone_mode=False)\n"
            "assert not {'elasticsearch', 'rich', 'pydantic'} & set(sys.modules), 'loaded too early'\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=REPOSITORY
        )
        assert done.returncode == 0, done.stderr
        assert "--tail" in done.stdout
