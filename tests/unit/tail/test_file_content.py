from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.tail.file_content import FileView

# Big when packed, too: several pieces are read.
CONTENT = b"".join(b"%d %s\n" % (at, random.Random(at).randbytes(60).hex().encode()) for at in range(4000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "app.log.1.gz"


def whole(path: Path) -> bytes:
    """All that a fresh view gives, read in steps."""
    with closing(FileView(str(path), compressed=True)) as view:
        return b"".join(steps(view))


def steps(view: FileView) -> Iterator[bytes]:
    """The content, a stretch at a time."""
    at = 0
    while data := view.read(at, 10_007):
        yield data
        at += len(data)


def test_plain_files_are_read_as_they_are(tmp_path: Path) -> None:
    """Any place, fewer bytes at the end; the key is device and inode; a growing file goes on."""
    path = tmp_path / "app.log"
    path.write_bytes(b"0123456789")
    with closing(FileView(str(path), compressed=False)) as view:
        assert (b"345", b"89", b"", 10) == (view.read(3, 3), view.read(8, 9), view.read(99, 1), view.size(0))
        assert (path.stat().st_dev, path.stat().st_ino) == view.key
        path.write_bytes(b"0123456789abc")
        assert b"abc" == view.read(10, 10)


def test_gzip_offsets_count_content(path: Path) -> None:
    """Forwards and backwards, the bytes at an offset are those of the unpacked file."""
    path.write_bytes(gzip.compress(CONTENT))
    with closing(FileView(str(path), compressed=True)) as view:
        for at in (0, 200_000, 199_990, 5, len(CONTENT) - 3, 0):
            assert CONTENT[at : at + 50] == view.read(at, 50)
        assert len(CONTENT) == view.size(1 << 62)
        assert b"" == view.read(len(CONTENT) + 10, 5)


@pytest.mark.parametrize("part", [0, 1, 9, 10, 1000, 150_000])
def test_half_written_gzip_goes_on(path: Path, part: int) -> None:
    """What is there is a prefix and no damage; when the rest is written the same view gives it."""
    packed = gzip.compress(CONTENT)
    path.write_bytes(packed[:part])
    with closing(FileView(str(path), compressed=True)) as view:
        first = b"".join(steps(view))
        assert CONTENT.startswith(first)
        assert view.damage is None
        with path.open("ab") as file:
            file.write(packed[part:])
        assert CONTENT[len(first) :] == view.read(len(first), len(CONTENT))


def test_gzip_members_follow_each_other(path: Path) -> None:
    """Concatenated members are one content, an empty one among them and zero padding behind them are nothing."""
    members = [gzip.compress(CONTENT[:70_000]), gzip.compress(b""), gzip.compress(CONTENT[70_000:])]
    path.write_bytes(b"".join(members) + bytes(200_000))
    assert CONTENT == whole(path)


@pytest.mark.parametrize("at", [3, 5_000, 100_000, -6])
def test_damage_ends_the_content(path: Path, at: int) -> None:
    """What precedes damaged bytes is given, what follows is not, and the view says what is wrong."""
    packed = bytearray(gzip.compress(CONTENT))
    packed[at] ^= 0xFF
    path.write_bytes(packed)
    with closing(FileView(str(path), compressed=True)) as view:
        good = b"".join(steps(view))
        assert view.damage is not None
    same = next((n for n, (one, other) in enumerate(zip(good, CONTENT, strict=False)) if one != other), len(good))
    assert same >= len(CONTENT) * (at % len(packed)) // len(packed) - 70_000
    if at == -6:
        assert CONTENT == good, "only the checksum is wrong: all of the content is there"


def test_garbage_behind_a_member_is_damage(path: Path) -> None:
    """The member is given whole."""
    path.write_bytes(gzip.compress(CONTENT) + b"garbage")
    assert CONTENT == whole(path)


def test_missing_files_are_errors(tmp_path: Path) -> None:
    """Opening is the only moment at which a path counts."""
    with pytest.raises(FileNotFoundError):
        FileView(str(tmp_path / "none"), compressed=False)


def test_a_bomb_is_unpacked_in_pieces(path: Path) -> None:
    """A hundred kilobytes that unpack to a hundred megabytes: no more than a piece of them is held at once."""
    path.write_bytes(gzip.compress(bytes(2**26) + b"end\n"))
    with closing(FileView(str(path), compressed=True)) as view:
        for at in range(0, 2**26, 2**16):
            assert bytes(2**16) == view.read(at, 2**16)
            assert len(view._window) <= 2**18
        assert b"end\n" == view.read(2**26, 100)
        assert not view.unfinished
