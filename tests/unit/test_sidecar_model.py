"""A model of the whole sidecar under faults: every line is in the index, once."""

from __future__ import annotations

import gzip
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shipper.config import Config, Shipper
from shipper.tail import reader
from tests.unit.cluster_stand_in import Run, Stream
from tests.unit.rotated_log import PACK, RotatedLog

# Small reads (but a whole head at once), so that a file of a few lines takes several.
CHUNK = 1100
# So many lines may be how every life begins.
FEW = 6
PARTIAL = 5.0


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read a few lines at a time."""
    monkeypatch.setattr(reader, "CHUNK_BYTES", CHUNK)


class Weather(RotatedLog):
    """One log, one sidecar, one data stream, and all faults."""

    begins = "beginning"

    def __init__(self) -> None:
        super().__init__("logs/neuroflow.log")
        self.config = Config(
            path=self.root / "neuroflow.yaml",
            log_dir=self.log.parent,
            shipper=Shipper.model_validate({
                "state_dir": str(self.root / "state"), "timezone": "UTC", "host_name": "h", "flush_interval": 0.1,
                "scan_interval": 0.2, "partial_line_timeout": PARTIAL, "shutdown_timeout": 1,
                "batch": {"max_events": 7}, "start": self.begins,
            }),
        )  # fmt: skip
        self.now = 1000.0
        self.records: set[str] = set()
        self.stream = Stream()
        self.away = self.moved = self.lost = self.named_early = False
        self.start()

    def start(self) -> None:
        self.life = Run(self.config, self.stream, lambda: self.now, pytest.fail, wall_ns=lambda: int(self.now * 1e9))
        self.sidecar, self.cluster, self.counters = self.life.sidecar, self.life.cluster, self.life.counters
        self.cluster.away = self.cluster.failing = self.away

    def teardown(self) -> None:
        """At the end the cluster answers, and every line that a scan could see is in the index, once."""
        try:
            self.see()
            self.returns()
            self._settle()
            while self.stream.late:
                self.stream.land()
            self._settle()
            self.now += PARTIAL
            self._settle()
            there = self.stream.messages()
            lines = Counter(line for message in there.elements() for line in message.split("\n"))
            assert sorted(one for one in self.must if not self._is_there_once(one.decode(), lines)) == []
            assert [message for message, times in there.items() if times > 1] == []
            assert self.lost or sorted(one for one in self.records if not _is_whole(one, there)) == []
            state = self.counters.snapshot()
            assert state["read"] == state["acknowledged"] + state["duplicate"] + state["dead"]
        finally:
            self.life.stop()
            shutil.rmtree(self.root)

    def _is_there_once(self, line: str, there: Counter[str]) -> bool:
        """Whether a line is in the index once, perhaps in two parts.

        When the state was lost, a record that went out before its end was written comes again as a whole: each of its
        lines is there, and no message twice.
        """
        if self.lost:
            first, _, second = line.partition("|")
            return there[line] > 0 or (there[first] > 0 and there[f"|{second}"] > 0)
        if line.startswith(("|", "t", " ")):
            return there[line] == 1  # its beginning was rotated away, or it was written at once
        first, _, second = line.partition("|")
        whole, parts = there[line], (there[first], there[f"|{second}"])
        return (whole, parts) in {(1, (0, 0)), (0, (1, 1))}

    def _settle(self) -> None:
        """Let the sidecar work until nothing is left."""
        self.see()
        for _ in range(4):
            self.now += 0.3
            while self.sidecar.turn(lambda _: False):
                pass

    @rule()
    def ship(self) -> None:
        """The sidecar works until nothing is left."""
        self._settle()

    @rule()
    def glance(self) -> None:
        """One turn only."""
        self.see()
        self.now += 0.3
        self.sidecar.turn(lambda _: True)

    @rule()
    def wait(self) -> None:
        """Time passes until an unfinished line is shipped."""
        self.named_early |= self.log.read_bytes().count(b"\n") == 0 < len(self.rest)
        self._settle()
        self.now += PARTIAL
        self._settle()

    @precondition(lambda self: not self.away)
    @rule()
    def outage(self) -> None:
        self.away = self.cluster.away = self.cluster.failing = True

    @precondition(lambda self: self.away)
    @rule()
    def returns(self) -> None:
        self.away = self.cluster.away = self.cluster.failing = False
        self.cluster.work()

    @rule()
    def roll_over(self) -> None:
        self.stream.backing.append({})

    @precondition(lambda self: self.stream.late)
    @rule()
    def land(self) -> None:
        """A request that began long ago puts its documents into the index that was the write index then."""
        self.stream.land()

    @precondition(lambda self: self.away)
    @rule(arrived=st.booleans(), rolled_over=st.booleans())
    def time_out(self, arrived: bool, rolled_over: bool) -> None:
        """Requests in flight end without an answer; they arrive now, later or not at all."""
        self.now += 0.01
        self.cluster.time_out(arrived=arrived)
        if rolled_over:
            self.roll_over()

    @precondition(lambda self: any(index is None for index, _ in self.stream.late))
    @rule()
    def arrive(self) -> None:
        """What was on its way arrives at the cluster."""
        self.stream.arrive()

    @rule(accepted=st.sampled_from(["no", "at once", "late", "on its way"]), rolled_over=st.booleans())
    def kill(self, accepted: str, rolled_over: bool) -> None:
        """SIGKILL; the cluster accepted what was in flight, or not, perhaps later."""
        for request in self.cluster.waiting:
            if accepted in {"late", "on its way"}:
                self.stream.hang(self.cluster.sent(request), arrived=accepted == "late")
            elif accepted == "at once":
                self.stream.create(self.cluster.sent(request))
        if rolled_over:
            self.roll_over()
        self._die()
        self.start()

    def _die(self) -> None:
        self.now += 0.01
        self.life.kill()

    # A log that was named by an unfinished first line has another name without the state: a known limit.
    @precondition(lambda self: not self.moved and not self.named_early)
    @rule()
    def lose_state(self) -> None:
        """The state directory is deleted; files are recognised by content and name."""
        self.lost = True
        self._die()
        shutil.rmtree(self.config.shipper.state_dir)
        self.start()
        if self._runs():
            self._settle_files()  # a log that moves before it is seen again would be another

    @rule()
    def stop(self) -> None:
        self.life.stop()
        self.start()

    @rule(seen=st.booleans())
    def rename(self, *, seen: bool) -> None:
        """Rotate by renaming, after the sidecar has seen all lines or before."""
        self.see()
        if seen:
            self._settle_files()
        self.rename_log()

    @rule()
    def copytruncate(self) -> None:
        self.copytruncate_log()

    @precondition(lambda self: self.log.stat().st_size > 0)
    @rule(half=st.booleans(), late=st.booleans(), killed=st.booleans(), shipped=st.booleans())
    def copytruncate_slowly(self, *, half: bool, late: bool, killed: bool, shipped: bool) -> None:
        """A copy is looked at while it is written; ``late``: lines come after it ended, and are only in the log.

        They are lost where they are not ``shipped`` before the log is truncated; what the copy holds is not.
        """
        self._settle_files()
        self.shift()
        copied = self._half() if half else self.log.read_bytes()
        copy = Path(f"{self.log}.1")
        copy.write_bytes(copied)
        self._settle_files()
        if killed:
            self.kill("at once", rolled_over=False)
        self.write(3, 40, part=False)
        if late and len(copied) >= 1024:
            self.must.update(copied.split(b"\n")[:-1])
            with self._all_shipped() if half or shipped else nullcontext():
                self.truncate_log()
        else:
            copy.write_bytes(self.log.read_bytes())
            self.truncate_log()

    @rule(
        before=st.integers(1, 3),
        after=st.integers(1, 3),
        copied=st.booleans(),
        seen=st.booleans(),
        more=st.booleans(),
        width=st.sampled_from([1, 300]),
    )
    def tear(self, *, before: int, after: int, copied: bool, seen: bool, more: bool, width: int) -> None:
        """Rotate within a record, with or without a scan between; its lines are one document."""
        self.number += 1
        head = f"t{self.number:05}"
        lines = [head, *(f"  {head}.{number}{'-' * width}" for number in range(before + after))]
        with self.log.open("a") as file:
            file.write(self.rest.decode() + "".join(f"{line}\n" for line in lines[: before + 1]))
        self.rest = b""
        if seen:
            self._settle_files()
        if copied:
            self.copytruncate_log()
        else:
            self.rename_log()
        if seen:
            self._settle_files()
        with self.log.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines[before + 1 :]))
            if more:
                file.write(f"t{self.number:05}|next\n")
        self.records.add("\n".join(lines))
        if seen:
            self._settle_files()

    @rule()
    def go_on(self) -> None:
        self.number += 1
        with self.log.open("a") as file:
            file.write(f"{self.rest.decode()}  go on {self.number}\n")
        self.rest = b""

    @precondition(lambda self: self.plain())
    @rule()
    def write_late(self) -> None:
        """A writer with the youngest rotated file still open writes to it; a record that is split there may stay
        so.
        """
        if self.plain()[-1].read_bytes()[-1:] not in {b"", b"\n"}:
            return  # a copy that was made in the midst of a line
        self.number += 1
        there = self.stream.messages()
        self.records = {one for one in self.records if _is_whole(one, there)}
        with self.plain()[-1].open("ab") as file:
            file.write(f"t{self.number:05}|late\n".encode())

    @precondition(lambda self: self.plain())
    @rule(seen=st.booleans(), ending=st.sampled_from(sorted(PACK)))
    def compress(self, seen: bool, ending: str) -> None:
        """The oldest plain rotated file is compressed; ``seen``: a scan sees it incomplete."""
        path = self.plain()[0]
        packed = PACK[ending](path.read_bytes())
        target = Path(f"{path}{ending}")
        if seen:
            target.write_bytes(packed[: len(packed) // 2])
            self._settle_files()
        target.write_bytes(packed)
        path.unlink()

    @precondition(lambda self: len(self.rotated()) > 1)
    @rule()
    def delete(self) -> None:
        """Delete the oldest file after it was read."""
        with self._all_shipped():
            self.rotated()[0][1].unlink()

    @rule()
    def truncate(self) -> None:
        """Truncate the log after it was read."""
        with self._all_shipped():
            self.truncate_log()
            self.rest = b""

    # Records of several lines near the cut may come again in part: a known limit.
    @precondition(lambda self: self._half().count(b"\n") > FEW and not self._has_records_near_half())
    @rule()
    def lose_end(self) -> None:
        """A crash removes the end of the log after it was read; a scan sees that before it grows."""
        with self._all_shipped():
            with self.log.open("r+b") as file:
                file.truncate(len(self._half()))
            self.rest = b""
        self._settle_files()

    @rule(lines=st.integers(1, 3), folder=st.sampled_from(["p", "q"]))
    def run(self, lines: int, folder: str) -> None:
        self.number += 1
        path = self.log.parent / "pipelines" / folder / f"{self.number}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        said = [f"t{self.number:05}r{line}\n".encode() for line in range(lines)]
        path.write_bytes(b"".join(said))
        self.must.update(line[:-1] for line in said)

    @precondition(lambda self: self._runs())
    @rule(which=st.integers(0, 9), name=st.sampled_from(["same", "other", "rotated", "unseen"]))
    def move(self, which: int, name: str) -> None:
        """A run's log is moved, after a scan or before one; out of all inputs only when it is shipped."""
        self.moved = True
        path = self._runs()[which % len(self._runs())]
        folder = self.log.parent / ("elsewhere" if name == "unseen" else f"pipelines/{self.number}")
        folder.mkdir(parents=True, exist_ok=True)
        names = {"other": f"done-{path.name}", "rotated": f"{path.name}.done"}
        with self._all_shipped() if name == "unseen" else nullcontext():
            path.rename(folder / names.get(name, path.name))

    @precondition(lambda self: (self.log.parent / "pipelines/p").is_dir())
    @rule()
    def rename_folder(self) -> None:
        folder = self.log.parent / "pipelines/p"
        self.moved = True
        self.number += 1
        folder.rename(folder.with_name(f"p{self.number}"))

    def _runs(self) -> list[Path]:
        return sorted((self.log.parent / "pipelines").rglob("*.log"))

    def _half(self) -> bytes:
        """The first half of the log, in whole lines."""
        data = self.log.read_bytes()
        return data[: data.find(b"\n", len(data) // 2) + 1]

    def _has_records_near_half(self) -> bool:
        """Whether the first half of the log holds records of several lines, or ends within one."""
        return b"\n " in b"\n" + self.log.read_bytes()[: len(self._half()) + 1]

    @rule(longer=st.booleans(), part=st.booleans())
    def rewrite(self, *, longer: bool, part: bool) -> None:
        """The log is written anew in place after it was read, as long or longer, and read before it is scanned;
        ``part``: its last line is unfinished.
        """
        with self._all_shipped():
            self._write_anew(len(self.log.read_bytes()) + 100 * longer)
            if part:
                self.write(1, 1, part=True)
            self.read_only()

    @rule(before=st.integers(1, 3), after=st.integers(1, 3), copied=st.booleans(), rolled_over=st.booleans())
    def truncate_in_flight(self, *, before: int, after: int, copied: bool, rolled_over: bool) -> None:
        """The log with the rest of a record that a rotation tore is truncated while its document is being sent."""
        with self._all_shipped():
            self.outage()
            self.tear(before=before, after=after, copied=copied, seen=True, more=False, width=1)
            for _ in range(5):
                self._settle_files()  # until the record's end is certain
            self.see()
            self.truncate_log()
            self._settle_files()
            if rolled_over:
                self.roll_over()
            self.returns()
            self._settle()

    @rule(longer=st.booleans())
    def rewrite_unread(self, *, longer: bool) -> None:
        """The new log is written anew in place after a scan met it, and read before another scan.

        What was there first is lost, as nothing was read of it: the cluster was away.
        """
        away = self.away
        if not away:
            self.outage()
        self.write(60, 1, part=False)
        for _ in range(4):
            self._settle_files()
        self.rename(seen=True)
        self._write_anew(100)
        self._settle_files()
        self._write_anew(100 + 100 * longer)
        self.returns()
        self.read_only()
        if away:
            self.outage()

    def _write_anew(self, length: int) -> None:
        """Put other lines of so many bytes into the log."""
        lines = b""
        while len(lines) < length:
            self.number += 1
            line = f"t{self.number:05}|new\n".encode()
            padding = length - len(lines) - len(line)
            lines += line if padding >= len(line) else line.replace(b"\n", b"-" * padding + b"\n")
        self._replace(lines)

    def _replace(self, lines: bytes) -> None:
        """Write the log anew in place; a clock of a file system that ticks slowly tells of it."""
        self.rest = b""
        changed = self.log.stat().st_mtime_ns
        self.log.write_bytes(lines)
        if self.log.stat().st_mtime_ns == changed:
            os.utime(self.log, ns=(changed, changed + 10**7))

    def read_only(self) -> None:
        """A turn before the next scan is due."""
        self.now += 0.01
        self.sidecar.turn(lambda _: False)

    @rule()
    def recreate(self) -> None:
        """Delete the log after it was read, and create another."""
        with self._all_shipped():
            self.log.unlink()
            self.log.touch()
            self.rest = b""

    @contextmanager
    def _all_shipped(self) -> Iterator[None]:
        """Ship everything before the block."""
        away = self.away
        while self.stream.late:
            self.stream.land()
        if away:
            self.returns()
        self.wait()
        yield
        if away:
            self.outage()

    def _settle_files(self) -> None:
        """Scan the files, whether the cluster answers or not."""
        self.now += 0.3
        self.sidecar.turn(lambda _: False)


def _is_whole(record: str, there: Counter[str]) -> bool:
    """Whether all lines of a record are in one document."""
    return sum(times for one, times in there.items() if one == record or one.startswith(f"{record}\n")) == 1


Weather.TestCase.settings = settings(
    stateful_step_count=25, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)
TestWeather = Weather.TestCase


class PassedOver(Weather):
    """The same log with a past, which the first start passes over."""

    begins = "end"

    def __init__(self) -> None:
        self.begun = False
        super().__init__()
        old = "".join(f"t{number:05}|old{'-' * 60}\n" for number in range(90000, 90060))
        self.log.write_text(old)
        Path(f"{self.log}.1").write_text(old.replace("|old", "|older"))
        Path(f"{self.log}.2.gz").write_bytes(gzip.compress(old.replace("|old", "|oldest").encode()))
        self.begun = True
        self.start()
        self._settle_files()

    def start(self) -> None:
        if self.begun:
            super().start()

    def see(self) -> None:
        super().see()
        self.must = {one for one in self.must if b"|old" not in one}

    @precondition(lambda _: False)
    @rule()
    def lose_state(self) -> None:
        """Would be another first start."""

    @precondition(lambda _: False)
    @rule()
    def lose_end(self) -> None:
        """What is not proved to have been there is read again, as always."""

    def teardown(self) -> None:
        super().teardown()
        assert [one for one in self.stream.messages() if "|old" in one] == []


PassedOver.TestCase.settings = Weather.TestCase.settings
TestPassedOver = PassedOver.TestCase


def test_what_this_run_has_sent_is_looked_up_again() -> None:
    """After a log lost its end and the stream rolled over, documents are looked up again."""
    weather = Weather()
    weather.outage()
    weather.write(count=9, part=False, width=1)
    weather.glance()
    weather.write(count=2, part=False, width=40)
    weather.lose_end()
    weather.roll_over()
    weather.teardown()


def test_order_of_generations_after_a_deletion() -> None:
    """The ages of the scan that found two generations decide their order, not later ones."""
    weather = Weather()
    weather.tear(before=1, after=1, copied=False, seen=False, more=False, width=1)
    weather.delete()
    for _ in range(2):
        weather.tear(before=1, after=1, copied=False, seen=False, more=False, width=1)
    weather.teardown()


def test_split_record_and_a_copy_that_lacks_lines() -> None:
    """The end of a record that a rotation split is not shipped again when its file is found as a short copy."""
    weather = Weather()
    weather.tear(before=1, after=1, copied=False, seen=False, more=False, width=1)
    weather.write(count=11, width=200, part=False)
    weather.copytruncate_slowly(half=True, late=True, killed=False, shipped=True)
    weather.kill("no", rolled_over=False)
    weather.teardown()
