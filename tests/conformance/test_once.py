"""``--once`` over a tree of all files that neuroflow writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter

from tests.conformance.harness import Harness

APP = """\
{"component": "workflow", "workflow_run_id": 7, "trigger": "manual", "event": "workflow.started", \
"level": "info", "@timestamp": "2026-03-01T10:00:00.000001+00:00", "service": "neuroflow"}
{"pipeline": "qsirecon", "run_id": 31, "subject_id": 5, "session_id": 9, "event": "pipeline.queued", \
"level": "info", "timestamp": "2026-03-01T10:00:01.250000Z"}
{"run_id": 31, "duration": 4.5, "event": "pipeline.completed", "level": "info", \
"timestamp": "2026-03-01T10:00:06Z"}
2026-03-01 10:00:07,125 - sqlalchemy.engine - WARNING - pool exhausted
{"event": "the same line twice", "level": "info", "timestamp": "2026-03-01T10:00:08Z"}
{"event": "the same line twice", "level": "info", "timestamp": "2026-03-01T10:00:08Z"}
not a log line at all
"""
CELERY = """\
[2026-03-01 10:00:00,100: INFO/MainProcess] Task app.tasks.run[11111111-2222-3333-4444-555555555555] received
[2026-03-01 10:00:00,200: WARNING/ForkPoolWorker-1] {"run_id": 31, "event": "inner", "level": "debug", \
"timestamp": "2026-03-01T09:59:59.5Z"}
[2026-03-01 10:00:00,300: ERROR/ForkPoolWorker-1] Task app.tasks.run[11111111-2222-3333-4444-555555555555] \
raised unexpected: ValueError('no such scan')
Traceback (most recent call last):
  File "/opt/app/tasks.py", line 3, in run
    scan()

