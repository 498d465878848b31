"""Lines of containers have times, levels and nodes by the container's clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.harness import Harness, eventually

OUTPUT = """=== STDOUT ===
261120-02:14:07,963 nipype.workflow IMPORTANT:
\t Running fMRIPrep version 23.2.0
261120-02:14:08,7 nipype.workflow INFO:
\t [Node] Executing "about" <fmriprep.interfaces.reports.AboutSummary>
mrconvert: [ERROR] error opening file
#@# MotionCor Fri Nov 20 00:20:00 UTC 2026
261120-04:29:59,120 nipype.workflow ERROR:
\t Node bold_mask failed to run on host c1.
Traceback (most recent call last):
  File "/opt/nipype/multiproc.py", line 67, in run_node
NodeExecutionError: Exception raised while executing Node bold_mask.

fMRIPrep failed: Workflow did not execute cleanly.
"""
WANTED = [
    ("2026-11-20T00:14:07", None, None),
    ("2026-11-20T00:14:07.963", "important", None),
    ("2026-11-20T00:14:07.963", "important", None),
    ("2026-11-20T00:14:08.007", "info", "about"),
    ("2026-11-20T00:14:08.007", "info", "about"),
    ("2026-11-20T00:14:08.007", "error", None),
    ("2026-11-20T00:20:00.000", None, "MotionCor"),
    ("2026-11-20T02:29:59.120", "error", "bold_mask"),
    ("2026-11-20T02:29:59.120", "error", "bold_mask"),
    ("2026-11-20T02:29:59.120", "error", "bold_mask"),
    ("2026-11-20T02:29:59.120", "error", "bold_mask"),
    ("2026-11-20T02:29:59.120", "error", "bold_mask"),
    ("2026-11-20T02:29:59.120", None, None),
    ("2026-11-20T02:29:59.120", None, None),
]


def listed(harness: Harness, *arguments: str) -> list[dict[str, Any]]:
    """The output of a view."""
    printed = harness.ask(*arguments, "--format", "ndjson", module="shipper.cli.logs")
    assert 0 == printed.returncode, printed.stderr
    return [json.loads(line) for line in printed.stdout.splitlines()]


@pytest.mark.parametrize("live", [False, True], ids=["once", "live"])
def test_lines_have_their_times_levels_and_nodes(harness: Harness, live: bool) -> None:
    """Times are in the containers' zone, views find lines by level, and the file is given back unchanged."""
    harness.configure(timezone="UTC", pipeline_timezone="Asia/Jerusalem")
    log = harness.logs / "pipelines" / "fmriprep" / "fmriprep_456_20261120_001400.log"
    log.parent.mkdir(parents=True)
    if live:
        process = harness.start()
        with log.open("a") as file:
            for line in OUTPUT.splitlines(keepends=True):
                file.write(line)
                file.flush()
        assert eventually(lambda: harness.count() == len(WANTED))
        assert 0 == harness.stop(process)[0]
    else:
        log.write_text(OUTPUT)
        assert 0 == harness.once().returncode
    documents = harness.documents("pipeline")
    assert OUTPUT.splitlines() == [one["message"] for one in documents]
    found = [(one["@timestamp"], one["log"].get("level"), one["neuroflow"].get("node")) for one in documents]
    assert [wanted[1:] for wanted in WANTED] == [one[1:] for one in found]
    first = 1 if live else 0  # read by itself, the first line has the file's last change
    assert all(one[0].startswith(wanted[0]) for wanted, one in zip(WANTED[first:], found[first:], strict=True))
    times = [one[0].rstrip("Z").ljust(29, "0") for one in found[first:]]
    assert sorted(times) == times
    assert [text for text, wanted in zip(OUTPUT.splitlines(), WANTED, strict=True) if wanted[1] == "error"] == [
        one["message"] for one in listed(harness, "show", "--dataset", "pipeline", "--level", "error")
    ]
    assert {"bold_mask"} == {one["neuroflow.node"] for one in listed(harness, "search", "node:bold_mask")}
    assert OUTPUT == harness.ask("pipeline", "456", module="shipper.cli.logs").stdout
