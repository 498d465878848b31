from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.tail.fingerprint import hash_of
from shipper.tail.report import counters_of, read_only
from shipper.tail.state import store as module
from shipper.tail.state.checkpoint import Checkpoint
from shipper.tail.state.lock import FullError
from shipper.tail.state.rows import Cursor, LastSeen
from shipper.tail.state.store import CursorStore, StateError


def cursor(number: int, offset: int = 0, path: str = "/logs/app.log") -> Cursor:
    """A cursor, with values that depend on the number."""
    return Cursor(
        id=bytes([number]) * 9,
        logical="/logs/app.log",
        first_line=b"f" * 16,
        ordinal=number,
        file=LastSeen(path, 2**40 + number, 2**50 + number, 10**12),
        fingerprint=hash_of(b"first bytes"),
        checkpoint=Checkpoint(offset, hash_of(b"last bytes"), '{"step": 1}'),
        seen_at=1.5,
    )


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], CursorStore]]:
    """Opens the store of a state directory; a warning fails the test."""
    opened: list[CursorStore] = []

    def build() -> CursorStore:
        opened.append(CursorStore(tmp_path / "state", pytest.fail))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


def test_cursors_come_back(open_store: Callable[[], CursorStore]) -> None:
    """The newest cursors with every column come back, and the facts."""
    store = open_store()
    store.save([cursor(1), cursor(2)])
    store.save([cursor(1, 77)])
    store.save([])
    store.set_fact("counters", '{"read": 3}')
    store.close()
    store = open_store()
    assert [cursor(1, 77), cursor(2)] == sorted(store.load(), key=lambda one: one.ordinal)
    assert ('{"read": 3}', None) == (store.fact("counters"), store.fact("none"))
    store.forget([cursor(1).id])
    assert [cursor(2)] == store.load()


def test_names_that_are_no_text_can_be_kept(open_store: Callable[[], CursorStore]) -> None:
    """A path with invalid UTF-8 is stored."""
    store = open_store()
    one = cursor(1, path="/logs/\udcff.log")
    one.logical = "/logs/\udcff.log"
    store.save([one])
    store.close()
    (one,) = open_store().load()
    assert ("/logs/\udcff.log", "/logs/\udcff.log") == (one.file.path, one.logical)


def test_directory_is_private(open_store: Callable[[], CursorStore], tmp_path: Path) -> None:
    """Only its owner may enter it, since dead letters contain log lines."""
    open_store()
    assert 0o700 == (tmp_path / "state").stat().st_mode & 0o777


def test_one_process_at_a_time(open_store: Callable[[], CursorStore], tmp_path: Path) -> None:
    """A second process is refused with the first one's number; ``status`` may read."""
    store = open_store()
    store.save([cursor(1)])
    with pytest.raises(StateError) as refused:
        open_store()
    assert f"{tmp_path}/state: in use by neuroflow-ship, process {os.getpid()}; one sidecar at a time" in str(
        refused.value
    )
    assert [cursor(1)] == read_only(tmp_path / "state")[0]
    store.close()
    assert [cursor(1)] == open_store().load()


@pytest.mark.parametrize("at", [*range(0, 100, 9), 101, 1000, 4095, 4096, 5000, 8192, 12287])
@pytest.mark.parametrize("how", ["cut", "zeroed"])
def test_damaged_store_is_set_aside(tmp_path: Path, how: str, at: int) -> None:
    """A store that is cut or zeroed from any byte on is set aside, and the start goes on."""
    store = CursorStore(tmp_path, pytest.fail)
    store.save([cursor(number) for number in range(20)])
    store.close()
    content = store.path.read_bytes()
    assert len(content) > at
    store.path.write_bytes(content[:at] + (bytes(len(content) - at) if how == "zeroed" else b""))
    said: list[str] = []
    store = CursorStore(tmp_path, said.append)
    try:
        assert bool(said) is bool(list(tmp_path.glob("*.damaged-*")))
        assert all("is damaged" in one and "set aside as" in one and "nothing is lost" in one for one in said)
        assert {one.id for one in store.load()} <= {cursor(number).id for number in range(20)}
        store.save([cursor(30)])
        assert cursor(30) in store.load()
    finally:
        store.close()


@pytest.mark.parametrize("schema", ["1", "99", "no number"])
def test_other_format_is_set_aside(tmp_path: Path, schema: str) -> None:
    """A store of another version is set aside with a message that does not call it damaged."""
    store = CursorStore(tmp_path, pytest.fail)
    store.save([cursor(1)])
    store.set_fact("schema", schema)
    store.close()
    said: list[str] = []
    store = CursorStore(tmp_path, said.append)
    assert [] == store.load()
    store.close()
    (sentence,) = said
    assert f"the cursor store was written in format {schema}, this version reads format 2; set aside as " in sentence
    (aside,) = tmp_path.glob("cursors.sqlite.damaged-*")
    with closing(sqlite3.connect(aside)) as db:
        assert [(1,)] == db.execute("SELECT count(*) FROM generation").fetchall()


