"""Each mistake gives a sentence and never a traceback, and no line is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conformance.harness import Harness, as_other_user


@pytest.fixture
def forbidding() -> Iterator[str]:
    """A cluster that answers 403 to every request."""

    class Page(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b'{"error":{"type":"security_exception","reason":"action is unauthorized"},"status":403}'
            self.send_response(403)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestConfiguration:
    def test_missing_file(self, lone_harness: Harness) -> None:
        """A missing configuration is named."""
        lone_harness.config.unlink()
        result = lone_harness.once()
        assert result.returncode == 2
        assert f"neuroflow-ship: {lone_harness.config}: no such file" in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.skipif(not as_other_user(), reason="root may read everything")
    def test_unreadable_file(self, lone_harness: Harness) -> None:
        """An unreadable configuration is named."""
        lone_harness.config.chmod(0)
        result = lone_harness.once()
        assert result.returncode == 2
        assert "can't be read: Permission denied" in result.stderr

    def test_a_directory(self, lone_harness: Harness) -> None:
        """A directory in the configuration's place is named."""
        lone_harness.config.unlink()
        lone_harness.config.mkdir()
        result = lone_harness.once()
        assert result.returncode == 2
        assert "can't be read: Is a directory" in result.stderr

    def test_unknown_key(self, lone_harness: Harness) -> None:
        """The error names file, key and nearest valid key."""
        lone_harness.configure(scan_intervall=3)
        result = lone_harness.once()
        assert result.returncode == 2
        assert (
            f"neuroflow-ship: {lone_harness.config}: shipper.scan_intervall: unknown key; "
            "nearest valid key: scan_interval\n" == result.stderr
        )

    def test_a_failed_start_in_the_log(self, lone_harness: Harness) -> None:
        """What ends a start is a line of the log, as JSON where that is no terminal; a command prints a sentence."""
        lone_harness.configure(scan_intervall=3, password="")
        sentence = f"{lone_harness.config}: shipper.scan_intervall: unknown key; nearest valid key: scan_interval"
        for arguments in ([], ["--once"]):
            done = lone_harness.run(*arguments)
            event = json.loads(done.stderr)
            assert (2, "error") == (done.returncode, event["level"])
            assert event["event"].startswith(f"{sentence}; {lone_harness.config}: shipper.password: unknown key; ")
        assert lone_harness.run("setup").stderr.startswith(f"neuroflow-ship: {sentence}\n")


class TestCluster:
    def test_unreachable(self, lone_harness: Harness) -> None:
        """An unreachable cluster is reported and retried; after shutdown_timeout the lines stay unshipped."""
        (lone_harness.logs / "neuroflow.log").write_text('{"event": "x", "level": "info"}\n')
        result = lone_harness.once()
        assert result.returncode == 3
        assert "http://127.0.0.1:9 can't be reached: connection refused" in result.stderr
        assert "1 documents are not acknowledged; their lines are sent again at the next start" in result.stderr
        assert "Traceback" not in result.stderr
        assert lone_harness.status()["files"][0]["offset"] == 0

    def test_forbidding(self, lone_harness: Harness, forbidding: str) -> None:
        """A missing privilege is reported, nothing is dropped, and the position stays."""
        lone_harness.url = forbidding
        lone_harness.configure(shutdown_timeout=1)
        (lone_harness.logs / "neuroflow.log").write_text('{"event": "x", "level": "info"}\n')
        result = lone_harness.once()
        assert result.returncode == 3
        assert f"{forbidding} refuses this (403)" in result.stderr
        assert "retrying until that is fixed, nothing is lost" in result.stderr
        assert "Traceback" not in result.stderr
        assert lone_harness.status()["files"][0]["offset"] == 0
        assert lone_harness.run("dead-letters", "list").stdout == ""

    def test_a_log_directory_that_does_not_exist(self, lone_harness: Harness) -> None:
        """Without a log directory there is a sentence and exit code 1."""
        lone_harness.logs.rmdir()
        result = lone_harness.once()
        assert 1 == result.returncode
        assert f"{lone_harness.logs}: no such directory; there is nothing to ship from it" in result.stderr

    def test_status_before_the_first_run(self, lone_harness: Harness) -> None:
        """Without a state directory ``status`` gives a sentence."""
        result = lone_harness.run("status")
        assert result.returncode == 1
        assert "the sidecar has not run with this state directory yet" in result.stderr
