"""A small HTTP proxy: CONNECT, absolute URLs, and what goes wrong with proxies."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy:
    """A proxy on loopback.

    Attributes:
        login: ``user:password`` that it wants; None: anybody may use it.
        answers: a status that it gives instead of forwarding; None: it forwards.
        journal: ``METHOD target`` of every request.
        clear: the bodies that it could read.
    """

    def __init__(self) -> None:
        self.login: str | None = None
        self.answers: int | None = None
        self.journal: list[str] = []
        self.clear: list[bytes] = []
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        """The address, also while it is down."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and close the open ones."""
        self._server.shutdown()
        self._server.server_close()
        for one in list(self._server.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    proxy: Proxy

    def __init__(self, *arguments: object) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*arguments)  # type: ignore[arg-type] # as the parent's

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self.open.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _refused(self) -> bool:
        proxy = self.server.proxy
        proxy.journal.append(f"{self.command} {self.path}")
        wanted = proxy.login and f"Basic {base64.b64encode(proxy.login.encode()).decode()}"
        status = 407 if wanted and self.headers.get("Proxy-Authorization") != wanted else proxy.answers
        if status is not None:
            self._say(status, b"<html><h1>a proxy's page</h1></html>")
        return status is not None

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        if self._refused():
            return None
        host, _, port = self.path.rpartition(":")
        try:
            far = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        except OSError:
            return self._say(502, b"no such host")
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        self.server.open.add(far)
        back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
        back.start()
        _pump(self.connection, far)
        back.join(10)
        far.close()
        return None

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._refused():
            return None
        self.server.proxy.clear.append(body)
        parts = urlsplit(self.path)
        if not parts.hostname:
            return self._say(400, b"no absolute URL")
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        assert headers["Host"] == parts.netloc
        far = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        try:
            far.request(self.command, parts._replace(scheme="", netloc="").geturl(), body, headers)
            answer = far.getresponse()
            data = answer.read()
        except OSError:
            return self._say(502, b"no such host")
        finally:
            far.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
