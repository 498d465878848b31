"""Records of several lines over rotations and restarts, with a simulated clock."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.deliver.batch import Batch
from shipper.tail.framing import RECORD_PATIENCE
from tests.unit.shipped import Shipped

HEAD = "2026-03-01 10:00:00,100 - neuroflow.worker - ERROR - it failed"
TRACE = [
    "Traceback (most recent call last):", '  File "worker.py", line 3, in run', "    stage(1)",
    '  File "stages.py", line 9, in stage', "    raise ValueError(number)", "ValueError: 1",
]  # fmt: skip
RECORD = [HEAD, *TRACE]
NEXT = '{"event": "next", "level": "info"}'


class Ship(Shipped):
    """A log that is rotated in the middle of a record, and its sidecar."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, partial_line_timeout=5)
        self.log = self.logs / "neuroflow.log"

    def kill(self, *, accepted: bool = False, **options: Any) -> None:
        """SIGKILL and another start; the cluster has ``accepted`` what was in flight, without an answer."""
        if accepted:
            for request in self.cluster.waiting:
                self.stream.create(request.items)
        super().kill(**options)

    def write(self, *lines: str, path: Path | None = None) -> None:
        with (path or self.log).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def rename(self) -> None:
        self.shift()
        self.log.rename(f"{self.log}.1")

    def copytruncate(self) -> None:
        self.shift()
        shutil.copy(self.log, f"{self.log}.1")
        os.truncate(self.log, 0)

    def rename_and_pack(self) -> None:
        self.rename()
        plain = Path(f"{self.log}.1")
        Path(f"{self.log}.1.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    def shift(self) -> None:
        for number in (2, 1):
            for path in self.log.parent.glob(f"{self.log.name}.{number}*"):
                path.rename(str(path).replace(f".log.{number}", f".log.{number + 1}"))

    def look(self, seconds: float = 0.0) -> None:
        """Let time pass, and the sidecar work until nothing is left."""
        self.now += seconds
        while self.sidecar.turn(lambda _: False):
            pass

    def settle(self) -> list[str]:
        """Let everything finish; gives the messages in the index."""
        for _ in range(12):
            self.look(0.3)
        return sorted(self.stream.messages().elements())


ROTATIONS: dict[str, Callable[[Ship], None]] = {
    "rename": Ship.rename,
    "copytruncate": Ship.copytruncate,
    "gzip": Ship.rename_and_pack,
}
rotations = pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Ship]:
    """A sidecar that has nothing to do yet."""
    ship = Ship(tmp_path)
    yield ship
    ship.stop()
    assert [] == ship.warned


def whole(ship: Ship) -> None:
    """Check that the record is one document with all its lines."""
    ship.settle()
    (document,) = [one for one in ship.stream.documents if "error" in one]
    assert "it failed" == document["message"]
    assert {"type": "ValueError", "message": "1", "stack_trace": "\n".join(TRACE)} == document["error"]
    state = ship.counters.snapshot()
    assert state["read"] == state["acknowledged"] + state["duplicate"]


@rotations
@pytest.mark.parametrize("lines", range(1, len(RECORD)))
@pytest.mark.parametrize("seen", [True, False])
def test_torn_by_a_rotation(ship: Ship, rotate: Callable[[Ship], None], lines: int, seen: bool) -> None:
    """A traceback that a rotation splits anywhere is one record, whether its beginning was read before or not."""
    ship.write(NEXT)
    ship.look()
    ship.write(*RECORD[:lines])
    if seen:
        ship.look(0.3)
    rotate(ship)
    ship.write(*RECORD[lines:], NEXT)
    whole(ship)
    assert ["it failed", "next", "next"] == sorted(ship.stream.messages().elements())


@rotations
def test_torn_while_stopped(ship: Ship, rotate: Callable[[Ship], None]) -> None:
    """Both parts are found at the next start."""
    ship.write(*RECORD[:3])
    ship.look()
    ship.stop()
    assert [] == ship.stream.documents
    rotate(ship)
    ship.write(*RECORD[3:], NEXT)
    ship.start()
    whole(ship)


@rotations
def test_once_joins_too(ship: Ship, rotate: Callable[[Ship], None]) -> None:
    """``--once`` looks into the new file before it ends a held record."""
    ship.stop()
    ship.write(NEXT, *RECORD[:3])
    rotate(ship)
    ship.write(*RECORD[3:])
    ship.start(once=True)
    assert ship.sidecar.run_once()
    whole(ship)


