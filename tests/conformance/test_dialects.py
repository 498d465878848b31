"""Lines of other loggers and of containers, through the whole sidecar into a real node."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.harness import Harness

AT = "2026-11-25T09:46:40.250Z"
SECONDS = 1795600000.25
TRACE = 'Traceback (most recent call last):\n  File "/opt/x.py", line 1, in f\nValueError: no such scan'
STACKS = [{"exc_type": "ValueError", "exc_value": "no such scan", "syntax_error": None, "is_cause": False,
           "frames": [{"filename": "/opt/x.py", "lineno": 1, "name": "f"}]}]  # fmt: skip
WRAPPED_AT = "2026-11-25T09:46:40.250000000Z"
LAYOUT = "%(levelname)s~%(processName)s~%(asctime)s >> %(message)s"

Said = tuple[str, str, str | None]
"""A line's time, level and error's type as its writer means them."""

JSON: list[tuple[dict[str, Any], Said]] = [
    ({"event": "{n}", "level": "error", "timestamp": SECONDS, "exception": STACKS}, (AT, "error", "ValueError")),
    ({"event": "{n}", "level": "info", "timestamp": 1795600000250}, (AT, "info", None)),
    ({"event": "{n}", "level": 40, "timestamp": 1795600000250000000}, (AT, "error", None)),
    ({"event": "{n}", "level": "info", "timestamp": "Wed, 25 Nov 2026 10:46:40 +0100"},
     ("2026-11-25T09:46:40.000Z", "info", None)),
    ({"event": "{n}", "level": "info", "timestamp": "2026-11-25 09:46:40.25 UTC"}, (AT, "info", None)),
    ({"event": "{n}", "level": "info", "timestamp": "2026-11-25t09:46:40.25z"}, (AT, "info", None)),
    ({"message": "{n}", "levelname": "ERROR", "asctime": "2026-11-25 09:46:40,250", "exc_info": TRACE},
     (AT, "error", "ValueError")),
    ({"@timestamp": AT, "log.level": "warn", "message": "{n}", "error": {"type": "E", "message": "m"}},
     (AT, "warning", "E")),
    ({"@timestamp": AT, "log": {"level": "error"}, "message": "{n}", "error.type": "E"}, (AT, "error", "E")),
    ({"severity": "CRITICAL", "message": "{n}", "time": AT}, (AT, "critical", None)),
    ({"level": 30, "time": 1795600000250, "pid": 1, "hostname": "h", "msg": "{n}"}, (AT, "info", None)),
]  # fmt: skip
TEXT: list[tuple[str, Said]] = [
    ("2026-11-25 09:46:40.250 | ERROR    | a.b:f:12 - {n}", (AT, "error", None)),
    ("[2026-11-25 09:46:40 +0000] [12] [INFO] {n}", ("2026-11-25T09:46:40.000Z", "info", None)),
    ("2026-11-25 09:46:40,250 [WARNING] a.b: {n}", (AT, "warning", None)),
    ("time=2026-11-25T09:46:40.25Z level=warn msg={n}", (AT, "warning", None)),
    ('  {"event": "{n}", "level": "info", "timestamp": "2026-11-25T09:46:40.25Z"}', (AT, "info", None)),
    ('{"event": "a", "lev{"event": "{n}", "level": "error", "timestamp": 1795600000.25}', (AT, "error", None)),
]  # fmt: skip


def docker(line: str) -> list[str]:
    """A line of Docker's json-file, in two parts."""
    return [
        json.dumps({"log": part, "stream": "stderr", "time": WRAPPED_AT}, separators=(",", ":"))
        for part in (line[:9], line[9:] + "\n")
    ]


WRAPPERS: dict[str, Callable[[str], list[str]]] = {
    "docker": docker,
    "cri": lambda line: [f"{WRAPPED_AT} stderr P {line[:9]}", f"{WRAPPED_AT} stderr F {line[9:]}"],
    "compose": lambda line: [f"worker-1  | {line}"],
    "kubectl": lambda line: [f"[pod/worker-7d9f/app] {line}"],
}


