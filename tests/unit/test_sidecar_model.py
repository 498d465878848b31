"""The whole line's way in any weather, against a model: every line is in the index, and none twice.

Files are real and so are tail, parse, document, packing and the cursor store; the cluster is a few dictionaries
that answer when they are told to, and the clock stands until it is moved.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import threading
from collections import Counter, deque
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from shipper.config import Config, Shipper
from shipper.deliver.batch import Batch
from shipper.sidecar import Sidecar
from shipper.tail.cursors import CursorStore
from shipper.tail.progress import Span
from shipper.tail.tail import Clock
from shipper.telemetry import Counters

ROOM = 2
PARTIAL = 5.0


class Stream:
    """A data stream: ids are unique inside each backing index only, as in Elasticsearch."""

    def __init__(self) -> None:
        self.backing: list[dict[str, str]] = [{}]

    def take(self, batch: Batch) -> tuple[int, int]:
        """Create every item, a doubtful batch's after looking its ids up; gives how many were new, and were not."""
        created = 0
        for item in batch.items:
            action, document = (orjson.loads(part) for part in item.splitlines())
            name, message = action["create"]["_id"], orjson.loads(item.splitlines()[1])["message"]
            assert document["log"]["offset"] >= 0
            if name in self.backing[-1] or (batch.doubtful and any(name in one for one in self.backing)):
                continue
            self.backing[-1][name] = message
            created += 1
        return created, len(batch.items) - created

    def messages(self) -> Counter[str]:
        """How often each message is there."""
        return Counter(message for one in self.backing for message in one.values())


