from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.parse import pipeline
from tests.unit.blocks import block_of

block = partial(block_of, of="pipeline", dataset="pipeline", final=False)


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("/log/pipelines/qsiprep/qsiprep_456_20240102_160000.log", ("456", "qsiprep", "20240102_160000")),
        ("/log/pipelines/qsiprep/run_456_20240102_160000.log", ("456", "qsiprep", "20240102_160000")),
        ("bids_conversion_7_20240102_160000.log", ("7", "bids_conversion", "20240102_160000")),
        ("run_7_20240102_160000.log", ("7", "run", "20240102_160000")),
        ("/log/odd_12_34_5_20240102_160000.log", ("5", "odd_12_34", "20240102_160000")),
        ("/log/qsiprep_456_20240102_160000.log.1", None),
        ("/log/qsiprep_20240102_160000.log", None),
        ("/log/qsiprep_456_20240102.log", None),
        ("/log/qsiprep_x_20240102_160000.log", None),
        ("", None),
    ],
)
def test_run_and_pipeline_from_the_name(path: str, run: tuple[str, str, str] | None) -> None:
    """Both forms of the name give run and pipeline; other names do not."""
    assert run == pipeline.run_of(path)


def test_streams() -> None:
    """The first markers switch the stream, later ones are output, and continued ones switch again."""
    lines = [
        (b"before", None), (b"=== STDOUT ===", "stdout"), (b"=== STDOUT ===", "stdout"),
        (b"=== STDERR (continued) ===", "stdout"),
        (b"=== STDERR ===\r", "stderr"), (b"=== STDOUT ===", "stderr"),
        (b"=== STDOUT (continued) ===", "stdout"),
        (b"=== STDERR ===", "stdout"),
        (b"=== STDERR (continued) ===", "stderr"),
        (b" === STDOUT (continued) ===", "stderr"),
    ]  # fmt: skip
    records = pipeline.parse(block([line for line, _ in lines]))
    assert [stream for _, stream in lines] == [record["iostream"] for record in records.records]


def test_the_state_goes_on_in_the_next_block() -> None:
    """The parser state after each line is the stream."""
    first = pipeline.parse(block([b"=== STDOUT ===", b"a", b"=== STDERR ===", b"=== STDOUT (continued) ==="]))
    assert (["stdout", "stdout", "stderr", "stdout+"], "stdout+") == (first.parser_states, first.parser_state)
    second = pipeline.parse(block([b"b", b"=== STDERR (continued) ==="], parser_state=first.parser_state))
    assert ["stdout", "stderr"] == [record["iostream"] for record in second.records]


def test_every_byte_can_be_given_back() -> None:
    """Blank lines are records; progress updates, invalid UTF-8 and an unterminated line keep their original bytes."""
    records = pipeline.parse(block([b"", b"  ", b"a\rb\r", b"caf\xe9", b"end"], unterminated=True))
    assert ["", "  ", "b", "caf\ufffd", "end"] == [record["event"] for record in records.records]
    assert {2: b"a\rb\r\n", 3: b"caf\xe9\n", 4: b"end"} == records.originals
    assert {3: ["invalid_utf8"]} == records.tags
    assert (5, 18) == (records.rest, records.end)


def test_a_head_waits_for_its_message() -> None:
    """A prefix at the end of a block is held back, since the message names the node, unless the block is final."""
    head, message = b"261127-02:14:07,963 nipype.workflow ERROR:", b"\t Node bold_mask failed to run on host c1."
    first = block([b"=== STDOUT ===", head])
    records = pipeline.parse(first)
    assert (1, 15, 1, "stdout") == (records.rest, records.end, len(records.records), records.parser_state)
    first.final = True
    assert (2, 2) == (pipeline.parse(first).rest, len(pipeline.parse(first).records))
    whole = pipeline.parse(block([head, message], parser_state=records.parser_state))
    assert [("error", "nipype.workflow", "bold_mask")] * 2 == [
        (record["level"], record["logger"], record["output_node"]) for record in whole.records
    ]


LINES = st.sampled_from([
    b"=== STDOUT ===", b"=== STDERR ===", b"", b"text", b"Traceback (most recent call last):", b"  File",
    b"KeyError: 1", b"261127-02:14:07,963 nipype.workflow ERROR:", b"261127-02:14:08,7 cli INFO:", b"\t more",
    b"WARNING: x",
    b"\t Node a.b failed to run on host c1.", b"#@# MotionCor Fri Nov 27 02:14:07 UTC 2026", b" 1%\r 2%",
    b" 1%\r 2%\r", b"caf\xe9",
])  # fmt: skip


@given(lines=st.lists(LINES, max_size=20), cuts=st.lists(st.integers(0, 20), max_size=5))
def test_blocks_give_the_same_records_wherever_they_end(lines: list[bytes], cuts: list[int]) -> None:
    """The blocks' ends change neither text, time, level and node nor the bytes."""

    def read(stops: list[int]) -> list[tuple[Any, ...]]:
        whole, told, at, parser_state = block(lines), [], 0, ""
        for stop in [*stops, len(lines)]:
            if stop <= at:
                continue
            more: dict[str, Any] = {"at": whole.offsets[at], "parser_state": parser_state}
            found = pipeline.parse(block(lines[at:stop], final=stop == len(lines), **more))
            for index, record in enumerate(found.records):
                raw = found.originals.get(index, record["event"].encode() + b"\n")
                told.append((record, raw, found.after.get(index)))
            at, parser_state = at + found.rest, found.parser_state
        return told

    whole = read([])
    assert b"".join(line + b"\n" for line in lines) == b"".join(raw for _, raw, _ in whole)
    assert whole == read(sorted(cut % (len(lines) + 1) for cut in cuts))
