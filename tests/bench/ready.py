"""The bodies of bulk requests that neuroflow-ship makes of lines, ready to be sent by somebody else.

As a program it sends them, two requests at a time, and does nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from tests.bench.cases import Logs
from tests.bench.peers import PEERS, Job
from tests.bench.process import run
from tests.bench.sink import running_sink

READY_BYTES = 5 * 2**20


def keep_bodies(sink: list[str], logs: Logs, folder: Path, namespace: str) -> Path:
    """Ship the lines into a sink that keeps the bodies, those with run documents excepted; gives its file.

    Args:
        sink: see ``sink_command``.
        logs: the lines.
        folder: for the file; another one of before is overwritten.
        namespace: of the data streams in the bodies.
    """
    kept, own = folder / "ready.ndjson", folder / "ready"
    kept.unlink(missing_ok=True)
    own.mkdir()
    ours = PEERS[0]
    with running_sink(sink, logs.lines, keep=kept) as running:
        command = ours.set_up(sys.executable, Job(own, logs, running.url, namespace, gzip=True))
        cost = run(command, own / "output", None, 60 + logs.lines / 500)
    if cost.failure:
        raise SystemExit(f"neuroflow-ship {cost.failure}")
    shutil.rmtree(own)
    return kept


def ready_bodies(kept: Path) -> Iterator[bytes]:
    """The bodies in a file of ``keep_bodies``, in requests of up to ``READY_BYTES``."""
    body: list[bytes] = []
    size = 0
    with kept.open("rb") as file:
        for action in file:
            document = next(file)
            if size + len(action) + len(document) > READY_BYTES and body:
                yield b"".join(body)
                body, size = [], 0
            body += [action, document]
            size += len(action) + len(document)
    if body:
        yield b"".join(body)


def main() -> None:
    """Send the bodies of a file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("namespace", help="in the place of the namespace 'ready'")
    options.add_argument("file", type=Path)
    asked = options.parse_args()
    client = connect(Settings(hosts=[asked.url]))
    headers = {"content-type": "application/x-ndjson", "accept": "application/json"}
    name = f"-{asked.namespace}".encode()
    bodies = [body.replace(b"-ready", name) for body in ready_bodies(asked.file)]

    def send(body: bytes) -> None:
        params = {"filter_path": "errors"}
        answer = client.perform_request("POST", "/_bulk", params=params, headers=headers, body=body).body
        if answer["errors"]:
            raise SystemExit("the node refuses documents of the ready bodies")

    with ThreadPoolExecutor(2) as pool:
        deque(pool.map(send, bodies), maxlen=0)


if __name__ == "__main__":
    main()
