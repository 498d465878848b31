"""A sidecar inside the test's process, over real files, with a simulated clock and a stand-in cluster. It takes
the same steps as the program on a real node (``tests.conformance.harness``) at a fiftieth of the cost.

It takes the same steps as the program on a real node (``tests.conformance.harness``) at a fiftieth of the cost.
"""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO, Any, cast

from shipper.cli.exit_codes import CLUSTER, OK
from shipper.cli.shipping import _report_incomplete
from shipper.config import load
from shipper.health.own_log import configure_log
from shipper.redact.redactor import Redactor
from shipper.telemetry import log
from tests.conformance.harness import Harness
from tests.unit.cluster_stand_in import Run, Stream

# Between two turns of the sidecar, seconds; so many turns are made for each look at the index.
STEP, TURNS = 0.3, 2
# So many looks are two minutes of the clock: what has not come by then does not come.
MAX_LOOKS = 200


class InProcess(Harness):
    """A harness whose sidecar works when the test looks at the index, and at no other time.

    The wall clock is the real one, as files have the time at which they are written.

    Args:
        folder: where everything lies.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "http://127.0.0.1:9", "default")
        self.stream = Stream()
        self.now = 1000.0
        self._runs = 0
        self._inside: list[Inside] = []
        self._log_before = log.handlers[:], log.propagate, log.level

    def run(self, *arguments: str, module: str = "shipper.cli.ship", timeout: float = 0) -> CompletedProcess[str]:
        """Run a command that needs no cluster."""
        assert ("shipper.cli.ship", 0) == (module, timeout), "only a real node answers that"
        return self.ask(*arguments)

    def once(self) -> CompletedProcess[str]:
        """Ship all present lines."""
        one = Inside(self, self._new_log(), once=True)
        before = one.run.counters.snapshot()
        complete = one.run.sidecar.run_once()
        code = (
            _report_incomplete(before, one.run.counters.snapshot(), one.run.sidecar.unread) if complete else CLUSTER
        )
        one.run.store.close(clean=complete)
        one.end(code)
        return CompletedProcess([], code, "", one.said.read_text())

    def start(
        self, *before: str, said: IO[str] | None = None, command: list[str] | None = None, **options: Any
    ) -> Any:
        """Start the sidecar.

        Args:
            before: only a process has a command line.
            said: a file for what it says.
            command: only a process has one.
            options: only a process has them.
        """
        assert not (*before, *(command or ()), *options), "only a process can be started so"
        one = Inside(self, Path(said.name) if said else self._new_log())
        self._inside.append(one)
        return one

    def stop(self, process: Any) -> tuple[int, str]:
        """SIGTERM; gives the exit code and the output."""
        process.end(OK if process.run.stop() else CLUSTER)
        return process.returncode, process.said.read_text()

    def kill(self, process: Any) -> None:
        """SIGKILL: open files are closed, and the state stays as it is."""
        left = self.folder / "left"
        if self.state.is_dir():
            shutil.copytree(self.state, left)
        process.run.kill()
        process.end(-signal.SIGKILL)
        if left.is_dir():
            shutil.rmtree(self.state)
            left.rename(self.state)

    def close(self) -> None:
        for one in self._inside:
            if one.poll() is None:
                self.kill(one)
        log.handlers[:], log.propagate, level = self._log_before
        log.setLevel(level)

    def documents(self, dataset: str = "*") -> list[dict[str, Any]]:
        """Every document, copies included, in the order of files and offsets."""
        self._work()
        return sorted(self._found(dataset), key=lambda one: (one["log"]["file"]["path"], one["log"]["offset"]))

    def count(self, dataset: str = "*") -> int:
        """The number of documents, after the sidecar has done what is due."""
        self._work()
        return len(self._found(dataset))

    def eventually(self, wanted: Callable[[], bool]) -> bool:
        """Whether the condition becomes true while the clock moves by two minutes."""
        for _ in range(MAX_LOOKS):
            if wanted():
                return True
            self._work()
        return False

    def roll_over(self, dataset: str = "app") -> None:
        """Give the stream, which is one for all datasets, another backing index."""
        assert dataset == "app"
        self.stream.backing.append({})

    def wait(self, seconds: float) -> None:
        """Move the clock; the sidecar sees the files."""
        self.now += seconds
        for one in self._inside:
            if one.poll() is None and not one.paused:
                while one.run.sidecar.turn(lambda _: False):
                    pass

    def _new_log(self) -> Path:
        self._runs += 1
        return self.folder / f"said-{self._runs}"

    def _found(self, dataset: str) -> list[dict[str, Any]]:
        wanted = f"neuroflow.{dataset}"
        return [one for one in self.stream.documents if dataset == "*" or one["data_stream"]["dataset"] == wanted]

    def _work(self) -> None:
        for _ in range(TURNS):
            self.wait(STEP)


class Inside:
    """A sidecar of this process with the interface of a process.

    Args:
        harness: its configuration, clock and cluster.
        said: the file that it logs to.
        once: ship what there is, and stop.
    """

    def __init__(self, harness: InProcess, said: Path, *, once: bool = False) -> None:
        config = load(harness.config)
        configure_log(Redactor(config.shipper.redact).text)
        self.said = said
        self._said = said.open("a", buffering=1)
        cast("logging.StreamHandler[IO[str]]", log.handlers[0]).setStream(self._said)
        self.paused = False
        self.returncode: int | None = None
        self.run = Run(config, harness.stream, lambda: harness.now, lambda text: log.error("%s", text), once=once)

    def poll(self) -> int | None:
        """The exit code, once it is over."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Suspend or resume."""
        self.paused = {signal.SIGSTOP: True, signal.SIGCONT: False}[signal.Signals(number)]

    def end(self, code: int) -> None:
        self.returncode = code
        self._said.close()
