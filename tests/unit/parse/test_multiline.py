"""Which lines are one record, independently of the blocks' ends."""

from __future__ import annotations

from itertools import cycle
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.config import Format
from shipper.parse import dispatch
from shipper.parse.records import Records
from shipper.tail.block import Block
from tests.unit.blocks import block_of, records_of

CELERY = b"[2026-11-23 12:41:11,027: %s/MainProcess] %s"
HUEY = b"[2026-11-23 12:38:42,361] %s:huey:7:%s"
CONSOLE = b"2026-11-23T12:40:14.007446Z [error    ] %s"
TRACE = b"Traceback (most recent call last):\n  File\nKeyError: 1"
LINK = b"\n\nDuring handling of the above exception, another exception occurred:\n\n"
GROUP = (
    b"  + Exception Group Traceback (most recent call last):\n  |   File\n  | ExceptionGroup: eg (1 sub-exception)\n"
    b"  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------"
)
BANNER = (
    b" -------------- celery@node v5.6.2 (x)\n--- ***** -----\n- ** ---------- [config]\n- ** ---------- .> app:  x\n"
    b" -------------- [queues]\n                .> celery           exchange=celery(direct)\n                \n\n"
    b"[tasks]\n  . app.run\n"
)
WARNING = (
    b"/x/platforms.py:841: SecurityWarning: You're running the worker with superuser privileges: this is\n"
    b"absolutely not recommended!\n\nPlease specify a different user using the --uid option.\n\n"
    b"  warnings.warn(SecurityWarning(ROOT_DISCOURAGED.format("
)
UNKNOWN = CELERY % (b"ERROR", b"Received unregistered task of type 'x'.\n\nThe headers:\n{'a': 1}\n" + TRACE)
RULE = b"=" * 80
DESIGN = b"[error    ] a.failed    @timestamp=2026-11-25T03:45:05+00:00 component=x"
FRAME = b"=" * 72 + b"\n  %s\n" + b"=" * 72
EXECUTION = (
    b'{\n  "tool": "qsiprep",\n  "command": [\n    "docker"\n  ],\n  "exit_code": 0,\n'
    b'  "end_time": "2026-11-23T14:46:53"\n}'
)
EXPORT = (
    b'[\n  {\n    "entity_type": "session",\n    "action": "created"\n  },\n'
    b'  {\n    "entity_type": "s",\n    "action": "b"\n  }\n]'
)
PARTS = [
    b'{"event": "a.b"}', b'{"a": 1}', b"text", b"  indented", b"", TRACE, TRACE + b"\na note" + LINK + TRACE, GROUP,
    BANNER, WARNING, UNKNOWN, CELERY % (b"INFO", b"Task x received"), CELERY % (b"WARNING", b'{"event": "a.b"}'),
    CELERY % (b"WARNING", b"2026-11-23 12:42:04 [info     ] a.b\nmore\n\n  and more"),
    HUEY % (b"INFO", b"The following commands are available:\n+ app.run\n+ app.other"),
    HUEY % (b"ERROR", b"Unhandled exception in task x.\n" + TRACE),
    CONSOLE % b"a.failed   a=1", CONSOLE % b"a.failed\n" + TRACE, RULE, b"Docker image found locally: x",
    b"2026-11-23 12:44:12,289 - x - ERROR - no\n  more",
    FRAME % b"STDOUT", FRAME % b"ERROR", FRAME % b"METRICS", FRAME % b"TRACEBACK", EXECUTION, EXPORT, b"{", b"[",
    b"}", b"]", b"caf\xe9", DESIGN, DESIGN + b"\n" + TRACE,
    DESIGN + b" error='1\\n\\ntext'\n" + TRACE + b"\n\ntext",
    b"\x1b[2m" + CONSOLE % b"a.failed   error='1\\n\\ntext'\n" + TRACE + b"\n\ntext\n  more\n",
    CELERY % (b"INFO", b"Task a.b[c47f] succeeded in 0.1s: {'a': 'b\n\n"),
    CELERY % (b"INFO", b"Task a.b[c47f] succeeded in 0.1s: {'a': 'b\n\nc'}"),
    CELERY % (b"WARNING", DESIGN + b" error=a\nb c=d"),
    CONSOLE % b"a.failed   error=one two\n\nthree x=1",
    CONSOLE % b"multi\nline event               a=b",
    b"2026-11-23 12:44:12,289 - x - y - ERROR - no",
    b"worker: Warm shutdown (MainProcess)",
]  # fmt: skip
FORMATS: list[Format] = ["auto", "celery", "huey", "console", "audit", "voxelops"]
MANY = settings(suppress_health_check=[HealthCheck.too_slow])