@pytest.mark.parametrize("what", ["file", "below a file"])
def test_unusable_directory_is_a_sentence(tmp_path: Path, what: str) -> None:
    """The error names the fault and the key to set."""
    (tmp_path / "state").write_text("no directory")
    with pytest.raises(StateError, match=r"the state directory can't be used: .*set shipper.state_dir"):
        CursorStore(tmp_path / ("state" if what == "file" else "state/below"), pytest.fail)


def test_read_only_directory_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of the lock file."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StateError, match=f"{tmp_path}: the state directory can't be used: Read-only file system"):
        CursorStore(tmp_path, pytest.fail)


def test_read_only_database_is_not_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written is left in place."""

    def refuse(_: CursorStore) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    CursorStore(tmp_path, pytest.fail).close()
    monkeypatch.setattr(module.CursorStore, "_open", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root it is never so
    with pytest.raises(StateError, match=r"cursors\.sqlite: Permission denied; it must be readable and writable"):
        CursorStore(tmp_path, pytest.fail)
    assert [] == list(tmp_path.glob("*.damaged-*"))
    monkeypatch.undo()
    CursorStore(tmp_path, pytest.fail).close()


def test_full_disk_keeps_the_old_cursors(open_store: Callable[[], CursorStore]) -> None:
    """A failed write leaves the old rows; the next successful one writes everything."""
    store = open_store()
    store.save([cursor(1)])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="cursors can't be written: database or disk is full"):
        store.save([cursor(number, 5, "/x" * 200) for number in range(200)])
    assert [cursor(1)] == store.load()
    store._db.execute("PRAGMA max_page_count = 100000")
    store.save([cursor(1, 7)])
    expected = dict.fromkeys(range(200), 5) | {1: 7}
    assert expected == {one.ordinal: one.offset for one in store.load()}


def test_killed_process_leaves_whole_rows(tmp_path: Path) -> None:
    """After a kill each save is there completely or not at all."""
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from shipper.tail.state.checkpoint import NOTHING, Checkpoint
        from shipper.tail.state.rows import Cursor, LastSeen
        from shipper.tail.state.store import CursorStore
        store = CursorStore(Path(sys.argv[1]), print)
        for turn in range(1, 6):
            store.save(
                Cursor(bytes([n]) * 9, "l", b"f", n, LastSeen("p", 1, n, 9), NOTHING, Checkpoint(turn))
                for n in range(50)
            )
        store._db.execute("BEGIN IMMEDIATE")
        store._db.execute("UPDATE generation SET offset = 99 WHERE ordinal < 25")
        os._exit(9)
    """)
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=False)
    assert 9 == done.returncode
    store = CursorStore(tmp_path, pytest.fail)
    assert [5] * 50 == [one.offset for one in store.load()]
    store.close()


def test_status_without_a_store_is_a_sentence(tmp_path: Path) -> None:
    """A missing store and an invalid one give sentences."""
    with pytest.raises(StateError, match="the sidecar has not run with this state directory yet"):
        read_only(tmp_path)
    (tmp_path / "cursors.sqlite").write_text("no database at all" * 100)
    with pytest.raises(StateError, match="can't be read"):
        read_only(tmp_path)


@pytest.mark.parametrize(
    ("counters", "fact"),
    [({"read": 3}, '{"read": 3}'), ({}, "no JSON"), ({}, "[1]"), ({}, '{"read": "many"}'), ({}, '{"read": null}')],
)
def test_counters_survive_nonsense(counters: dict[str, int], fact: str) -> None:
    """Invalid counters start at zero."""
    assert counters == counters_of({"counters": fact})
    assert {} == counters_of({})


