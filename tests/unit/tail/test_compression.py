"""Compressed logs are read in pieces; incomplete ones are waited for, and damaged ones tagged."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import pytest

from shipper.tail.compression import MAX_MEMORY, is_packed, unreadable
from shipper.tail.file_content import FileView
from shipper.tail.reader import Reader
from tests.unit.shipped import Shipped, app, each, numbers

CONTENT = b"".join(b"%d %s\n" % (at, random.Random(at).randbytes(60).hex().encode()) for at in range(4000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": cache(gzip.compress),
    "xz": cache(lzma.compress),
    "bz2": cache(partial(bz2.compress, compresslevel=1)),  # of small blocks, so that half a file holds some
}
EACH = pytest.mark.parametrize("ending", PACK)


def steps(view: FileView) -> Iterator[bytes]:
    """The content in pieces."""
    at = 0
    while data := view.read(at, 10_007):
        yield data
        at += len(data)


@EACH
def test_offsets_count_content(tmp_path: Path, ending: str) -> None:
    """Offsets are those of the unpacked content, forwards and backwards."""
    path = tmp_path / "packed"
    path.write_bytes(PACK[ending](CONTENT))
    with closing(FileView(str(path), compressed=True)) as view:
        for at in (0, 200_000, 199_990, 5, len(CONTENT) - 3, 0):
            assert CONTENT[at : at + 50] == view.read(at, 50)
        assert len(CONTENT) == view.size(1 << 62)
        assert b"" == view.read(len(CONTENT) + 10, 5)
        assert not view.unfinished


@EACH
@pytest.mark.parametrize("part", [0, 1, 2, 5, 9, 1000, 150_000])
def test_half_written_goes_on(tmp_path: Path, ending: str, part: int) -> None:
    """An incomplete file gives a prefix and counts as undamaged; the same view gives the rest when it is written."""
    path, packed = tmp_path / "packed", PACK[ending](CONTENT)
    path.write_bytes(packed[:part])
    with closing(FileView(str(path), compressed=True)) as view:
        first = b"".join(steps(view))
        assert CONTENT.startswith(first)
        assert view.damage is None
        assert view.unfinished
        with path.open("ab") as file:
            file.write(packed[part:])
        assert CONTENT[len(first) :] == view.read(len(first), len(CONTENT))
        assert b"" == view.read(len(CONTENT), 1)
        assert not view.unfinished


@pytest.mark.parametrize("first", PACK)
@EACH
def test_members_follow_each_other(tmp_path: Path, first: str, ending: str) -> None:
    """Members are one content; an empty member and zero padding add nothing."""
    path = tmp_path / "packed"
    members = [PACK[first](CONTENT[:70_000]), PACK[ending](b""), PACK[ending](CONTENT[70_000:])]
    path.write_bytes(b"".join(members) + bytes(200_000))
    with closing(FileView(str(path), compressed=True)) as view:
        assert CONTENT == b"".join(steps(view))
        assert (None, False) == (view.damage, view.unfinished)


@EACH
@pytest.mark.parametrize("at", [12, 5_000, 100_000, 200_000])
def test_damage_ends_the_content(tmp_path: Path, ending: str, at: int) -> None:
    """The content ends before the damage, also after reading from the start again."""
    path, packed = tmp_path / "packed", bytearray(PACK[ending](CONTENT))
    for near in range(at, at + 8):
        packed[near] ^= 0xFF
    path.write_bytes(packed)
    with closing(FileView(str(path), compressed=True)) as view:
        good = b"".join(steps(view))
        assert view.damage is not None
        assert [(0, len(good))] == view.spoiled or not good
        assert good[:100] == view.read(0, 100)
        assert good == b"".join(steps(view))
    same = next((n for n, (one, other) in enumerate(zip(good, CONTENT, strict=False)) if one != other), len(good))
    block = 100_000 if ending == "bz2" else 70_000
    assert same >= len(CONTENT) * at // len(packed) - block


def test_garbage_behind_a_gzip_member_is_damage(tmp_path: Path) -> None:
    """The member is read to its end."""
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(CONTENT) + b"garbage")
    with closing(FileView(str(path), compressed=True)) as view:
        assert CONTENT == b"".join(steps(view))


def test_a_gzip_member_behind_one_whose_checksum_fails(tmp_path: Path) -> None:
    """A failed checksum marks its own member; later ones are read."""
    members = [bytearray(gzip.compress(CONTENT[at : at + 50_000])) for at in range(0, 200_000, 50_000)]
    members[1][-6] ^= 0xFF  # its checksum
    members[3][-2] ^= 0xFF  # its length
    path = tmp_path / "packed"
    path.write_bytes(b"".join(members))
    with closing(FileView(str(path), compressed=True)) as view:
        assert CONTENT[:200_000] == b"".join(steps(view))
        assert [(50_000, 100_000), (150_000, 200_000)] == view.spoiled


@EACH
def test_a_bomb_is_unpacked_in_pieces(tmp_path: Path, ending: str) -> None:
    """Unpacking takes bounded memory, however large the content is."""
    path = tmp_path / "packed"
    path.write_bytes(PACK[ending](bytes(2**26) + b"end\n"))
    tracemalloc.start()
    try:
        with closing(FileView(str(path), compressed=True)) as view:
            assert view.approach(2**26, 2**40)
            assert b"end\n" == view.read(2**26, 100)
            assert not view.unfinished
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**24


@pytest.mark.parametrize("ending", ["xz", "bz2"])
def test_a_damaged_bomb(tmp_path: Path, ending: str) -> None:
    """Near the damage a file is unpacked byte by byte, in bounded memory."""
    packed = bytearray(PACK[ending](bytes(2**26)))
    packed[len(packed) // 2 + 3] ^= 0xFF
    path = tmp_path / "packed"
    path.write_bytes(packed)
    with closing(FileView(str(path), compressed=True)) as view:
        assert view.approach(2**26, 2**40)
        assert view.damage is not None
        assert 0 < view.whole <= 2**26


def test_an_xz_file_that_wants_too_much_memory(tmp_path: Path) -> None:
    """A file that demands gigabytes counts as damaged, with the reason."""
    path = tmp_path / "packed"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2 * MAX_MEMORY}]
    path.write_bytes(lzma.compress(b"line\n", filters=filters))
    with closing(FileView(str(path), compressed=True)) as view:
        assert b"" == view.read(0, 10)
        assert "emory" in str(view.damage)


def spoil(packed: bytes, at: int) -> bytes:
    """The bytes with one of them changed."""
    changed = bytearray(packed)
    changed[at] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("name", ["neuroflow.log.1", "neuroflow.log.2026-11-26"])
@pytest.mark.parametrize("count", [3, 3000])
@pytest.mark.parametrize(("ending", "at"), [("gz", -6), ("gz", -2), ("xz", -22), ("bz2", -6)])
def test_a_checksum_that_fails_is_tagged(shipped: Shipped, ending: str, at: int, count: int, name: str) -> None:
    """Every document of a member with a wrong checksum has the tag, and no other."""
    packed = spoil(PACK[ending](app(0, count).encode()), at)
    shipped.path(f"{name}.{ending}").write_bytes(packed)
    shipped.path("neuroflow.log").write_text(app(count, 3))
    messages = numbers(shipped.ship())
    assert each(count + 3) == messages
    tags = {int(message[1:6]): said for message, said in shipped.tags().items()}
    spoiled = [number for number in tags if number < count]
    assert count == len(spoiled)
    assert all("checksum_failed" in tags[number] for number in spoiled)
    assert not any("checksum_failed" in tags[number] for number in range(count, count + 3))
    assert [f"{name}.{ending}"] == [Path(path).name for path in shipped.sidecar.unread]
    shipped.restart()
    assert messages == numbers(shipped.ship())


@EACH
def test_sound_members_are_not_tagged(shipped: Shipped, ending: str) -> None:
    """Only the documents of the damaged member have the tag."""
    members = [PACK[ending](app(at, 100).encode()) for at in (0, 100, 200)]
    members[1] = gzip.compress(app(100, 100).encode())
    members[1] = spoil(members[1], -6)
    shipped.path("neuroflow.log.1.gz").write_bytes(b"".join(members))
    assert each(300) == numbers(shipped.ship())
    tagged = {int(message[1:6]) for message, said in shipped.tags().items() if "checksum_failed" in said}
    assert set(range(100, 200)) == tagged


def test_many_xz_files_are_unpacked_a_few_at_a_time(shipped: Shipped, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a chain of unread files only a few are open at once."""
    for number in range(1, 16):
        shipped.path(f"neuroflow.log.{number}.xz").write_bytes(lzma.compress(app(number * 1000, 1000).encode()))
    tail, most = shipped.sidecar._tail, 0
    read = Reader.read

    def counted(reader: Reader, *arguments: float) -> object:
        nonlocal most
        block = read(reader, *arguments)  # type: ignore[arg-type] # passed on as they are
        awake = [one.active_reader for one in tail._generations if one.active_reader is not None]
        most = max(most, sum(one.file.view is not None and one.file.view.heavy for one in awake))
        return block

    monkeypatch.setattr(Reader, "read", counted)
    assert Counter(range(1000, 16_000)) == numbers(shipped.ship())
    assert 1 <= most <= 5
    assert [] == [
        one for one in tail._generations if one.active_reader is not None and one.active_reader.file.view is not None
    ]


