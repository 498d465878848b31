from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from shipper.tail.fingerprint import checkpoint_hash_of, hash_of
from shipper.tail.found_files import Source
from shipper.tail.report import known, read_only, report
from shipper.tail.scanner import Scanner
from shipper.tail.state.checkpoint import Checkpoint
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.rows import Cursor, LastSeen
from shipper.tail.state.store import CursorStore

PATH = "/logs/qsiprep/sub-0421_ses-01.log"


def hidden_by(key: str) -> Conceal:
    """The function by which a redactor with this key hides paths."""

    def conceal(path: str) -> str:
        return f"~{sha256((key + path).encode()).hexdigest()[:16]}" if path.startswith("/") else path

    return conceal


def cursor(path: str, number: int = 1) -> Cursor:
    """The cursor of one file."""
    return Cursor(
        number.to_bytes(9, "big"),
        path,
        b"f" * 16,
        0,
        LastSeen(path, 5, number, 100),
        hash_of(b"head"),
        Checkpoint(100),
    )


def state_bytes(state: Path) -> bytes:
    """All bytes in the state directory."""
    return b"".join(path.name.encode() + path.read_bytes() for path in sorted(state.iterdir()))


def fill(state: Path, conceal: Conceal, rows: int = 1) -> CursorStore:
    """A store with some files, still open."""
    store = CursorStore(state, pytest.fail, conceal)
    store.save(cursor(f"{PATH}.{number}" if number > 1 else PATH, number) for number in range(1, rows + 1))
    return store


def test_paths_are_not_told(tmp_path: Path) -> None:
    """The state contains no path, during and after a run, and all positions come back."""
    store = fill(tmp_path, hidden_by("k"), rows=3)
    assert b"0421" not in state_bytes(tmp_path)
    store.forget([cursor(PATH, 2).id])
    store.close(clean=True)
    assert b"0421" not in state_bytes(tmp_path)
    store = CursorStore(tmp_path, pytest.fail, hidden_by("k"))
    first, third = sorted(store.load(), key=lambda one: one.id)
    assert (hidden_by("k")(PATH), 100, 3) == (first.file.path, first.offset, third.file.inode)
    assert first.file.path == first.logical
    store.save([first])
    store.close()
    assert first in read_only(tmp_path)[0]


@pytest.mark.parametrize("clean", [True, False])
def test_store_with_clear_paths_is_rewritten(tmp_path: Path, clean: bool) -> None:
    """No file of the store contains a path any more, also from deleted rows, and every position is kept."""
    store = fill(tmp_path, plain, rows=400)
    store.forget(number.to_bytes(9, "big") for number in range(200, 256))
    if clean:
        store.close(clean=True)
    else:
        store._unlock()  # as after a SIGKILL: what the write-ahead log holds stays there
    assert b"0421" in state_bytes(tmp_path)
    again = CursorStore(tmp_path, pytest.fail, hidden_by("k"))
    assert b"0421" not in state_bytes(tmp_path)
    assert clean == again.clean
    assert {hidden_by("k")(PATH)} <= {one.file.path for one in again.load()}
    assert {100} == {one.offset for one in again.load()}
    again.close()


@pytest.mark.parametrize("now", [plain, hidden_by("another")], ids=["off", "other key"])
def test_rows_that_nobody_can_read_are_let_go(tmp_path: Path, now: Conceal) -> None:
    """With another key, or none, they are dropped with a warning, and documents are looked up."""
    store = fill(tmp_path, hidden_by("k"))
    store.learn(["abc.1"])
    store.close(clean=True)
    said: list[str] = []
    store = CursorStore(tmp_path, said.append, now)
    assert ([], set(), False) == (store.load(), store.known(), store.clean)
    (sentence,) = said
    assert "files are read again, lines already indexed are recognised by their ids" in sentence
    assert sentence.endswith("restore the old key")
    store.save([cursor(PATH)])
    store.close()
    CursorStore(tmp_path, pytest.fail, now).close()


def test_ids_that_were_met_come_back(tmp_path: Path) -> None:
    """Learned ids are restored, after the store was deleted during a run, and for ``status``."""
    store = fill(tmp_path, hidden_by("k"))
    store.learn(["a.1", "b.2"])
    store.learn(["b.2", "c.1w"])
    store.path.unlink()
    store._warn = lambda _: None
    store.restore(store.load())
    store.close()
    assert ["a.1", "b.2", "c.1w"] == sorted(known(tmp_path))
    store = CursorStore(tmp_path, pytest.fail, hidden_by("k"))
    assert {"a.1", "b.2", "c.1w"} == store.known()
    store.close()
    assert [] == known(tmp_path / "none")


def test_report_finds_files_that_are_hidden(tmp_path: Path) -> None:
    """``status`` finds a file with a hidden path by a scan."""
    log = tmp_path / "sub-0421.log"
    log.write_bytes(b"x" * 99 + b"\n" + b"y" * 50)
    stat = log.stat()
    one = cursor(str(log))
    one.file = one.file._replace(device=stat.st_dev, inode=stat.st_ino)
    one.fingerprint = hash_of(b"x" * 99 + b"\n")
    one.checkpoint = one.checkpoint._replace(hash=checkpoint_hash_of(b"x" * 99 + b"\n"))
    store = CursorStore(tmp_path / "state", pytest.fail, hidden_by("k"))
    store.save([one])
    store.close()
    assert [] == report(tmp_path / "state", [], 0.0, host="h", conceal=hidden_by("k"))["files"]
    files = Scanner([Source(f"{tmp_path}/*.log", "auto", "app")], [], pytest.fail).scan()
    (file,) = report(tmp_path / "state", files, 0.0, host="h", conceal=hidden_by("k"))["files"]
    assert (str(log), 100, 50) == (file["path"], file["offset"], file["lag_bytes"])
