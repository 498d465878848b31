"""UTF-16 is read as UTF-8 lines with their offsets in the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.tail.utf16 import WideSplitter, encoding_of

ENCODINGS = pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])


def feed(splitter: WideSplitter, data: bytes, pieces: list[int]) -> list[tuple[bytes, int]]:
    """Lines and offsets of data in pieces."""
    out: list[tuple[bytes, int]] = []
    at = 0
    for piece in [*pieces, len(data)]:
        lines, offsets, _ = splitter.feed(data[at : at + piece])
        assert len(offsets) == len(lines) + 1
        out += zip(lines, offsets, strict=False)
        at += piece
    return out


def test_marks_tell_the_encoding() -> None:
    """A byte order mark makes a file UTF-16; anything else does not."""
    assert ("utf-16-le", "utf-16-be", None) == tuple(map(encoding_of, (b"\xff\xfea\0", b"\xfe\xff\0a", b"ab")))


@ENCODINGS
@given(texts=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), data=st.data())
def test_lines_come_out_as_they_were_written(encoding: str, texts: list[str], data: st.DataObject) -> None:
    """The boundaries of reads change nothing, also within a unit or a surrogate pair."""
    raw = "".join(f"{text}\n" for text in texts).encode(encoding)
    pieces = data.draw(st.lists(st.integers(1, 9), max_size=40))
    lines = feed(WideSplitter(2, 10**6, encoding), raw, pieces)
    offsets, at = [], 2
    for text in texts:
        offsets.append(at)
        at += len(f"{text}\n".encode(encoding))
    assert [(text.encode(), offset) for text, offset in zip(texts, offsets, strict=True)] == lines


@ENCODINGS
def test_line_feed_within_a_character_is_none(encoding: str) -> None:
    """A byte 0x0A within a character is no line feed."""
    raw = "a\u0a0ab\u010a\u0a01c\n".encode(encoding)
    assert [("a\u0a0ab\u010a\u0a01c".encode(), 0)] == feed(WideSplitter(0, 100, encoding), raw, [])


@ENCODINGS
def test_unfinished_line_as_it_stands(encoding: str) -> None:
    """An unterminated line is taken without an incomplete character."""
    splitter = WideSplitter(0, 100, encoding)
    raw = "one\ntwo three\n".encode(encoding)
    splitter.feed(raw[:17])
    assert (8, 8) == (splitter.start, splitter.pending)
    assert ([b"two "], [8, 16], {}) == splitter.take_rest()
    assert ([], [16], {}) == splitter.take_rest()
    assert ([b"three"], [16, 28], {}) == splitter.feed(raw[17:])


@ENCODINGS
@pytest.mark.parametrize("piece", [3, 50, 1000])
def test_long_line_is_cut(encoding: str, piece: int) -> None:
    """A cut line has its real length, and the next line its real offset."""
    raw = ("x" * 300 + "\nnext\n").encode(encoding)
    splitter = WideSplitter(0, 100, encoding)
    lines: list[bytes] = []
    offsets: list[int] = []
    cuts: list[int] = []
    for at in range(0, len(raw), piece):
        new, places, cut = splitter.feed(raw[at : at + piece])
        lines += new
        offsets += places[:-1]
        cuts += cut.values()
    assert ([b"x" * 50, b"next"], [0, 602], [600]) == (lines, offsets, cuts)


def test_another_limit_counts_from_the_next_line() -> None:
    """A cut line keeps its limit; the next one has the new limit."""
    splitter = WideSplitter(2, 6, "utf-16-le")
    splitter.feed("abcdef".encode("utf-16-le"))
    splitter.resize(100)
    lines, offsets, cut = splitter.feed("gh\n12345678\n".encode("utf-16-le"))
    assert ([b"abc", b"12345678"], [2, 20, 38], {0: 16}) == (lines, offsets, cut)
    splitter.feed("123456".encode("utf-16-le"))
    splitter.resize(4)
    lines, offsets, cut = splitter.feed("\n".encode("utf-16-le"))
    assert ([b"12"], {0: 12}) == (lines, cut)
