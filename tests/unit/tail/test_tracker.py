"""Which generation of which log a file is, case by case."""

from __future__ import annotations

import copy
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import checkpoint_hash_of, generation_name, hash_of
from shipper.tail.found_files import Found, Source
from shipper.tail.generation import Generation
from shipper.tail.log_file import MovedError
from shipper.tail.reader import RewrittenError
from shipper.tail.scanner import Scanner
from shipper.tail.state.checkpoint import Checkpoint
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.store import Cursor, CursorStore
from shipper.tail.tracker import Generations


def lines(first: int, last: int) -> bytes:
    """Numbered lines; twenty are longer than a fingerprint."""
    return b"".join(b"line %06d %s\n" % (number, b"-" * 60) for number in range(first, last))


@dataclass
class Logs:
    """A directory with one log, and the generations in it."""

    root: Path
    patience: float = 0.0
    now: float = 0.0
    warned: list[str] = field(default_factory=list)
    out: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    listed: Callable[[list[Found]], list[Found]] = list
    conceal: Conceal = plain
    asleep: bool = False
    store: CursorStore | None = None

    def __post_init__(self) -> None:
        self.log = self.root / "app.log"
        self.scanner = Scanner([Source(f"{self.root}/*.log", "auto", "app")], [], self.warned.append)
        self.begin([])

    def close(self) -> None:
        for generation in self.generations:
            generation.close()
        if self.store is not None:
            self.store.close()

    def begin(self, cursors: list[Cursor]) -> None:
        if self.asleep:
            self.store = CursorStore(self.root / "state", pytest.fail, self.conceal)
            self.store.save(cursors)
        self.generations = Generations(
            () if self.store is not None else copy.deepcopy(cursors),
            remembered=self.store.dormant if self.store is not None else None,
            host="h",
            keep=10**6,
            warn=self.warned.append,
            open_view=FileView,
            conceal=self.conceal,
        )

    def restart(self, *, acknowledged: float = 1.0) -> None:
        """Start again, with this part of the read bytes acknowledged."""
        cursors = []
        for generation in self.generations:
            cursor, position = generation.cursor, generation.reader.position
            if acknowledged < 1:
                said = b"".join(line for one, _, line in self.out if one == cursor.id)
                position = said.rfind(b"\n", 0, int(position * acknowledged)) + 1
                before = checkpoint_hash_of(said[:position])
            else:
                before = generation.reader.checkpoint_hash
            cursor.checkpoint = cursor.checkpoint._replace(offset=position, hash=before)
            cursor.file = cursor.file._replace(path=self.conceal(cursor.file.path))
            cursor.logical = self.conceal(cursor.logical)
            cursors.append(cursor)
        self.close()
        self.begin(cursors)

    def rotated(self, number: int = 1) -> Path:
        return self.root / f"app.log.{number}"

    def scan(self) -> None:
        self.generations.observe(self.listed(self.scanner.scan()), self.now, self.patience)

    def read(self) -> list[bytes]:
        """Read every file to its end; gives the new lines, which count as acknowledged."""
        before = len(self.out)
        for generation in sorted(self.generations, key=lambda one: -one.age):
            if generation.found is None and generation.reader.file.view is None:
                continue
            try:
                while (block := generation.reader.read(0.0, 0, 0)) is not None:
                    ended = [line + b"\n" for line in block.lines]
                    self.out += zip([generation.cursor.id] * len(ended), block.offsets, ended, strict=False)
            except RewrittenError:
                self.generations.rewritten(generation)
            except MovedError:
                continue
            reader = generation.reader
            generation.cursor.checkpoint = Checkpoint(reader.position, reader.checkpoint_hash, "", reader.samples)
        return [line for _, _, line in self.out[before:]]

    def step(self) -> bytes:
        self.scan()
        return b"".join(self.read())

    def at(self, path: Path) -> Generation:
        (generation,) = [one for one in self.generations if one.found is not None and one.found.path == str(path)]
        return generation

    def names(self) -> dict[bytes, bytes]:
        """The generation of each line; a line with two fails."""
        names: dict[bytes, bytes] = {}
        for one, _, line in self.out:
            assert one == names.setdefault(line, one)
        return names


def hidden(path: str) -> str:
    """The hashed form of a path."""
    return f"~{hash_of(path.encode()).digest.hex()}" if path.startswith("/") else path