@pytest.mark.parametrize("accepted", [True, False])
@rotations
def test_killed_before_the_answer(ship: Ship, rotate: Callable[[Ship], None], accepted: bool) -> None:
    """After a kill the record is the same, accepted or not, though both files have grown."""
    ship.write(NEXT)
    ship.settle()
    ship.cluster.away = ship.cluster.failing = True
    ship.write(*RECORD[:3])
    ship.look(0.3)
    rotate(ship)
    ship.write(*RECORD[3:])
    ship.look(0.3)
    ship.look(RECORD_PATIENCE)
    ship.look(0.3)
    assert 1 == len(ship.cluster.waiting)
    rotated = Path(f"{ship.log}.1")
    if rotated.exists():
        ship.write("  late", path=rotated)
    ship.write("  more")
    ship.kill(accepted=accepted)
    whole(ship)
    assert 1 == ship.settle().count("  more")
    assert (1 if rotated.exists() else 0) == ship.settle().count("  late")


@rotations
def test_state_lost(ship: Ship, rotate: Callable[[Ship], None]) -> None:
    """Without state the record gets the same id."""
    ship.write(NEXT, *RECORD[:3])
    ship.look()
    rotate(ship)
    ship.write(*RECORD[3:], NEXT)
    before = ship.settle()
    ship.stop()
    shutil.rmtree(ship.root / "state")
    ship.start()
    assert before == ship.settle()
    whole(ship)


def test_both_cursors_move_at_once(ship: Ship) -> None:
    """The record moves both cursors, after the lines before it are acknowledged."""
    ship.cluster.away = True
    ship.write(NEXT)
    ship.look()
    ship.look(0.3)
    ship.write(*RECORD[:3])
    ship.look(0.3)
    ship.rename()
    ship.write(*RECORD[3:], NEXT)
    ship.look(0.3)
    ship.look(0.3)
    first, second = ship.cluster.waiting
    assert (1, 2) == (len(first.items), len(second.items))
    ship.stream.create(second.items)
    ship.cluster.done += second.spans
    ship.look()
    assert [0, 0] == [cursor.offset for cursor in ship.store.load()]
    ship.kill()
    whole(ship)
    assert all(cursor.offset and not cursor.flush_points for cursor in ship.store.load())
    assert not ship.store.fact("seams")


