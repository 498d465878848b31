"""What every Elasticsearch to run against offers, wherever it came from."""

from __future__ import annotations

import http.client
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Say = Callable[[str], None]


class NodeError(Exception):
    """There is no Elasticsearch to run against, or it does not run; the message is for the reader."""


class Node(ABC):
    """One Elasticsearch node; after ``kill`` or ``stop`` a ``start`` brings it back, same URL, same data."""

    #: Where it answers, without a slash at the end.
    url: str
    #: One sentence: where it came from.
    origin: str
    #: Process id of Elasticsearch itself; None where it isn't ours or doesn't run.
    pid: int | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Let it shut down in order."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, as a power cut would."""

    @abstractmethod
    def remove(self) -> None:
        """End it and delete everything that it left behind."""

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()


class GivenNode(Node):
    """A node that somebody else runs: used as it is, never stopped."""

    def __init__(self, url: str, origin: str) -> None:
        self.url = url.rstrip("/")
        self.origin = origin

    def start(self) -> None:
        """Refused: the node belongs to somebody else."""
        raise NodeError(f"the node at {self.url} is not ours to start")

    def stop(self) -> None:
        """Refused: the node belongs to somebody else."""
        raise NodeError(f"the node at {self.url} is not ours to stop")

    def kill(self) -> None:
        """Refused: the node belongs to somebody else."""
        raise NodeError(f"the node at {self.url} is not ours to kill")

    def remove(self) -> None:
        """Nothing: what somebody else runs stays."""


def jvm_options(heap: str, *, brief: bool) -> str:
    """The options of Elasticsearch's Java.

    Args:
        heap: its memory, as in ``512m``.
        brief: it will not live long: compiled without much optimisation, which halves the work of booting.
    """
    return f"-Xms{heap} -Xmx{heap}" + (" -XX:TieredStopAtLevel=1" if brief else "")


def health(url: str, timeout: float = 5) -> dict[str, Any] | None:
    """The cluster's health, or None while nothing (or not yet Elasticsearch) answers there."""
    return ask(url, "/_cluster/health", timeout)


def ask(url: str, path: str, timeout: float = 5) -> dict[str, Any] | None:
    """What the node at ``url`` answers to a GET of ``path``; None when it does not.

    Straight to the address, past any proxy of the environment: a proxy answers for machines that are not up.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path}{path}")
        answer = connection.getresponse()
        body = answer.read()
        found = json.loads(body) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None
