from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.tail import cursors as module
from shipper.tail.cursors import Cursor, CursorStore, StateError, counters_of, read_only
from shipper.tail.identity import mark


def cursor(number: int, offset: int = 0, path: str = "/logs/app.log") -> Cursor:
    """One row, its numbers telling rows apart."""
    return Cursor(
        id=bytes([number]) * 9,
        logical="/logs/app.log",
        first_line=b"f" * 16,
        ordinal=number,
        path=path,
        device=2**40 + number,
        inode=2**50 + number,
        size=10**12,
        head=mark(b"head"),
        offset=offset,
        anchor=mark(b"anchor"),
        carry='{"step": 1}',
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
    store.save([cursor(1, path="/logs/\udcff.log")])
    assert ["/logs/\\xff.log"] == [one.path for one in store.load()]


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


def test_other_format_is_set_aside(tmp_path: Path) -> None:
    """A store of another version is kept for that version, and said."""
    store = CursorStore(tmp_path, pytest.fail)
    store.set_fact("schema", "99")
    store.close()
    said: list[str] = []
    CursorStore(tmp_path, said.append).close()
    assert "written in format 99, this version knows 2" in said[0]


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

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StateError, match=f"{tmp_path}: the state directory can't be used: Read-only file system"):
        CursorStore(tmp_path, pytest.fail)


def test_read_only_database_is_not_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that can't be written is sound: it is left where it is."""

    def refuse(_: CursorStore) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(module.CursorStore, "_open", refuse)
    with pytest.raises(StateError, match="attempt to write a readonly database"):
        CursorStore(tmp_path, pytest.fail)
    assert [] == list(tmp_path.glob("*.damaged-*"))
    monkeypatch.undo()
    CursorStore(tmp_path, pytest.fail).close()


def test_full_disk_keeps_the_old_cursors(open_store: Callable[[], CursorStore]) -> None:
    """All or none: a write that fails leaves what was there, and the next may succeed."""
    store = open_store()
    store.save([cursor(1)])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="cursors can't be written: database or disk is full"):
        store.save([cursor(number, 5, "/x" * 200) for number in range(200)])
    assert [cursor(1)] == store.load()
    store._db.execute("PRAGMA max_page_count = 100000")
    store.save([cursor(1, 5)])
    assert [cursor(1, 5)] == store.load()


def test_killed_process_leaves_whole_rows(tmp_path: Path) -> None:
    """What was saved is there after a process ended without a word, and all of one save or nothing of it."""
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from shipper.tail.cursors import Cursor, CursorStore
        from shipper.tail.identity import NOTHING
        store = CursorStore(Path(sys.argv[1]), print)
        for turn in range(1, 6):
            store.save(Cursor(bytes([n]) * 9, "l", b"f", n, "p", 1, n, 9, NOTHING, turn) for n in range(50))
        store._db.execute("BEGIN IMMEDIATE")
        store._db.execute("UPDATE generation SET offset = 99 WHERE ordinal < 25")
        os._exit(9)
    """)
    root = Path(__file__).parents[3]
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
