"""``show -f`` beside a writer and a node that restarts: every line once, the lines of a file in order."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.conformance.harness import alive, eventually
from tests.elasticsearch.test_search import START, Bench, Doc, line

FILES = ("/var/log/neuroflow/neuroflow.log", "/var/log/neuroflow/api.log", "/var/log/neuroflow/scan.log")
# A bound on hanging: a node boots twice on a machine that does much else.
LONG = 180


class Writer:
    """Indexes numbered lines as a sidecar does: first read, later delivered, the lines of a file in order.

    Args:
        bench: the namespace.
        seed: of its moods.
    """

    def __init__(self, bench: Bench, seed: int = 4) -> None:
        self._bench = bench
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._offsets = dict.fromkeys(FILES, 0)
        # Held by whoever sends: while another holds it nothing is delivered.
        self.sending = threading.Lock()
        self.written: list[str] = []
        self._threads = [threading.Thread(target=self._write, args=(path,)) for path in FILES]
        for thread in self._threads:
            thread.start()

    def _write(self, path: str) -> None:
        while not self._ended.is_set():
            docs = [self._line(path) for _ in range(self._chance.randint(1, 8))]
            # Between reading and delivering some time goes by, now and then much.
            time.sleep(self._chance.choice((0.0, 0.05, 0.2, 2.0)))
            while not self._delivered(docs):
                time.sleep(0.2)

    def _line(self, path: str) -> Doc:
        now = (datetime.now(UTC) - START).total_seconds()
        offset, name = self._offsets[path], Path(path).stem
        self._offsets[path] += 1
        self.written.append(f"{name} {offset}")
        # The time of the event is anything: what counts is where the line stands.
        at = now - self._chance.choice((0, 0.001, 3600))
        return line(offset, f"{name} {offset}", at=at, created=now, path=path, generation=name)

    def _delivered(self, docs: Sequence[Doc]) -> bool:
        operations: list[Doc] = []
        for doc in docs:
            operations += [{"create": {"_id": doc["message"].replace(" ", "-")}}, doc]
        try:
            with self.sending:
                answer = self._bench.es.bulk(
                    index=self._bench.stream("app"), operations=operations, require_data_stream=True
                )
        except (ApiError, TransportError):
            return False
        return {200, 201, 409} >= {item["create"]["status"] for item in answer["items"]}

    def beyond(self, lines: int) -> bool:
        """Whether so many further lines get written."""
        goal = len(self.written) + lines
        return eventually(lambda: len(self.written) >= goal, LONG)

    def end(self) -> list[str]:
        """Wait until every line is written."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return self.written


_READY = "ready "


class Reader:
    """``show -f`` as a process, and its output."""

    def __init__(self, bench: Bench, *args: str) -> None:
        self.process = bench.start("show", "-f", "--tail", "0", "--format", "ndjson", *args, patience=2 * LONG)
        self.messages: list[str] = []
        self.said: list[str] = []
        self._ready = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            message = json.loads(text)["message"]
            if message.startswith(_READY):
                self._ready.set()
            else:
                self.messages.append(message)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.said.append(text)

    def follows(self, bench: Bench) -> Reader:
        """Index lines until it prints one: from then on it prints all that come, and not before."""
        for number in range(LONG):
            now = (datetime.now(UTC) - START).total_seconds()
            bench.put("app", line(number, f"{_READY}{number}", created=now, path="/ready.log", generation="ready"))
            if self._ready.wait(1):
                return self
        raise AssertionError(self.said)

    def says(self, text: str) -> bool:
        """Whether it prints this on stderr."""
        return eventually(lambda: any(text in said for said in self.said), LONG)

    def end(self, expected: Sequence[str]) -> None:
        """Wait for these lines, end it by Ctrl-C: each was printed once, and those of a file in their order."""
        eventually(lambda: len(self.messages) >= len(expected) or not alive(self.process), LONG)
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait() == 0, self.said
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        assert sorted(expected) == sorted(self.messages), self.said
        for name in (Path(path).stem for path in FILES):
            ours = [message for message in self.messages if message.startswith(f"{name} ")]
            assert sorted(ours, key=lambda message: int(message.split()[1])) == ours


@pytest.fixture
def bench(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Bench:
    """A fresh namespace."""
    install(es)
    return Bench(es, node.url, namespace, tmp_path)


@pytest.fixture
def own_bench(own: Node, tmp_path: Path) -> Iterator[Bench]:
    """A fresh namespace on a node that the test may kill."""
    own.start()
    client = connect(Settings(hosts=[own.url], request_timeout=10))
    install(client)
    yield Bench(client, own.url, f"t{uuid.uuid4().hex[:10]}", tmp_path)
    client.close()


def roll_over(bench: Bench, writer: Writer) -> None:
    """Create the next backing index; the old one shows all its documents first, since their order depends on that.

    What the old one does not show before the new one shows more can't be printed in its order.
    """
    with writer.sending:
        bench.es.indices.refresh(index=bench.stream("app"))
        bench.es.indices.rollover(alias=bench.stream("app"))


class TestFollowing:
    """The command beside a writer."""

    def test_through_delays_and_rollovers(self, bench: Bench) -> None:
        """Documents become visible late or after a refresh, in one backing index after another."""
        stream = bench.stream("app")
        reader = Reader(bench).follows(bench)
        writer = Writer(bench)
        assert writer.beyond(50)
        for interval in ("5s", "-1", None):
            bench.es.indices.put_settings(index=stream, settings={"index.refresh_interval": interval})
            assert writer.beyond(50)
            roll_over(bench, writer)
            assert writer.beyond(50)
        written = writer.end()
        bench.es.indices.refresh(index=stream)
        reader.end(written)
        assert [] == reader.said

    @pytest.mark.parametrize("blow", ["stop", "kill"])
    def test_survives_a_restart(self, own_bench: Bench, own: Node, blow: str) -> None:
        """A node that stops and starts is reported once and waited for; no line is missing or repeated."""
        reader = Reader(own_bench).follows(own_bench)
        writer = Writer(own_bench)
        assert eventually(lambda: len(reader.messages) > 20, LONG)
        for _ in range(2):
            roll_over(own_bench, writer)
        assert writer.beyond(20)
        getattr(own, blow)()
        assert reader.says("waiting for it")
        own.start()
        assert reader.says("it is back")
        assert writer.beyond(50)
        reader.end(writer.end())
        notices = [text for text in reader.said if "neuroflow-logs: " in text]
        assert notices == reader.said
        assert ["waiting for it" in text for text in notices] == [True, False] * (len(notices) // 2)

    def test_begins_before_there_is_anything(self, bench: Bench) -> None:
        """Without a stream it waits silently, and prints lines of streams as they appear."""
        reader = Reader(bench)
        with pytest.raises(subprocess.TimeoutExpired):
            reader.process.wait(timeout=3)
        now = (datetime.now(UTC) - START).total_seconds()
        bench.put("app", line(1, "first", created=now), refresh=False)
        assert eventually(lambda: reader.messages == ["first"])
        bench.put("celery", line(2, "second", created=now), refresh=False)
        reader.end(["first", "second"])
        assert [] == reader.said
