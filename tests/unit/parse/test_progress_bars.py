"""The text that a terminal would show of overwritten lines."""

from __future__ import annotations

import pytest

from shipper.config import Format
from shipper.parse import progress_bars
from tests.unit.blocks import records_of

RED, END = "\x1b[38;5;237m", "\x1b[0m"

BARS = {
    "tqdm": ("\r 10%|#   | 1/10\r100%|####| 10/10 [00:01]", "100%|####| 10/10 [00:01]"),
    "curl": ("  0     0    0\r100  1234  100  5678", "100  1234  100  5678"),
    "wget": ("\rx.gz   10%[=>   ] 1.0K\rx.gz  100%[====>] 9.0K    in 0s", "x.gz  100%[====>] 9.0K    in 0s"),
    "rsync": ("   32.77K   1%\r    3.10M 100%  200MB/s", "    3.10M 100%  200MB/s"),
    "git": ("Receiving objects:  10%\rReceiving objects: 100%, done.", "Receiving objects: 100%, done."),
    "pip": (f"   {RED}--{END} 0.0/1.2 MB\r\x1b[2K   {RED}--{END} 1.2/1.2 MB\r", "   -- 1.2/1.2 MB"),
    "rich": (f"Working {RED}--{END}  10%\x1b[1A\x1b[2KWorking {RED}--{END} 100%", "Working -- 100%"),
    "docker": ("\x1b[1A\x1b[2K\rabc: Downloading\r\x1b[1A\x1b[2K\rabc: Pull complete", "abc: Pull complete"),
    "npm": ("\x1b[1G\x1b[0K|\x1b[1G\x1b[0K/\x1b[1G\x1b[0Kadded 3 packages", "added 3 packages"),
    "a spinner": ("Loading |\b/\b-\b\\\b|\b \bdone", "Loading done"),
    "a percentage": ("Progress:   1%\b\b\b\b 99%\b\b\b\b100%", "Progress: 100%"),
    "dcm2niix": ("10%\b\b\b20%\b\b\b100%", "100%"),
    "bold": ("N\bNA\bAM\bME\bE", "NAME"),
    "more back than there is": ("ab\b\b\b\b\bxyz", "xyz"),
    "erased to its end": ("abcdef\b\b\b\x1b[Kx", "abcx"),
    "a column beyond its end": ("ab\x1b[99Gc", "abc"),
}


@pytest.mark.parametrize("name", BARS)
def test_the_last_state_counts(name: str) -> None:
    """Only the last update is the text."""
    assert BARS[name][1] == progress_bars.last_state(BARS[name][0])


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize("of", ["auto", "pipeline", "console"])
def test_each_bar_is_a_record_whose_bytes_are_kept(name: str, of: Format) -> None:
    """A bar is a record of its own behind an error, with its original bytes."""
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1"
    line = BARS[name][0].encode()
    data = trace.encode() + b"\n" + line + b"\nnext"
    found = records_of(data, of)
    at = found.starts.index(len(trace) + 1)
    assert (BARS[name][1], line + b"\n") == (found.records[at]["event"], found.originals[at])
    assert "next" == found.records[at + 1]["event"]


@pytest.mark.parametrize("text", ["plain", "", "a\r", f"{RED}x{END}", "gcc: \x1b[01;31m\x1b[Kerror\x1b[m\x1b[K"])
def test_lines_that_nothing_is_written_over_are_what_they_were(text: str) -> None:
    """Lines without updates stay unchanged, also with colours."""
    assert text is progress_bars.last_state(text)


def test_a_long_line_costs_what_its_length_costs() -> None:
    """Cursor movements and erasures take linear time."""
    for part in ("x\b", "\x1b[2Ky", "\x1b[9999Gx", "\x1b[Kx\x1b[1G", "\x1b[1Ax"):
        assert len(progress_bars.last_state("x" * 90_000 + part * 60_000)) <= 150_000
