"""Rotation of every kind, in any order, against a model: each line is produced, and under one id only."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shipper.document.ids import ids_of
from shipper.tail import reader as reader_module
from shipper.tail.block import Block
from shipper.tail.fingerprint import CHECKPOINT_BYTES, checkpoint_hash_of
from shipper.tail.progress import Progress, Span
from shipper.tail.reader import MovedError, RewrittenError
from shipper.tail.scanner import Scanner, Source
from shipper.tail.state.store import Cursor
from shipper.tail.tracker import Generation, Generations
from tests.unit.rotated_log import PACK, RotatedLog

# Small reads (but a whole head at once), so that a file of a few lines takes several.
CHUNK = 1100
FOREVER = 1e9


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read a few lines at a time."""
    monkeypatch.setattr(reader_module, "CHUNK_BYTES", CHUNK)


class Tail:
    """What the sidecar does with the parts of the tail, without its threads and clocks."""

    def __init__(self, root: Path) -> None:
        self.scanner = Scanner([Source(f"{root}/app.log", "auto", "app")], [], lambda _: None)
        self.saved: dict[bytes, Cursor] = {}
        self.ids: dict[bytes, bytes] = {}
        self.start()

    def start(self) -> None:
        """Begin with what was saved; what was read and not acknowledged is forgotten."""
        cursors = copy.deepcopy(list(self.saved.values()))
        self.generations = Generations(cursors, host="h", keep=10**6, warn=lambda _: None)
        self.active: dict[bytes, Generation] = {}
        self.progress = Progress()
        self.waiting: list[Span] = []
        self.before: dict[bytes, bytes] = {}

    def stop(self) -> None:
        """Let the files go, as a dying process does."""
        for generation in self.generations:
            generation.close()

    def save(self, names: set[bytes]) -> None:
        """Write these cursors."""
        for name in names:
            self.saved[name] = copy.deepcopy(self.generations.get(name).cursor)

    def scan(self) -> None:
        """Hold the directory against the table."""
        self.generations.observe(self.scanner.scan(), 0.0, FOREVER)
        for name in self.generations.dirty:
            if self.generations.get(name).found is not None:
                self.active[name] = self.generations.get(name)
        self.save(self.generations.dirty)
        self.generations.dirty = set()

    def read(self) -> bool:
        """One chunk of every file; gives whether there was any."""
        progressed = False
        for name, generation in list(self.active.items()):
            reader = generation.reader
            try:
                block = reader.read(0.0, 0, 0)
                if block is not None:
                    self.take(block)
                if reader.grew:
                    progressed = True
                    continue
            except RewrittenError:
                self.generations.rewritten(generation)
            except MovedError:
                continue
            if generation.found is None:
                block = reader.finish(0, 0, with_line=True)
                if block is not None:
                    self.take(block)
                reader.file.close()
                del self.active[name]
        return progressed

    def settle(self) -> None:
        """Scan and read until nothing new comes."""
        for _ in range(3):
            self.scan()
            while self.read():
                pass

    def take(self, block: Block) -> None:
        """Every line is a document and a span of its own."""
        name = block.origin.generation
        for index, line in enumerate(block.lines):
            start, end = block.offsets[index : index + 2]
            (identity,) = ids_of(name, [start], [line])
            assert identity == self.ids.setdefault(line, identity), f"{line[:30]!r} got a second id"
            ended = line if block.unterminated and index == len(block.lines) - 1 else line + b"\n"
            self.before[name] = (self.before.get(name, b"") if start else b"") + ended
            self.before[name] = self.before[name][-CHECKPOINT_BYTES:]
            span = Span(name, start, end, checkpoint_hash_of(self.before[name]), "")
            self.progress.begin(span)
            self.waiting.append(span)

    def acknowledge(self, count: int) -> None:
        """The cluster has the first of what is under way."""
        done, self.waiting = self.waiting[:count], self.waiting[count:]
        for span in self.progress.acknowledge(done):
            cursor = self.generations.get(span.generation).cursor
            cursor.checkpoint = cursor.checkpoint._replace(offset=span.end, hash=span.checkpoint_hash)
            cursor.seen_at = 1.0
            self.save({span.generation})


class Rotations(RotatedLog):
    """A log that is written, rotated and shipped, in any order."""

    def __init__(self) -> None:
        super().__init__("app.log")
        self.copied: int | None = None
        self.tail = Tail(self.root)

    def teardown(self) -> None:
        """In the end every line that a scan could see has been produced."""
        try:
            self._look()
            missing = sorted(line for line in self.must if not self._produced(line))
            assert missing == []
        finally:
            self.tail.stop()
            shutil.rmtree(self.root)

    def _produced(self, line: bytes) -> bool:
        first, _, second = line.partition(b"|")
        return line in self.tail.ids or {first, b"|" + second} <= self.tail.ids.keys()

    def _look(self) -> None:
        self.see()
        self.tail.settle()

    @rule()
    def ship(self) -> None:
        """Everything there is is read."""
        self._look()

    @rule()
    def glance(self) -> None:
        """A scan, and one chunk of each file."""
        self.see()
        self.tail.scan()
        self.tail.read()

    @rule(count=st.integers(1, 40))
    def acknowledge(self, count: int) -> None:
        """The cluster answers."""
        self.tail.acknowledge(count)

    @rule()
    def kill(self) -> None:
        """SIGKILL and start again."""
        self.tail.stop()
        self.tail.start()

    @precondition(lambda self: self.copied is None)
    @rule()
    def lose_state(self) -> None:
        """The state directory is deleted."""
        self.tail.stop()
        self.tail.saved.clear()
        self.tail.start()

    @precondition(lambda self: self.copied is None)
    @rule()
    def rename(self) -> None:
        """Rotation by renaming."""
        self.rename_log()

    @precondition(lambda self: self.copied is None)
    @rule()
    def copytruncate(self) -> None:
        """Rotation by copying and truncating, at once."""
        self.copytruncate_log()

    @precondition(lambda self: self.copied is None and self.log.stat().st_size > 0)
    @rule(half=st.booleans())
    def copy(self, half: bool) -> None:
        """A copy is being written; it is looked at meanwhile."""
        self._look()
        self.shift()
        whole = self.log.read_bytes()
        self.copied = len(whole) // 2 if half else len(whole)
        Path(f"{self.log}.1").write_bytes(whole[: self.copied])
        self._look()

    @precondition(lambda self: self.copied is not None)
    @rule(late=st.booleans())
    def truncate(self, late: bool) -> None:
        """The copied file is truncated; ``late``: lines were written since the copy ended, and are only there."""
        assert self.copied is not None
        if not late or self.copied < 1024:
            Path(f"{self.log}.1").write_bytes(self.log.read_bytes())
        else:
            self._look()
        self.truncate_log()
        self.copied = None

    @precondition(lambda self: self.copied is None and self.plain())
    @rule(seen=st.booleans(), ending=st.sampled_from(sorted(PACK)))
    def compress(self, seen: bool, ending: str) -> None:
        """The oldest plain rotated file is compressed; ``seen``: half-written, it is looked at."""
        path = self.plain()[0]
        packed = PACK[ending](path.read_bytes())
        target = Path(f"{path}{ending}")
        if seen:
            target.write_bytes(packed[: len(packed) // 2])
            self._look()
        target.write_bytes(packed)
        path.unlink()

    @precondition(lambda self: self.copied is None and len(self.rotated()) > 1)
    @rule()
    def delete(self) -> None:
        """The oldest file is deleted after it was seen."""
        self._look()
        self.rotated()[0][1].unlink()


Rotations.TestCase.settings = settings(
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
TestRotations = Rotations.TestCase
