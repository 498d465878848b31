"""A TCP relay between a sidecar and its cluster."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Relay:
    """A TCP relay to the cluster that can swallow answers or cut connections. ``swallow``: requests reach the
    cluster, answers do not come back. ``asked``: bytes of all requests so far.

    Args:
        url: of the cluster.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 9200)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._out = False
        self.swallow = False
        self.swallowed = self.asked = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Start an outage: open connections end, and new ones immediately."""
        self._out = True
        self._hang_up()

    def mend(self) -> None:
        """End the outage."""
        self._out = False

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=10)

    def _hang_up(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._out:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            ended = threading.Barrier(2)
            for source, sink, answers in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._pump, args=(source, sink, answers, ended), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool, ended: threading.Barrier) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not answers:
                    with self._lock:
                        self.asked += len(data)
                if answers and self.swallow:
                    self.swallowed += len(data)
                else:
                    sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        ended.wait()
        with self._lock:
            self._open.discard(source)
        source.close()
