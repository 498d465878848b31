from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.tail import reader as module
from shipper.tail.block import Block, Origin
from shipper.tail.fingerprint import checkpoint_hash_of, hash_of
from shipper.tail.log_file import DamagedError, MovedError
from shipper.tail.reader import Reader, RewrittenError
from shipper.tail.state.checkpoint import NOTHING, Checkpoint, Hash

Make = Callable[..., Reader]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "app.log"


@pytest.fixture
def make(path: Path) -> Iterator[Make]:
    """Makes readers of the file, and closes them."""
    made: list[Reader] = []

    def build(offset: int = 0, before: Hash = NOTHING, keep: int = 1000, fingerprint: Hash = NOTHING) -> Reader:
        origin = Origin(b"g" * 9, str(path), str(path), "auto", "app")
        reader = Reader(
            origin, Checkpoint(offset, before), keep=keep, compressed=path.suffix == ".gz", fingerprint=fingerprint
        )
        made.append(reader)
        return reader

    yield build
    for reader in made:
        reader.file.close()


def read(reader: Reader, now: float = 1.0) -> Block | None:
    """The next block."""
    return reader.read(now, 7, 5)


def test_blocks_say_what_where_and_when(path: Path, make: Make) -> None:
    """A block has whole lines with offsets and times; without new lines there is none."""
    path.write_bytes(b"one\ntwo\nthr")
    reader = make()
    block = read(reader)
    assert block is not None
    assert ([b"one", b"two"], [0, 4, 8]) == (block.lines, block.offsets)
    assert (7, 5, False, False) == (block.read_at_ns, block.modified_ns, block.unterminated, block.final)
    assert (11, True, True) == (reader.position, reader.grew, reader.waiting)
    assert read(reader) is None
    assert not reader.grew
    with path.open("ab") as file:
        file.write(b"ee\n")
    block = read(reader, 9.0)
    assert block is not None
    assert ([b"three"], [8, 14], 9.0) == (block.lines, block.offsets, reader.grew_at)


