"""``neuroflow-logs search`` over a real node: what each form of a query finds, and what is no query."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from shipper.cli.logs import logs
from shipper.elastic.templates import install
from shipper.query.syntax_tree import Word
from shipper.query.tokens import parts_of
from shipper.testnode.node import Node
from tests.elasticsearch.test_search import Bench, line

FAILED = line(
    1,
    "pipeline.failed",
    event={"action": "pipeline.failed", "duration": 12_300_000_000, "dataset": "neuroflow.app"},
    log={"level": "error", "logger": "neuroflow.workers"},
    error={"message": "Memory limit exceeded", "type": "MemoryError", "stack_trace": 'File "x.py", line 3\nKeyError'},
    neuroflow={
        "run_id": "456",
        "pipeline": "qsiprep",
        "session_id": "ses-01",
        "extra": {"exit_code": 137, "cmd": "docker run -v /data:/in Deep/Image", "nested": {"key": "Deep Value"}},
    },
)
DOCS = {
    "failed": ("app", FAILED),
    "bold": ("pipeline",
     line(2, "wrote /out/sub-001_ses-01_run-02_bold.nii.gz in 3.5 s", generation="p", path="/p")),
    "oom": ("pipeline", line(3, "Container OOMKilled, ses-02: 01 of 2", generation="p", path="/p")),
    "audit": ("audit", line(4, "Session status: a -> b", neuroflow={"audit": {"entity": "session:12"}})),
    "task": ("celery", line(5, "task.failed", log={"level": "warning", "logger": "neuroflow.workers.tasks"},
     event={"action": "task.failed"},
     neuroflow={"task": {"name": "neuroflow.run_bids", "id": "ab12-cd34"}, "run_id": "45"})),
    "plain": ("workflow",
     line(6, "Größe it's C:\\x [Node] 12:30:01 1,234.5 a=b 100% done!", log={"level": "info"})),
    "late": ("workflow", line(7, "Memory was freed.  No limit", at=7200, path="/var/log/neuroflow/workflow.log")),
}  # fmt: skip


class Finder:
    """The command over a few known lines."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def find(self, *args: str) -> set[str]:
        """Names of the lines that are found."""
        result = self.bench.run("search", "--format", "ndjson", *args, code=None)
        assert result.exit_code == (0 if result.stdout else 1), result.output
        offsets = {json.loads(row)["log.offset"] for row in result.stdout.splitlines()}
        return {name for name, (_, doc) in DOCS.items() if doc["log"]["offset"] in offsets}


@pytest.fixture(scope="module")
def finder(es: Elasticsearch, node: Node, tmp_path_factory: pytest.TempPathFactory) -> Finder:
    """The lines in a namespace of their own."""
    install(es)
    bench = Bench(es, node.url, f"find{os.getpid()}", tmp_path_factory.mktemp("find"))
    for dataset, doc in DOCS.values():
        bench.put(dataset, doc)
    return Finder(bench)


