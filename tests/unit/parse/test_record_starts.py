"""Which lines start a record and so end the one before, in any format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Format
from shipper.parse import multiline, record_starts
from tests.ordinary_lines import LINES
from tests.unit.blocks import records_of

PLAIN = """
a note
KeyError: 1
name
[NOTE] a note
Information is missing
Error response from daemon: no
infos
stderr: x
12 of 13 volumes
1:2 ratio
100 things
/opt/x.py:12: x
sub-01_ses-02
https://errors.pydantic.dev/2.5/v/missing
3.14159
"quoted"
level of detail
time out
Command 'x' returned non-zero exit status 1.
The above exception was the direct cause of the following exception:
Traceback (most recent call last):
""".strip("\n").split("\n")
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 1\n'
GROUP = (
    "  + Exception Group Traceback (most recent call last):\n  |   File\n  | ExceptionGroup: eg (1 sub-exception)\n"
    "  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------\n"
)
CHAIN = f"{TRACE}\nDuring handling of the above exception, another exception occurred:\n\n{TRACE}"
CAUSE = f"{TRACE}\nThe above exception was the direct cause of the following exception:\n\n{TRACE}"
SYNTAX = (
    'Traceback (most recent call last):\n  File "y.py", line 1\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n'
)
TORN = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\n'
FIRST = {
    "alone": "",
    "console": "2026-11-27T01:02:03Z [error    ] failed\n",
    "celery": "[2026-11-27 01:02:03,000: ERROR/MainProcess] failed\n",
    "stdlib": "2026-11-27 01:02:03,000 - x - ERROR - failed\n",
    "huey": "[2026-11-27 01:02:03,000] ERROR:huey:1:failed\n",
    "uvicorn": "ERROR:    Exception in ASGI application\n",
}


def raws(text: str, of: Format = "structlog") -> list[str]:
    """The lines of each record."""
    return [raw.decode() for raw in records_of(text, of).raws]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("below", [TRACE, TRACE + "a note\n", GROUP, CHAIN, CAUSE, SYNTAX, TORN, TRACE + "\n"])
@pytest.mark.parametrize("of", ["structlog", "celery", "console", "auto"])
def test_ordinary_lines_behind_a_traceback_are_records_of_their_own(first: str, below: str, of: Format) -> None:
    """Each line is a record, and the traceback with its parts is one."""
    assert [(FIRST[first] + below).rstrip("\n"), *LINES] == [raw.rstrip("\n") for raw in raws(
        FIRST[first] + below + "\n".join(LINES), of
    )]  # fmt: skip


@pytest.mark.parametrize("first", FIRST)
def test_hundreds_of_lines_of_one_shape_are_hundreds_of_records(first: str) -> None:
    """Three hundred equal lines are three hundred records."""
    assert [] == [line for line in LINES if len(raws(FIRST[first] + TRACE + f"{line}\n" * 300)) != 301]


def test_colours_hide_no_beginning() -> None:
    """Coloured lines start records."""
    found = {line: len(raws(FIRST["uvicorn"] + TRACE + f"\x1b[32m{line}\x1b[0m\n" * 3)) for line in LINES}
    assert dict.fromkeys(LINES, 4) == found


@pytest.mark.parametrize("first", FIRST)
def test_of_lines_that_nothing_marks_a_few_are_taken_for_notes(first: str) -> None:
    """Five unmarked lines count as notes; all others are records."""
    found = raws(FIRST[first] + TRACE + "".join(f"worker {number} is ready\n" for number in range(58)))
    assert 58 - multiline.MAX_NOTES + 1 == len(found)
    assert found[0].endswith("worker 4 is ready")


def test_celery_shows_no_more_than_it_has_to_say() -> None:
    """An error without a traceback takes twenty unindented lines; indented ones do not count."""
    said = FIRST["celery"] + "".join(f"text {number}\n  more\n" for number in range(58))
    assert 1 + 2 * (58 - multiline.MAX_AT_MARGIN) >= len(raws(said, "celery")) > 58 - multiline.MAX_AT_MARGIN
    result = "[2026-11-27 01:02:03,000: INFO/MainProcess] Task a.b[c47f] succeeded in 0.1s: {'a': 'b\n"
    assert 59 - multiline.MAX_AT_MARGIN == len(raws(result + "text\n" * 58, "celery"))


@pytest.mark.parametrize("line", PLAIN)
def test_texts_begin_no_record(line: str) -> None:
    """Notes, messages, links and tracebacks start no record."""
    assert not record_starts.begins(line.encode())


@pytest.mark.parametrize(
    "line",
    ["KeyError: an ERROR x", "Error: no", "error: no", "Warning: no", "__main__.Error: x", "a.b.c", "X:", "Größe: 1"],
)
def test_an_exception_is_named_whatever_its_class_is_called(line: str) -> None:
    """Below a traceback a class named like a level, or a level in the message, is still the exception."""
    assert [TORN + line, "[INFO] next"] == raws(f"{TORN}{line}\n[INFO] next")


@pytest.mark.parametrize(
    "note",
    [
        "a note",
        "note 1\nnote 2\nnote 3",
        "2 validation errors for Model\nname\n  Field required\nage\n  Field required",
        "one\n  two\nthree\n\tfour",
        "".join(f"field_{number}\n  Field required\n" for number in range(18)).rstrip(),
    ],
)
@pytest.mark.parametrize("first", FIRST)
def test_notes_and_long_messages_stay_with_their_exception(first: str, note: str) -> None:
    """Notes (PEP 678) and messages of names with indented texts belong to it."""
    assert [f"{FIRST[first]}{TRACE}{note}", "[INFO] next"] == raws(f"{FIRST[first]}{TRACE}{note}\n[INFO] next")


@pytest.mark.parametrize("first", ["", FIRST["stdlib"], FIRST["celery"], FIRST["uvicorn"]])
def test_a_syntax_error_needs_no_introduction(first: str) -> None:
    """A syntax error without the usual first line is recognised by its carets."""
    error = f'{first}  File "y.py", line 1\n    x = = 1\n        ^\nSyntaxError: invalid syntax'
    assert [error, "[INFO] next"] == raws(f"{error}\n[INFO] next")


@pytest.mark.parametrize(
    "line", ["          WARNING  x", "  2026-11-27 01:02:03 x", '  {"event": "x"}', "\t[2026-11-27T01:02:03Z] x"]
)
def test_blanks_before_a_time_hide_no_beginning(line: str) -> None:
    """An indented line with a time starts a record, except within the frames of a traceback."""
    assert [(FIRST["stdlib"] + TRACE).rstrip(), line] == raws(FIRST["stdlib"] + TRACE + line)
    assert 1 == len(raws(f"{FIRST['stdlib']}{TORN}{line}\nKeyError: 1"))


@given(
    st.lists(
        st.sampled_from([*LINES, *PLAIN, *TRACE.split("\n"), *CHAIN.split("\n"), *GROUP.split("\n"), "  x", "}"]),
        max_size=40,
    ),
    st.sampled_from(["structlog", "celery", "console", "auto", "audit", "voxelops"]),
)
def test_joined_lines_are_complete(lines: list[str], of: Format) -> None:
    """Any mixture of lines keeps every non-blank line, once and in order."""
    told = [line for raw in raws("\n".join(lines), of) for line in raw.split("\n") if line.strip()]
    assert [line for line in lines if line.strip()] == told
