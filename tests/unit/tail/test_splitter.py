from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from shipper.tail.block import Block, Origin
from shipper.tail.fingerprint import checkpoint_hash_of
from shipper.tail.splitter import SPARSE_BYTES, Splitter

Fed = tuple[list[bytes], list[int], dict[int, int], int]

CONTENT = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.just(b"\n"),
        st.integers(1, 9000).map(bytes),
        st.integers(1, 60).map(lambda length: b"x" * length),
    ),
    max_size=12,
).map(b"".join)


def fed(pieces: list[bytes], keep: int, offset: int = 0, updates: int = 0) -> Fed:
    """Lines, offsets, real lengths of cut lines, and the next line's offset."""
    splitter = Splitter(offset, keep, updates=updates)
    lines: list[bytes] = []
    starts: list[int] = []
    cut: dict[int, int] = {}
    for piece in pieces:
        more, offsets, shortened = splitter.feed(piece)
        assert len(offsets) == len(more) + 1
        cut.update({len(lines) + index: length for index, length in shortened.items()})
        lines += more
        starts += offsets[:-1]
    return lines, starts, cut, splitter.start


@given(content=CONTENT, at=st.lists(st.integers(0, 20000), max_size=8), keep=st.sampled_from([1, 8, 40, 5000, 10**6]))
def test_chunks_make_no_difference(content: bytes, at: list[int], keep: int) -> None:
    """The boundaries of chunks change nothing."""
    ends = sorted({min(one, len(content)) for one in at} | {len(content)})
    pieces = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert fed([content], keep) == fed(pieces, keep)


@given(content=st.binary(max_size=300), offset=st.integers(0, 10**12))
def test_lines_are_the_bytes_at_their_offsets(content: bytes, offset: int) -> None:
    """Lines are the bytes between line feeds at their offsets."""
    lines, starts, cut, rest = fed([content], 10**6, offset)
    assert content.split(b"\n")[:-1] == lines
    assert lines == [content[start - offset :][: len(line)] for start, line in zip(starts, lines, strict=True)]
    assert ({}, content.rfind(b"\n") + 1 + offset) == (cut, rest)


def test_long_lines_are_cut_and_keep_their_places() -> None:
    """A cut line has its real length, and the next line its real offset."""
    splitter = Splitter(100, 5)
    assert ([], [100], {}) == splitter.feed(b"abcdefg")
    assert 7 == splitter.pending
    assert ([b"abcde", b"xy", b"12345"], [100, 110, 113, 121], {0: 9, 2: 7}) == splitter.feed(b"hi\nxy\n1234567\n")


def test_memory_is_bounded_by_what_is_kept() -> None:
    """A line without an end takes bounded memory."""
    splitter = Splitter(0, 1000)
    for _ in range(500):
        splitter.feed(b"x" * 10_000)
    assert 1000 == len(splitter._unfinished)
    assert 5_000_000 == splitter.pending
    assert ([b"x" * 1000], [0, 5_000_000], {0: 5_000_000}) == splitter.take_rest()


def test_sparse_regions_are_passed_over() -> None:
    """NULs before a line are not part of it."""
    assert ([b"new", b"next"], [8192, 8196], {}, 8201) == fed([bytes(8192), b"new\nnext\n"], 10**6)
    assert ([b"old", b"new"], [0, 4 + 8192], {}, 8200) == fed([b"old\n" + bytes(8192) + b"new\n"], 10**6)
    assert ([b"\0\0few"], [0], {}, 6) == fed([b"\0\0few\n"], 10**6)
    splitter = Splitter(0, 10**6)
    for _ in range(100):
        splitter.feed(bytes(100_000))
    assert (0, 10_000_000) == (splitter.pending, splitter.start)


def test_rest_is_taken_as_it_stands() -> None:
    """An unterminated line is taken once; later bytes are a new line."""
    splitter = Splitter(0, 100)
    splitter.feed(b"whole\nhalf")
    assert ([b"half"], [6, 10], {}) == splitter.take_rest()
    assert ([], [10], {}) == splitter.take_rest()
    assert ([b" a line"], [10, 18], {}) == splitter.feed(b" a line\n")


@given(
    content=CONTENT,
    at=st.lists(st.integers(0, 20000), max_size=8),
    keeps=st.tuples(*[st.sampled_from([1, 8, 40, 5000, 10**6])] * 2),
    when=st.integers(0, 8),
)
def test_another_limit_counts_from_the_next_line(
    content: bytes, at: list[int], keeps: tuple[int, int], when: int
) -> None:
    """A changed limit applies to later lines, and all offsets are right."""
    # A limit below that of a hole is one for holes too, and only tests have it.
    assume(min(keeps) >= SPARSE_BYTES or b"\n\0" not in b"\n" + content)
    ends = sorted({min(one, len(content)) for one in at} | {len(content)})
    pieces = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    splitter = Splitter(0, keeps[0])
    lines: list[tuple[bytes, int, int | None]] = []
    for number, piece in enumerate(pieces):
        if number == when:
            splitter.resize(keeps[1])
        more, offsets, cut = splitter.feed(piece)
        lines += [(line, offsets[index], cut.get(index)) for index, line in enumerate(more)]
    old, new = ([(*one, cut.get(i)) for i, one in enumerate(zip(texts, starts, strict=True))]
                for texts, starts, cut, _ in (fed(pieces, keep) for keep in keeps))  # fmt: skip
    assert len(old) == len(lines)
    assert all(line in {one, other} for line, one, other in zip(lines, old, new, strict=True))


def test_a_line_that_has_lost_a_part_keeps_its_limit() -> None:
    """A line that was cut under the old limit stays cut; the next one is whole."""
    splitter = Splitter(0, 5)
    splitter.feed(b"abcdefg")
    splitter.resize(100)
    splitter.feed(b"hij")
    assert ([b"abcde", b"1234567"], [0, 11, 19], {0: 10}) == splitter.feed(b"\n1234567\n")
    splitter.feed(b"1234567")
    splitter.resize(3)
    assert ([b"123", b"xyz"], [19, 27, 32], {0: 7, 1: 4}) == splitter.feed(b"\nxyzw\n")


def test_a_line_is_parted_in_place() -> None:
    """Each part has its own offset, and only the last one a line feed; cut lines keep their flags."""
    block = Block(Origin(b"g", "/p", "/p", "auto", "app"), [b"a", b"bcdef", b"g"], [5, 7, 13, 15], cut={0: 9, 2: 9})
    block.part(1, [1, 3])
    assert ([b"a", b"b", b"cd", b"ef", b"g"], [5, 7, 8, 10, 13, 15]) == (block.lines, block.offsets)
    assert {0: 9, 4: 9} == block.cut
    assert checkpoint_hash_of(b"bcd") == Block(block.origin, block.lines[1:], block.offsets[1:]).checkpoint_hash(10)