@pytest.fixture(
    params=[(plain, False), (hidden, False), (plain, True), (hidden, True)],
    ids=["plain", "hidden", "plain-asleep", "hidden-asleep"],
)
def logs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Logs]:
    """An empty directory; the state has plain paths or hashed ones, and is read at the start or when it is needed."""
    conceal, asleep = request.param
    logs = Logs(tmp_path, conceal=conceal, asleep=asleep)
    yield logs
    logs.close()


RESTARTS = pytest.mark.parametrize("restart", [None, 1.0, 0.5, 0.0], ids=["running", "acked", "half", "none"])


def maybe_restart(logs: Logs, restart: float | None) -> None:
    """Go on, or restart with this part acknowledged."""
    if restart is not None:
        logs.restart(acknowledged=restart)


def test_generations_of_equal_lines(logs: Logs) -> None:
    """After two rotations between two scans each generation has its own lines, though one is a prefix of the
    other.
    """
    line = b"the same line again and again\n"
    logs.log.write_bytes(line * 51)
    logs.step()
    logs.log.rename(logs.rotated(2))
    logs.rotated(1).write_bytes(line * 60)
    logs.log.write_bytes(line * 70)
    for _ in range(3):
        logs.now += 10
        logs.step()
    assert 51 + 60 + 70 == len(logs.out)
    assert 3 == len({generation for generation, _, _ in logs.out})


@RESTARTS
def test_rename_chain(logs: Logs, restart: float | None) -> None:
    """Every file keeps its generation while all are renamed to the next number, with and without a restart."""
    logs.rotated(1).write_bytes(lines(0, 50))
    logs.log.write_bytes(lines(50, 80))
    assert lines(0, 80) == logs.step()
    first, second = logs.at(logs.rotated(1)).cursor.id, logs.at(logs.log).cursor.id
    maybe_restart(logs, restart)
    for _ in range(2):  # twice between two scans
        for number in (3, 2, 1):
            if logs.rotated(number).exists():
                logs.rotated(number).rename(logs.rotated(number + 1))
        logs.log.rename(logs.rotated(1))
        logs.log.write_bytes(b"")
    with logs.rotated(2).open("ab") as file:
        file.write(lines(80, 90))
    logs.log.write_bytes(lines(90, 100))
    assert logs.step().endswith(lines(80, 100))
    assert (first, second) == (logs.at(logs.rotated(3)).cursor.id, logs.at(logs.rotated(2)).cursor.id)
    assert 100 == len(logs.names())


@RESTARTS
@pytest.mark.parametrize("unread", [0, 30])
def test_copytruncate(logs: Logs, restart: float | None, unread: int) -> None:
    """The old generation continues in the copy with its unread lines; the truncated file starts a new one."""
    logs.log.write_bytes(lines(0, 60))
    logs.step()
    old = logs.at(logs.log).cursor.id
    with logs.log.open("ab") as file:
        file.write(lines(60, 60 + unread))
    maybe_restart(logs, restart)
    shutil.copy(logs.log, logs.rotated())
    logs.log.write_bytes(lines(100, 105))
    assert logs.step().endswith(lines(60, 60 + unread) + lines(100, 105))
    assert old == logs.at(logs.rotated()).cursor.id != logs.at(logs.log).cursor.id
    assert 65 + unread == len(logs.names())


@RESTARTS
@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
def test_copy_seen_before_truncation(logs: Logs, restart: float | None, part: float) -> None:
    """Before the truncation a copy has no generation of its own; after it the copy continues the old one."""
    whole = lines(0, 60)
    logs.log.write_bytes(whole)
    logs.step()
    old = logs.at(logs.log).cursor.id
    logs.rotated().write_bytes(whole[: int(len(whole) * part)])
    maybe_restart(logs, restart)
    for _ in range(4):
        logs.step()
        assert old == logs.at(logs.log).cursor.id
    logs.rotated().write_bytes(whole)
    logs.log.write_bytes(b"")
    logs.step()
    assert old == logs.at(logs.rotated()).cursor.id
    logs.log.write_bytes(lines(100, 102))
    logs.step()
    assert 62 == len(logs.names())
    assert 2 == len(list(logs.generations))


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("again", [None, 1.0, 0.5])
@pytest.mark.parametrize("packed", [True, False])
def test_lines_written_between_copy_and_truncation(logs: Logs, seen: bool, again: float | None, packed: bool) -> None:
    """Lines that the copy lacks change nothing: its other lines keep their ids."""
    logs.log.write_bytes(lines(0, 60))
    logs.step()
    old = logs.at(logs.log).cursor.id
    shutil.copy(logs.log, logs.rotated())
    if seen:
        logs.step()
    with logs.log.open("ab") as file:
        file.write(lines(60, 70))
    if seen:
        logs.scan()
    logs.read()
    maybe_restart(logs, again)
    logs.log.write_bytes(lines(100, 105))
    for _ in range(3):
        logs.step()
    if packed:
        logs.rotated(2).with_suffix(".2.gz").write_bytes(gzip.compress(logs.rotated().read_bytes()))
        logs.rotated().unlink()
        for _ in range(3):
            logs.step()
    assert old == next(one.cursor.id for one in logs.generations if one.found and one.found.rotated)
    assert 75 == len(logs.names())
    assert 2 == len(list(logs.generations))


