"""SIGKILL and power loss at any moment: nothing lost, nothing twice."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.relay import Relay
from tests.conformance.rig import Rig, eventually
from tests.conformance.test_sidecar import expected, write

STORE = "cursors.sqlite"


def roll_over(rig: Rig, es: Elasticsearch) -> None:
    """From now on the same id can be created again."""
    es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")


def rotate(log: Path) -> None:
    """A rename chain, as a rotating writer does it."""
    for number in range(9, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


class TestKilled:
    def test_at_random_instants_during_rotations(self, rig: Rig, es: Elasticsearch) -> None:
        """Six SIGKILLs while 20,000 lines are written into a log that rotates eight times."""
        rig.configure(batch={"max_events": 300})
        log = rig.logs / "neuroflow.log"
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
                process = rig.start()
                time.sleep(chance.uniform(0.6, 2.5))  # any instant will do
                rig.kill(process)
        finally:
            done.set()
            writer.join()
        assert 0 == rig.once().returncode
        assert expected(20_000) == rig.messages(es, "app")

    def test_and_rolled_over(self, rig: Rig, es: Elasticsearch) -> None:
        """After each SIGKILL a new backing index, and a rotation: what was indexed is looked up."""
        rig.configure(batch={"max_events": 300})
        log = rig.logs / "neuroflow.log"
        for turn in range(3):
            write(log, turn * 4000, turn * 4000 + 4000)
            process = rig.start()
            assert eventually(lambda turn=turn: rig.count(es) > turn * 4000 + 500)  # type: ignore[misc]
            rig.kill(process)
            roll_over(rig, es)
            rotate(log)
        assert 0 == rig.once().returncode
        assert expected(12_000) == rig.messages(es, "app")

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    def test_between_acceptance_and_cursor(
        self, rig: Rig, es: Elasticsearch, relay: Relay, rolled_over: bool
    ) -> None:
        """The cluster has taken the lines, the sidecar was killed before it heard so."""
        direct = rig.url
        rig.url = relay.url
        rig.configure()
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        write(log, 0, 100)
        assert eventually(lambda: rig.count(es) == 100)
        relay.swallow = True
        write(log, 100, 600)
        assert eventually(lambda: rig.count(es) == 600)
        rig.kill(process)
        assert relay.swallowed > 0
        if rolled_over:
            roll_over(rig, es)
        rig.url = direct
        rig.configure()
        write(log, 600, 700)
        assert 0 == rig.once().returncode
        assert expected(700) == rig.messages(es, "app")

    def test_what_is_noted_is_not_sent_again(self, rig: Rig, es: Elasticsearch) -> None:
        """A cursor that was written is there after SIGKILL: the next start reads only what is new."""
        log = rig.logs / "neuroflow.log"
        process = rig.start()
        write(log, 0, 500)
        assert eventually((rig.state / STORE).exists)
        assert eventually(lambda: rig.status()["counters"]["acknowledged"] == 500)
        rig.kill(process)
        write(log, 500, 510)
        assert 0 == rig.once().returncode
        counters = rig.status()["counters"]
        assert (510, 510, 0) == (counters["read"], counters["acknowledged"], counters["duplicate"])
        assert expected(510) == rig.messages(es, "app")


@pytest.fixture
def crashed(rig: Rig, es: Elasticsearch) -> Path:
    """The state directory of a killed sidecar: a main file, a write-ahead log, three lives of one log."""
    log = rig.logs / "neuroflow.log"
    for first in (0, 50):
        write(log, first, first + 50)
        rotate(log)
    write(log, 100, 130)
    assert 0 == rig.once().returncode
    process = rig.start()
    write(log, 130, 150)
    assert eventually(lambda: rig.status()["counters"]["acknowledged"] == 150)
    rig.kill(process)
    assert (rig.state / f"{STORE}-wal").stat().st_size
    assert 150 == rig.count(es)
    return Path(shutil.copytree(rig.state, rig.folder / "crashed"))


def again(rig: Rig, crashed: Path, damage: Callable[[Path], object]) -> str:
    """Put the killed sidecar's state back, damage it, ship what there is; gives what was said."""
    shutil.rmtree(rig.state)
    shutil.copytree(crashed, rig.state)
    damage(rig.state / STORE)
    result = rig.once()
    assert 0 == result.returncode, result.stderr
    assert "Traceback" not in result.stderr
    if list(rig.state.glob("*.damaged-*")):
        assert "the cursor store is damaged" in result.stderr
        assert "set aside as" in result.stderr
    return result.stderr


