from __future__ import annotations

import pytest

from shipper.parse import traceback
from shipper.parse.traceback import State

SIMPLE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\n'
BOX = "╭─ Traceback (most recent call last) ─╮"
GROUP_TEXT = (
    "  + Exception Group Traceback (most recent call last):\n"
    '  |   File "x.py", line 1, in <module>\n'
    "  |     raise ExceptionGroup('eg', [ValueError('1'), TypeError('2')])\n"
    "  | ExceptionGroup: eg (2 sub-exceptions)\n"
    "  | a note\n"
    "  +-+---------------- 1 ----------------\n"
    "    | ValueError: 1\n"
    "    +---------------- 2 ----------------\n"
    "    | TypeError: 2\n"
    "    +------------------------------------"
)
STACK_TEXT = "Stack (most recent call last):\n  File x\n    y\n\n" + "=" * 79 + "\n\n"
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
        (GROUP_TEXT, ("ExceptionGroup", "eg (2 sub-exceptions)")),
        (GROUP_TEXT + "\n" + CAUSE + SIMPLE + "B: b", ("B", "b")),
        (SIMPLE + "B: b\n" + CAUSE + GROUP_TEXT, ("ExceptionGroup", "eg (2 sub-exceptions)")),
        (STACK_TEXT + SIMPLE + "B: b\na note", ("B", "b\na note")),
        (STACK_TEXT + GROUP_TEXT, ("ExceptionGroup", "eg (2 sub-exceptions)")),
        (SIMPLE + "  [Previous line repeated 994 more times]\nRecursionError: deep", ("RecursionError", "deep")),
        ('  File "x.py", line 1\n    x = = 1\n        ^\nSyntaxError: bad', ("SyntaxError", "bad")),
        (BOX + "\n╰──╯\nExceptionGroup: eg (1)\n[NOTE] n\n\n╭─ Sub", ("ExceptionGroup", "eg (1)")),
    ],
)  # fmt: skip
def test_the_exception_that_got_out(text: str, found: tuple[str | None, str | None]) -> None:
    """Type and whole message come from the last exception of a chain."""
    assert found == traceback.exception_of(text)


NONE, FRAMES, NAMED, PAST = State.NONE, State.FRAMES, State.NAMED, State.PAST
LINKED, GROUP, STACK = State.LINKED, State.GROUP, State.STACK


@pytest.mark.parametrize(
    ("state", "line", "previous", "after"),
    [
        (NONE, b"", b"x", None),
        (NONE, b"  indented", b"x", NONE),
        (NONE, b"\tindented", b"x", NONE),
        (NONE, b"another line", b"x", None),
        (NONE, b"Traceback (most recent call last):", b"x", FRAMES),
        (NONE, b"The above exception was the direct cause of the following exception:", b"x", None),
        (NONE, "│ of a table │".encode(), b"x", None),
        (FRAMES, b"", b"  x", FRAMES),
        (FRAMES, "│ boxed │".encode(), "╭─ Traceback (most recent call last) ─╮".encode(), FRAMES),
        (FRAMES, b"KeyError: 1", b"    g()", NAMED),
        (FRAMES, b"KeyError: 1", "╰──╯".encode(), NAMED),
        (FRAMES, b"KeyError: 1", b"Traceback (most recent call last):", NAMED),
        (FRAMES, b"KeyError: 1", b"", None),
        (NAMED, b"a note", b"KeyError: 1", NAMED),
        (NAMED, b"", b"KeyError: 1", PAST),
        (NAMED, b"Traceback (most recent call last):", b"KeyError: 1", None),
        (NAMED, b"Traceback (most recent call last):", b"stderr:", FRAMES),
        (NAMED, b"Traceback (most recent call last):", b'"""', FRAMES),
        (PAST, b"another line", b"", None),
        (PAST, b"  indented", b"", PAST),
        (PAST, b"Traceback (most recent call last):", b"", None),
        (PAST, b"During handling of the above exception, another exception occurred:\r", b"", LINKED),
        (PAST, "╭─ Sub-exception #1 ─╮".encode(), b"", PAST),
        (PAST, "╭─ table ─╮".encode(), b"", None),
        (LINKED, b"", b"The above", LINKED),
        (LINKED, b"Traceback (most recent call last):", b"", FRAMES),
        (GROUP, b"    +---------------- 2 ----------------", b"", GROUP),
        (GROUP, b"another line", b"    +-----", None),
        (STACK, b"=" * 79, b"", STACK),
        (STACK, b"another line", b"  File", None),
        (STACK, b"  + Exception Group Traceback (most recent call last):", b"", GROUP),
    ],
)  # fmt: skip
def test_which_lines_go_on(state: State, line: bytes, previous: bytes, after: State | None) -> None:
    """Frames, the exception with notes, links and boxes go on; a blank line ends other text."""
    assert after is traceback.step(state, line, previous)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one\n two", ("one\n two", None)),
        (SIMPLE, ("", SIMPLE)),
        ("said\n\n" + SIMPLE, ("said", SIMPLE)),
        (f"said\n{BOX}\n│ x", ("said", f"{BOX}\n│ x")),
        ("said\n╭─ table ─╮", ("said\n╭─ table ─╮", None)),
        ("a Traceback (most recent call last): here", ("a Traceback (most recent call last): here", None)),
    ],
)  # fmt: skip
def test_a_record_is_what_it_says_and_its_traceback(text: str, parts: tuple[str, str | None]) -> None:
    """The record is split at the line that starts the traceback."""
    assert parts == traceback.split(text)
