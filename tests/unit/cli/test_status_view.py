"""What ``status`` shows."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from shipper.cli.status_view import age_of, amount, line, plain, show
from shipper.views.render import terminal


def file(path: str, lag: int, seconds: float, passed_over: int = 0) -> dict[str, Any]:
    """A log of 1000 bytes."""
    position = {"offset": 1000 - lag, "size": 1000, "lag_bytes": lag, "lag_seconds": seconds}
    return {"path": path, **position, "passed_over": passed_over}


STATE: dict[str, Any] = {
    "running": True,
    "pid": 12,
    "started": "2026-11-27T16:00:00+00:00",
    "last_scan": "2026-11-27T16:30:00+00:00",
    "files": [file("/l/a.log", 0, 0.0), file("/l/b.log", 10, 5.0), file("/l/[red]c\x1b[2J.log", 600, 90.0)],
    "not_read": [{"path": "/l/d\n.gz", "reason": "is \x1b]0;x\x07 damaged"}],
    "counters": {"read": 7, "acknowledged": 4, "duplicate": 1, "dead": 2, "in_flight": 0, "retried": 0},
    "last_acknowledged": "2026-11-27T16:29:00+00:00",
    "dead_letters": 2,
}
ANSWERS = "http://es:9200 answers"


def drawn(state: dict[str, Any], *, width: int = 100, **options: Any) -> str:
    """The view on a terminal without colours."""
    stream = io.StringIO()
    console = terminal(stream)
    console.width = width
    console.print(show(state, ANSWERS, **options))
    return stream.getvalue()


def test_lines() -> None:
    """The summary comes first, then logs that are behind, the oldest line first; others are summed up."""
    lines = plain(STATE, ANSWERS)
    assert [
        "sidecar: runs (process 12 since 2026-11-27T16:00:00+00:00)",
        "Elasticsearch: http://es:9200 answers",
        "lag: 2 of 3 logs behind, 610 B, oldest line 1 min 30 s",
    ] == lines[:3]
    assert "dead letters: 2; `neuroflow-ship dead-letters list` shows them" in lines
    assert "/l/[red]c\\x1b[2J.log: 400 of 1000 bytes acknowledged, 600 bytes and 90 s behind" == lines[6]
    assert lines[7].startswith("/l/b.log: ")
    assert "not read: /l/d\\n.gz: is \\x1b]0;x\\x07 damaged" == lines[8]
    assert ["logs that are acknowledged to their ends (--all lists them): 1"] == lines[9:]
    assert any(one.startswith("/l/a.log: 1000 of 1000") for one in plain(STATE, ANSWERS, every=True))


def test_what_the_first_start_passed_over() -> None:
    """It is summed up, and named for each log that is listed."""
    lines = plain({**STATE, "files": [file("/l/a.log", 0, 0.0, 900), file("/l/b.log", 0, 0.0)]}, ANSWERS, every=True)
    assert "passed over: 900 B of 1 log at the first start (shipper.start)" in lines
    assert sum(one.endswith("; the first start passed over 900 bytes") for one in lines) == 1


def test_a_table() -> None:
    """It has the same, and nothing in it commands the terminal or is taken for markup."""
    text = drawn(STATE)
    assert "runs (process 12 since 2026-11-27T16:00:00+00:00)" in text
    assert text.index("[red]c\\x1b[2J.log") < text.index("/l/b.log") < text.index("/l/d\\n.gz")
    assert "\x1b" not in text
    assert "/l/a.log" not in text
    assert "/l/a.log" in drawn(STATE, every=True)


def test_a_small_terminal() -> None:
    """A view that is redrawn fits; what has no room is counted."""
    files = [file(f"/l/{number}.log", 10, number) for number in range(50)]
    text = drawn({**STATE, "files": files}, room=24)
    assert "/l/49.log" in text
    assert len(text.splitlines()) <= 24
    assert "and 38 more" in text
    narrow = drawn({**STATE, "files": [file("/l/very" * 9, 1, 1)]}, width=60)
    assert 9 == narrow.replace("\n", "").replace(" ", "").count("/l/very")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"running": False, "pid": None}, "sidecar: does not run; it scanned last at 2026-11-27T16:30:00+00:00"),
        ({"running": False, "last_scan": None}, "sidecar: does not run"),
        ({"started": None}, "sidecar: runs (process 12)"),
        ({"files": []}, "lag: none"),
        ({"dead_letters": 0}, "dead letters: 0"),
    ],
)
def test_other_summaries(changed: dict[str, Any], expected: str) -> None:
    """Each fact has its words."""
    assert expected in plain({**STATE, **changed}, ANSWERS)


def test_one_line() -> None:
    """For a pipe that is watched: everything that changes, by name."""
    now = datetime(2026, 11, 27, 16, 30, tzinfo=UTC)
    assert (
        "2026-11-27T16:30:00+00:00 running 12, 2 logs behind, 610 bytes, 90 s, acknowledged 4, duplicate 1, dead 2, "
        "dead letters 2, not read 1"
    ) == line(STATE, now)
    assert "2026-11-27T16:30:00+00:00 no\\x1b store" == line({"error": "no\x1b store"}, now)


def test_figures_for_people() -> None:
    """Sizes and ages have a unit that keeps them short."""
    assert ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "2.0 TiB"] == [
        amount(size) for size in (0, 1023, 1024, 5 * 2**20, 2**41)
    ]
    assert ["0 s", "59 s", "1 min 0 s", "2 h 1 min", "3 d 4 h"] == [
        age_of(seconds) for seconds in (0.4, 59.0, 60.0, 7270.0, 3 * 86400 + 4 * 3600 + 5)
    ]
