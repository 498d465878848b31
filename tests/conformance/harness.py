"""A sidecar seen from outside: its command line, its files, and the documents in the index."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import pytest
from click.testing import CliRunner
from elasticsearch import ApiError, Elasticsearch

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.telemetry import log

PATIENCE = 60.0

When = Literal["running", "stopped", "killed"]
"""What the sidecar is while something happens to its files."""
WHEN = pytest.mark.parametrize("when", ["running", "stopped", "killed"])


class Harness:
    """One log directory, one state directory, one namespace.

    Args:
        folder: where everything lies.
        url: of the cluster, or several of its nodes.
        namespace: of the data streams.
        es: to look into the index.
    """

    def __init__(self, folder: Path, url: str | list[str], namespace: str, es: Elasticsearch | None = None) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "state"
        self.config = folder / "neuroflow.yaml"
        self.url = url
        self.namespace = namespace
        self._es = es
        self.logs.mkdir(exist_ok=True)
        self._running: list[subprocess.Popen[str]] = []
        self.configure()

    @property
    def es(self) -> Elasticsearch:
        """A client of the cluster."""
        assert self._es is not None
        return self._es

    def configure(self, *, request_timeout: float = 10, **shipper: Any) -> None:
        """Write the configuration; keyword arguments go into its ``shipper`` section."""
        settings = {
            "state_dir": str(self.state),
            "namespace": self.namespace,
            "timezone": "UTC",
            "scan_interval": 0.5,
            "flush_interval": 0.2,
            "partial_line_timeout": 1,
            "shutdown_timeout": 20,
            # Tests read the sidecar's log as people do; those of JSON say so.
            "log_format": "console",
            # Tests count what is in the streams of a namespace.
            "telemetry": {"documents": False},
            **shipper,
        }
        # JSON is YAML.
        document = {
            "logging": {"log_dir": str(self.logs)},
            "elasticsearch": {"hosts": self.url, "request_timeout": request_timeout},
            "shipper": settings,
            "pipelines": {"qsiprep": {"an": "application's own business"}},
        }
        self.config.write_text(json.dumps(document))

    def command(self, *arguments: str, module: str = "shipper.cli.ship") -> list[str]:
        """The command line of the installed program, by its module."""
        return [sys.executable, "-m", module, "--config", str(self.config), *arguments]

    def run(
        self, *arguments: str, module: str = "shipper.cli.ship", timeout: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments, module=module), capture_output=True, text=True, timeout=timeout, check=False
        )

    def once(self) -> subprocess.CompletedProcess[str]:
        """Ship everything there is, in this process."""
        return self.ask("--once")

    def start(
        self, *before: str, said: IO[str] | None = None, command: list[str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start the sidecar; it is ended with the harness.

        Args:
            before: a prefix of its command line, such as ``unshare``.
            said: a file for its output, instead of a pipe that ``stop`` empties.
            command: another command line.
            options: of ``Popen``, such as limits.
        """
        process = subprocess.Popen(
            [*before, *(command or self.command())], stderr=said or subprocess.PIPE, text=True, **options
        )
        self._running.append(process)
        return process

    def stop(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """SIGTERM; gives the exit code and the output."""
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        return process.returncode, said or ""

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL."""
        process.kill()
        process.communicate(timeout=PATIENCE)

    def eventually(self, wanted: Callable[[], bool]) -> bool:
        """Whether the condition becomes true within the patience, which only bounds a hang."""
        return eventually(wanted)

    def roll_over(self, dataset: str = "app") -> None:
        """Give a data stream another backing index, in which ids can be created again."""
        self.es.indices.rollover(alias=f"logs-neuroflow.{dataset}-{self.namespace}")

    def wait(self, seconds: float) -> None:
        """Let time pass, in which the sidecar may see the files."""
        time.sleep(seconds)

    def close(self) -> None:
        """End all running processes."""
        for process in self._running:
            if process.poll() is None:
                self.kill(process)

    def ask(self, *arguments: str, module: str = "shipper.cli.ship") -> subprocess.CompletedProcess[str]:
        """Run a command to its end in this process, at a tenth of the cost of starting the program."""
        command = {"shipper.cli.ship": ship, "shipper.cli.logs": logs}[module]
        with as_before():
            result = CliRunner().invoke(command, ["--config", str(self.config), *arguments], catch_exceptions=False)
            done = subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)
            del result  # its traceback holds the client
        return done

    def status(self) -> dict[str, Any]:
        """The output of ``status --json``."""
        answer: dict[str, Any] = json.loads(self.ask("status", "--json").stdout)
        return answer

    def shipping(self, when: When = "running", before: Sequence[str] = (), **options: Any) -> Shipping:
        """Start the sidecar of a case.

        Args:
            when: whether it runs during the changes, or was stopped or killed and is started again afterwards.
            before: a prefix of its command line.
            options: of ``Popen``.
        """
        return Shipping(self, when, before, **options)

    def documents(self, dataset: str = "*") -> list[dict[str, Any]]:
        """Every document of the namespace's streams, copies included, in the order of files and offsets."""
        es, index = self.es, f"logs-neuroflow.{dataset}-{self.namespace}"
        es.indices.refresh(index=index, ignore_unavailable=True)
        found = [hit for page in _pages(es, index) for hit in page]
        return sorted(
            (hit["_source"] for hit in found), key=lambda one: (one["log"]["file"]["path"], one["log"]["offset"])
        )

    def messages(self, dataset: str = "*") -> Counter[str]:
        """Each message with its number of documents."""
        return Counter(document["message"] for document in self.documents(dataset))

    def count(self, dataset: str = "*") -> int:
        """The number of documents that can be found now."""
        es, index = self.es, f"logs-neuroflow.{dataset}-{self.namespace}"
        try:
            es.indices.refresh(index=index, ignore_unavailable=True)
            return int(es.count(index=index, ignore_unavailable=True)["count"])
        except ApiError as error:
            if error.meta.status != 503:
                raise
            return 0  # a backing index was made just now, and can't be searched yet


class Shipping:
    """A sidecar that ships a harness's logs while a test changes them.

    Args:
        harness: its configuration and files.
        when: whether it runs meanwhile, or was stopped or killed and is started again afterwards.
        before: a prefix of its command line.
        options: of ``Popen``.
    """

    def __init__(self, harness: Harness, when: When, before: Sequence[str], **options: Any) -> None:
        self.harness = harness
        self._when = when
        self._before = before
        self._options = options
        self._looks = 0
        self._said = harness.folder / "said"
        self.process = self._start()

    @property
    def said(self) -> str:
        """The output of all starts."""
        return self._said.read_text()

    def shipped(self, expected: Counter[str], dataset: str) -> None:
        """Wait until as many lines are in the index."""
        count = 0

        def there() -> bool:
            nonlocal count
            count = self.harness.count(dataset)
            return count >= expected.total() or not alive(self.process)

        assert self.harness.eventually(there), f"{count} of {expected.total()} lines came\n{self.said}"
        assert alive(self.process), self.said

    def looks(self, times: int = 1) -> None:
        """Wait until it has scanned every file: a line in another log is in the index."""
        for _ in range(times):
            self._looks += 1
            with (self.harness.logs / "workflow.log").open("a") as file:
                file.write(json.dumps({"event": f"look {self._looks}", "level": "info"}) + "\n")
            self.shipped(Counter({"looks": self._looks}), "workflow")

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """The block happens while it runs, or while it is down."""
        if self._when == "stopped":
            self.stop()
        elif self._when == "killed":
            self.harness.kill(self.process)
        yield
        if self._when != "running":
            self.process = self._start()

    @contextmanager
    def between_two_looks(self) -> Iterator[None]:
        """The sidecar sees the whole block at once: it is suspended, or down."""
        if self._when != "running":
            with self.meanwhile():
                yield
            return
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)

    def ends_with(self, expected: Counter[str], dataset: str) -> None:
        """Wait for these messages, stop, look once more: each has its number of documents, and there are no
        others.
        """
        self.shipped(expected, dataset)
        self.stop()
        again = self.harness.once()
        assert again.returncode == 0, again.stderr
        messages = self.harness.messages(dataset)
        wrong = difference(expected, messages)
        assert not wrong, f"{wrong}\n{self.said}"
        assert "Traceback" not in self.said, self.said

    def stop(self) -> None:
        """SIGTERM; it must end with exit code 0."""
        code, _ = self.harness.stop(self.process)
        assert code == 0, self.said

    def _start(self) -> subprocess.Popen[str]:
        with self._said.open("a") as said:
            return self.harness.start(*self._before, said=said, **self._options)


