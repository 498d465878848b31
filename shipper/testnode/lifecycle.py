"""The interface of every Elasticsearch node, however it was started."""

from __future__ import annotations

import http.client
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Say = Callable[[str], None]


class NodeError(Exception):
    """No Elasticsearch is available, or it does not start; the message is for the reader."""


class Node(ABC):
    """One Elasticsearch node; after ``kill`` or ``stop`` a ``start`` brings it back, same URL, same data."""

    #: Its address, without a slash at the end.
    url: str
    #: One sentence: where it came from.
    origin: str
    #: Process id of Elasticsearch itself; None if it isn't ours or doesn't run.
    pid: int | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Shut it down in order."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it at once, as in a power cut."""

    @abstractmethod
    def remove(self) -> None:
        """Stop it and delete all its files."""

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()


class GivenNode(Node):
    """A node that somebody else runs: used, never started or stopped."""

    def __init__(self, url: str, origin: str) -> None:
        self.url = url.rstrip("/")
        self.origin = origin

    def start(self) -> None:
        """Refuse: the node belongs to somebody else."""
        raise NodeError(f"the node at {self.url} belongs to somebody else: it can't be started, stopped or killed")

    stop = kill = start

    def remove(self) -> None:
        """Do nothing: the node belongs to somebody else."""


def jvm_options(heap: str, *, brief: bool) -> str:
    """The options of Elasticsearch's Java.

    Args:
        heap: its memory, as in ``512m``.
        brief: it is short-lived: a JVM without much optimisation, which halves the work of booting.
    """
    return f"-Xms{heap} -Xmx{heap}" + (" -XX:TieredStopAtLevel=1" if brief else "")


def health(url: str, timeout: float = 5) -> dict[str, Any] | None:
    """The cluster's health, or None while Elasticsearch does not answer there."""
    return ask(url, "/_cluster/health", timeout)


def ask(url: str, path: str, timeout: float = 5) -> dict[str, Any] | None:
    """The answer of the node at ``url`` to a GET of ``path``; None without a JSON object and status 200.

    The proxies of the environment are not used: a proxy would answer for a node that is down.  Certificates are not
    verified: this asks nodes that tests started, with certificates of their own, and sends no credentials.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    if parts.scheme == "https":
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above; the public way takes three lines
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=unverified)
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