def test_seen_copy_that_lacks_lines_is_not_read_again(logs: Logs) -> None:
    """A copy that was compared with its original is not read again."""
    logs.log.write_bytes(lines(0, 60))
    logs.step()
    shutil.copy(logs.log, logs.rotated())
    logs.step()
    with logs.log.open("ab") as file:
        file.write(lines(60, 70))
    assert lines(60, 70) == logs.step()
    logs.log.write_bytes(b"")
    assert [b"", b""] == [logs.step(), logs.step()]
    assert len(lines(0, 60)) == logs.at(logs.rotated()).reader.position


def test_copy_and_original_met_together(logs: Logs) -> None:
    """Without state an unfinished copytruncate is one generation, in the original."""
    logs.log.write_bytes(lines(0, 60))
    logs.rotated().write_bytes(lines(0, 40))
    assert lines(0, 60) == logs.step()
    assert 1 == len(list(logs.generations))
    assert logs.at(logs.log)


def test_truncated_between_listing_and_looking(logs: Logs) -> None:
    """A copy whose original is truncated during the comparison waits for the next scan."""
    logs.log.write_bytes(lines(0, 60))
    logs.step()
    shutil.copy(logs.log, logs.rotated())
    opened: list[str] = []

    def racing(path: str, *, compressed: bool) -> FileView:
        opened.append(path)
        view = FileView(path, compressed=compressed)
        if path.endswith(".1") and len(opened) == 2:
            logs.log.write_bytes(b"")
        return view

    os.utime(logs.log, ns=(1, 1))
    logs.generations.access._open_view = racing
    logs.scan()
    assert len(opened) >= 2
    for _ in range(2):
        logs.step()
    assert 1 == len(list(logs.generations))
    assert logs.at(logs.rotated())


@pytest.mark.parametrize("how", ["reader", "scan"])
def test_truncate_and_regrow_past_the_offset(logs: Logs, how: str) -> None:
    """A longer file with other content is a new generation, for the reader and the scan."""
    logs.log.write_bytes(lines(0, 30))
    logs.step()
    logs.log.write_bytes(lines(100, 200))
    if how == "reader":
        assert [] == logs.read()
    assert lines(100, 200) == logs.step()
    assert 130 == len(logs.names())


def test_truncation_with_bytes_unread_is_logged(logs: Logs) -> None:
    """The warning has the number of lost bytes."""
    logs.log.write_bytes(lines(0, 30))
    logs.scan()
    logs.log.write_bytes(b"new\n")
    assert b"new\n" == logs.step()
    (said,) = logs.warned
    assert f"{logs.log}: truncated or rewritten with {len(lines(0, 30))} bytes unread" in said


@pytest.mark.parametrize("same", [b"begin\n", lines(0, 30)])
def test_rewritten_with_the_same_beginning(logs: Logs, same: bytes) -> None:
    """Two generations with an equal beginning have ordinals 0 and 1."""
    logs.log.write_bytes(same + lines(100, 110))
    logs.step()
    logs.log.write_bytes(same + lines(200, 240))
    assert same + lines(200, 240) == logs.step()
    assert [0, 1] == sorted(one.cursor.ordinal for one in logs.generations)


