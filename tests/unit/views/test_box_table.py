from __future__ import annotations

import io
from datetime import UTC

import pytest
from rich.cells import cell_len

from shipper.views import box_table
from shipper.views.box_table import BoxTable
from shipper.views.formatters import text
from shipper.views.views import AUDIT, Column

# Fewer than in practice: measuring takes long.
MEASURED_ROWS = 100


@pytest.fixture(autouse=True)
def _eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(box_table, "MEASURED_ROWS", MEASURED_ROWS)


def drawn(docs: list[dict[str, str]], pages: int = 1) -> list[str]:
    """The lines of the audit table with these documents in several pages."""
    stream = io.StringIO()
    output = BoxTable(AUDIT.title, AUDIT.columns, UTC, stream)
    size = -(-len(docs) // pages) or 1
    for at in range(0, len(docs), size):
        output.write(docs[at : at + size])
    output.close()
    return stream.getvalue().splitlines()


def entry(number: int, message: str = "fine") -> dict[str, str]:
    """An audit record."""
    return {
        "@timestamp": "2026-11-23T12:40:24.666895Z",
        "neuroflow.audit.entity": f"session:{number:04d}",
        "event.action": "validated",
        "message": message,
    }


def test_a_box_as_the_application_draws_it() -> None:
    """The box has title, headings and one row a record, with times in whole seconds."""
    assert drawn([entry(12)]) == [
        "                         Audit Log                          ",
        "┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━┓",
        "┃ Timestamp           ┃ Entity       ┃ Action    ┃ Message ┃",
        "┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━┩",
        "│ 2026-11-23 12:40:24 │ session:0012 │ validated │ fine    │",
        "└─────────────────────┴──────────────┴───────────┴─────────┘",
    ]


def test_nothing_is_no_box() -> None:
    """Without rows nothing is printed."""
    assert [] == drawn([])


@pytest.mark.parametrize(
    "count", [1, MEASURED_ROWS - 1, MEASURED_ROWS, MEASURED_ROWS + 1, 3 * MEASURED_ROWS, 3 * MEASURED_ROWS + 7]
)
def test_one_box_however_many_rows(count: int) -> None:
    """The first rows decide the widths; all pages are one box with each row once."""
    docs = [entry(number, "x" * (number % 90)) for number in range(count)]
    lines = drawn(docs, pages=4)
    assert ["┏", "┃", "┡"] == [line[0] for line in lines[1:4]]
    assert {"│"} == {line[0] for line in lines[4:-1]}
    assert "└" == lines[-1][0]
    assert 1 == len({cell_len(line) for line in lines[1:]})
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[4:-1]]
    assert [f"session:{number:04d}" for number in range(count)] == [row[1] for row in cells if row[0]]
    assert sum(number % 90 for number in range(count)) == sum(len(row[3]) for row in cells)


def test_long_words_are_folded_and_markup_is_text() -> None:
    """Long words are folded, markup is literal, and control characters are escaped."""
    path = "/data/" + "/".join(["scanner"] * 20)
    lines = drawn([entry(1, f"[red]at[/red] {path} \x1b[2J\x07")])
    message = "".join(line.split("│")[4].strip() for line in lines[4:-1]).replace(" ", "")
    assert rf"[red]at[/red]{path}\x1b[2J\x07" == message


def test_wide_characters_keep_the_box_straight() -> None:
    """Every line has the same width in terminal cells."""
    assert 1 == len({cell_len(line) for line in drawn([entry(1, "脳 naïve 🧠"), entry(2)])[1:]})


def test_a_terminal_without_box_characters() -> None:
    """An encoding without box characters gets ASCII ones, in all rows."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    output = BoxTable("T", [Column("N", "n", text("n"))], UTC, stream)
    output.write({"n": f"{number:04d}"} for number in range(MEASURED_ROWS + 2))
    output.close()
    stream.seek(0)
    lines = stream.read().splitlines()
    assert 1 + 3 + MEASURED_ROWS + 2 + 1 == len(lines)
    assert {"+", "|"} == {line[0] for line in lines[1:]}