@contextmanager
def as_before() -> Iterator[None]:
    """Undo what a command changes in its process; interrupt one that does not end."""
    thresholds, interval, hang_up = gc.get_threshold(), sys.getswitchinterval(), signal.getsignal(signal.SIGHUP)
    handlers, propagate, level = log.handlers[:], log.propagate, log.level
    alarm = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(PATIENCE))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGHUP, hang_up)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()  # closes sockets, as the end of a program does


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError(f"the command did not end in {PATIENCE} s")


def difference(expected: Counter[str], found: Counter[str]) -> dict[str, str]:
    """Messages that are missing or repeated; a few of them."""
    wrong = sorted(text for text in expected | found if expected[text] != found[text])
    return {text: f"{found[text]} times instead of {expected[text]}" for text in wrong[:20]}


def _pages(es: Elasticsearch, index: str) -> Iterator[list[dict[str, Any]]]:
    if not es.count(index=index, ignore_unavailable=True)["count"]:
        return
    point = es.open_point_in_time(index=index, keep_alive="1m")["id"]
    after = None
    while True:
        body: dict[str, Any] = {"size": 5000, "pit": {"id": point}, "sort": [{"_shard_doc": "asc"}]}
        if after:
            body["search_after"] = after
        hits = es.search(**body)["hits"]["hits"]
        if not hits:
            return
        yield hits
        after = hits[-1]["sort"]


def eventually(wanted: Callable[[], bool], patience: float = PATIENCE) -> bool:
    """Whether it comes true before the patience ends; a bound on hanging, not a measure of speed."""
    began = time.monotonic()
    while not wanted():
        passed = time.monotonic() - began
        if passed > patience:
            return False
        time.sleep(min(0.3, 0.05 + passed / 15))  # a look costs the cluster a refresh
    return True


def alive(process: subprocess.Popen[str]) -> bool:
    """Whether a process still runs."""
    return process.poll() is None


def as_other_user() -> bool:
    """Whether permissions bind this user: root may read everything."""
    return os.geteuid() != 0
