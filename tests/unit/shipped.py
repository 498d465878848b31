"""A sidecar over a directory of logs, with a stand-in for the cluster; tests look at the index afterwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from shipper.config import Config, Shipper
from tests.unit.cluster_stand_in import Run, Stream


class Shipped:
    """One log directory, one state directory, one sidecar.

    Args:
        root: where both lie.
        options: of the ``shipper`` section.
    """

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.logs = root / "logs"
        self.logs.mkdir(exist_ok=True)
        self.stream = Stream()
        self.now = 1000.0
        self.warned: list[str] = []
        self._options = options
        self.start()

    def start(self, *, once: bool = False, **options: Any) -> None:
        config = Config(
            path=self.root / "neuroflow.yaml",
            log_dir=self.logs,
            shipper=Shipper.model_validate({
                "state_dir": str(self.root / "state"), "timezone": "UTC", "host_name": "h", "flush_interval": 0.1,
                "scan_interval": 0.2, "partial_line_timeout": 1, "shutdown_timeout": 1, **self._options, **options,
            }),
        )  # fmt: skip
        self._run = Run(
            config, self.stream, lambda: self.now, self.warned.append,
            wall_ns=lambda: int(self.now * 1e9), once=once,
        )  # fmt: skip
        self.sidecar, self.cluster = self._run.sidecar, self._run.cluster
        self.store, self.counters = self._run.store, self._run.counters

    def stop(self) -> None:
        self._run.stop()

    def kill(self, **options: Any) -> None:
        self._run.kill()
        self.start(**options)

    def restart(self) -> None:
        self.stop()
        self.start()

    def ship(self) -> Counter[str]:
        """Let the sidecar work until nothing is left; gives each message with its number of documents."""
        for _ in range(8):
            self.now += 0.3
            while self.sidecar.turn(lambda _: False):
                pass
        return self.stream.messages()

    def path(self, name: str) -> Path:
        """A file below the log directory, whose folder is there."""
        path = self.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def tags(self) -> dict[str, list[str]]:
        return {one["message"]: one.get("tags", []) for one in self.stream.documents}


def app(first: int, count: int) -> str:
    """Lines of structlog; nine of them are more than a kilobyte."""
    return "".join(
        f'{{"event": "n{number:05}", "level": "info", "timestamp": "2026-11-27T10:00:00.{number:06}Z", '
        f'"pad": "{60 * "-"}"}}\n'
        for number in range(first, first + count)
    )


def celery(first: int, count: int) -> str:
    """Lines of a Celery worker; thirteen of them are more than a kilobyte."""
    return "".join(
        f"[2026-11-27 10:{number // 60:02}:{number % 60:02},{number % 1000:03}: INFO/MainProcess] "
        f"n{number:05} {20 * '-'}\n"
        for number in range(first, first + count)
    )


def printed(first: int, count: int) -> str:
    """Lines of a pipeline, without a time."""
    return "".join(f"n{number:05}\n" for number in range(first, first + count))


def numbers(messages: Counter[str]) -> Counter[int]:
    """How often the line of each number is in the index."""
    return Counter({int(message[1:6]): times for message, times in messages.items()})


def each(count: int) -> Counter[int]:
    """Every number once."""
    return Counter(range(count))
