"""The tail as a whole: turns, held lines, positions."""

from __future__ import annotations

import errno
import gzip
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.tail import handles as handles_module
from shipper.tail.clock import Clock
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import checkpoint_hash_of, generation_name
from shipper.tail.found_files import Source
from shipper.tail.framing import RECORD_PATIENCE
from shipper.tail.progress import Span
from shipper.tail.reader import CHUNK_BYTES
from shipper.tail.scanner import Scanner
from shipper.tail.state.store import Cursor
from shipper.tail.tail import HANDLE_PATIENCE, Tail

PATIENCE = 5.0


def descriptors() -> list[str]:
    """The numbers of what this process has open."""
    return [path.name for path in Path("/proc/self/fd").iterdir()]


class Files:
    """A directory of logs, a tail, and a simulated clock."""

    def __init__(self, root: Path, cursors: list[Cursor], *, once: bool = False) -> None:
        self.root = root
        self.now = 1000.0
        self.warned: list[str] = []
        self.tail = Tail(
            [Source(f"{root}/*.log", "auto", "app")],
            [],
            cursors,
            host="h",
            longest=100_000,
            warn=self.warned.append,
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
            once=once,
        )

    def reconfigure(self, *exclude: str, host: str = "h", longest: int = 100_000) -> None:
        """Apply other settings to the same input."""
        sources = [Source(f"{self.root}/*.log", "auto", "app")]
        scanner = Scanner(sources, exclude, self.warned.append)
        self.tail.reconfigure(sources, scanner, host=host, longest=longest, patience=PATIENCE)

    def write(self, text: str, name: str = "app.log") -> Path:
        path = self.root / name
        with path.open("a") as file:
            file.write(text)
        os.utime(path, (self.now, self.now))
        return path

    def read(self) -> list[bytes]:
        """One round over every file, everything acknowledged at once."""
        lines: list[bytes] = []
        for block in self.tail.blocks():
            lines += block.lines
            self.tail.hold(block, len(block.lines), "")
            last = block.lines[-1] + b"\n" if block.lines else b""
            span = Span(block.origin.generation, block.offsets[0], block.offsets[-1], checkpoint_hash_of(last), "")
            self.tail.begin(span)
            self.tail.acknowledge([span])
        return lines

    def step(self) -> list[bytes]:
        self.tail.scan(PATIENCE)
        lines = self.read()
        while self.tail.grew:
            lines += self.read()
        return lines

    def open_files(self) -> int:
        return sum(os.path.realpath(f"/proc/self/fd/{number}").startswith(str(self.root)) for number in descriptors())

    def close(self) -> None:
        self.tail.close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """An empty directory."""
    files = Files(tmp_path, [])
    yield files
    files.close()


def test_idle_file_is_closed(files: Files) -> None:
    """An idle file is closed after a while, and read again when it grows."""
    files.write("one\n")
    assert [b"one"] == files.step()
    assert files.open_files() == 1
    files.now += HANDLE_PATIENCE + 1
    files.step()
    assert files.open_files() == 0
    files.write("two\n")
    assert [b"two"] == files.step()


def test_old_file_is_closed_when_it_is_read(files: Files) -> None:
    """A file that has not changed for long is closed immediately."""
    os.utime(files.write("one\n"), (1, 1))
    files.step()
    assert files.open_files() == 0


def test_deleted_file_is_read_on(files: Files) -> None:
    """A deleted file with a writer is read as long as it grows."""
    path = files.write("one\n")
    files.step()
    with path.open("a") as writer:
        path.unlink()
        for number in range(3):
            files.now += HANDLE_PATIENCE - 1
            writer.write(f"late {number}\n")
            writer.flush()
            assert [b"late %d" % number] == files.step()
    files.now += HANDLE_PATIENCE + 1
    files.step()
    assert files.open_files() == 0


def test_link_pointed_elsewhere(files: Files, tmp_path: Path) -> None:
    """The old target is read to its end, the new one from its beginning."""
    (tmp_path / "old").write_text("one\n")
    (tmp_path / "new").write_text("three\n")
    link = tmp_path / "app.log"
    link.symlink_to("old")
    files.step()
    files.now += HANDLE_PATIENCE + 1
    files.step()
    with (tmp_path / "old").open("a") as file:
        file.write("two\n")
    files.step()
    with (tmp_path / "old").open("a") as file:
        file.write("last\n")
    link.unlink()
    link.symlink_to("new")
    assert {b"last", b"three"} == set(files.step())


def test_line_whose_end_was_not_looked_for_is_not_ended(files: Files) -> None:
    """An incomplete line in the middle of a file is not flushed."""
    files.write("a" * 10 + "\n" + "b" * 70_000 + "\n")
    files.tail.scan(PATIENCE)
    assert [b"a" * 10] == files.read()
    files.now += 10 * PATIENCE
    assert [] == files.tail.take_due(PATIENCE)
    assert files.tail.next_due(PATIENCE) == float("inf")
    assert [70_000] == [len(line) for line in files.read()]