def test_what_is_joined_is_written_before_it_is_sent(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush points and the join are stored before the batch is offered."""
    ship.write(NEXT)
    ship.settle()
    known: list[object] = []
    offer = ship.cluster.offer

    def look(batch: Batch) -> bool:
        known.append((sorted(cursor.flush_points for cursor in ship.store.load()), ship.store.fact("seams") != ""))
        return offer(batch)

    monkeypatch.setattr(ship.cluster, "offer", look)
    ship.write(*RECORD[:3])
    ship.rename()
    ship.write(*RECORD[3:], *[NEXT] * 6000)
    ship.look(0.3)
    before, after = (sum(len(line) + 1 for line in lines) for lines in (RECORD[:3], RECORD[3:]))
    assert (sorted([(after,), (len(NEXT) + 1 + before,)]), True) == known[0]


def test_what_goes_on_slowly_is_waited_for(ship: Ship) -> None:
    """Lines may follow slowly; a pause of the record's patience ends the record."""
    ship.write(*RECORD[:2])
    ship.look()
    ship.rename()
    for line in RECORD[2:]:
        ship.write(line)
        ship.look(0.8 * RECORD_PATIENCE)
    assert [] == ship.stream.documents
    whole(ship)


def test_not_held_back_for_longer(ship: Ship) -> None:
    """A line after the patience is another record."""
    ship.write(*RECORD[:3])
    ship.look()
    ship.rename()
    ship.look(0.3)
    ship.look(RECORD_PATIENCE)
    ship.look(0.3)
    assert ["it failed"] == ship.settle()
    ship.write(*RECORD[3:5])
    assert ["\n".join(RECORD[3:5]), "it failed"] == ship.settle()


def test_a_rotation_that_no_scan_has_seen(ship: Ship) -> None:
    """Before a record is ended, a scan looks for a new file."""
    ship.stop()
    ship.start(scan_interval=3600, watch="poll")
    ship.write(*RECORD[:3])
    ship.look()
    ship.rename()
    ship.write(*RECORD[3:])
    ship.look(RECORD_PATIENCE)
    assert ship.sidecar._tail.needs_scan
    ship.sidecar.hint(None)
    ship.sidecar._scans.hinted()
    whole(ship)


def test_the_new_file_waits_for_the_old_one(ship: Ship) -> None:
    """A record is joined though megabytes before it are unread."""
    ship.write(*[NEXT] * 20_000, *RECORD[:3])
    ship.rename()
    ship.write(*RECORD[3:], NEXT)
    whole_record_of = ship.settle()
    assert 20_002 == len(whole_record_of)
    (document,) = [one for one in ship.stream.documents if one["message"] == "it failed"]
    assert "\n".join(TRACE) == document["error"]["stack_trace"]


def test_a_new_file_that_begins_a_record_waits_for_nothing(ship: Ship) -> None:
    """A new file that starts with a record is shipped immediately."""
    ship.write(*[NEXT] * 20_000, *RECORD[:3])
    ship.rename()
    ship.write('{"event": "first", "level": "info"}')
    ship.sidecar.turn(lambda _: False)
    ship.now += 0.2
    ship.sidecar.turn(lambda _: False)
    assert "first" in ship.stream.messages()


def test_a_writer_that_stays_holds_up_nothing(ship: Ship) -> None:
    """A growing old file delays the new one only by the bytes of the first scan."""
    ship.write(*[NEXT] * 3000, *RECORD[:3])
    ship.rename()
    ship.write("  orphan")
    for _ in range(12):
        ship.write(*[NEXT] * 3000, path=Path(f"{ship.log}.1"))
        ship.now += 0.2
        ship.sidecar.turn(lambda _: False)
    assert any("orphan" in message for message in ship.stream.messages())


def test_a_file_that_cannot_be_read_holds_up_nothing(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the old file cannot be read, the new file's lines are shipped unjoined."""
    ship.write(NEXT, *RECORD[:3])
    ship.rename()
    ship.write("  orphan", NEXT)
    read = os.pread

    def refuse(descriptor: int, length: int, offset: int) -> bytes:
        if os.path.realpath(f"/proc/self/fd/{descriptor}").endswith(".log.1") and length > 60_000:
            raise OSError(5, "Input/output error")
        return read(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", refuse)
    assert ["  orphan", "next"] == ship.settle()
    monkeypatch.undo()
    assert ["  orphan", "it failed", "next", "next"] == ship.settle()


def test_a_record_over_three_generations(ship: Ship) -> None:
    """A record that two rotations split is one document."""
    ship.write(NEXT)
    ship.look()
    ship.write(*RECORD[:3])
    ship.rename()
    ship.write(*RECORD[3:5])
    ship.rename()
    ship.write(*RECORD[5:], NEXT)
    whole(ship)
    assert all(cursor.offset and not cursor.flush_points for cursor in ship.store.load())


@pytest.mark.parametrize("accepted", [True, False])
def test_killed_with_a_record_over_three_generations(ship: Ship, accepted: bool) -> None:
    """After a kill it is made again unchanged."""
    ship.cluster.away = ship.cluster.failing = True
    ship.write(*RECORD[:3])
    ship.rename()
    ship.write(*RECORD[3:5])
    ship.rename()
    ship.write(*RECORD[5:], NEXT)
    ship.look()
    ship.look(0.3)
    assert [2] == [len(batch.items) for batch in ship.cluster.waiting]
    for number in (1, 2):
        ship.write(f"  late {number}", path=Path(f"{ship.log}.{number}"))
    ship.kill(accepted=accepted)
    whole(ship)
    assert ["  late 1", "  late 2", "it failed", "next"] == ship.settle()


@pytest.mark.parametrize("name", ["pipelines/qsiprep/qsiprep_9_20260301_100000.log", "audit/audit_2026_03.jsonl"])
def test_lines_that_are_records_are_never_joined(ship: Ship, name: str) -> None:
    """In pipeline and audit logs every line is a document."""
    ship.log = ship.log.parent / name
    ship.log.parent.mkdir(parents=True)
    ship.write("one")
    ship.rename()
    ship.write("  two")
    assert ["  two", "one"] == ship.settle()


def test_an_unfinished_line_is_joined_with_nothing(ship: Ship) -> None:
    """After a copy within a line the rest is a record of its own."""
    ship.write(*RECORD[:3])
    with ship.log.open("a") as file:
        file.write("  half a l")
    ship.copytruncate()
    ship.write("  ine", NEXT)
    for _ in range(30):
        ship.look(0.3)
    found = ship.settle()
    assert "  ine" in found
    assert 4 == len(found)


def test_lines_at_their_limit_stay_bounded(ship: Ship) -> None:
    """Over a rotation a record has the same limits as in one file."""
    ship.write(HEAD, *["  frame"] * 1500)
    ship.look()
    ship.rename()
    ship.write(*["  frame"] * 1500, NEXT)
    found = ship.settle()
    assert 3001 == sum(message.count("\n") + 1 for message in found if message != "next")
    assert 2000 == max(message.count("\n") + 1 for message in found)


def test_torn_where_paths_are_hidden(ship: Ship) -> None:
    """With hashed paths the record is joined."""
    ship.stop()
    hidden: dict[str, Any] = {"redact": {"hash": ["subject_id"], "hash_key": "a key of thirty-two characters ..."}}
    ship.start(**hidden)
    ship.write(NEXT, *RECORD[:3])
    ship.look()
    ship.kill(**hidden)
    ship.rename()
    ship.write(*RECORD[3:], NEXT)
    whole(ship)


def test_killed_in_the_midst_of_a_record(ship: Ship) -> None:
    """Held lines are not acknowledged, and read again after SIGKILL and SIGTERM."""
    ship.write(NEXT, *RECORD[:2])
    ship.look(0.3)
    ship.kill()
    ship.write(*RECORD[2:4])
    ship.look(0.3)
    ship.stop()
    ship.start()
    ship.write(*RECORD[4:], NEXT)
    whole(ship)