EVERY = set(DOCS)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        # Plain words: whole ones, in any case, parts of names, in whichever field, all of them.
        ("failed", {"failed", "task"}), ("FAILED qsiprep", {"failed"}), ("pipeline.failed", {"failed"}),
        ("456", {"failed"}), ("45", {"task"}), ("fail", set()), ("memory limit", {"failed", "late"}),
        ("memory exceeded qsiprep deep docker", {"failed"}),
        ("keyerror", {"failed"}), ("run_bids", {"task"}), ("bids", {"task"}), ("ab12-cd34", {"task"}),
        ("ab12", set()), ("session:12", {"audit"}), ("workers", {"failed", "task"}), ("exit_code", {"failed"}),
        ("137", {"failed"}), ("workflow.log", {"late"}), ("nothing-like-it", set()),
        # Names of several words, also inside of longer ones, never across.
        ("sub-001", {"bold"}), ("ses-01", {"failed", "bold"}), ("ses-02", {"oom"}), ("run-02", {"bold"}),
        ("sub-001_ses-01", {"bold"}), ("ses-01_run", {"bold"}), ("ses-0", set()), ("001", {"bold"}),
        ("bold.nii.gz", {"bold"}), ("nii.gz", {"bold"}),
        ("/out/sub-001_ses-01_run-02_bold.nii.gz", {"bold"}),
        # Quotes.
        ('"Memory limit"', {"failed"}), ('"limit memory"', set()),
        ('"Memory limit"~3', {"failed", "late"}),
        ('"docker run"', {"failed"}),
        # As it is pasted from a log.
        ("run_id=456", {"failed"}),
        ('error="Memory limit exceeded"', {"failed"}),
        ("a=b", {"plain", "audit"}), ("[Node]", {"plain"}), ("12:30:01", {"plain"}), ("1,234.5", {"plain"}),
        ("C:\\\\x", {"plain"}), ("it's", {"plain"}), ("GRÖSSE OR größe", {"plain"}), ("done!", {"plain"}),
        ("ses-02: 01", {"oom"}), ("-> status", {"audit"}),
        # Patterns.
        ("OOM*", {"oom"}), ("*killed", {"oom"}), ("oom?illed", {"oom"}), ("s?s-0*", {"failed", "bold", "oom"}),
        ("ses-*_run-02", {"bold"}), ("/OOM(Killed|ed)/", {"oom"}), ("memry~", {"failed", "late"}),
        ("memoyr~1^3", {"failed", "late"}), ("*", EVERY), ("*:*", EVERY),
        # Fields.
        ("log.level:error", {"failed"}), ("level:ERROR", {"failed"}), ("level:warn", {"task"}),
        ("level:(error OR info)", {"failed", "plain"}),
        ("level: error", {"failed"}), ("neuroflow.run_id:456", {"failed"}), ("run_id:45", {"task"}),
        ("run_id:4*", {"failed", "task"}),
        ("run_id:(45 OR 456) -level:error", {"task"}),
        ("component:neuroflow.workers", {"failed", "task"}),
        ("log.logger:neuroflow.workers", {"failed"}),
        ("component:*tasks", {"task"}),
        ("component:/neuroflow\\.work.*/", {"failed", "task"}),
        ("pipeline:qsipre~", {"failed"}), ("session_id:01", {"failed"}), ("session:ses-01", {"failed"}),
        ("neuroflow.session_id:01", set()), ("event:task.failed", {"task"}),
        ("action:*.failed", {"failed", "task"}),
        ("task:neuroflow.run_bids", {"task"}), ("task_id:AB12-CD34", {"task"}), ("entity:session\\:12", {"audit"}),
        ("entity:session:12", {"audit"}), ("dataset:app", {"failed"}), ("error:memory", {"failed"}),
        ('error.message:"limit exceeded"', {"failed"}),
        ("error.stack_trace:KeyError", {"failed"}),
        ("message:failed", {"failed", "task"}), ("message:memory", {"late"}), ("file:*workflow.log", {"late"}),
        ("error:*", {"failed"}), ("_exists_:task", {"task"}),
        ("NOT neuroflow.run_id:*", EVERY - {"failed", "task"}),
        ("neuroflow.*:qsiprep", {"failed"}),
        # What lines say under keys of their own.
        ("neuroflow.extra.exit_code:137", {"failed"}),
        ("exit_code:137", {"failed"}), ("exit_code:*", {"failed"}), ("exit_code:[100 TO 200]", {"failed"}),
        ('extra.nested.key:"deep value"', {"failed"}),
        ("cmd:*docker*", {"failed"}), ("neuroflow.extra:docker", {"failed"}),
        # Ranges.
        ("event.duration:>1000000000", {"failed"}),
        ("duration:>12s duration:<=12.3s", {"failed"}),
        ("event.duration:{12300000000 TO *]", set()),
        ("log.offset:[2 TO 4}", {"bold", "oom"}),
        ("log.offset:3", {"oom"}),
        ("@timestamp:[2026-11-23T12:00:02Z TO 2026-11-23T12:00:03Z]", {"bold", "oom"}),
        ("@timestamp:>2026-11-23T13:00Z", {"late"}),
        ('@timestamp:>="2026-11-23 14:00"', {"late"}),
        ("@timestamp:2026-11-23", EVERY),
        ("@timestamp:[2026-11-23T12:00:01Z TO now+100y]", EVERY),
        ("timestamp:<now-500d", set()),
        # Combined.
        ("failed AND qsiprep", {"failed"}), ("failed && NOT qsiprep", {"task"}), ("failed -qsiprep", {"task"}),
        ("failed !qsiprep", {"task"}), ("+failed +bids", {"task"}),
        ("qsiprep OR bids", {"failed", "task"}),
        ("qsiprep || oomkilled", {"failed", "oom"}),
        ("oomkilled OR failed bids", {"oom", "task"}),
        ("(oomkilled OR failed) bids", {"task"}),
        ("(memory limit) OR level:info", {"failed", "late", "plain"}),
        ("NOT (failed OR ses-01)", {"oom", "audit", "plain", "late"}),
        ("and", set()),
    ],
)  # fmt: skip
def test_query(finder: Finder, query: str, found: set[str]) -> None:
    """A query finds the lines that a person means by it."""
    assert found == finder.find("--utc", "--", query)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("foo AND", "there is no term after AND"), ("OR foo", "there is no term before OR"),
        ("a AND OR b", "there is no term between AND and OR"),
        ("(a", "there is a ( without a )"),
        ("a)", "there is a ) without a ("),
        ("()", "there is no term inside ()"), ('"a b', 'there is a " without a closing "'),
        ("[1 TO", "a range is incomplete"),
        ("[1 TO 2]", "needs a field"),
        ("log.offset:[1 TO", "a range is incomplete"),
        ("log.offset:abc", "log.offset holds numbers; 'abc' is not a number"),
        ("log.offset:>", "there is no term after >"),
        ("duration:>soon", "event.duration holds durations; 'soon' is not a duration"),
        ("@timestamp:tomorrow", "@timestamp holds times; 'tomorrow' is not a time"),
        ("@timestamp:2026-13-01", "@timestamp holds times; '2026-13-01' is not a time"),
        ("level:", "there is no term after level:"),
        ("word~7", "may differ in 0, 1 or 2 letters"),
        ("NOT", "there is no term after NOT"),
        ("--", "no letter or digit to search for"),
        ("  ", "it is empty; * matches every line"),
        ("a " * 65, "more than 64 terms"),
        ("(" * 11 + "a" + ")" * 11, "nested more than 10 deep"),
    ],
)  # fmt: skip
def test_query_that_cannot_be_read(finder: Finder, tmp_path: Path, query: str, said: str) -> None:
    """A query with an error exits 2 with the reason, whether or not there are logs."""
    config = tmp_path / "neuroflow.yaml"
    config.write_text(finder.bench.config.read_text().replace(finder.bench.namespace, "nowhere"))
    for place in (finder.bench.config, config):
        result = CliRunner().invoke(logs, ["--config", str(place), "search", "--", query], catch_exceptions=False)
        assert (2, "") == (result.exit_code, result.stdout)
        assert said in result.stderr