def cut(path: Path, share: float) -> None:
    """A file that ends early."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


class TestPowerLoss:
    @pytest.mark.parametrize(("suffixes", "places"), [(("",), 10), (("-wal",), 10), (("", "-wal"), 5)])
    def test_cut_at_any_byte(
        self, rig: Rig, es: Elasticsearch, crashed: Path, suffixes: tuple[str, ...], places: int
    ) -> None:
        """Main file, write-ahead log or both end anywhere: it starts, nothing is lost, nothing comes twice."""
        log = rig.logs / "neuroflow.log"
        for turn in range(places):

            def damage(store: Path, share: float = (turn + 0.37) / places) -> None:
                for suffix in suffixes:
                    cut(Path(f"{store}{suffix}"), share)

            write(log, 150 + turn, 151 + turn)
            again(rig, crashed, damage)
            assert 151 + turn == rig.count(es)
        assert expected(150 + places) == rig.messages(es, "app")

    def test_flipped_bytes(self, rig: Rig, es: Elasticsearch, crashed: Path) -> None:
        """Any bytes of main file and write-ahead log flipped: no wrong position is believed."""
        log = rig.logs / "neuroflow.log"
        chance = random.Random(23)

        def damage(store: Path) -> None:
            for path in (store, Path(f"{store}-wal")):
                content = bytearray(path.read_bytes())
                for _ in range(8):
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
                path.write_bytes(content)

        for turn in range(10):
            write(log, 150 + turn, 151 + turn)
            again(rig, crashed, damage)
            assert 151 + turn == rig.count(es)
        assert expected(160) == rig.messages(es, "app")


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
    def test_is_set_aside_and_said(
        self, rig: Rig, es: Elasticsearch, crashed: Path, what: str, rolled_over: bool
    ) -> None:
        """A store that can't be used: it starts anew, says so, and everything indexed is recognised."""
        if rolled_over:
            roll_over(rig, es)
        write(rig.logs / "neuroflow.log", 150, 160)
        assert "the cursor store is damaged" in again(rig, crashed, LOUD[what])
        assert expected(160) == rig.messages(es, "app")
        assert list(rig.state.glob("*.damaged-*"))
        assert "damaged" not in rig.once().stderr

    @pytest.mark.parametrize("suffix", ["-wal", "-shm"])
    def test_a_part_is_deleted(self, rig: Rig, es: Elasticsearch, crashed: Path, suffix: str) -> None:
        """Without its write-ahead log the store is an older one; nothing is lost, nothing comes twice."""
        roll_over(rig, es)
        write(rig.logs / "neuroflow.log", 150, 160)
        again(rig, crashed, lambda store: Path(f"{store}{suffix}").unlink())
        assert expected(160) == rig.messages(es, "app")

    @pytest.mark.parametrize("rolled_over", [False, True], ids=["same index", "rolled over"])
    def test_an_old_copy(self, rig: Rig, es: Elasticsearch, crashed: Path, rolled_over: bool) -> None:
        """A backup of the state from before a rotation is put back after a clean end."""
        log = rig.logs / "neuroflow.log"
        write(log, 150, 200)
        rotate(log)
        write(log, 200, 220)
        assert 0 == rig.once().returncode
        if rolled_over:
            roll_over(rig, es)
        write(log, 220, 230)
        again(rig, crashed, lambda _: None)
        assert expected(230) == rig.messages(es, "app")