def test_end_of_what_was_held_back_is_noted_before_it_is_sent(files: Files) -> None:
    """The flush point is stored before the record is sent, so that a restart does not join the rest to it."""
    files.write("whole\npart")
    assert [b"whole"] == files.step()
    files.now += PATIENCE
    assert files.now == files.tail.next_due(PATIENCE)
    (block,) = files.tail.take_due(PATIENCE)
    assert ([b"part"], True, True) == (block.lines, block.unterminated, block.final)
    (cursor,) = files.tail.cursors(files.tail.dirty)
    assert ((10,), 6) == (cursor.flush_points, cursor.offset)
    files.write(" and rest\nnext\n")
    again = Files(files.root, [cursor])
    assert [b"part", b" and rest", b"next"] == again.step()
    again.close()
    (cursor,) = again.tail.cursors(again.tail.dirty)
    assert () == cursor.flush_points


def test_held_record_is_given_after_a_second(files: Files) -> None:
    """A held record waits for the record's patience, an unfinished line for the configured time."""
    files.write("one\ntwo\npart")
    files.tail.scan(PATIENCE)
    (block,) = files.tail.blocks()
    files.tail.hold(block, 1, "")
    while list(files.tail.blocks()):
        pass
    files.now += RECORD_PATIENCE
    assert [[b"two"]] == [block.lines for block in files.tail.take_due(PATIENCE)]
    files.now += PATIENCE
    assert [[b"part"]] == [block.lines for block in files.tail.take_due(PATIENCE)]


def test_round_goes_on_where_it_was_broken_off(files: Files) -> None:
    """With room for one block at a time every file has its turn."""
    files.write("x" * 99 + "\n", "a.log")
    files.write(("y" * 99 + "\n") * 5000, "b.log")
    files.write("z" * 99 + "\n", "c.log")
    files.tail.scan(PATIENCE)
    order = []
    for _ in range(4):
        for block in files.tail.blocks():
            order.append(Path(block.origin.path).name)
            break
    assert {"a.log", "b.log", "c.log"} == set(order[:3])
    assert order[3] == "b.log"


def test_rest_of_a_broken_round_is_no_round(files: Files) -> None:
    """After an interrupted round the tail still reports files with more to read."""
    files.write("a\n", "a.log")
    files.step()
    files.write(("b" * 99 + "\n") * 2000, "b.log")
    files.tail.scan(PATIENCE)
    for _ in files.tail.blocks():
        break
    assert files.tail.grew
    assert 2000 == len(files.step()) + len(b"".join(files.read())) + 655
    assert not files.tail.grew


def test_few_descriptors_serve_many_files(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used file is closed, and opened again when it grows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(handles_module, "RESERVE", soft - 8)
    limited = Files(files.root, [])
    for turn in range(3):
        for number in range(50):
            limited.write(f"{turn} {number}\n", f"{number}.log")
        assert len(limited.step()) == 50
        assert limited.open_files() <= 8
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert [] == limited.warned
    limited.close()


def test_no_descriptors_left(files: Files) -> None:
    """Without free descriptors files are read with fewer open ones."""
    for number in range(30):
        files.write(f"{number}\n", f"{number}.log")
    files.tail.scan(PATIENCE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(descriptors()) + 10, hard))
    try:
        lines = files.read()
        while files.tail.grew:
            lines += files.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 30 == len(lines)
    assert [] == files.warned


def test_inputs_that_are_taken_away(files: Files) -> None:
    """A file that is no input any more is closed; its position stays."""
    files.write("one\n")
    files.write("two\n", "debug.log")
    files.step()
    files.write("more\n", "debug.log")
    files.reconfigure("debug*")
    assert [] == files.step()
    files.reconfigure()
    assert [b"more"] == files.step()


def test_deleted_file_stays_when_inputs_change(files: Files) -> None:
    """A deleted file is read to its end after a change of inputs."""
    path = files.write("one\n")
    files.step()
    with path.open("a") as writer:
        path.unlink()
        files.step()
        writer.write("late\n")
        writer.flush()
        files.reconfigure("x")
        assert [b"late"] == files.step()


def test_files_are_opened_while_nothing_can_be_sent(files: Files) -> None:
    """A file that is deleted during an outage can be read afterwards."""
    path = files.write("one\n")
    files.tail.scan(PATIENCE)
    files.tail.open_unread()
    path.unlink()
    assert [b"one"] == files.step()