ValueError: no such scan
[2026-03-01 10:00:00,400: INFO/MainProcess] mingle: all alone
"""
PIPELINE = (
    b"=== STDOUT ===\nstep 1\n[/red] \x1b[31mred\x1b[0m\r\n\n\xff\xfe raw\n=== STDERR ===\nlast line without an end"
)
AUDIT = (
    '{"id": 1, "timestamp": "2026-03-01 10:00:00.5", "entity_type": "session", "entity_id": 12, '
    '"action": "status_changed", "old_value": "validated", "new_value": "converting", "triggered_by": "system", '
    '"user_id": null, "message": "Session status: validated -> converting", "details": "null", '
    '"subject_id": 5, "session_id": 12}\n'
)


def write_tree(harness: Harness) -> None:
    """One file for each built-in input, with rotated files."""
    for folder in ("celery", "pipelines/qsirecon", "audit"):
        (harness.logs / folder).mkdir(parents=True)
    (harness.logs / "neuroflow.log").write_text(APP)
    (harness.logs / "neuroflow.log.1").write_text(
        '{"event": "older", "level": "info", "timestamp": "2026-02-01T10:00:00Z"}\n'
    )
    (harness.logs / "workflow.log").write_text(
        '{"stage": "qsirecon", "workflow_run_id": 7, "errors": ["a", "b"], "event": "stage.failed", '
        '"level": "error", "@timestamp": "2026-03-01T10:00:00.000002+00:00", "service": "neuroflow"}\n'
    )
    (harness.logs / "celery" / "worker.log").write_text(CELERY)
    (harness.logs / "pipelines" / "qsirecon" / "run_31_20260301_100001.log").write_bytes(PIPELINE)
    (harness.logs / "audit" / "audit_2026_03.jsonl").write_text(AUDIT)


class TestOnce:
    def test_every_line_is_there_exactly_once(self, harness: Harness) -> None:
        """Each line or record is one document in its stream."""
        write_tree(harness)
        result = harness.run("--once")
        assert result.returncode == 0, result.stderr
        assert harness.messages("app") == {
            "workflow.started": 1,
            "pipeline.queued": 1,
            "pipeline.completed": 1,
            "pool exhausted": 1,
            "the same line twice": 2,
            "not a log line at all": 1,
            "older": 1,
        }
        assert harness.messages("workflow") == {"stage.failed": 1}
        assert harness.count("celery") == 4
        assert harness.count("pipeline") == 7
        assert harness.messages("audit") == {"Session status: validated -> converting": 1}

    def test_again_adds_nothing_even_without_its_state(self, harness: Harness) -> None:
        """A second run, and one without state, add no documents."""
        write_tree(harness)
        harness.once()
        before = harness.count()
        assert harness.once().returncode == 0
        assert before == harness.count()
        shutil.rmtree(harness.state)
        assert harness.once().returncode == 0
        assert before == harness.count()
        assert before == harness.status()["counters"]["duplicate"]

    def test_fields(self, harness: Harness) -> None:
        """Times, levels, ids, durations, outcomes and context are in their fields."""
        write_tree(harness)
        harness.once()
        app = {one["message"]: one for one in harness.documents("app")}
        done = app["pipeline.completed"]
        assert done["@timestamp"] == "2026-03-01T10:00:06.000Z"
        assert done["event"]["outcome"] == "success"
        assert done["event"]["duration"] == 4_500_000_000
        assert {key: value for key, value in done["neuroflow"].items() if key != "generation"} == {
            "run_id": "31",
            "pipeline": "qsirecon",
            "subject_id": "5",
            "session_id": "9",
            "context": ["pipeline", "subject_id", "session_id"],
        }
        assert app["workflow.started"]["service"]["name"] == "neuroflow"
        assert app["pool exhausted"]["log"]["logger"] == "sqlalchemy.engine"
        assert app["pool exhausted"]["log"]["level"] == "warning"
        assert sorted(app["not a log line at all"]["tags"]) == ["no_timestamp", "parse_failure"]
        (failed,) = harness.documents("workflow")
        assert failed["error"]["message"] == ["a", "b"]
        assert failed["event"]["outcome"] == "failure"

    def test_celery_fields(self, harness: Harness) -> None:
        """The inner line decides level and time; a traceback belongs to its record."""
        write_tree(harness)
        harness.once()
        received, inner, raised, _ = harness.documents("celery")
        assert received["neuroflow"]["task"] == {
            "id": "11111111-2222-3333-4444-555555555555",
            "name": "app.tasks.run",
        }
        assert (inner["log"]["level"], inner["@timestamp"]) == ("debug", "2026-03-01T09:59:59.500Z")
        assert inner["process"]["name"] == "ForkPoolWorker-1"
        assert (raised["error"]["type"], raised["error"]["message"]) == ("ValueError", "no such scan")
        assert raised["error"]["stack_trace"].endswith("\n\nValueError: no such scan")

    def test_audit_fields(self, harness: Harness) -> None:
        """An audit record has entity, change and time, which is UTC without a zone."""
        write_tree(harness)
        harness.once()
        (entry,) = harness.documents("audit")
        assert entry["@timestamp"] == "2026-03-01T10:00:00.500Z"
        assert entry["event"]["action"] == "status_changed"
        assert entry["neuroflow"]["audit"] == {
            "entity": "session:12",
            "entity_type": "session",
            "entity_id": "12",
            "old_value": "validated",
            "new_value": "converting",
            "triggered_by": "system",
        }

    def test_pipeline_log_comes_back_byte_for_byte(self, harness: Harness) -> None:
        """``neuroflow-logs pipeline`` prints the exact bytes of the file."""
        write_tree(harness)
        harness.once()
        printed = subprocess.run(
            harness.command("pipeline", "31", module="shipper.cli.logs"), capture_output=True, check=True
        )
        assert printed.stdout == PIPELINE

    def test_a_long_line_is_cut_and_flagged(self, harness: Harness) -> None:
        """A line of five megabytes is one flagged document, and the lines around it are there."""
        with (harness.logs / "neuroflow.log").open("wb") as file:
            file.write(b'{"event": "before", "level": "info"}\n')
            file.write(b"x" * 5_000_000 + b"\n")
            file.write(b'{"event": "after", "level": "info"}\n')
        assert harness.once().returncode == 0
        before, long, after = harness.documents("app")
        assert (before["message"], after["message"]) == ("before", "after")
        assert long["log"]["flags"] == ["truncated"]
        assert len(long["message"]) == 2**20

    def test_odd_values_are_never_refused(self, harness: Harness) -> None:
        """The cluster accepts any value under the names of our fields."""
        odd = [
            '{"event": {"a": 1}, "level": ["x"], "timestamp": 5, "run_id": {"x": 1}, "duration": "soon"}',
            '{"event": "e", "error": {"a": {"b": 1}}, "service": {"name": "x"}, "component": {"x": 1}, "": 1}',
            '{"event": "e", "level": "info", "timestamp": "1899-01-01T00:00:00Z", "duration": 1e300, "pid": "x"}',
            '{"event": "e", "metrics": {"stages_executed": "many", "stage_durations": 5, "started_at": "never"}}',
            '{"event": "e", "n": NaN, "m": Infinity, "big": 123456789012345678901234567890, "s": "\\ud800"}',
            '{"event": "e", "k\\u0000": 1, "' + "k" * 40_000 + '": 2, "deep": ' + '{"a":' * 60 + "1" + "}" * 60 + "}",
            '{"event": "' + "w" * 40_000 + '", "component": "' + "c" * 40_000 + '"}',
            '{"event": "e", "stage": ' + json.dumps("s" * 40_000) + ', "exception": 5, "tags": {"x": 1}}',
            "\x00",
            "\ufeff",
        ]
        (harness.logs / "neuroflow.log").write_text("\n".join(odd) + "\n")
        result = harness.once()
        assert result.returncode == 0, result.stderr
        assert harness.status()["counters"]["dead"] == 0, harness.run("dead-letters", "list").stdout[:2000]
        assert len(odd) == harness.count("app")
        assert {1} == set(Counter(one["log"]["offset"] for one in harness.documents("app")).values())
