"""Long runs of blank lines are passed over without a change of any document."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Format
from shipper.parse.dispatch import parse
from shipper.tail import splitter as lines_module
from shipper.tail.blank_lines import surplus
from shipper.tail.block import Origin
from shipper.tail.fingerprint import CHECKPOINT_BYTES
from shipper.tail.framing import MAX_RECORD_LINES
from shipper.tail.reader import Reader
from shipper.tail.state.checkpoint import START

RUN = b"\n" * 40_000
WHITE = st.sampled_from([b"\n", b"\r\n", b" \n", b"\t\n", b" ", b"\x0b\x0c\n"])
CONTENT = st.lists(
    st.one_of(
        st.tuples(WHITE, st.integers(0, 9000)).map(lambda one: one[0] * one[1]),
        st.sampled_from([b"x", b"text \n", b"\0\n", b"a\n\nb\n", b"\xa0\n"]),
    ),
    max_size=8,
).map(b"".join)


@given(content=CONTENT, blank=st.integers(0, 3000), begin=st.integers(0, 3))
def test_only_blank_lines_between_blank_lines(content: bytes, blank: int, begin: int) -> None:
    """Only whole blank lines are passed over, with enough kept before them for a record and after them for a
    checkpoint hash.
    """
    begin = content.find(b"\n") + 1 if begin else 0
    parts, _ = surplus(content, begin, blank)
    at = begin
    for first, last in parts:
        assert at <= first < last
        assert b"" == content[first:last].strip()
        assert b"\n" == content[last - 1 : last]
        before = content[at:first].split(b"\n")[:-1]
        assert b"\n".join([*before, b""]) == content[at:first]
        said = [index for index, line in enumerate(before) if line.strip()]
        kept = len(before) - said[-1] - 1 if said else len(before) + (blank if at == begin else 0)
        assert kept >= MAX_RECORD_LINES
        after = content[last:]
        assert len(after) - len(after.lstrip()) >= CHECKPOINT_BYTES
        at = last


def test_what_is_left_of_a_run() -> None:
    """The first lines stay, unless as many came before, and as many bytes as a checkpoint hash covers."""
    assert ([(2000, 40_000 - 256)], 2000) == surplus(RUN, 0, 0)
    assert ([(500, 40_000 - 256)], 2000 + 1500) == surplus(RUN, 0, 1500)
    assert ([(0, 40_000 - 256)], 2000 + 2000) == surplus(RUN, 0, 2000)
    assert ([(6 + 2000, 6 + 40_000 - 256)], 0) == surplus(b"word \n" + RUN + b"word", 0, 2000)
    assert ([], 0) == surplus(b"word " * 9 + b"\n", 0, 2000)
    assert ([], 12) == surplus(b"\n" * 9, 0, 3)


def documents(path: Path, line_format: Format) -> list[tuple[int, bytes, object]]:
    """Every record of a file with its offset, as the sidecar reads it."""
    origin = Origin(b"g" * 9, str(path), str(path), line_format, "app")
    reader = Reader(origin, START, keep=10**6, compressed=False)
    found: list[tuple[int, bytes, object]] = []
    while True:
        block = reader.read(0.0, 0, 0)
        if block is None and not reader.grew:
            block = reader.finish(0, 0, with_line=True)
            if block is None:
                break
        if block is None:
            continue
        records = parse(block)
        reader.held.hold(block, records.rest, records.parser_state)
        found += zip(records.starts, records.raws, map(str, records.records), strict=True)
    reader.file.close()
    return found


PIECES = [
    b'{"event": "one", "level": "info", "timestamp": "2026-03-01T10:00:00Z"}\n',
    b"2026-03-01 10:00:07,125 - sqlalchemy.engine - WARNING - pool exhausted\n",
    b"[2026-03-01 10:00:00,300: ERROR/ForkPoolWorker-1] Task a[1] raised unexpected: ValueError('x')\n",
    b"Traceback (most recent call last):\n\n", b"[2026-03-01 10:00:00,100: WARNING/MainProcess] said\n",
    b"[2026-03-01 10:00:00,100: INFO/MainProcess] Task a[2] succeeded in 1.0s: {'a': 1,\n",
    b"2026-03-01T10:00:00.000001Z [info     ] begun\n", b"=" * 72 + b"\n  STDOUT\n" + b"=" * 72 + b"\n",
    b"=" * 72 + b"\n  TRACEBACK\n" + b"=" * 72 + b"\n", b'  File "a.py", line 1, in f\n    g()\nValueError: no\n',
    b"{\n", b'  "event_type": "x",\n', b"}\n", b"text at the margin\n", b"half a line", b"\0" * 5000, b"\n" * 30,
    b"\n" * 1990, b"\n" * 70_000, b"\r\n" * 70_000, b"   \n" * 40_000, b" \t\n\n" * 40_000,
]  # fmt: skip


@pytest.mark.parametrize("line_format", ["auto", "celery", "console", "audit", "pipeline"])
@pytest.mark.parametrize("seed", range(6))
def test_documents_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_format: Format, seed: int
) -> None:
    """Records, offsets and texts equal those of a reader that keeps every blank line."""
    chance = random.Random(seed)
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(chance.choices(PIECES, k=14 if line_format != "pipeline" else 5)))
    found = documents(path, line_format)
    monkeypatch.setattr(lines_module, "surplus", lambda *_: ([], 0))
    assert documents(path, line_format) == found
