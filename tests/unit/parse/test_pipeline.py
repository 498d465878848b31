from __future__ import annotations

import pytest

from shipper.parse import pipeline
from shipper.tail.lines import Block, Origin


def block(*lines: bytes, carry: str = "", unterminated: bool = False) -> Block:
    """These lines, read in one go."""
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    origin = Origin(b"generation", "/p", "/p", "pipeline", "pipeline")
    return Block(origin, list(lines), offsets, carry=carry, unterminated=unterminated)


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
    assert (["stdout", "stdout", "stderr", "stdout+"], "stdout+") == (first.carries, first.carry)
    second = pipeline.parse(block(b"b", b"=== STDERR (continued) ===", carry=first.carry))
    assert ["stdout", "stderr"] == [record["iostream"] for record in second.records]


def test_every_byte_can_be_given_back() -> None:
    """Blank lines are records; bytes that text can't hold, and a last line without its feed, are kept beside."""
    records = pipeline.parse(block(b"", b"  ", b"a\rb\r", b"caf\xe9", b"end", unterminated=True))
    assert ["", "  ", "a\rb\r", "caf\ufffd", "end"] == [record["event"] for record in records.records]
    assert {3: b"caf\xe9\n", 4: b"end"} == records.originals
    assert {3: ["invalid_utf8"]} == records.tags
    assert (5, 18) == (records.rest, records.end)
