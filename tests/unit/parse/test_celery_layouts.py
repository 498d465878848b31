"""Celery's lines in formats from its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipper.config import load
from shipper.config_file import ConfigError
from shipper.parse.records import Records
from shipper.tail.sources import sources_of
from tests.unit.blocks import records_of

STAMP = "2026-11-27 01:02:03,123"
ID = "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b"
WORKER = "%(levelname)-8s~%(processName)s~%(asctime)s >> %(message)s"
TASKS = "%(levelname)-8s~%(processName)s~%(task_name)s/%(task_id)s~%(asctime)s >> %(message)s"


def parsed(*lines: str, layouts: tuple[str, ...] = (TASKS, WORKER), final: bool = True) -> Records:
    """The records of these lines of a worker's log."""
    return records_of("\n".join(lines), "celery", dataset="celery", layouts=layouts, final=final)


@pytest.mark.parametrize(
    ("layout", "line", "expected"),
    [
        (WORKER, f"WARNING ~MainProcess~{STAMP} >> said",
         {"level": "WARNING", "process_name": "MainProcess", "timestamp": STAMP, "event": "said",
         "logger": "celery"}),
        (TASKS, f"INFO    ~ForkPoolWorker-1~a.b/{ID}~{STAMP} >> said",
         {"level": "INFO", "process_name": "ForkPoolWorker-1", "timestamp": STAMP, "event": "said",
         "logger": "celery", "task_name": "a.b", "task_id": ID}),
        (TASKS, f"INFO    ~ForkPoolWorker-1~???/???~{STAMP} >> said",
         {"level": "INFO", "process_name": "ForkPoolWorker-1", "timestamp": STAMP, "event": "said",
         "logger": "celery"}),
        ("%(created)f %(process)d %(name)s %(lineno)5d %(message)s", "1795600000.25 77 a.b    12 said",
         {"timestamp": "1795600000.25", "pid": 77, "logger": "a.b", "lineno": 12, "event": "said"}),
        ("100%% <%(levelname)s> (%(asctime)s) %(message)s [end]", f"100% <ERROR> ({STAMP}) said [end]",
         {"timestamp": STAMP, "level": "ERROR", "logger": "celery", "event": "said [end]"}),
        ("%(message)s", "said", {"logger": "celery", "event": "said"}),
    ],
)  # fmt: skip
def test_what_the_fields_of_a_format_are(layout: str, line: str, expected: dict[str, Any]) -> None:
    """Each field is mapped as in other formats."""
    assert [expected] == parsed(line, layouts=(layout,)).records


def test_what_celery_says_behind_it() -> None:
    """Task states and the application's lines are recognised behind it."""
    told, inner = parsed(
        f"INFO    ~MainProcess~{STAMP} >> Task a.b[{ID}] received",
        f"WARNING ~ForkPoolWorker-1~{STAMP} >> "
        '{"event": "x", "level": "debug", "timestamp": "2026-11-27T00:00:00Z"}',
    ).records
    assert ("task.received", ID, STAMP) == (told["action"], told["task_id"], told["timestamp"])
    assert ("x", "debug", "2026-11-27T00:00:00Z") == (inner["event"], inner["level"], inner["timestamp"])


def test_lines_below() -> None:
    """An error takes all lines up to the next record; other levels take only indented lines and tracebacks."""
    below = ["at the margin", "", "no prefix here", "  indented"]
    quiet, loud = f"INFO    ~M~{STAMP} >> quiet", f"WARNING ~M~{STAMP} >> loud"
    found = parsed(loud, *below, quiet, *below, loud)
    messages = [record["event"] for record in found.records]
    assert ["\n".join(["loud", *below]), "quiet", "at the margin"] == messages[:3]
    assert "loud" == messages[-1]
    trace = ["Traceback (most recent call last):", "  File", "KeyError: 1"]
    failed, after = parsed(f"ERROR   ~M~{STAMP} >> failed", *trace, quiet).records
    assert ("failed", "\n".join(trace), "quiet") == (failed["event"], failed["exception"], after["event"])
    assert [] == parsed(loud, *below, final=False).records
    (taken, *others) = parsed(loud, *["at the margin"] * 100).records
    assert 20 == taken["event"].count("at the margin")
    assert 80 == len(others)


def configured(folder: Path, text: str) -> dict[str, tuple[str, ...]]:
    """The formats of each input in this configuration, by the last name of its path."""
    file = folder / "neuroflow.yaml"
    file.write_text(text)
    return {source.pattern.rpartition("/")[2]: source.layouts for source in sources_of(load(file))}


def test_the_configuration_names_them(tmp_path: Path) -> None:
    """They apply to all inputs of Celery's format; ours come before the application's."""
    ours = f"shipper: {{worker_log_format: '{WORKER}', inputs: [{{paths: /x/own.log, format: celery}}]}}"
    found = configured(
        tmp_path, f"{ours}\ncelery: {{worker_log_format: '%(message)s', worker_task_log_format: '{TASKS}'}}"
    )
    assert [(TASKS, WORKER)] * 3 == [found[name] for name in ("own.log", "worker.log", "huey.log")]
    assert ((), ()) == (found["neuroflow.log"], found["audit_*.jsonl"])
    assert (TASKS,) == configured(tmp_path, f"celery: {{worker_task_log_format: '{TASKS}'}}")["worker.log"]
    for nothing in (
        "celery: 5",
        "celery: {worker_log_format: 5}",
        "celery: {worker_log_format: no message}",
        "shipper: {}",
    ):
        assert () == configured(tmp_path, nothing)["worker.log"]


def test_a_format_without_a_message_is_refused(tmp_path: Path) -> None:
    """The error says what is missing."""
    with pytest.raises(ConfigError, match=r"shipper.worker_log_format: is no format .* with %\(message\)s in it"):
        configured(tmp_path, "shipper: {worker_log_format: '{message}'}")
