from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import lines, profile
from tests.bench.__main__ import Bench, options_of
from tests.bench.cases import CASES, Setting, write_logs
from tests.bench.figures import Run, as_json, figures, overview, spread, table
from tests.bench.peers import PEERS, those_there
from tests.bench.process import run
from tests.bench.ready import ready_bodies
from tests.bench.sink import SLOW

ASKED = ["--lines", "3000", "--rounds", "1", "--peer", "neuroflow-ship", "--peer", "streaming_bulk"]


def test_a_spread_has_its_middle() -> None:
    """Of an odd number of values the middle one, of an even number the mean of two."""
    assert (1.0, 2.0, 9.0) == spread([9.0, 1.0, 2.0])
    assert (1.0, 3.0, 9.0) == spread([9.0, 2.0, 4.0, 1.0])


def test_figures_are_rates() -> None:
    """Lines by seconds, bytes by lines; what nobody measured is not there."""
    found = figures([Run(1000, 4.0, 2.0, 7), Run(1000, 2.0, 0.5, 9)])
    assert (500, 1250, 2000) == found["lines_per_cpu_second"]
    assert (250, 375, 500) == found["lines_per_second"]
    assert (7, 8, 9) == found["peak_bytes"]
    assert {"lines_per_cpu_second", "lines_per_second", "peak_bytes"} == found.keys()
    counted = figures([Run(1000, 1.0, 1.0, 1, first=0.5, wire=3000, unpacked=9000, node=0.02)])
    assert 20.0 == counted["node_cpu_microseconds_per_line"].median
    assert 3.0 == counted["wire_bytes_per_line"].median
    assert 9.0 == counted["unpacked_bytes_per_line"].median
    assert 0.5 == counted["first_document_seconds"].median


def test_a_table_has_a_row_a_peer() -> None:
    """The median, with minimum and maximum where they differ; the overview medians alone, and JSON every run."""
    runs = [Run(10_000, 1.0, 1.0, 2**20), Run(10_000, 1.0, 2.0, 2**20), Run(10_000, 1.0, 4.0, 2**20)]
    *_, row = table({"one": figures(runs)}).splitlines()
    assert ["one", "5.0 (2.5 to 10.0)", "10.0", "1", *[""] * 4] == [cell.strip() for cell in row.split("|")[1:-1]]
    first, *others = overview({"a": {"one": figures(runs)}, "b": {"two": figures(runs)}}).split("\n\n")
    _, _, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in first.splitlines()]
    assert [["a", "5.0", ""], ["b", "", "5.0"]] == rows
    assert ["1,000 lines per second", "peak MiB"] == [other.split("|")[1].strip() for other in others]
    assert [1.0, 2.0, 4.0] == [one["cpu"] for one in as_json(runs)["runs"]]


def test_who_is_not_there_is_named() -> None:
    """With the variable that can name its program; what comes with the project is always there."""
    said: list[str] = []
    there = those_there((), {"PATH": "/nowhere", "VECTOR": "/nowhere/vector"}, said.append)
    assert {"neuroflow-ship", "streaming_bulk"} <= {peer.name for peer, _ in there}
    assert ["Vector is not measured: VECTOR names /nowhere/vector, which is no program"] == [
        sentence for sentence in said if sentence.startswith("Vector")
    ]
    said.clear()
    given = {peer.variable: sys.executable for peer in PEERS if peer.variable}
    assert [peer.name for peer in PEERS] == [peer.name for peer, _ in those_there((), given, said.append)]
    assert ["rsyslog"] == [peer.name for peer, _ in those_there(["rsyslog"], given, said.append)]
    assert not said


def test_lines_are_the_same_every_time(tmp_path: Path) -> None:
    """Each with its number, but for what Celery says itself; about as long as the application writes them."""
    for name, case in CASES.items():
        assert list(case.lines(60)) == list(case.lines(60))
        logs = write_logs(tmp_path / name, Setting(name), int(60 / case.share))
        assert (60, 50 if name == "celery" else 60) == (logs.lines, logs.numbered)
    sizes = [len(line) + 1 for line in lines.structlog_lines(1000)]
    assert 290 < sum(sizes) / 1000 < 310
    assert 306 == sum(len(line) + 1 for line in lines.stage_load_lines(1000)) / 1000


