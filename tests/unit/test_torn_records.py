"""Records of several lines over rotations and restarts: the whole line's way, with a clock that is moved by hand."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Config, Shipper
from shipper.deliver.batch import Batch
from shipper.redact.redactor import Redactor
from shipper.sidecar.sidecar import Sidecar
from shipper.tail.clock import Clock
from shipper.tail.framing import RECORD_PATIENCE
from shipper.tail.state.store import CursorStore
from shipper.telemetry import Counters
from tests.unit.cluster_stand_in import Cluster, Stream

HEAD = "2026-03-01 10:00:00,100 - neuroflow.worker - ERROR - it failed"
TRACE = [
    "Traceback (most recent call last):",
    '  File "worker.py", line 3, in run',
    "    stage(1)",
    '  File "stages.py", line 9, in stage',
    "    raise ValueError(number)",
    "ValueError: 1",
]
RECORD = [HEAD, *TRACE]
NEXT = '{"event": "next", "level": "info"}'


class Ship:
    """One log directory, one sidecar, one data stream."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "logs" / "neuroflow.log"
        self.log.parent.mkdir()
        self.now = 1000.0
        self.stream = Stream()
        self.start()

    def start(self, *, once: bool = False, **settings: Any) -> None:
        """Start a sidecar."""
        config = Config(
            path=self.root / "neuroflow.yaml",
            log_dir=self.log.parent,
            shipper=Shipper.model_validate({
                "state_dir": str(self.root / "state"), "timezone": "UTC", "host_name": "h", "flush_interval": 0.1,
                "scan_interval": 0.2, "shutdown_timeout": 1, **settings,
            }),
        )  # fmt: skip
        redactor = Redactor(config.shipper.redact)
        self.store = CursorStore(config.shipper.state_dir, pytest.fail, redactor.conceal)
        self.counters = Counters()
        self.cluster = Cluster(self.stream, self.counters)
        self.sidecar = Sidecar(
            config,
            store=self.store,
            sender=self.cluster,  # type: ignore[arg-type] # what of a Sender is asked, without threads
            counters=self.counters,
            wake=threading.Event(),
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
            once=once,
            redactor=redactor,
        )

    def kill(self, *, accepted: bool = False, **settings: Any) -> None:
        """SIGKILL and another start; nobody heard whether what was under way was ``accepted``."""
        if accepted:
            for request in self.cluster.waiting:
                self.stream.create(request.items)
        for one in self.sidecar._tail._generations:
            if one.active_reader is not None:
                one.close()
        self.store.close()
        self.start(**settings)

    def stop(self) -> None:
        """SIGTERM."""
        self.sidecar.stop()
        self.store.close(clean=self.sidecar.drain())

    def write(self, *lines: str, path: Path | None = None) -> None:
        """Append lines."""
        with (path or self.log).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def rename(self) -> None:
        """Rotate by renaming."""
        self.shift()
        self.log.rename(f"{self.log}.1")

    def copytruncate(self) -> None:
        """Rotate by copying and truncating."""
        self.shift()
        shutil.copy(self.log, f"{self.log}.1")
        os.truncate(self.log, 0)

    def rename_and_pack(self) -> None:
        """Rotate by renaming, and gzip what was renamed."""
        self.rename()
        plain = Path(f"{self.log}.1")
        Path(f"{self.log}.1.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    def shift(self) -> None:
        """What is rotated becomes one older."""
        for number in (2, 1):
            for path in self.log.parent.glob(f"{self.log.name}.{number}*"):
                path.rename(str(path).replace(f".log.{number}", f".log.{number + 1}"))

    def look(self, seconds: float = 0.0) -> None:
        """A while later the sidecar does what is due, until it finds no more to do."""
        self.now += seconds
        while self.sidecar.turn(lambda _: False):
            pass

    def settle(self) -> list[str]:
        """Let everything come to rest; gives what is in the index."""
        for _ in range(12):
            self.look(0.3)
        return sorted(self.stream.messages().elements())

    def documents(self) -> list[dict[str, Any]]:
        """All documents in the index."""
        return self.stream.documents


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


def whole(ship: Ship) -> None:
    """The record is one document with all of its lines."""
    ship.settle()
    (document,) = [one for one in ship.documents() if "error" in one]
    assert "it failed" == document["message"]
    assert {"type": "ValueError", "message": "1", "stack_trace": "\n".join(TRACE)} == document["error"]
    state = ship.counters.snapshot()
    assert state["read"] == state["acknowledged"] + state["duplicate"]


@rotations
@pytest.mark.parametrize("lines", range(1, len(RECORD)))
@pytest.mark.parametrize("seen", [True, False])
def test_torn_by_a_rotation(ship: Ship, rotate: Callable[[Ship], None], lines: int, seen: bool) -> None:
    """Wherever a rotation tears a traceback, and whether its beginning was read before or not, it is one record."""
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
def test_torn_while_nobody_looked(ship: Ship, rotate: Callable[[Ship], None]) -> None:
    """Down while it happened, stopped in the midst of the record: both parts are found at the next start."""
    ship.write(*RECORD[:3])
    ship.look()
    ship.stop()
    assert [] == ship.documents()
    rotate(ship)
    ship.write(*RECORD[3:], NEXT)
    ship.start()
    whole(ship)


@rotations
def test_once_joins_too(ship: Ship, rotate: Callable[[Ship], None]) -> None:
    """``--once`` looks at the new file before it ends what the old one holds back."""
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
    """Accepted or not, what goes on in both files before the next start changes nothing about the record."""
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
    """Sent again without any memory, it is recognised."""
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
    """The answer for the record comes before that for the lines above it: neither cursor passes it alone."""
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
    """When the batch goes out the store knows where both lives' parts end, and that they belong together."""
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
    """The rest may come line by line: a second without any ends it, as in one file."""
    ship.write(*RECORD[:2])
    ship.look()
    ship.rename()
    for line in RECORD[2:]:
        ship.write(line)
        ship.look(0.8 * RECORD_PATIENCE)
    assert [] == ship.documents()
    whole(ship)


def test_not_held_back_for_longer(ship: Ship) -> None:
    """What comes more than a second later, or was not there when the log was looked for, is another record."""
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
    """Where nothing tells of new files, one is looked for before a record is ended."""
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
    """Megabytes are unread of the life before when the next one begins amid a record."""
    ship.write(*[NEXT] * 20_000, *RECORD[:3])
    ship.rename()
    ship.write(*RECORD[3:], NEXT)
    whole_record_of = ship.settle()
    assert 20_002 == len(whole_record_of)
    (document,) = [one for one in ship.documents() if one["message"] == "it failed"]
    assert "\n".join(TRACE) == document["error"]["stack_trace"]


def test_a_new_file_that_begins_a_record_waits_for_nothing(ship: Ship) -> None:
    """Its lines don't come after the megabytes of the life before."""
    ship.write(*[NEXT] * 20_000, *RECORD[:3])
    ship.rename()
    ship.write('{"event": "first", "level": "info"}')
    ship.sidecar.turn(lambda _: False)
    ship.now += 0.2
    ship.sidecar.turn(lambda _: False)
    assert "first" in ship.stream.messages()


def test_a_writer_that_stays_holds_up_nothing(ship: Ship) -> None:
    """The old file grows faster than it is waited for: the new one waits for what was there when it was met."""
    ship.write(*[NEXT] * 3000, *RECORD[:3])
    ship.rename()
    ship.write("  orphan")
    for _ in range(12):
        ship.write(*[NEXT] * 3000, path=Path(f"{ship.log}.1"))
        ship.now += 0.2
        ship.sidecar.turn(lambda _: False)
    assert any("orphan" in message for message in ship.stream.messages())


def test_a_file_that_cannot_be_read_holds_up_nothing(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the life before gives nothing, the next one's first lines are shipped as they are."""
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


def test_a_record_over_three_lives(ship: Ship) -> None:
    """Rotated twice in a record: what lies in the middle is all of a file."""
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
def test_killed_with_a_record_over_three_lives(ship: Ship, accepted: bool) -> None:
    """The same record is made again, whatever was written since."""
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
    """Of pipeline and audit logs every line is a document."""
    ship.log = ship.log.parent / name
    ship.log.parent.mkdir(parents=True)
    ship.write("one")
    ship.rename()
    ship.write("  two")
    assert ["  two", "one"] == ship.settle()


def test_an_unfinished_line_is_joined_with_nothing(ship: Ship) -> None:
    """A copy that was made in the midst of a line ends there; what follows is a record of its own."""
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
    """A record that never ends is cut where one in a single file is, also over a rotation."""
    ship.write(HEAD, *["  frame"] * 1500)
    ship.look()
    ship.rename()
    ship.write(*["  frame"] * 1500, NEXT)
    found = ship.settle()
    assert 3001 == sum(message.count("\n") + 1 for message in found if message != "next")
    assert 2000 == max(message.count("\n") + 1 for message in found)


def test_torn_where_paths_are_hidden(ship: Ship) -> None:
    """Where ids are hashed the store knows no path, and the life before is found all the same."""
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
    """What is held back is not acknowledged: after SIGKILL and SIGTERM alike it is read again and goes on."""
    ship.write(NEXT, *RECORD[:2])
    ship.look(0.3)
    ship.kill()
    ship.write(*RECORD[2:4])
    ship.look(0.3)
    ship.stop()
    ship.start()
    ship.write(*RECORD[4:], NEXT)
    whole(ship)
