from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from shipper.views.box_table import BoxTable
from shipper.views.stats import OVERVIEW, QUEUE, _number
from shipper.views.stats_tables import SHEETS

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_what_each_figure_counts() -> None:
    """Sessions by their rows, runs of the last day by their creation, waiting runs by status."""
    session, run = {"term": {"kind": "session"}}, {"term": {"kind": "pipeline_run"}}
    day = {"range": {"@timestamp": {"gte": "2026-03-03T12:00:00+00:00"}}}
    wanted = {
        "total_sessions": [session],
        "sessions_completed": [session, {"term": {"status": "completed"}}],
        "sessions_failed": [session, {"term": {"status": "failed"}}],
        "pipeline_runs_24h": [run, day],
    }
    assert {name: {"bool": {"filter": some}} for name, some in wanted.items()} == {
        count.name: count.query(NOW) for count in OVERVIEW
    }
    assert {status: [run, {"term": {"status": status}}] for status in ("pending", "queued", "running")} == {
        count.name: count.query(NOW)["bool"]["filter"] for count in QUEUE
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("0", 0), ("007", "007"), ("ses-01", "ses-01"), ("٣", "٣"), ("", ""), ("-1", "-1"), (None, None)],
)
def test_keys_of_the_database_are_numbers(text: str | None, number: int | str | None) -> None:
    """A number that would not come back unchanged stays text."""
    assert number == _number(text)


ANSWERS: dict[str, Any] = {
    "overview": {"total_sessions": 40, "sessions_completed": 30, "sessions_failed": 2, "pipeline_runs_24h": 0},
    "pipelines": [
        {
            "pipeline": "qsiprep", "total": 40, "completed": 39, "failed": 1, "success_rate": 0.975,
            "avg_duration_minutes": 61.25,
        },
        {
            "pipeline": None, "total": 1, "completed": 0, "failed": 0, "success_rate": 0.0,
            "avg_duration_minutes": None,
        },
    ],
    "failures": [
        {
            "run_id": 456, "pipeline": "qsiprep", "session_id": 7, "error": "[red]Memory[/red] \x1b[31mlimit",
            "failed_at": "2026-03-04T11:59:59.123456Z",
        },
        {"run_id": "6c83-fa", "pipeline": None, "session_id": None, "error": None, "failed_at": None},
    ],
    "queue": {"queued": 3, "running": 1},
}  # fmt: skip
SHOWN = {
    "overview": """
Overview
What Count
Sessions 40
Sessions completed 30
Sessions failed 2
Pipeline runs, last 24 hours 0
""",
    "pipelines": """
Pipelines by Type
Pipeline Total Completed Failed Success rate Average minutes
qsiprep 40 39 1 97.5% 61.2
- 1 0 0 0.0% -
""",
    "failures": """
Recent Failures
Run Pipeline Session Error Failed
456 qsiprep 7 [red]Memory[/red] limit 2026-03-04 11:59:59
6c83-fa -
""",
    "queue": """
Queue Depth
Status Runs
queued 3
running 1
""",
}


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_an_answer_as_a_table(sheet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has the application's titles, and literal markup."""
    monkeypatch.setenv("COLUMNS", "140")
    out = StringIO()
    table = BoxTable(sheet.title, sheet.columns, UTC, out)
    table.write(sheet.rows(ANSWERS[sheet.name]))
    table.close()
    lines = (" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in out.getvalue().splitlines())
    assert SHOWN[sheet.name].strip() == "\n".join(line for line in lines if not set(line) <= set("━─┏┓┡┩└┘┳┴┼╇┪┢┤├"))


def test_nothing_to_show_is_a_sentence() -> None:
    """Without rows there is a sentence, in the overview beside the zeros."""
    for sheet in SHEETS:
        empty: Any = {count.name: 0 for count in OVERVIEW} if sheet.name == "overview" else {}
        assert ("overview" == sheet.name) == bool(sheet.rows(empty))
        assert sheet.nothing
