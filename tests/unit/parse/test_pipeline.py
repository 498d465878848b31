from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.parse import pipeline
from shipper.tail.block import Block, Origin


def block(*lines: bytes, parser_state: str = "", unterminated: bool = False) -> Block:
    """These lines, read in one go."""
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    origin = Origin(b"generation", "/p", "/p", "pipeline", "pipeline")
    return Block(origin, list(lines), offsets, parser_state=parser_state, unterminated=unterminated)


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
    """Both shapes of the name; anything else names no run."""
    assert run == pipeline.run_of(path)


def test_streams() -> None:
    """The first markers switch, later ones are output, and continued ones switch to and fro."""
    lines = [
        (b"before", None),
        (b"=== STDOUT ===", "stdout"),
        (b"=== STDOUT ===", "stdout"),
        (b"=== STDERR (continued) ===", "stdout"),
        (b"=== STDERR ===\r", "stderr"),
        (b"=== STDOUT ===", "stderr"),
        (b"=== STDOUT (continued) ===", "stdout"),
        (b"=== STDERR ===", "stdout"),
        (b"=== STDERR (continued) ===", "stderr"),
        (b" === STDOUT (continued) ===", "stderr"),
    ]
    records = pipeline.parse(block(*(line for line, _ in lines)))
    assert [stream for _, stream in lines] == [record["iostream"] for record in records.records]


def test_the_state_goes_on_in_the_next_block() -> None:
    """What is carried from one block to the next is the stream, after each single line."""
    first = pipeline.parse(block(b"=== STDOUT ===", b"a", b"=== STDERR ===", b"=== STDOUT (continued) ==="))
    assert (["stdout", "stdout", "stderr", "stdout+"], "stdout+") == (first.parser_states, first.parser_state)
    second = pipeline.parse(block(b"b", b"=== STDERR (continued) ===", parser_state=first.parser_state))
    assert ["stdout", "stderr"] == [record["iostream"] for record in second.records]


def test_every_byte_can_be_given_back() -> None:
    """Blank lines are records; updates, bytes of no text, and a last line without its feed are kept beside."""
    records = pipeline.parse(block(b"", b"  ", b"a\rb\r", b"caf\xe9", b"end", unterminated=True))
    assert ["", "  ", "b", "caf\ufffd", "end"] == [record["event"] for record in records.records]
    assert {2: b"a\rb\r\n", 3: b"caf\xe9\n", 4: b"end"} == records.originals
    assert {3: ["invalid_utf8"]} == records.tags
    assert (5, 18) == (records.rest, records.end)


def test_a_head_waits_for_its_message() -> None:
    """The message names the node; a head at a block's end is held back, unless nothing more is expected."""
    head, message = b"261127-02:14:07,963 nipype.workflow ERROR:", b"\t Node bold_mask failed to run on host c1."
    first = block(b"=== STDOUT ===", head)
    records = pipeline.parse(first)
    assert (1, 15, 1, "stdout") == (records.rest, records.end, len(records.records), records.parser_state)
    first.final = True
    assert (2, 2) == (pipeline.parse(first).rest, len(pipeline.parse(first).records))
    whole = pipeline.parse(block(head, message, parser_state=records.parser_state))
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
    """What a line says, its time, level and node, and its bytes, are those of the file read in one go."""

    def read(stops: list[int]) -> tuple[list[dict[str, Any]], bytes, list[int]]:
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line) + 1)
        records, content, times, at, parser_state = [], b"", [], 0, ""
        for stop in [*stops, len(lines)]:
            if stop <= at:
                continue
            one = Block(
                Origin(b"generation", "/p", "/p", "pipeline", "pipeline"),
                lines[at:stop], offsets[at : stop + 1], parser_state=parser_state, final=stop == len(lines),
            )  # fmt: skip
            found = pipeline.parse(one)
            records += found.records
            times += [found.after.get(index, -1) for index in range(len(found.records))]
            content += b"".join(
                found.originals.get(index, record["event"].encode() + b"\n")
                for index, record in enumerate(found.records)
            )
            at += found.rest
            parser_state = found.parser_state
        return records, content, times

    whole = read([])
    assert b"".join(line + b"\n" for line in lines) == whole[1]
    assert whole == read(sorted(cut % (len(lines) + 1) for cut in cuts))