@pytest.mark.parametrize("part", ["", "-wal", "both"])
def test_power_loss_at_any_byte(tmp_path: Path, part: str) -> None:
    """With main file or write-ahead log cut anywhere, every row that is left was written."""
    source = CursorStore(tmp_path / "source", pytest.fail)
    source.save(cursor(number, 5) for number in range(60))
    source._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    source.save(cursor(number, 9) for number in range(60))
    content = {suffix: Path(f"{source.path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    source.close()
    written = [cursor(number, offset) for number in range(60) for offset in (5, 9)]
    for share in range(25):
        state = tmp_path / str(share)
        state.mkdir()
        for suffix, data in content.items():
            cut = len(data) * share // 25 if part in {suffix, "both"} else len(data)
            (state / f"cursors.sqlite{suffix}").write_bytes(data[:cut])
        said: list[str] = []
        store = CursorStore(state, said.append)
        rows = store.load()
        assert (0 if said else 60) == len(rows)
        assert all(row in written for row in rows)
        store.save([cursor(99)])
        store.close()


def test_flipped_bytes_are_noticed(tmp_path: Path) -> None:
    """No changed row is returned, though SQLite does not detect the flipped bits."""
    source = CursorStore(tmp_path / "source", pytest.fail)
    source.save(cursor(number, 5) for number in range(60))
    source.close()
    content = source.path.read_bytes()
    chance = random.Random(5)
    noticed = 0
    for turn in range(150):
        state = tmp_path / str(turn)
        state.mkdir()
        damaged = bytearray(content)
        for _ in range(1 + turn % 4):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (state / "cursors.sqlite").write_bytes(damaged)
        said: list[str] = []
        store = CursorStore(state, said.append)
        rows = sorted(store.load(), key=lambda one: one.ordinal)
        assert ([] if said else [cursor(number, 5) for number in range(60)]) == rows
        noticed += bool(said)
        store.save([cursor(99)])
        store.close()
    assert 0 < noticed


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("empty", "it is empty"),
        ("a directory", "it is a directory"),
        ("gone", "it is gone"),
        ("text", "not a database"),
    ],
)
def test_something_else_in_its_place(tmp_path: Path, what: str, why: str) -> None:
    """A lost store is reported, also where SQLite would create a new one."""
    store = CursorStore(tmp_path, pytest.fail)
    store.save([cursor(1)])
    store.close(clean=True)
    store.path.unlink()
    if what == "empty":
        store.path.touch()
    elif what == "text":
        store.path.write_text("no database at all" * 100)
    elif what == "a directory":
        store.path.mkdir()
        (store.path / "something").touch()
    said: list[str] = []
    store = CursorStore(tmp_path, said.append)
    assert not store.clean
    assert [] == store.load()
    store.close(clean=True)
    assert 1 == len(said)
    assert why in said[0]
    CursorStore(tmp_path, pytest.fail).close()


@pytest.mark.parametrize("part", ["-wal", "-shm"])
def test_a_directory_in_the_place_of_a_part(tmp_path: Path, part: str) -> None:
    """It is set aside together with the store."""
    store = CursorStore(tmp_path, pytest.fail)
    store.close()
    Path(f"{store.path}{part}").mkdir()
    said: list[str] = []
    store = CursorStore(tmp_path, said.append)
    store.save([cursor(1)])
    store.close()
    assert "set aside" in said[0]


