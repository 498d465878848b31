"""Progress bars: where a line without an end is split, and when its updates are shipped."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipper.tail.bar_updates import finished, parts_of
from shipper.tail.block import Block
from shipper.tail.clock import Clock
from shipper.tail.found_files import Source
from shipper.tail.progress import Span
from shipper.tail.splitter import KEEP_FACTOR, Splitter
from shipper.tail.state.store import Cursor
from shipper.tail.tail import Tail
from tests.unit.tail.test_splitter import fed

PATIENCE = 5.0


@pytest.mark.parametrize(
    ("line", "updates"),
    [
        (b"", 0), (b"text", 0), (b"text\r", 0), (b"text\r\r", 0), (b"\r 1%", 1), (b"\r 1%\r 2%", 5),
        (b" 1%\r 2%\r", 4), (b" 1%\r\r 2%\r\r", 5),
    ],
)  # fmt: skip
def test_an_update_is_finished_when_something_follows_it(line: bytes, updates: int) -> None:
    """A carriage return at the end may belong to the line's end."""
    assert updates == finished(line)


BAR = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda length: b"x" * length),
        st.sampled_from([b"\r", b"\r\r", b"\r\n", b"\n", b"\0" * 4200]),
        st.integers(1, 30).map(lambda count: b"".join(b"\r%3d%%" % number for number in range(count))),
    ),
    max_size=12,
).map(b"".join)


@given(
    content=BAR,
    at=st.lists(st.integers(0, 3000), max_size=8),
    updates=st.sampled_from([1, 7, 40, 10**6]),
    factor=st.sampled_from([1, 2, KEEP_FACTOR]),
)
def test_chunks_make_no_difference(content: bytes, at: list[int], updates: int, factor: int) -> None:
    """The boundaries of reads do not change where a long line is split."""
    ends = sorted({min(one, len(content)) for one in at} | {len(content)})
    # A line feed at the end: what is not finished yet can be parted later only where it would be parted now.
    pieces = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    keep = updates * factor
    assert fed([content + b"\n"], keep, updates=updates) == fed([*pieces, b"\n"], keep, updates=updates)


@given(content=BAR.filter(lambda content: b"\0" not in content), updates=st.sampled_from([7, 40, 10**6]))
def test_parts_and_lines_are_all_there_is(content: bytes, updates: int) -> None:
    """Parts and lines contain every byte, and a part consists of finished updates."""
    splitter = Splitter(0, 10**6, updates=updates)
    lines, offsets, cut = splitter.feed(content)
    whole = b""
    for line, start, end in zip(lines, offsets, offsets[1:], strict=False):
        assert len(whole) == start
        assert end - start == len(line) or end - start == len(line) + 1
        whole += line + b"\n" * (end - start - len(line))
    assert ({}, content) == (cut, whole + splitter.take_rest()[0][0] if splitter.pending else whole)


def test_long_bars_are_parted() -> None:
    """A line is split behind the last update that fits; a longer one is a part of its own, up to the limit."""
    hole = bytes(4096)
    assert ([(0, 4), (4, 8)], 8) == parts_of(b"aaa\rbbb\rccc", 5, 100, hole)
    assert ([(0, 4), (4, 12)], 12) == parts_of(b"aaa\rbbbbbbb\rccc", 5, 100, hole)
    assert ([(0, 4)], 4) == parts_of(b"aaa\r" + b"b" * 101 + b"\rccc", 5, 100, hole)
    assert ([(4096, 4100)], 4100) == parts_of(hole + b"aaa\rbbb", 5, 100, hole)
    assert ([], 0) == parts_of(b"aaa\r\r\r\r\r\r", 5, 100, hole)
    assert ([], 0) == parts_of(b"aaaaaaaaaaaa", 5, 100, hole)


class Runs:
    """A log with a progress bar, and a tail that can be killed."""

    def __init__(self, root: Path, longest: int = 10_000) -> None:
        self.longest = longest
        self.path = root / "bar.log"
        self.path.write_bytes(b"")
        self.now = 1000.0
        self.cursors: list[Cursor] = []
        self.sent: dict[int, bytes] = {}
        self.unanswered: list[Span] = []
        self.tail = self._start()

    def _start(self) -> Tail:
        return Tail(
            [Source(str(self.path), "pipeline", "pipeline")],
            [],
            self.cursors,
            host="h",
            longest=self.longest,
            warn=lambda _: None,
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
        )

    def save(self) -> None:
        """The cursors as the store has them."""
        self.cursors = [replace(cursor) for cursor in self.tail.all_cursors()]

    def kill(self) -> None:
        self.tail.close()
        self.unanswered.clear()
        self.tail = self._start()

    def step(self, *, answered: bool = True) -> int:
        """One turn of the sidecar; gives the number of documents."""
        self.tail.scan(PATIENCE)
        self.save()
        count = 0
        for block in self.tail.blocks():
            count += self._send(block)
        held_back = self.tail.take_due(PATIENCE)
        self.save()
        for block in held_back:
            count += self._send(block)
        if answered:
            self.answer()
        return count

    def _send(self, block: Block) -> int:
        self.tail.hold(block, len(block.lines), "")
        for index, line in enumerate(block.lines):
            start, end = block.offsets[index], block.offsets[index + 1]
            sent = line + b"\n" * (end - start - len(line))
            assert self.sent.setdefault(start, sent) == sent  # the same id
        span = Span(
            block.origin.generation, block.offsets[0], block.offsets[-1], block.checkpoint_hash(block.offsets[-1]), ""
        )
        self.tail.begin(span)
        self.unanswered.append(span)
        return len(block.lines)

    def answer(self) -> None:
        self.tail.acknowledge(self.unanswered)
        self.unanswered.clear()
        self.save()

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        os.utime(self.path, (self.now, self.now))


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """A log and its tail."""
    made = Runs(tmp_path)
    yield made
    made.tail.close()


