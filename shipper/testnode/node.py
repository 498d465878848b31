"""A real Elasticsearch: a given one, one in Docker, or Elastic's test distribution."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from shipper.testnode import container, distribution, java
from shipper.testnode.container import ContainerNode
from shipper.testnode.java import Java
from shipper.testnode.lifecycle import GivenNode, Node, NodeError, Say
from shipper.testnode.members import Cluster, running
from shipper.testnode.process import ProcessNode

__all__ = ["URL_VARIABLE", "Cluster", "Node", "NodeError", "running_cluster", "running_node"]

#: The address of a running node to use.
URL_VARIABLE = "NEUROFLOW_TEST_ES_URL"


@contextmanager
def running_node(
    *,
    own: bool = False,
    settings: Mapping[str, Any] | None = None,
    heap: str = "1g",
    brief: bool = False,
    say: Say | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Node]:
    """A node that answers, for the duration of the block; a started node is removed after it.

    Args:
        own: start a node that the caller may kill and restart, instead of using a given one.
        settings: more of ``elasticsearch.yml``; implies ``own``.
        heap: memory of the JVM, as in ``512m``.
        brief: it is short-lived: a JVM without much optimisation, which halves the work of booting.
        say: called with progress messages.
        environ: the process's environment unless given.

    Raises:
        NodeError: none is available (with what is missing), or it did not start.
    """
    node = _found(
        own=own or bool(settings),
        settings=settings,
        heap=heap,
        brief=brief,
        say=say or (lambda _: None),
        environ=os.environ if environ is None else environ,
    )
    try:
        yield node
    finally:
        node.remove()


def advice(javas: Sequence[Java], cached: Collection[str], *, maven: bool, docker: str | None) -> str:
    """The error message that says why there is no node, and what to install."""
    found = []
    if docker:
        found.append(docker)
    if not javas:
        found.append("Java: none (looked at ES_JAVA_HOME, JAVA_HOME, PATH and the usual folders)")
    elif javas[0].major < distribution.VERSIONS[-1][1]:
        found.append(f"Java: only {', '.join(map(str, javas))}")
    else:
        found.append(f"Java: {javas[0]}")
    if not maven:
        kept = f"; the cache holds only {', '.join(sorted(cached))}" if cached else ""
        found.append(f"Maven: no mvn on the PATH{kept}")
    else:
        found.append("Maven: there")
    return (
        f"no Elasticsearch to run against: set {URL_VARIABLE}, or start Docker, "
        "or install Java 17 or newer (21 preferred) and Maven\n  found: " + "\n         ".join(found)
    )


def running_cluster(
    count: int = 3, *, heap: str = "512m", say: Say | None = None, environ: Mapping[str, str] | None = None
) -> AbstractContextManager[Cluster]:
    """A cluster of several nodes of Elastic's test distribution on this machine, for the duration of the block.

    Raises:
        NodeError: none is available (with what is missing), or it did not start.
    """
    environ = os.environ if environ is None else environ
    version, on = _distribution(environ, "Docker: not used for several nodes")
    return running(
        count, version, on, cache=distribution.cache_folder(environ), heap=heap, say=say or (lambda _: None)
    )


def _found(
    *, own: bool, settings: Mapping[str, Any] | None, heap: str, brief: bool, say: Say, environ: Mapping[str, str]
) -> Node:
    if not own and (url := environ.get(URL_VARIABLE)):
        return _given(url)
    docker = container.missing()
    if docker is None:
        try:
            return _started(ContainerNode(heap=heap, brief=brief, settings=settings, say=say))
        except Exception as error:  # noqa: BLE001 - no image, no memory, …: try the next way in any case
            docker = f"Docker: {error}"
            say(f"{docker}; trying without")
    version, on = _distribution(environ, docker)
    cache = distribution.cache_folder(environ)
    return _started(ProcessNode(version, on, cache=cache, heap=heap, brief=brief, settings=settings, say=say))


def _distribution(environ: Mapping[str, str], docker: str) -> tuple[str, Java]:
    """The version that can run here, and the Java for it."""
    javas = java.installed(environ, others_must_reach=os.geteuid() == 0)
    cached, maven = distribution.cached_versions(distribution.cache_folder(environ)), shutil.which("mvn") is not None
    chosen = distribution.choose(javas, cached, maven=maven)
    if chosen is None:
        raise NodeError(advice(javas, cached, maven=maven, docker=docker))
    return chosen


def _started(node: Node) -> Node:
    try:
        node.start()
    except BaseException:
        node.remove()
        raise
    return node


def _given(url: str) -> Node:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=10).close()
    except OSError as error:
        raise NodeError(
            f"{URL_VARIABLE} names {url.rpartition('@')[2]}, but nothing answers there: {error}"
        ) from error
    return GivenNode(url, f"{URL_VARIABLE} ({url.rpartition('@')[2]})")


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    """``python -m shipper.testnode.node``: run one node until Ctrl-C; prints its URL as the only line on stdout."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Not under nohup; but SIGINT also in a shell's background jobs, which are started with it ignored.
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: ended.set())
    try:
        with running_node(own=True, say=_to_stderr) as node:
            sys.stdout.write(f"{node.url}\n")
            sys.stdout.flush()
            _to_stderr(f"{node.origin}; Ctrl-C stops it")
            ended.wait()
    except NodeError as error:
        _to_stderr(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
