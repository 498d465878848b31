"""Every rule that joins lines stops at a line that starts a record, whichever program wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shipper.config import Format
from shipper.parse import celery_layouts, multiline
from shipper.parse.records import Records
from tests.ordinary_lines import LINES
from tests.unit.blocks import records_of

RULE = "=" * 72
OWN = "2026-11-27T01:02:03.000001Z [info     ] pipeline.start"
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 1'
STACK = 'Stack (most recent call last):\n  File "x.py", line 1, in f\n    g()'
BOXED = "╭───── Traceback (most recent call last) ─────╮\n│ x.py:1 in f  │\n╰──────────────╯\nKeyError: 1"
CELERY = "[2026-11-27 01:02:03,000: {}/MainProcess] "
LAYOUT = "%(levelname)s~%(asctime)s >> %(message)s"
# Where a record of several lines stands last, by the rule that joins it; and the format of its file.
RECORDS: dict[str, tuple[str, Format]] = {
    "bare": (TRACE, "auto"),
    "boxed": (BOXED, "auto"),
    "stack": (STACK, "auto"),
    "stdlib": (f"2026-11-27 01:02:03,000 - x - ERROR - failed\n{TRACE}", "structlog"),
    "console": (f"2026-11-27T01:02:03Z [error    ] failed\n{TRACE}", "structlog"),
    "celery": (f"{CELERY.format('ERROR')}failed\n{TRACE}", "celery"),
    "celery-text": (f"{CELERY.format('ERROR')}failed\ntext\n  more", "celery"),
    "celery-result": (f"{CELERY.format('INFO')}Task a.b[c4] succeeded in 0.1s: {{'a': 'b\ntext", "celery"),
    "celery-banner": (" -------------- celery@node v5.4.0\n--- ***** -----\n[tasks]\n  . a.b", "celery"),
    "celery-warning": ("/opt/platforms.py:841: SecurityWarning: You run as root!\n\nuid=0", "celery"),
    "layout-error": (f"ERROR~2026-11-27 01:02:03,000 >> failed\n{TRACE}", "celery"),
    "layout-info": (f"INFO~2026-11-27 01:02:03,000 >> failed\n{TRACE}", "celery"),
    "huey": (f"[2026-11-27 01:02:03,000] ERROR:huey:1:failed\n{TRACE}", "huey"),
    "huey-list": ("[2026-11-27 01:02:03,000] INFO:huey:1:The following commands are available:\n+ a.b", "huey"),
    "uvicorn": (f"ERROR:    Exception in ASGI application\n{TRACE}", "auto"),
    "session": (f"{OWN}\n{TRACE}", "console"),
    "session-traceback": (f"{OWN}\n\n{RULE}\n  TRACEBACK\n{RULE}\n{TRACE}", "console"),
    "session-error": (f"{OWN}\n\n{RULE}\n  ERROR\n{RULE}\nended with 1\n\nStderr:\n{TRACE}", "console"),
    "session-error-text": (f"{OWN}\n\n{RULE}\n  ERROR\n{RULE}\nended with 1", "console"),
    "session-metrics": (f"{OWN}\n\n{RULE}\n  METRICS\n{RULE}\nnone", "console"),
    "voxelops": (TRACE, "voxelops"),
    "open-object": ('{\n  "event": "x",', "auto"),
}  # fmt: skip
# What joins plain lines at the margin for another reason than an exception's notes.
TEXTS = {"celery-text": multiline.MAX_AT_MARGIN, "celery-result": multiline.MAX_AT_MARGIN,
         "session-error-text": 10 * multiline.MAX_AT_MARGIN, "session-metrics": 10 * multiline.MAX_AT_MARGIN,
         "layout-error": multiline.MAX_AT_MARGIN}  # fmt: skip
WRAPPED: dict[str, Callable[[str], str]] = {
    "docker": lambda line: json.dumps(
        {"log": f"{line}\n", "stream": "stderr", "time": "2026-11-27T01:02:03.000000001Z"}, separators=(",", ":")
    ),
    "cri": lambda line: f"2026-11-27T01:02:03.000000001Z stderr F {line}",
    "compose": lambda line: f"worker-1  | {line}",
    "kubectl": lambda line: f"[pod/worker-7d9f/app] {line}",
}


def parsed(text: str, of: Format) -> Records:
    """The records of a whole file."""
    return records_of(text, of, layouts=(LAYOUT,))


def behind(first: str, lines: list[str], of: Format) -> list[str]:
    """The records behind the last one of a text; lines that were joined to that one have a plus."""
    alone = parsed(first, of).raws
    raws = [raw.decode() for raw in parsed("\n".join([first, *lines]), of).raws]
    joined = raws[len(alone) - 1].split("\n")[alone[-1].count(b"\n") + 1 :]
    return [*(f"+{line}" for line in joined), *raws[len(alone) :]]


@pytest.mark.parametrize("rule", RECORDS)
def test_lines_of_other_programs_are_records_of_their_own(rule: str) -> None:
    """No line becomes part of the error before it, whichever rule joined that error's lines."""
    first, of = RECORDS[rule]
    assert LINES == [raw.removesuffix("\r") for raw in behind(first, LINES, of)]


@pytest.mark.parametrize("rule", RECORDS)
def test_so_are_sixty_of_one_program(rule: str) -> None:
    """Sixty lines of one program are sixty records."""
    first, of = RECORDS[rule]
    assert [] == [line for line in LINES if [line] * 60 != behind(first, [line] * 60, of)]


@pytest.mark.parametrize("rule", RECORDS)
def test_of_plain_lines_a_few_are_taken_for_notes(rule: str) -> None:
    """Plain lines count as notes up to five behind an exception, and up to the rule's own limit."""
    first, of = RECORDS[rule]
    lines = [f"worker {number} is ready" for number in range(300)]
    found = behind(first, lines, of)
    taken = sum(one.startswith("+") for one in found)
    assert taken <= TEXTS.get(rule, multiline.MAX_NOTES)
    assert lines[taken:] == found[taken:]


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_the_same_inside_a_container(wrapper: str) -> None:
    """A runtime's wrapper around every line changes nothing."""
    wrap = WRAPPED[wrapper]
    inner = [line for line in LINES if "\r" not in line and not line.startswith(("web-1", '{"log'))]
    found = parsed("\n".join(map(wrap, [*TRACE.split("\n"), *inner])), "auto")
    assert ["\n".join(map(wrap, TRACE.split("\n"))), *map(wrap, inner)] == [raw.decode() for raw in found.raws]


def test_layouts_are_those_of_the_file() -> None:
    """The layout of these tests matches."""
    assert celery_layouts.match(celery_layouts.of((LAYOUT,)), "ERROR~2026-11-27 01:02:03,000 >> failed")