def test_large_files_come_in_pieces(path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is no longer than one read, and nothing is missing."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    path.write_bytes(b"".join(b"%d\n" % number for number in range(100)))
    reader = make()
    lines: list[bytes] = []
    while reader.position < path.stat().st_size:
        block = read(reader)
        lines += block.lines if block else []
    assert [b"%d" % number for number in range(100)] == lines
    assert checkpoint_hash_of(path.read_bytes()) == reader.checkpoint_hash


@pytest.mark.parametrize(
    "before", [b"", b"\n" * 5000, b"x" * 10_000_000 + b"\n", b"\0" * 2_000_000], ids=["", "blank", "long", "nuls"]
)
def test_very_short_lines_come_few_at_a_time(path: Path, make: Make, before: bytes) -> None:
    """A block has a bounded number of lines, also where larger pieces are read; none is missing."""
    path.write_bytes(before + b"a\n" * 600_000)
    reader = make()
    counts: list[int] = []
    while reader.position < path.stat().st_size:
        block = read(reader)
        counts.append(len([line for line in block.lines if line.endswith(b"a")]) if block else 0)
    assert 600_000 == sum(counts)
    assert module.MAX_LINES >= max(counts)


def test_goes_on_at_an_offset(path: Path, make: Make) -> None:
    """The bytes before the offset must match the checkpoint hash."""
    path.write_bytes(b"one\ntwo\n")
    block = read(make(4, checkpoint_hash_of(b"one\n")))
    assert block is not None
    assert ([b"two"], [4, 8]) == (block.lines, block.offsets)
    with pytest.raises(RewrittenError):
        read(make(4, checkpoint_hash_of(b"eno\n")))


@pytest.mark.parametrize("now", [b"", b"one", b"new\n", b"other and longer\nthan it was\n"])
def test_truncation_is_noticed(path: Path, make: Make, now: bytes) -> None:
    """A changed file raises, whether shorter, equally long or longer."""
    path.write_bytes(b"one\ntwo\n")
    reader = make()
    read(reader)
    path.write_bytes(now)
    with pytest.raises(RewrittenError):
        read(reader)


def test_first_read_is_proved_by_the_fingerprint(path: Path, make: Make) -> None:
    """At offset 0 the file must match the fingerprint."""
    path.write_bytes(b"new\n")
    with pytest.raises(RewrittenError):
        read(make(fingerprint=hash_of(b"old\n")))
    assert read(make(fingerprint=hash_of(b"new"))) is not None


def test_renamed_file_is_read_on(path: Path, make: Make) -> None:
    """The open handle reads the renamed file; a lost name is not opened again."""
    path.write_bytes(b"one\n")
    reader = make()
    read(reader)
    moved = path.rename(path.with_suffix(".1"))
    path.write_bytes(b"other\n")
    with moved.open("ab") as file:
        file.write(b"two\n")
    reader.file.gone = True
    block = read(reader)
    assert block is not None
    assert [b"two"] == block.lines
    reader.file.close()
    assert read(reader) is None


def test_other_file_under_the_name(path: Path, make: Make) -> None:
    """A file that took the name since the scan is not opened."""
    path.write_bytes(b"one\n")
    reader = make()
    reader.file.key = (0, 0)
    with pytest.raises(MovedError):
        read(reader)
    assert reader.file.view is None


def test_missing_file_can_be_tried_again(path: Path, make: Make) -> None:
    """After an error a later read works."""
    reader = make()
    with pytest.raises(FileNotFoundError):
        read(reader)
    path.write_bytes(b"one\n")
    assert read(reader) is not None


def test_held_lines_come_first_in_the_next_block(path: Path, make: Make) -> None:
    """Held lines keep offsets and cuts, and the cursor stays before them."""
    path.write_bytes(b"done\nlong line\nheld\n")
    reader = make(keep=6)
    block = read(reader)
    assert block is not None
    assert {1: 9} == block.cut
    reader.held.hold(block, 1, "state")
    assert reader.waiting
    with path.open("ab") as file:
        file.write(b"more\n")
    block = read(reader)
    assert block is not None
    assert ([b"long l", b"held", b"more"], [5, 15, 20, 25]) == (block.lines, block.offsets)
    assert ({0: 9}, "state") == (block.cut, block.parser_state)
    reader.held.hold(block, 3, "end")
    assert (None, "end", False) == (reader.held.record, reader.held.parser_state, reader.waiting)


@pytest.mark.parametrize("with_line", [True, False])
def test_finish_gives_what_is_held_as_it_stands(path: Path, make: Make, with_line: bool) -> None:
    """It gives the held record, and the unterminated line on request, once."""
    path.write_bytes(b"held\nhalf")
    reader = make()
    block = read(reader)
    assert block is not None
    reader.held.hold(block, 0, "")
    last = reader.finish(1, 2, with_line=with_line)
    assert last is not None
    assert ([b"held", b"half"] if with_line else [b"held"]) == last.lines
    assert ([0, 5, 9] if with_line else [0, 5]) == last.offsets
    assert (with_line, True) == (last.unterminated, last.final)
    assert (not with_line) is reader.waiting
    assert reader.finish(1, 2, with_line=False) is None


def test_damaged_gzip_is_reported_once(path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content before the damage is read, then the error is raised once."""
    packed = bytearray(gzip.compress(b"one\ntwo\n"))
    packed[-6] ^= 1
    path.write_bytes(packed)
    monkeypatch.setattr(Path, "suffix", ".gz")
    reader = make()
    block = read(reader)
    assert block is not None
    assert [b"one", b"two"] == block.lines
    with pytest.raises(DamagedError, match="the gzip stream is damaged"):
        read(reader)
    assert read(reader) is None


def test_a_sparse_region_is_not_read(path: Path, make: Make) -> None:
    """A terabyte of unwritten bytes is passed over."""
    with path.open("wb") as file:
        file.write(b"one\n")
        file.truncate(2**40)
        file.seek(2**40)
        file.write(b"two\nthree" + bytes(2**20))
        file.truncate(2**41)
        file.seek(2**41)
        file.write(b"end\n")
    reader = make(keep=2**20)
    blocks = [block for _ in range(200) if (block := read(reader)) is not None]
    if reader.position < 2**40:
        pytest.skip("this file system does not tell of holes")
    assert not reader.grew
    first, second, third = blocks
    assert ([b"one"], [0, 4]) == (first.lines, first.offsets)
    assert ([b"two"], [2**40, 2**40 + 4]) == (second.lines, second.offsets)
    assert [2**40 + 4, 2**41 + 4] == third.offsets
    assert {0: 2**40 - 1} == third.cut
    assert third.lines[0].startswith(b"three\0\0")
    with path.open("rb") as file:
        file.seek(-256, 2)
        assert checkpoint_hash_of(file.read()) == reader.checkpoint_hash


def test_a_sparse_region_that_is_filled_is_read(path: Path, make: Make) -> None:
    """What is written behind the passed part is read."""
    with path.open("wb") as file:
        file.truncate(2**22)
    reader = make(keep=2**20)
    assert read(reader) is None
    with path.open("r+b") as file:
        file.seek(2**21)
        file.write(b"\nline\n")
    blocks = [block for _ in range(100) if (block := read(reader)) is not None]
    assert [b"", b"line"] == blocks[0].lines
    assert 2**21 + 6 == blocks[0].offsets[-1]


def test_unpacking_takes_turns(path: Path) -> None:
    """Unpacking up to the position takes several turns."""
    path = path.with_suffix(".gz")
    content = b"line\n" * 5_000_000
    path.write_bytes(gzip.compress(content, 1))
    position = len(content) - 10
    origin = Origin(b"g" * 9, str(path), str(path), "auto", "app")
    reader = Reader(origin, Checkpoint(position, checkpoint_hash_of(b"line\n")), keep=1000, compressed=True)
    turns = 0
    while (block := read(reader)) is None:
        assert reader.grew, "it is not at its end"
        assert turns < 100
        turns += 1
    assert 1 < turns
    assert ([b"line", b"line"], [position, position + 5, position + 10]) == (block.lines, block.offsets)
    reader.file.close()
