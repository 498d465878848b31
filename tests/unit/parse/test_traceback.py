from __future__ import annotations

import pytest

from shipper.parse import traceback

SIMPLE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\n'
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SIMPLE + "KeyError: 'x'", ("KeyError", "'x'")),
        (SIMPLE + "KeyboardInterrupt", ("KeyboardInterrupt", "")),
        (SIMPLE + "pkg.mod.f.<locals>.Bad: no\n", ("pkg.mod.f.<locals>.Bad", "no")),
        (SIMPLE + "ValueError: one\ntwo: 2\n\n  three", ("ValueError", "one\ntwo: 2\n\n  three")),
        (SIMPLE + "A: a\n" + CAUSE + SIMPLE + "B: b", ("B", "b")),
        # The output of a container inside the message is no exception of ours.
        (SIMPLE + "RunError: 1\n\nstderr: x\n" + SIMPLE + "B: y", ("RunError", "1\n\nstderr: x\n" + SIMPLE + "B: y")),
        ("KeyError: 'x'", ("KeyError", "'x'")),
        ("╭── Traceback (most recent call last) ──╮\n│ x.py:1 │\n╰──╯\nKeyError: 'x'", ("KeyError", "'x'")),
        ("NoneType: None", (None, None)),
        (SIMPLE, (None, None)),
        (SIMPLE + "!!", (None, None)),
        ("", (None, None)),
    ],
)  # fmt: skip
def test_the_exception_that_got_out(text: str, found: tuple[str | None, str | None]) -> None:
    """Its type and whole message, from the last link of a chain."""
    assert found == traceback.exception_of(text)


@pytest.mark.parametrize(
    ("line", "previous", "inside", "goes_on"),
    [
        (b"", b"x", False, True),
        (b"  indented", b"x", False, True),
        (b"\tindented", b"x", False, True),
        (b"Traceback (most recent call last):", b"x", False, True),
        (b"During handling of the above exception, another exception occurred:", b"", False, True),
        (b"The above exception was the direct cause of the following exception:\r", b"", False, True),
        ("│ boxed │".encode(), b"x", False, True),
        (b"KeyError: 1", b"    g()", True, True),
        (b"KeyError: 1", "╰──╯".encode(), True, True),
        (b"KeyError: 1", b"    g()", False, False),
        (b"KeyError: 1", b"KeyError: 0", True, False),
        (b"another line", b"x", False, False),
    ],
)
def test_which_lines_go_on(line: bytes, previous: bytes, *, inside: bool, goes_on: bool) -> None:
    """Blank and indented ones, what opens or links a traceback, and the line that names its exception."""
    assert goes_on is traceback.continues(line, previous, inside=inside)


def test_the_exceptions_name_ends_a_traceback() -> None:
    """Frames leave it open, the first line at the margin closes it, a second traceback opens it again."""
    inside, seen = False, []
    for line in [
        b"Traceback (most recent call last):",
        b"  File",
        b"",
        b"KeyError: 1",
        b"",
        b"Traceback (most recent call last):",
    ]:
        inside = traceback.still_inside(line, inside=inside)
        seen.append(inside)
    assert [True, True, True, False, False, True] == seen


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one\n two", ("one\n two", None)),
        (SIMPLE, ("", SIMPLE)),
        ("said\n\n" + SIMPLE, ("said", SIMPLE)),
        ("said\n╭ a\n" + SIMPLE, ("said", "╭ a\n" + SIMPLE)),
        ("a Traceback (most recent call last): here", ("a Traceback (most recent call last): here", None)),
    ],
)  # fmt: skip
def test_a_record_is_what_it_says_and_its_traceback(text: str, parts: tuple[str, str | None]) -> None:
    """Cut where a line begins the traceback, and only there."""
    assert parts == traceback.split(text)