@pytest.mark.parametrize("query", ["/(/", "message:/[/", "@timestamp:2026-02-30"])
def test_query_that_the_cluster_refuses(finder: Finder, query: str) -> None:
    """A query that Elasticsearch refuses exits 2 with Elasticsearch's reason."""
    result = finder.bench.run("search", query, code=2)
    assert "" == result.stdout
    assert "Invalid value for QUERY" in result.stderr


def test_unknown_field_is_named(finder: Finder) -> None:
    """A name that no mapping and no line has is reported with the nearest known one."""
    result = finder.bench.run("search", "levle:error", code=1)
    assert "No line has a field levle; did you mean level?\nNo log lines found\n" == result.stderr
    assert "No line has a field xyzzy\nNo log lines found\n" == finder.bench.run("search", "xyzzy:1", code=1).stderr
    assert "No line has a field log.*x\nNo log lines found\n" == finder.bench.run("search", "log.*x:1", code=1).stderr
    for known in ("exit_code:137", "level:error", "nested.key:*", "extra.cmd:*deep*"):
        assert "" == finder.bench.run("search", known).stderr
    assert "letter by letter" in finder.bench.run("search", "run_id:>4").stderr


def test_order_and_tail(finder: Finder) -> None:
    """Matches come by time, the oldest first; --tail gives the newest; other options narrow the search."""
    run = finder.bench.run

    def offsets(*args: str) -> list[int]:
        return [
            json.loads(row)["log.offset"] for row in run("search", *args, "--format", "ndjson").stdout.splitlines()
        ]

    assert [1, 2, 3, 4, 5, 6, 7] == offsets("*")
    assert [5, 6, 7] == offsets("*", "--tail", "3")
    assert [2, 3, 4] == offsets("*", "--dataset", "pipeline", "--dataset", "audit")
    assert [3, 4] == offsets("*", "--since", "2026-11-23T12:00:03Z", "--until", "2026-11-23T12:00:04Z")
    assert [1] == offsets("failed", "qsiprep")
    assert "" == run("search", "*", "--tail", "0").stdout
    assert [] == json.loads(run("search", "nothing", "--format", "json", code=1).stdout)


def test_table(finder: Finder) -> None:
    """The columns of `show` and the kind of log; piped there are no escapes in it."""
    head, row = finder.bench.run("search", "qsiprep", "--utc").stdout.splitlines()
    assert ["Timestamp", "Dataset", "Level", "Component", "Message"] == head.split()
    assert row.startswith("2026-11-23 12:00:01.000  app      error  neuroflow.workers  pipeline.failed run_id=456")


@pytest.mark.parametrize("extra", [["--until", "now"], ["--format", "json"], ["-C", "3"], ["-A", "1"]])
def test_following_has_no_end(finder: Finder, extra: list[str]) -> None:
    """Options that need an end of the result are refused with -f."""
    result = finder.bench.run("search", "*", "-f", *extra, code=2)
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "sub-001_ses-01.nii.gz a:b it's 12:30:01 1,234.5 foo@bar.org x;y 1;2 run_id=7 /opt/my.file [Node]",
        "001.nii abc.1 a_b.c-d _x_ __ ' . a..b 1.a a.1 1,a 1'2 GRÖSSE Straße über·x e.g. 3.5s 10:20",
    ],
)
def test_words_are_cut_as_the_analyzer_does(es: Elasticsearch, text: str) -> None:
    """What the query parser takes for one word is one token of the index."""
    tokens = [token["token"] for token in es.indices.analyze(analyzer="standard", text=text)["tokens"]]
    assert [token for token in tokens if token.strip("_")] == [part.text for part in parts_of(Word(text))]