def blocks_of(lines: list[bytes], cuts: list[int], of: Format) -> list[Records]:
    """The records of these lines, read in blocks that end where the cuts say; held lines come again."""
    whole = block_of(lines, of)
    found, at, parser_state = [], 0, ""
    for stop in [*sorted({cut % (len(lines) + 1) for cut in cuts}), len(lines)]:
        final = stop == len(lines)
        if at >= stop:
            continue
        block = Block(
            whole.origin, lines[at:stop], whole.offsets[at : stop + 1], final=final, parser_state=parser_state
        )
        found.append(dispatch.parse(block))
        at += found[-1].rest
        parser_state = found[-1].parser_state
    assert at == len(lines)
    return found


def told(blocks: list[Records]) -> list[tuple[Any, ...]]:
    """All properties of every record."""
    return [
        (start, raw, record, records.tags.get(index), records.flags.get(index), records.originals.get(index))
        for records in blocks
        for index, (start, raw, record) in enumerate(zip(records.starts, records.raws, records.records, strict=True))
    ]


@MANY
@given(
    parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    of=st.sampled_from(FORMATS),
    endings=st.lists(st.sampled_from([b"", b"", b"\r"]), min_size=1, max_size=5),
)
def test_blocks_give_the_same_records_wherever_they_end(
    parts: list[bytes], cuts: list[int], of: Format, endings: list[bytes]
) -> None:
    """A record depends on its lines only."""
    lines = [line + ending for line, ending in zip(b"\n".join(parts).split(b"\n"), cycle(endings), strict=False)]
    whole = told(blocks_of(lines, [], of))
    assert whole == told(blocks_of(lines, cuts, of))


@MANY
@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=8), of=st.sampled_from(FORMATS), at=st.integers(0))
def test_a_record_can_be_begun_again_behind_any_other(parts: list[bytes], of: Format, at: int) -> None:
    """A restart behind any record, with the parser state stored there, gives the same records."""
    lines = b"\n".join(parts).split(b"\n")
    (whole,) = blocks_of(lines, [], of)
    if not whole.records:
        return
    at %= len(whole.records)
    first = whole.block.offsets.index(whole.starts[at])
    parser_state = "" if whole.parser_states is None or not at else whole.parser_states[at - 1]
    again = records_of(lines[first:], of, at=whole.starts[at], parser_state=parser_state)
    assert told([whole])[at:] == told([again])


@MANY
@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=8), of=st.sampled_from(FORMATS), at=st.integers(0))
def test_what_goes_on_behind_a_rotation_is_what_would_have_been_joined(
    parts: list[bytes], of: Format, at: int
) -> None:
    """Held lines and the first lines of the next file make the record of an unsplit file."""
    lines = b"\n".join(parts).split(b"\n")
    at %= len(lines) + 1
    block = block_of(lines[:at], of, final=False)
    first = dispatch.parse(block)
    held = lines[first.rest : at]
    count = dispatch.continuation(held, lines[at:], of, first.parser_state)
    assert 0 <= count <= len(lines) - at
    with mock.patch.object(dispatch, "FEW_LINES", 1):
        assert count == dispatch.continuation(held, lines[at:], of, first.parser_state)
    if not held or count == len(lines) - at:
        return
    (whole,) = blocks_of(lines, [], of)
    begun = [raw for start, raw in zip(whole.starts, whole.raws, strict=True) if start < block.offsets[at]]
    if begun and whole.starts[len(begun) - 1] >= block.offsets[first.rest]:
        assert b"\n".join([*held, *lines[at : at + count]]).rstrip().endswith(begun[-1].rstrip())