@pytest.mark.parametrize("used", ["new", "used", "sealed", "killed"])
@pytest.mark.parametrize("room", [0, 1000, 5000, 30_000])
def test_a_full_disk_at_the_start(tmp_path: Path, room: int, used: str) -> None:
    """The store starts in memory with the rows of the disk, and is written when there is room."""
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from shipper.tail.state.store import CursorStore, StateError
        from tests.unit.tail.state.test_store import cursor
        room, most = int(sys.argv[2]), resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
        store = CursorStore(Path(sys.argv[1]), print)
        print(store.present(), store.clean, sorted(one.offset for one in store.load()))
        store.save([cursor(2, 7)], [("learned", "later")], counters="later")
        try:
            store.restore(store.load())
        except StateError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        store.restore(store.load(), [("learned", "later")])
        print(store.present())
        store.close(clean=True)
    """)
    state = tmp_path / "state"
    if used != "new":
        store = CursorStore(state, pytest.fail)
        store.save([cursor(1, 5)], [("learned", "before")], counters="before")
        if used == "killed":
            shutil.copytree(state, tmp_path / "copy")
        store.close(clean=used == "sealed")
        if used == "killed":
            shutil.rmtree(state)
            (tmp_path / "copy").rename(state)
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", script, str(state), str(room)],
        cwd=root, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "" == done.stderr
    first, second, third, fourth = done.stdout.splitlines()
    known = [] if used == "new" else [5]
    # Of a write-ahead log only what can be read without its index is known.
    assert first in {f"False {used == 'sealed'} {known}", "False False []"[: 99 * (used == "killed")]}
    assert f"{state}: there is no room for the state: " in second or "cursors.sqlite: there is no room" in second
    assert f"{state}: there is room for the state again; written with" in third
    assert "True" == fourth
    store = CursorStore(state, pytest.fail)
    assert store.clean
    assert [*known, 7] == sorted(one.offset for one in store.load())
    assert "later" == store.fact("counters")
    assert {"learned": "later"} == store.recollected()
    assert {} == store.recollected()
    store.close()
    assert [] == list(state.glob("*.damaged-*"))


def test_a_full_disk_and_a_damaged_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store starts empty; the damaged one is set aside when there is room."""
    CursorStore(tmp_path, pytest.fail).close()
    (tmp_path / "cursors.sqlite").write_bytes(b"no database at all" * 100)

    def refuse(_: object) -> None:
        raise FullError("no room")

    said: list[str] = []
    with monkeypatch.context() as full:
        full.setattr("shipper.tail.state.damage.probe", refuse)
        store = CursorStore(tmp_path, said.append)
        assert not store.present()
        store.save([cursor(1)])
        with pytest.raises(FullError):
            store.restore(store.load())
    assert [cursor(1)] == store.load()
    store.restore(store.load())
    assert store.present()
    assert ["set aside", "room for the state again"] == [
        words for one in said for words in ("set aside", "room for the state again") if words in one
    ]
    store.close()
    store = CursorStore(tmp_path, pytest.fail)
    assert [cursor(1)] == store.load()
    store.close()


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277])
def test_files_are_their_owner_s_alone(tmp_path: Path, umask: int) -> None:
    """All files are private under any umask, also SQLite's and those set aside."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    state.chmod(0o755)
    before = os.umask(umask)
    try:
        store = CursorStore(state, pytest.fail)
        store.save([cursor(1)])
        beside = {"lock", "cursors.sqlite", "cursors.sqlite-wal", "cursors.sqlite-shm"}
        assert dict.fromkeys(beside, 0o600) == modes(state)
        store.close(clean=True)
        assert dict.fromkeys(("lock", "cursors.sqlite", "clean"), 0o600) == modes(state)
        (state / "cursors.sqlite").write_bytes(b"no database at all" * 100)
        store = CursorStore(state, lambda _: None)
        store.close()
    finally:
        os.umask(before)
    assert {0o600} == set(modes(state).values())
    assert 3 == len(modes(state))
    assert 0o700 == state.stat().st_mode & 0o777


def test_files_that_were_there_before_are_mended(tmp_path: Path) -> None:
    """A start makes readable files of an earlier version private, and no foreign file."""
    store = CursorStore(tmp_path, pytest.fail)
    store.save([cursor(1)])
    store.close(clean=True)
    ours = ["cursors.sqlite", "clean", "lock", "dead-letters.ndjson", "dead-letters.replaying"]
    ours += ["cursors.sqlite.damaged-20260101T000000Z-1", "cursors.sqlite.damaged-20260101T000000Z-1-wal"]
    for name in [*ours, "somebody else's"]:
        (tmp_path / name).open("a").close()
        (tmp_path / name).chmod(0o644)
    store = CursorStore(tmp_path, pytest.fail)
    assert ["somebody else's"] == [name for name, mode in modes(tmp_path).items() if mode != 0o600]
    assert [cursor(1)] == store.load()
    store.close()


def modes(folder: Path) -> dict[str, int]:
    """The permissions of each file."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_what_is_owed_keeps_the_seal_away(tmp_path: Path) -> None:
    """With an unwritten cursor the store is not sealed."""
    store = CursorStore(tmp_path, pytest.fail)
    store.save([cursor(1)])
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StateError, match="cursors can't be written"):
        store.save([cursor(1, 5)])
    store.close(clean=True)
    store = CursorStore(tmp_path, pytest.fail)
    assert not store.clean
    assert [cursor(1)] == store.load()
    store.close()


def test_what_is_owed_is_written_at_the_end(tmp_path: Path) -> None:
    """Closing writes what an earlier save could not."""
    store = CursorStore(tmp_path, pytest.fail)
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StateError):
        store.save([cursor(1, 5)])
    store.forget([cursor(2).id])
    store._db.execute("PRAGMA query_only = OFF")
    store.close(clean=True)
    store = CursorStore(tmp_path, pytest.fail)
    assert store.clean
    assert [cursor(1, 5)] == store.load()
    store.close()


