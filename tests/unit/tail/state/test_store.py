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
    """One row, its numbers telling rows apart."""
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
    """Opens the store of one state directory; a warning fails."""
    opened: list[CursorStore] = []

    def build() -> CursorStore:
        opened.append(CursorStore(tmp_path / "state", pytest.fail))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


def test_cursors_come_back(open_store: Callable[[], CursorStore]) -> None:
    """Every column, the latest value of each, and facts beside them."""
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
    """A path with bytes that are no UTF-8 does not stop the shipping."""
    store = open_store()
    one = cursor(1, path="/logs/\udcff.log")
    one.logical = "/logs/\udcff.log"
    store.save([one])
    store.close()
    (one,) = open_store().load()
    assert ("/logs/\udcff.log", "/logs/\udcff.log") == (one.file.path, one.logical)


def test_directory_is_private(open_store: Callable[[], CursorStore], tmp_path: Path) -> None:
    """It is made for its owner alone: dead letters in it hold log lines."""
    open_store()
    assert 0o700 == (tmp_path / "state").stat().st_mode & 0o777


def test_one_process_at_a_time(open_store: Callable[[], CursorStore], tmp_path: Path) -> None:
    """The second is told who the first is and what to do; status may look; afterwards the next comes in."""
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
    """Cut or zeroed from any byte on: it starts with what is sound or with nothing, and never fails to start."""
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
    """A store of another version is kept for that version, and said; it is not called damaged."""
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
    """What is wrong and what to do, no traceback."""
    (tmp_path / "state").write_text("no directory")
    with pytest.raises(StateError, match=r"the state directory can't be used: .*set shipper.state_dir"):
        CursorStore(tmp_path / ("state" if what == "file" else "state/below"), pytest.fail)


def test_read_only_directory_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock file can't be made there."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StateError, match=f"{tmp_path}: the state directory can't be used: Read-only file system"):
        CursorStore(tmp_path, pytest.fail)


def test_read_only_database_is_not_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that can't be written is sound: it is left where it is."""

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
    """All or none: a write that fails leaves what was there; what it owes is written with the next that succeeds."""
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
    """What was saved is there after a process ended without a word, and all of one save or nothing of it."""
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
    """It has not run yet, or the file is no store."""
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
    """Counters that can't be read begin anew; they stop nothing."""
    assert counters == counters_of({"counters": fact})
    assert {} == counters_of({})


@pytest.mark.parametrize("part", ["", "-wal", "both"])
def test_power_loss_at_any_byte(tmp_path: Path, part: str) -> None:
    """Main file or write-ahead log cut anywhere: every row that is left is one that was written."""
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
    """A flipped bit inside a value, which SQLite does not notice: no row comes back that was not written."""
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
    """A store that is lost is said aloud, also where SQLite would silently begin a new one."""
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
    """It is moved out of the way together with the store."""
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
    """It begins in memory with what the disk holds, and writes all when there is room; nothing is set aside."""
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
        store.restore(store.load())
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
    assert [("learned", "later")] == store.recollected()
    store.close()
    assert [] == list(state.glob("*.damaged-*"))


def test_a_full_disk_and_a_damaged_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with nothing; what is damaged is set aside when there is room."""
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
    """Whatever the umask and whatever the directory allows, also those that SQLite makes, and those set aside."""
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
    assert 0o755 == state.stat().st_mode & 0o777


def test_files_that_were_there_before_are_mended(tmp_path: Path) -> None:
    """What an earlier version left for everybody to read is mended at start; other files are not ours."""
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
    """What its files allow."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_what_is_owed_keeps_the_seal_away(tmp_path: Path) -> None:
    """A cursor that could never be written: the next start looks up what it may send again."""
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
    """A disk that has room again takes at the end what it refused before."""
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


class TestUnderWay:
    """The state directory is deleted or replaced while it is held."""

    @pytest.mark.parametrize("what", ["directory", "lock", "cursors.sqlite", "cursors.sqlite-wal", "emptied"])
    def test_deleted(self, tmp_path: Path, what: str) -> None:
        """It is noticed, made anew with everything, said, and the lock holds again."""
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
        store.restore([cursor(1, 7), cursor(2)])
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
        store.close()

    def test_replaced_by_an_old_copy(self, tmp_path: Path) -> None:
        """What is held is the truth, not what a backup put in its place."""
        state, copy = tmp_path / "state", tmp_path / "copy"
        store = CursorStore(state, lambda _: None)
        store.save([cursor(1), cursor(3)])
        shutil.copytree(state, copy)
        shutil.rmtree(state)
        shutil.copytree(copy, state)
        assert not store.present()
        store.restore([cursor(1, 9)])
        assert [cursor(1, 9)] == store.load()
        store.close()
        store = CursorStore(state, pytest.fail)
        assert [cursor(1, 9)] == store.load()
        store.close()

    def test_taken_by_another_process(self, tmp_path: Path) -> None:
        """The directory is another's by now: refused, and the other's store is left as it is."""
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

    def test_can_not_be_made_anew(self, tmp_path: Path) -> None:
        """A file is in its place: a sentence each time, until the way is free."""
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
        """A store whose bytes are overwritten under way is set aside and made anew."""
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
    """A store that ended cleanly and was not touched since needs no look-ups."""

    def test_clean_end(self, tmp_path: Path) -> None:
        """Sealed once: the next start finds it clean, and the one after a crash does not."""
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
        """A copy of the store put back in place is not the store that ended cleanly."""
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
