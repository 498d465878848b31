"""One real node for the test processes of a parallel run, kept by the process that starts them. It boots when the
first process asks, so a run that needs no node has none.

The first one that asks makes it boot, so a run that needs no node has none; the others wait for that answer.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from contextlib import ExitStack
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Self

from shipper.testnode.lifecycle import GivenNode, Say
from shipper.testnode.node import NodeError, running_node

#: Where the keeper listens, for the processes that it starts.
KEEPER_VARIABLE = "NEUROFLOW_TEST_NODE_KEEPER"


class Keeper:
    """Keeps the node: starts it for the first process that asks, and ends it in the end.

    Args:
        say: takes messages, a line at a time.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._held = ExitStack()
        # A socket's path may have 107 bytes at most, too few for some temporary folders of pytest's.
        folder = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="neuroflow-keeper-")))
        self._socket = str(folder / "socket")
        self._listener = self._held.enter_context(Listener(self._socket, "AF_UNIX", backlog=64))
        self._connections: list[Connection[tuple[str, str], None]] = []
        self._answer: tuple[str, str] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="node keeper", daemon=True)
        self._thread.start()
        os.environ[KEEPER_VARIABLE] = self._socket

    def _serve(self) -> None:
        while True:
            try:
                asking = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                continue  # whoever it was, left again
            self._connections.append(asking)
            if self._ended:
                return
            with contextlib.suppress(OSError):
                asking.send(self._node())

    def _node(self) -> tuple[str, str]:
        """URL and origin; without a node no URL and the reason."""
        if self._answer is None:
            try:
                node = self._held.enter_context(running_node(own=True, brief=True, say=self._say))
            except NodeError as error:
                self._answer = "", str(error)
            except Exception as error:  # noqa: BLE001 - those who wait must get an answer, whatever it was
                self._answer = "", f"no Elasticsearch: {type(error).__name__}: {error}"
            else:
                self._say(f"Elasticsearch: {node.origin}")
                self._answer = node.url, node.origin
        return self._answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the node, if there is one; no process may use it any more."""
        del os.environ[KEEPER_VARIABLE]
        self._ended = True
        Client(self._socket, "AF_UNIX").close()  # wakes the thread, which may be starting a node just now
        self._thread.join()
        for connection in self._connections:
            connection.close()
        self._held.close()


class PendingNode:
    """A request to the keeper; the node may boot until its answer is needed."""

    def __init__(self) -> None:
        self._connection: Connection[None, tuple[str, str]] = Client(os.environ[KEEPER_VARIABLE], "AF_UNIX")

    def node(self) -> GivenNode:
        """The node, once it answers.

        Raises:
            NodeError: there is none to be had.
        """
        url, told = self._connection.recv()
        if not url:
            raise NodeError(told)
        return GivenNode(url, told)

    def close(self) -> None:
        self._connection.close()