def test_a_bar_is_seen_while_it_runs(runs: Runs) -> None:
    """A running bar gives a document every few seconds; the last one has the end."""
    runs.write(b"begin\n")
    assert 1 == runs.step()
    counts = []
    for number in range(300):
        runs.now += 0.1
        runs.write(b"\r%3d%%" % (number // 3))
        counts.append(runs.step())
    assert 30 / PATIENCE - 1 <= sum(counts) <= 30 / PATIENCE
    assert {0, 1} == set(counts)
    runs.write(b"\n")
    assert 1 == runs.step()
    assert runs.path.read_bytes() == b"".join(text for _, text in sorted(runs.sent.items()))
    assert all(text.endswith((b"\r", b"\n")) for text in runs.sent.values())


def test_the_tail_says_when_updates_are_due(runs: Runs) -> None:
    """The tail reports when updates are due; other lines wait as usual."""
    runs.write(b"begin\n\r 1%\r 2%")
    runs.step()
    assert runs.now + PATIENCE == runs.tail.next_due(PATIENCE)
    runs.now += 4
    runs.write(b"\r 3%")
    runs.step()
    assert runs.now + 1 == runs.tail.next_due(PATIENCE)
    runs.now += 1
    runs.write(b"\r 4%")
    assert 1 == runs.step()
    assert b"\r 1%\r 2%\r 3%\r" == runs.sent[6]


def test_a_carriage_return_and_a_line_feed_are_no_bar(runs: Runs) -> None:
    """CR LF ends a line, whenever the LF is written."""
    runs.write(b"begin\r\nno end\r")
    assert 1 == runs.step()
    runs.now += PATIENCE - 0.1
    assert 0 == runs.step()
    runs.write(b"\n")
    assert 1 == runs.step()
    assert {0: b"begin\r\n", 7: b"no end\r\n"} == runs.sent


def test_once_shows_how_far_a_bar_is(runs: Runs) -> None:
    """``--once`` ships the finished updates, and the next run the later ones."""
    runs.write(b"begin\n\r 1%\r 2%")
    runs.step()
    runs.write(b"\r 3%")
    (block,) = runs.tail.take_all()
    assert ([b"\r 1%\r"], [6, 11], False) == (block.lines, block.offsets, block.unterminated)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.one_of(
            st.integers(1, 60).map(lambda count: b"".join(b"\r%3d%%|##  |" % number for number in range(count))),
            st.sampled_from([b"\n", b"\r\n", b"text\n", b"\r", b"\r\x1b[K", b"x" * 150, "kill", "kill", "late"]),
            st.floats(0.1, 7).map(lambda seconds: round(seconds, 1)),
        ),
        max_size=30,
    )
)
def test_bytes_come_back_exactly_over_kills(
    events: list[bytes | str | float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With kills at any time each byte is in one document, and a repeated document is equal."""
    runs = Runs(tmp_path_factory.mktemp("runs"), longest=100)
    runs.write(b"begin\n")
    runs.step()
    for event in events:
        if event == "kill":
            runs.kill()
        elif event == "late":
            runs.step(answered=False)
        elif isinstance(event, float):
            runs.now += event
            runs.step()
        elif isinstance(event, bytes):
            runs.write(event)
            runs.step(answered=len(event) % 3 != 0)
    runs.kill()
    for _ in range(3):
        runs.now += 2 * PATIENCE
        runs.step()
    runs.tail.close()
    at = 0
    content = runs.path.read_bytes()
    # Of a longer line than eight times the limit the rest is dropped.
    assume(max(map(len, re.split(rb"[\r\n]", content))) <= 100 * KEEP_FACTOR)
    for start, text in sorted(runs.sent.items()):
        assert (start, content[start : start + len(text)]) == (at, text)
        at += len(text)
    assert len(content) == at