class TestReplacedWhileHeld:
    """The state directory is deleted or replaced while a process uses it."""

    @pytest.mark.parametrize("what", ["directory", "lock", "cursors.sqlite", "cursors.sqlite-wal", "emptied"])
    def test_deleted(self, tmp_path: Path, what: str) -> None:
        """The store is created again with everything, with a message, and the lock holds."""
        state = tmp_path / "state"
        said: list[str] = []
        store = CursorStore(state, said.append)
        store.save([cursor(1), cursor(2)])
        store.set_fact("counters", '{"read": 3}')
        assert store.present()
        if what == "directory":
            shutil.rmtree(state)
        elif what == "emptied":
            store.path.write_bytes(b"")
        else:
            (state / what).unlink()
        assert not store.present()
        store.restore([cursor(1, 7), cursor(2)], [("learned", "before")])
        assert store.present()
        assert 1 == len(said)
        assert "written again with 2 positions" in said[0]
        with pytest.raises(StateError, match=f"in use by neuroflow-ship, process {os.getpid()}"):
            CursorStore(state, pytest.fail)
        store.save([cursor(2, 8)])
        store.close(clean=True)
        store = CursorStore(state, pytest.fail)
        assert store.clean
        assert [cursor(1, 7), cursor(2, 8)] == sorted(store.load(), key=lambda one: one.ordinal)
        assert '{"read": 3}' == store.fact("counters")
        assert {"learned": "before"} == store.recollected()
        store.close()

    def test_replaced_by_an_old_copy(self, tmp_path: Path) -> None:
        """The rows in memory replace those of the copy; what only the store held is kept."""
        state, copy = tmp_path / "state", tmp_path / "copy"
        store = CursorStore(state, lambda _: None)
        store.save([cursor(1), cursor(3)])
        shutil.copytree(state, copy)
        shutil.rmtree(state)
        shutil.copytree(copy, state)
        assert not store.present()
        store.restore([cursor(1, 9)])
        assert [cursor(1, 9), cursor(3)] == store.load()
        store.close()
        store = CursorStore(state, pytest.fail)
        assert [cursor(1, 9), cursor(3)] == store.load()
        store.close()

    def test_taken_by_another_process(self, tmp_path: Path) -> None:
        """Another process's store is refused and left unchanged."""
        state = tmp_path / "state"
        store = CursorStore(state, pytest.fail)
        store.save([cursor(1)])
        shutil.rmtree(state)
        other = CursorStore(state, pytest.fail)
        other.save([cursor(2)])
        with pytest.raises(StateError, match="in use by neuroflow-ship, process"):
            store.restore([cursor(1)])
        assert not store.present()
        store.close(clean=True)
        assert other.present()
        other.close()
        other = CursorStore(state, pytest.fail)
        assert not other.clean
        assert [cursor(2)] == other.load()
        other.close()

    def test_can_not_be_created_again(self, tmp_path: Path) -> None:
        """With a file in its place each attempt is an error, until the file is gone."""
        state = tmp_path / "state"
        store = CursorStore(state, lambda _: None)
        store.save([cursor(1)])
        shutil.rmtree(state)
        state.write_text("no directory")
        with pytest.raises(StateError, match="can't be used"):
            store.restore([cursor(1)])
        assert not store.present()
        state.unlink()
        store.restore([cursor(1)])
        assert store.present()
        store.close()
        store = CursorStore(state, pytest.fail)
        assert [cursor(1)] == store.load()
        store.close()

    def test_damaged(self, tmp_path: Path) -> None:
        """A store whose bytes are overwritten is set aside and created again."""
        store = CursorStore(tmp_path, lambda _: None)
        store.save(cursor(number) for number in range(60))
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with store.path.open("r+b") as file:
            file.write(b"overwritten" * 2000)
        store._db.execute("PRAGMA cache_size = 0")
        with pytest.raises(StateError, match="cursors can't be written"):
            store.save(cursor(number, 5) for number in range(60))
        assert not store.present()
        store.restore(cursor(number, 5) for number in range(60))
        assert store.present()
        assert [5] * 60 == [one.offset for one in store.load()]
        store.close()


class TestSeal:
    """After a clean end without later changes no look-ups are needed."""

    def test_clean_end(self, tmp_path: Path) -> None:
        """The next start finds the seal; after a crash there is none."""
        store = CursorStore(tmp_path, pytest.fail)
        assert not store.clean
        store.save([cursor(1)])
        store.close(clean=True)
        store = CursorStore(tmp_path, pytest.fail)
        assert store.clean
        store.close()
        store = CursorStore(tmp_path, pytest.fail)
        assert not store.clean
        store.close()

    def test_restored_copy(self, tmp_path: Path) -> None:
        """A restored copy of the store has no valid seal."""
        store = CursorStore(tmp_path, pytest.fail)
        store.close(clean=True)
        backup = store.path.read_bytes()
        store = CursorStore(tmp_path, pytest.fail)
        store.save([cursor(1)])
        store.close(clean=True)
        store.path.write_bytes(backup)
        store = CursorStore(tmp_path, pytest.fail)
        assert not store.clean
        store.close()
