"""After SIGKILL and power loss at any moment no line is lost or repeated."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.harness import Harness
from tests.conformance.relay import Relay
from tests.conformance.test_sidecar import expected, write

pytestmark = pytest.mark.in_process

STORE = "cursors.sqlite"


def rotate(log: Path) -> None:
    """Rotate by renaming."""
    for number in range(9, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


class TestKilled:
    @pytest.mark.program
    def test_at_random_instants_during_rotations(self, harness: Harness) -> None:
        """Six kills while 20,000 lines are written into a log that rotates eight times."""
        harness.configure(batch={"max_events": 300})
        log = harness.logs / "neuroflow.log"
        done = threading.Event()

        def keep_writing() -> None:
            for part in range(80):
                write(log, part * 250, part * 250 + 250)
                if part % 9 == 8:
                    rotate(log)
                done.wait(0.1)

        writer = threading.Thread(target=keep_writing)
        writer.start()
        chance = random.Random(11)
        try:
            for _ in range(6):
                process = harness.start()
                time.sleep(chance.uniform(0.6, 2.5))  # any instant will do
                harness.kill(process)
        finally:
            done.set()
            writer.join()
        assert 0 == harness.once().returncode
        assert expected(20_000) == harness.messages("app")

    def test_and_rolled_over(self, harness: Harness) -> None:
        """After each kill the stream rolls over and the log rotates: indexed documents are looked up."""
        harness.configure(batch={"max_events": 300})
        log = harness.logs / "neuroflow.log"
        for turn in range(3):
            write(log, turn * 4000, turn * 4000 + 4000)
            process = harness.start()
            assert harness.eventually(lambda turn=turn: harness.count() > turn * 4000 + 500)  # type: ignore[misc]
            harness.kill(process)
            harness.roll_over()
            rotate(log)
        assert 0 == harness.once().returncode
        assert expected(12_000) == harness.messages("app")

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    def test_between_acceptance_and_cursor(self, harness: Harness, relay: Relay, rolled_over: bool) -> None:
        """The sidecar is killed after the cluster accepted lines, before the answer."""
        direct = harness.url
        harness.url = relay.url
        harness.configure()
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        write(log, 0, 100)
        assert harness.eventually(lambda: harness.count() == 100)
        relay.swallow = True
        write(log, 100, 600)
        assert harness.eventually(lambda: harness.count() == 600)
        harness.kill(process)
        assert relay.swallowed > 0
        if rolled_over:
            harness.roll_over()
        harness.url = direct
        harness.configure()
        write(log, 600, 700)
        assert 0 == harness.once().returncode
        assert expected(700) == harness.messages("app")

    def test_what_is_noted_is_not_sent_again(self, harness: Harness) -> None:
        """After a kill the next start reads only behind the stored cursor."""
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        write(log, 0, 500)
        assert harness.eventually((harness.state / STORE).exists)
        assert harness.eventually(lambda: harness.status()["counters"]["acknowledged"] == 500)
        harness.kill(process)
        write(log, 500, 510)
        assert 0 == harness.once().returncode
        counters = harness.status()["counters"]
        assert (510, 510, 0) == (counters["read"], counters["acknowledged"], counters["duplicate"])
        assert expected(510) == harness.messages("app")


@pytest.fixture
def crashed(harness: Harness) -> Path:
    """The state directory of a killed sidecar: store, write-ahead log, three generations of a log."""
    log = harness.logs / "neuroflow.log"
    for first in (0, 50):
        write(log, first, first + 50)
        rotate(log)
    write(log, 100, 130)
    assert 0 == harness.once().returncode
    process = harness.start()
    write(log, 130, 150)
    assert harness.eventually(lambda: harness.status()["counters"]["acknowledged"] == 150)
    harness.kill(process)
    assert (harness.state / f"{STORE}-wal").stat().st_size
    assert 150 == harness.count()
    return Path(shutil.copytree(harness.state, harness.folder / "crashed"))


def again(harness: Harness, crashed: Path, damage: Callable[[Path], object]) -> str:
    """Restore the killed sidecar's state, damage it, ship everything; gives the output."""
    shutil.rmtree(harness.state)
    shutil.copytree(crashed, harness.state)
    damage(harness.state / STORE)
    result = harness.once()
    assert 0 == result.returncode, result.stderr
    assert "Traceback" not in result.stderr
    if list(harness.state.glob("*.damaged-*")):
        assert "the cursor store " in result.stderr
        assert "set aside as" in result.stderr
    return result.stderr