def test_lines_are_spread_over_files(tmp_path: Path) -> None:
    """As many one after the other into each."""
    logs = write_logs(tmp_path, Setting("celery", files=4), 10)
    files = sorted(tmp_path.glob("celery/*.log"))
    assert [3, 3, 3, 1] == [path.read_bytes().count(b"\n") for path in files]
    assert logs.size == sum(path.stat().st_size for path in files)


def test_a_process_costs_what_its_children_cost(tmp_path: Path) -> None:
    """Time and memory of the whole tree."""
    burn = "import time; x = b'x' * 50_000_000; t = time.process_time\nwhile t() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    cost = run([sys.executable, "-c", code], tmp_path / "output", None, 60)
    assert not cost.failure
    assert cost.cpu > 0.3
    assert cost.peak > 50_000_000
    assert cost.ended > cost.began


def test_a_process_that_fails_says_so(tmp_path: Path) -> None:
    """With what it printed; one that does not end is ended."""
    failed = run([sys.executable, "-c", "import sys; print('why'); sys.exit(3)"], tmp_path / "output", None, 60)
    assert "ended with 3: why\n" == failed.failure
    early = run([sys.executable, "-c", ""], tmp_path / "output", lambda: False, 60)
    assert early.failure.startswith("ended by itself with 0 before everything had arrived")
    forever = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert run(forever, tmp_path / "output", lambda: False, 0.2).failure.startswith("did not finish within 0 s")
    assert not run(forever, tmp_path / "output", lambda: True, 60).failure


def test_kept_bodies_are_cut_between_documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None is larger than a request may be, and nothing is left out."""
    monkeypatch.setattr("tests.bench.ready.READY_BYTES", 20)
    kept = tmp_path / "kept"
    kept.write_bytes(b'{"create":{}}\n{}\n' * 3)
    assert [b'{"create":{}}\n{}\n'] * 3 == list(ready_bodies(kept))


def test_a_stack_counts_for_its_innermost_stage() -> None:
    """But what run documents send counts for them; and every module of the table is there."""
    assert "send" == profile.stage_of(["elastic/client.py", "elastic/bulk_request.py", "deliver/sender.py"])
    assert "run documents" == profile.stage_of(["elastic/client.py", "runs/writer.py"])
    assert "context" == profile.stage_of(["document/run_context.py", "document/ecs.py"])
    assert profile.REST == profile.stage_of([])
    for start, _ in profile.STAGES:
        assert list(profile.ROOT.glob(f"{start}*")), start


def test_a_profile_adds_up() -> None:
    """Microseconds a line and percent, what costs most first."""
    assert [
        "parse", "3.00", "µs", "a", "line", "75.0", "%", "send", "1.00", "µs", "a", "line", "25.0", "%",
        "together", "4.00", "µs", "a", "line", "250,000", "a", "second",
    ] == profile.report({"send": 1.0, "parse": 3.0}, 1_000_000).split()  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("setting", [Setting(name) for name in CASES] + [Setting("structlog", 20, gzip=False)])
def test_every_line_of_each_case_arrives(setting: Setting, tmp_path: Path) -> None:
    """Once, from the sidecar as from the official client's helper."""
    runs = Bench(options_of(ASKED), tmp_path, None).measure(setting)
    assert {"neuroflow-ship": 1, "streaming_bulk": 1} == {name: len(found) for name, found in runs.items()}


@pytest.mark.thorough
def test_the_slow_sink_takes_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no compiler, run documents among it."""
    monkeypatch.setattr("tests.bench.__main__.sink_command", lambda *_: SLOW)
    runs = Bench(options_of(ASKED), tmp_path, None).measure(Setting("stages"))
    assert {"neuroflow-ship", "streaming_bulk"} == runs.keys()