@EACH
def test_a_torn_file_gives_what_it_holds(shipped: Shipped, ending: str) -> None:
    """The content so far is shipped without a tag, since the rest may follow."""
    packed = PACK[ending](app(0, 4000).encode())
    path = shipped.path(f"neuroflow.log.1.{ending}")
    path.write_bytes(packed[: len(packed) // 2])
    first = numbers(shipped.ship())
    assert first <= each(4000)
    assert first.total() > 200
    path.write_bytes(packed)
    assert each(4000) == numbers(shipped.ship())
    assert {()} == {tuple(said) for said in shipped.tags().values()}


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.log.1", b"plain text\n", None),
        ("a.log.zst", b"plain text\n", None),
        ("a.log.zst", b"\x28\xb5\x2f\xfd\0\0", "zstd"),
        ("a.log.br", b"\xff\xfea\0\n\0", None),
        ("a.log.br", bytes(range(256)), "brotli"),
        ("a.log.1", gzip.compress(b"", mtime=0), None),
        ("a.log.1.tar.xz", lzma.compress(b""), "tar"),
        ("a.log.1", bytes(257) + b"ustar\0", "tar"),
        ("a.log.old", bytes(600), None),
        ("a.log.old", "gr\u00fc\u00dfe\n".encode("latin-1") * 50, None),
    ],
)
def test_first_bytes_tell(name: str, head: bytes, kind: str | None) -> None:
    """Text is a log under any name; NULs at the beginning may stand before text."""
    assert kind == unreadable(name, head, strange=True)


def test_words_that_look_packed_are_text() -> None:
    """Three letters are not enough for bzip2."""
    assert not is_packed(b"BZhang began a run\n")
    assert is_packed(bz2.compress(b"line\n"))
    assert is_packed(bz2.compress(b""))