def test_rewritten_with_the_same_beginning_end_and_size(logs: Logs) -> None:
    """Lines that differ only in between are another life's: all of it is read."""
    logs.log.write_bytes(lines(0, 60))
    logs.step()
    anew = lines(0, 20) + lines(100, 130) + lines(50, 60)
    before = logs.log.stat()
    logs.log.write_bytes(anew)
    os.utime(logs.log, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    assert (before.st_size, anew) == (logs.log.stat().st_size, logs.step())


def test_few_equal_bytes_after_a_truncation_are_new(logs: Logs) -> None:
    """After an empty state the same line is a new generation."""
    logs.log.write_bytes(b"started\n")
    assert b"started\n" == logs.step()
    logs.log.write_bytes(b"")
    assert b"" == logs.step()
    logs.log.write_bytes(b"started\n")
    assert b"started\n" == logs.step()
    assert 2 == len({one for one, _, _ in logs.out})


def test_deleted_and_made_again(logs: Logs) -> None:
    """A new file in the old place is a new generation, with any inode."""
    logs.log.write_bytes(lines(0, 10))
    logs.step()
    logs.log.unlink()
    logs.step()
    logs.log.write_bytes(lines(10, 40))
    assert lines(10, 40) == logs.step()
    assert 40 == len(logs.names())


def test_inode_given_to_another_file(logs: Logs) -> None:
    """A reused inode proves nothing: the content decides."""
    logs.log.write_bytes(lines(0, 30))
    logs.step()
    given = logs.log.stat().st_ino
    logs.log.unlink()
    other = logs.root / "other.log"
    other.write_bytes(lines(100, 150))
    logs.listed = lambda files: [file._replace(inode=given) for file in files]

    def told(path: str, *, compressed: bool) -> FileView:
        view = FileView(path, compressed=compressed)
        view.key = view.key[0], given
        return view

    logs.generations.access._open_view = told
    logs.scan()
    new = logs.at(other)
    assert (str(other), 0) == (new.cursor.logical, new.reader.position)
    assert generation_name("h", str(other), lines(100, 101)[:-1], 0) == new.cursor.id


@RESTARTS
@pytest.mark.parametrize("seen", [True, False])
def test_gzip_of_a_rotated_file(logs: Logs, restart: float | None, seen: bool) -> None:
    """The compressed file continues the generation; an incomplete one has none."""
    logs.rotated().write_bytes(lines(0, 60))
    logs.step()
    with logs.rotated().open("ab") as file:
        file.write(lines(60, 70))
    old = logs.at(logs.rotated()).cursor.id
    packed = gzip.compress(logs.rotated().read_bytes())
    target = logs.root / "app.log.1.gz"
    maybe_restart(logs, restart)
    if seen:
        for part in (0, 5, len(packed) // 2, len(packed)):
            target.write_bytes(packed[:part])
            logs.step()
            logs.step()
    target.write_bytes(packed)
    logs.rotated().unlink()
    logs.step()
    assert old == logs.at(target).cursor.id
    assert 70 == len(logs.names())


@pytest.mark.parametrize("first", [b"started\n", b"started\nwith the same second line\n"])
def test_generations_that_begin_alike_get_their_names_again(logs: Logs, first: bytes) -> None:
    """Without state every generation gets its old name, whatever the order of the listing."""
    for number in (3, 2, 1):
        logs.rotated(number).write_bytes(first + lines(number * 100, number * 100 + number))
        logs.step()
    logs.log.write_bytes(first)
    logs.step()
    names = {number: logs.at(logs.rotated(number)).cursor.id for number in (3, 2, 1)} | {
        0: logs.at(logs.log).cursor.id
    }
    assert 4 == len(set(names.values()))
    logs.close()
    logs.begin([])
    logs.listed = lambda files: sorted(files, key=lambda file: file.age)
    logs.step()
    again = {number: logs.at(logs.rotated(number)).cursor.id for number in (3, 2, 1)} | {
        0: logs.at(logs.log).cursor.id
    }
    assert names == again


def test_unfinished_first_line_has_patience(logs: Logs) -> None:
    """A generation is named after its whole first line, or after the patience without growth."""
    logs.patience = 5.0
    logs.log.write_bytes(b"half")
    for logs.now in (0.0, 4.0):
        logs.step()
        assert [] == list(logs.generations)
    logs.log.write_bytes(b"half a")
    for logs.now in (6.0, 10.0):
        logs.step()
        assert [] == list(logs.generations)
    logs.now = 11.0
    logs.step()
    assert generation_name("h", str(logs.log), b"half a", 0) == logs.at(logs.log).cursor.id


def test_finished_first_line_needs_none(logs: Logs) -> None:
    """With a whole first line it is named immediately."""
    logs.patience = 5.0
    logs.log.write_bytes(b"half")
    logs.step()
    logs.log.write_bytes(b"half and half\n")
    assert b"half and half\n" == logs.step()
    assert generation_name("h", str(logs.log), b"half and half", 0) == logs.at(logs.log).cursor.id


def test_empty_files_are_nothing_yet(logs: Logs) -> None:
    """An empty file has no generation."""
    logs.log.touch()
    (logs.root / "other.log").touch()
    assert (b"", 0) == (logs.step(), len(list(logs.generations)))
    logs.log.write_bytes(b"first\n")
    assert (b"first\n", 1) == (logs.step(), len(list(logs.generations)))


@pytest.mark.parametrize("known", [True, False])
def test_unreadable_file_is_looked_at_again(logs: Logs, known: bool) -> None:
    """It is reported once, keeps its generation, and is read when it is readable."""
    logs.log.write_bytes(lines(0, 10))
    if known:
        logs.step()
    shut = True

    def guarded(path: str, *, compressed: bool) -> FileView:
        if shut:
            raise PermissionError(13, "Permission denied", path)
        return FileView(path, compressed=compressed)

    for generation in logs.generations:
        generation.close()
        generation.reader.file._open_view = guarded
    logs.generations.access._open_view = guarded
    with logs.log.open("ab") as file:
        file.write(lines(10, 20))
    logs.scan()
    logs.scan()
    assert [
        f"{logs.log}: can't be opened: Permission denied; trying again every scan, nothing is lost"
    ] == logs.warned
    shut = False
    assert logs.step().endswith(lines(10, 20))
    assert 20 == len(logs.names())


def test_rename_under_the_scan_is_noticed(logs: Logs) -> None:
    """A name that changed its file during the scan is left to the next scan."""
    logs.log.write_bytes(lines(0, 30))
    listed = logs.scanner.scan()
    logs.log.rename(logs.rotated())
    logs.log.write_bytes(lines(100, 130))
    logs.generations.observe(listed, 0.0, 0.0)
    assert (True, []) == (logs.generations.access.renamed_meanwhile, list(logs.generations))
    assert lines(0, 30) + lines(100, 130) == logs.step()
    assert not logs.generations.access.renamed_meanwhile


def test_file_missing_from_one_listing(logs: Logs) -> None:
    """A file that one listing misses is found again unchanged."""
    logs.log.write_bytes(lines(0, 30))
    logs.step()
    logs.generations.observe([], 0.0, 0.0)
    with logs.log.open("ab") as file:
        file.write(lines(30, 40))
    assert lines(30, 40) == b"".join(logs.read())
    assert b"" == logs.step()
    assert 1 == len(list(logs.generations))


def test_replaced_before_its_first_read(logs: Logs) -> None:
    """No line of a new file is read under the old generation."""
    logs.log.write_bytes(lines(0, 30))
    logs.scan()
    shutil.copy(logs.log, logs.rotated())
    logs.log.write_bytes(lines(100, 160))
    assert [] == logs.read()
    assert lines(0, 30) + lines(100, 160) == logs.step()


def test_strongest_proof_wins(logs: Logs) -> None:
    """Of several possible generations the one with the most proven bytes is chosen."""
    logs.log.write_bytes(b"started\n")
    logs.step()
    logs.log.rename(logs.rotated())
    logs.log.write_bytes(b"started\n" + lines(0, 20))
    logs.step()
    old, new = logs.at(logs.rotated()).cursor.id, logs.at(logs.log).cursor.id
    for generation in logs.generations:
        generation.cursor.file = generation.cursor.file._replace(device=77)  # mounted again
    logs.restart()
    logs.rotated().unlink()
    logs.log.rename(logs.rotated())
    assert b"" == logs.step()
    assert old != new == logs.at(logs.rotated()).cursor.id


def test_what_begins_after_a_loss_may_have_been_sent(tmp_path: Path) -> None:
    """Where rows of the store could not be read, a file that looks new may be one that was shipped before."""
    logs = Logs(tmp_path, asleep=True)
    assert logs.store is not None
    logs.log.write_bytes(lines(0, 20))
    logs.step()
    logs.restart()
    logs.log.unlink()
    logs.step()
    other = tmp_path / "other.log"
    other.write_bytes(lines(50, 80))
    logs.step()
    assert 0 == logs.at(other).maybe_sent
    logs.store.dormant.lost = True
    another = tmp_path / "another.log"
    another.write_bytes(lines(80, 99))
    logs.step()
    assert another.stat().st_size == logs.at(another).maybe_sent
    logs.close()