class Cluster:
    """What a sidecar sends to; answers at once, or keeps what it got while it is away."""

    def __init__(self, stream: Stream, counters: Counters) -> None:
        self.stream = stream
        self.counters = counters
        self.away = False
        self.trouble = False
        self.broken = False
        self.waiting: deque[Batch] = deque()
        self.done: list[Span] = []

    def offer(self, batch: Batch) -> bool:
        """Take a batch if there is room."""
        if len(self.waiting) >= ROOM:
            return False
        self.waiting.append(batch)
        self.work()
        return True

    def work(self) -> None:
        """Answer what waits, unless the cluster is away."""
        while self.waiting and not self.away:
            batch = self.waiting.popleft()
            created, there = self.stream.take(batch)
            self.counters.settle(acknowledged=created, duplicate=there)
            self.done += batch.spans

    def acknowledged(self) -> list[Span]:
        """What was settled since."""
        done, self.done = self.done, []
        return done

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.waiting and not self.done

    def stop(self, deadline: float) -> None:
        """Nobody answers any more: what waits stays unacknowledged."""
        assert deadline > 0
        self.waiting.clear()


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked; of a half-written one as far as they go."""
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except EOFError:
        return b""


class Weather(RuleBasedStateMachine):
    """One log, one sidecar, one data stream, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.log = self.root / "logs" / "neuroflow.log"
        self.log.parent.mkdir()
        self.log.touch()
        self.config = Config(
            path=self.root / "neuroflow.yaml",
            log_dir=self.log.parent,
            shipper=Shipper.model_validate({
                "state_dir": str(self.root / "state"), "timezone": "UTC", "host_name": "h", "flush_interval": 0.1,
                "scan_interval": 0.2, "partial_line_timeout": PARTIAL, "shutdown_timeout": 1,
                "batch": {"max_events": 7},
            }),
        )  # fmt: skip
        self.now = 1000.0
        self.stream = Stream()
        self.number = 0
        self.rest = ""
        self.must: set[str] = set()
        self.away = False
        self.start()

    def start(self) -> None:
        """Start a sidecar."""
        self.store = CursorStore(self.config.shipper.state_dir, pytest.fail)
        self.counters = Counters()
        self.cluster = Cluster(self.stream, self.counters)
        self.cluster.away = self.cluster.trouble = self.away
        self.sidecar = Sidecar(
            self.config,
            store=self.store,
            sender=self.cluster,  # type: ignore[arg-type] # what of a Sender is asked, without threads
            counters=self.counters,
            wake=threading.Event(),
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
        )

    def teardown(self) -> None:
        """In the end the cluster is there, and every line that a scan could see is in the index, once."""
        try:
            self._see()
            self.returns()
            self._settle()
            self.now += PARTIAL
            self._settle()
            there = self.stream.messages()
            assert sorted(one for one in self.must if not self._is_there_once(one, there)) == []
            assert [message for message, times in there.items() if times > 1] == []
            state = self.counters.snapshot()
            assert state["read"] == state["acknowledged"] + state["duplicate"] + state["dead"]
        finally:
            self.sidecar.stop()
            self.sidecar.drain()
            self.store.close()
            shutil.rmtree(self.root)

    def _is_there_once(self, line: str, there: Counter[str]) -> bool:
        if line.startswith("|"):
            return there[line] == 1  # its beginning was rotated away
        first, _, second = line.partition("|")
        whole, parts = there[line], (there[first], there[f"|{second}"])
        return (whole, parts) in {(1, (0, 0)), (0, (1, 1))}

    def _see(self) -> None:
        """What is in complete lines now must be in the index in the end."""
        for path in self.log.parent.iterdir():
            self.must.update(content(path).decode().split("\n")[:-1])

    def _settle(self) -> None:
        """Let the sidecar work until it finds nothing more to do."""
        self._see()
        for _ in range(4):
            self.now += 0.3
            while self.sidecar.turn(lambda _: False):
                pass

    def _rotated(self) -> list[tuple[int, Path]]:
        """Rotated files, the oldest first."""
        names = [(int(path.name.split(".")[2]), path) for path in self.log.parent.iterdir() if path != self.log]
        return sorted(names, reverse=True)

    def _shift(self) -> None:
        for number, path in self._rotated():
            path.rename(str(path).replace(f"log.{number}", f"log.{number + 1}"))

    @rule(count=st.integers(1, 12), width=st.sampled_from([1, 40, 200]), part=st.booleans())
    def write(self, count: int, width: int, part: bool) -> None:
        """The application writes lines, the last of them perhaps only in part."""
        with self.log.open("a") as file:
            for _ in range(count):
                self.number += 1
                file.write(f"{self.rest}a{self.number:05}{'-' * width}")
                self.rest = f"|b{self.number:05}{'-' * width}\n"
            if not part:
                file.write(self.rest)
                self.rest = ""

    @rule()
    def ship(self) -> None:
        """The sidecar does what it finds to do."""
        self._settle()

    @rule()
    def glance(self) -> None:
        """One turn only."""
        self._see()
        self.now += 0.3
        self.sidecar.turn(lambda _: True)

    @rule()
    def wait(self) -> None:
        """Nothing happens for so long that an unfinished line is shipped as it is."""
        self._settle()
        self.now += PARTIAL
        self._settle()

    @precondition(lambda self: not self.away)
    @rule()
    def outage(self) -> None:
        """The cluster goes away."""
        self.away = self.cluster.away = self.cluster.trouble = True

    @precondition(lambda self: self.away)
    @rule()
    def returns(self) -> None:
        """The cluster is back."""
        self.away = self.cluster.away = self.cluster.trouble = False
        self.cluster.work()

    @rule()
    def roll_over(self) -> None:
        """The data stream gets another backing index."""
        self.stream.backing.append({})

    @rule(accepted=st.booleans())
    def kill(self, accepted: bool) -> None:
        """SIGKILL; what was under way was accepted or not, in any case nobody heard the answer."""
        if accepted:
            for batch in self.cluster.waiting:
                self.stream.take(batch)
        for one in self.sidecar._tail._generations:
            if one.awake is not None:
                one.awake.close()
        self.store.close()
        self.start()

    @rule()
    def stop(self) -> None:
        """SIGTERM, and another start."""
        self.sidecar.stop()
        self.store.close(clean=self.sidecar.drain())
        self.start()

    @rule()
    def rename(self) -> None:
        """Rotation by renaming."""
        self._see()
        self._settle_files()
        self._shift()
        self.log.rename(f"{self.log}.1")
        self.log.touch()
        # A half line goes on in the new file only after copytruncate; a logger that renames writes whole lines.
        self.rest = ""

    @rule()
    def copytruncate(self) -> None:
        """Rotation by copying and truncating, at once."""
        self._shift()
        shutil.copy(self.log, f"{self.log}.1")
        with self.log.open("r+b") as file:
            file.truncate(0)

    @precondition(lambda self: any(path.suffix != ".gz" for _, path in self._rotated()))
    @rule(seen=st.booleans())
    def compress(self, seen: bool) -> None:
        """The oldest plain rotated file is gzipped; ``seen``: half-written, it is looked at."""
        path = next(path for _, path in self._rotated() if path.suffix != ".gz")
        packed = gzip.compress(path.read_bytes())
        target = Path(f"{path}.gz")
        if seen:
            target.write_bytes(packed[: len(packed) // 2])
            self._settle_files()
        target.write_bytes(packed)
        path.unlink()

    @precondition(lambda self: len(self._rotated()) > 1)
    @rule()
    def delete(self) -> None:
        """The oldest file is deleted after it was read."""
        self._see()
        away = self.away
        if away:
            self.returns()
        self.wait()
        self._rotated()[0][1].unlink()
        if away:
            self.outage()

    def _settle_files(self) -> None:
        """The files are scanned, whatever the cluster does."""
        self.now += 0.3
        self.sidecar.turn(lambda _: False)


Weather.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
TestWeather = Weather.TestCase