def cut(path: Path, share: float) -> None:
    """Cut a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


class TestPowerLoss:
    @pytest.mark.parametrize(("suffixes", "places"), [(("",), 10), (("-wal",), 10), (("", "-wal"), 5)])
    def test_cut_at_any_byte(self, harness: Harness, crashed: Path, suffixes: tuple[str, ...], places: int) -> None:
        """With store, write-ahead log or both cut anywhere nothing is lost or repeated."""
        log = harness.logs / "neuroflow.log"
        for turn in range(places):

            def damage(store: Path, share: float = (turn + 0.37) / places) -> None:
                for suffix in suffixes:
                    cut(Path(f"{store}{suffix}"), share)

            write(log, 150 + turn, 151 + turn)
            again(harness, crashed, damage)
            assert 151 + turn == harness.count()
        assert expected(150 + places) == harness.messages("app")

    def test_flipped_bytes(self, harness: Harness, crashed: Path) -> None:
        """With flipped bytes no wrong position is used."""
        log = harness.logs / "neuroflow.log"
        chance = random.Random(23)

        def damage(store: Path) -> None:
            for path in (store, Path(f"{store}-wal")):
                content = bytearray(path.read_bytes())
                for _ in range(8):
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
                path.write_bytes(content)

        for turn in range(10):
            write(log, 150 + turn, 151 + turn)
            again(harness, crashed, damage)
            assert 151 + turn == harness.count()
        assert expected(160) == harness.messages("app")


def _zero(store: Path) -> None:
    store.write_bytes(bytes(store.stat().st_size))
    Path(f"{store}-wal").unlink()


def _empty(store: Path) -> None:
    store.write_bytes(b"")


def _zero_page(store: Path) -> None:
    Path(f"{store}-wal").unlink()
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


def _directory(store: Path) -> None:
    store.unlink()
    store.mkdir()


def _text(store: Path) -> None:
    store.write_text("no database at all\n" * 500)


def _gone(store: Path) -> None:
    store.unlink()


def _newer(store: Path) -> None:
    db = sqlite3.connect(store)
    db.execute("UPDATE fact SET value = '999' WHERE name = 'schema'")
    db.commit()
    db.close()


LOUD = {
    "zeroed": _zero,
    "zero length": _empty,
    "a page zeroed": _zero_page,
    "a directory": _directory,
    "text": _text,
    "gone": _gone,
    "newer": _newer,
}


class TestDamagedStore:
    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    @pytest.mark.parametrize("what", LOUD)
    def test_is_set_aside_and_said(self, harness: Harness, crashed: Path, what: str, rolled_over: bool) -> None:
        """An unusable store is set aside with a message, and indexed lines are recognised."""
        if rolled_over:
            harness.roll_over()
        write(harness.logs / "neuroflow.log", 150, 160)
        assert "set aside as" in again(harness, crashed, LOUD[what])
        assert expected(160) == harness.messages("app")
        assert list(harness.state.glob("*.damaged-*"))
        assert "damaged" not in harness.once().stderr

    @pytest.mark.parametrize("suffix", ["-wal", "-shm"])
    def test_a_part_is_deleted(self, harness: Harness, crashed: Path, suffix: str) -> None:
        """Without its write-ahead log the store is older; nothing is lost or repeated."""
        harness.roll_over()
        write(harness.logs / "neuroflow.log", 150, 160)
        again(harness, crashed, lambda store: Path(f"{store}{suffix}").unlink())
        assert expected(160) == harness.messages("app")

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    def test_an_old_copy(self, harness: Harness, crashed: Path, rolled_over: bool) -> None:
        """A backup from before a rotation is restored after a clean end."""
        log = harness.logs / "neuroflow.log"
        write(log, 150, 200)
        rotate(log)
        write(log, 200, 220)
        assert 0 == harness.once().returncode
        if rolled_over:
            harness.roll_over()
        write(log, 220, 230)
        again(harness, crashed, lambda _: None)
        assert expected(230) == harness.messages("app")