def write(folder: Path) -> dict[str, Said]:
    """Write each line into files of its kind and of each container; gives the expected values by message."""
    expected: dict[str, Said] = {}
    files = ["neuroflow.log", *(f"{name}.out" for name in WRAPPERS)]
    lines = [*((json.dumps(line), said) for line, said in JSON), *TEXT]
    for file in files:
        written: list[str] = []
        for number, (line, said) in enumerate(lines):
            name = f"{file.partition('.')[0]}-{number}"
            expected[name] = said
            wrap = WRAPPERS.get(file.partition(".")[0])
            line = line.replace("{n}", name)  # noqa: PLW2901 - with its number
            written += wrap(line) if wrap else [line]
        if file.startswith(("docker", "cri")):
            written += WRAPPERS[file.partition(".")[0]]("a print without time or level")
            expected[f"a print without time or level {file}"] = (AT, "", None)
        (folder / file).write_text("\n".join(written) + "\n")
    (folder / "celery").mkdir()
    (folder / "celery" / "worker.log").write_text(
        "ERROR~ForkPoolWorker-1~2026-11-25 09:46:40,250 >> celery-0\nat the margin\n"
        "INFO~MainProcess~2026-11-25 09:46:40,250 >> celery-1\n"
        '[2026-11-25 09:46:40,250: WARNING/MainProcess] {"message": "celery-2", "levelname": "ERROR"}\n'
    )
    for name, level in (("celery-0\nat the margin", "error"), ("celery-1", "info"), ("celery-2", "error")):
        expected[name] = (AT, level, None)
    return expected


def found(harness: Harness) -> dict[str, Said]:
    """The documents by message, each once."""
    said: dict[str, Said] = {}
    for document in harness.documents():
        name = document["message"]
        path = document["log"]["file"]["path"].rpartition("/")[2]
        name = f"{name} {path}" if name.startswith("a print") else name
        assert name not in said, name
        error = document.get("error", {}).get("type")
        said[name] = (document["@timestamp"], document["log"].get("level", ""), error)
        if path in {"docker.out", "cri.out"}:
            assert "stderr" == document["log"]["iostream"]
    return said


def configured(harness: Harness) -> None:
    """Inputs for the containers' files, and Celery's own format."""
    harness.configure(inputs=[{"paths": str(harness.logs / "*.out")}], worker_log_format=LAYOUT)


def test_each_line_is_a_document_with_its_time_level_and_error(harness: Harness) -> None:
    """In any format and any wrapper; a second run without the state adds nothing."""
    configured(harness)
    expected = write(harness.logs)
    assert 0 == harness.once().returncode
    assert expected == found(harness)
    shutil.rmtree(harness.state)
    assert 0 == harness.once().returncode
    assert expected == found(harness)


def test_the_same_while_it_runs(harness: Harness) -> None:
    """Lines that are appended while the sidecar runs give the same documents."""
    configured(harness)
    shipping = harness.shipping()
    shipping.looks()
    expected = write(harness.logs)
    for _ in range(3):
        shipping.looks()
    shipping.stop()
    assert 0 == harness.once().returncode
    assert expected == {name: said for name, said in found(harness).items() if not name.startswith("look ")}


@pytest.mark.parametrize("exception", [STACKS, {"type": "ValueError", "message": "no such scan"}, TRACE])
def test_failures_name_the_error(harness: Harness, exception: Any) -> None:
    """Recent failures show the error of an exception in any form."""
    line = {"event": "pipeline.failed", "level": "error", "timestamp": SECONDS, "run_id": 7, "pipeline": "qsiprep"}
    (harness.logs / "neuroflow.log").write_text(json.dumps({**line, "exception": exception}) + "\n")
    assert 0 == harness.once().returncode
    (document,) = harness.documents()
    assert ("ValueError", "no such scan") == (document["error"]["type"], document["error"]["message"])
    shown = harness.ask("stats", "failures", "--format", "json", module="shipper.cli.logs")
    assert 0 == shown.returncode, shown.stderr
    assert "no such scan" in shown.stdout