def test_once_leaves_what_is_written_meanwhile(tmp_path: Path) -> None:
    """``--once`` ends although the log grows."""
    files = Files(tmp_path, [], once=True)
    files.write("one\npart")
    files.tail.scan(0.0)
    assert [b"one"] == files.read()
    files.write(" goes on\ntwo\n")
    assert [] == files.read()
    assert [] == files.tail.take_all()
    files.close()


def test_another_host_names_what_is_new(files: Files) -> None:
    """Known logs keep their generation; new ones are named after the new host."""
    old = files.write("one\n")
    assert [b"one"] == files.step()
    files.reconfigure(host="other")
    new = files.write("two\n", "new.log")
    files.write("more\n")
    assert {b"more", b"two"} == set(files.step())
    assert {generation_name("h", str(old), b"one", 0), generation_name("other", str(new), b"two", 0)} == {
        cursor.id for cursor in files.tail.all_cursors()
    }


def test_another_limit_counts_for_what_is_open(files: Files) -> None:
    """The new limit applies to open and to idle files."""
    files.reconfigure(longest=1)
    files.write("one\n")
    files.write("one\n", "asleep.log")
    files.step()
    files.now += 2 * HANDLE_PATIENCE
    files.step()
    files.reconfigure(longest=1000)
    files.write(5000 * "x" + "\n")
    files.write(5000 * "y" + "\n", "asleep.log")
    assert {5000 * b"x", 5000 * b"y"} == set(files.step())


def test_a_bomb_takes_turns(tmp_path: Path) -> None:
    """While a small file unpacks to endless blank lines, other logs have their turns."""
    (tmp_path / "bomb.log.1.gz").write_bytes(gzip.compress(b"\n" * 2**25))
    files = Files(tmp_path, [])
    files.tail.scan(PATIENCE)
    for turn in range(20):
        files.write(f"line {turn}\n")
        files.tail.scan(PATIENCE)
        assert f"line {turn}".encode() in files.read()
    assert files.tail.grew
    lines = files.read()
    while files.tail.grew:
        lines += files.read()
    assert 2000 + 2**25 // CHUNK_BYTES * 300 > len(lines)
    bomb = next(one for one in files.tail.all_cursors() if one.file.path.endswith(".gz"))
    assert 2**25 == bomb.offset
    files.close()


@pytest.mark.parametrize("how", ["deleted", "renamed", "rotated", "replaced by a directory"])
def test_a_file_that_goes_before_it_is_read(tmp_path: Path, how: str) -> None:
    """It counts as unread unless it is found under another name."""
    files = Files(tmp_path, [], once=True)
    path = files.write("one\ntwo\n")
    files.tail.scan(PATIENCE)
    if how in {"renamed", "rotated"}:
        path.rename(path.with_name("app.log.1" if how == "rotated" else "elsewhere"))
    else:
        path.unlink()
    if how == "replaced by a directory":
        path.mkdir()
    files.read()
    assert files.tail.needs_scan
    assert [str(path)] == files.tail.unread()
    assert ([b"one", b"two"] if how == "rotated" else []) == files.step()
    assert ([] if how == "rotated" else [str(path)]) == files.tail.unread()
    files.close()


def test_a_file_that_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a read error the file counts as unread until a read succeeds."""
    files = Files(tmp_path, [])
    path = files.write("one\n")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(FileView, "read", fail)
        files.step()
        assert [str(path)] == files.tail.unread()
    assert [b"one"] == files.step()
    assert [] == files.tail.unread()
    files.tail.scan(PATIENCE)
    with monkeypatch.context() as broken:
        broken.setattr(FileView, "read", fail)
        files.write("two\n")
        files.read()
        assert [str(path)] == files.tail.unread()
    assert [b"two"] == files.step()
    assert [] == files.tail.unread()
    files.close()


def test_one_round_sees_the_ends_of_whole_lines(files: Files) -> None:
    """Nothing more is read at once, unless a file is longer than a block, or holds back what may go on."""
    files.write("one\n")
    files.write("two\n", "other.log")
    files.tail.scan(PATIENCE)
    assert 2 == len(files.read())
    assert files.tail.at_ends
    files.write("a line that has no end yet")
    files.read()
    assert not files.tail.at_ends
    files.write("\n" + CHUNK_BYTES * "x\n", "other.log")
    files.write("\n")
    files.read()
    assert not files.tail.at_ends
    while files.tail.grew:
        files.read()
    assert files.tail.take_due(PATIENCE) == []
    files.write("last\n")
    files.read()
    assert files.tail.at_ends


def test_a_round_that_was_broken_off_has_not_seen_the_ends(files: Files) -> None:
    """The files whose turn did not come may hold more."""
    files.write("one\n")
    files.write("two\n", "other.log")
    files.tail.scan(PATIENCE)
    next(files.tail.blocks())
    assert not files.tail.at_ends
