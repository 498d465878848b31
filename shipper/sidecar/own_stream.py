"""Sends what the sidecar reports of itself to a data stream of its own, beside the logs.

It never delays them: a thread of its own sends over the sender's connection, waits for nobody, and gives up what the
cluster does not take.  Nothing here moves a cursor or is counted as a document that was read.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import orjson
from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.document.ecs import Document
from shipper.elastic.bulk_request import send
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.names import SIDECAR, streams_of
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.elastic.packed import Packed
from shipper.telemetry import ONCE, Throttle, bug

# While the cluster is away, the newest of these are kept.
MAX_EVENTS = 100
# Seconds; a request that takes longer is tried again with the next document, under the same ids.
PATIENCE = 10.0
_TEMPLATE = f"logs-neuroflow.{SIDECAR}"
_TURN_OFF = "or set shipper.telemetry.documents to false; logs are shipped all the same"
_ADVICE = f"grant `auto_configure` and `create_doc` on logs-neuroflow.*-*, {_TURN_OFF}"

Connection = Callable[[], tuple[Elasticsearch, Settings, Callable[[], bool]]]
"""Gives the client, its settings, and a function that tells whether documents may be sent yet."""


class Item(NamedTuple):
    """A document as it is sent."""

    body: bytes
    replaced_by_next: bool


class OwnStream:
    """The sidecar's own data stream.

    A document has an id that no other process gives and that stays when it is sent again.

    Args:
        connection: of the sender, asked each time, since a SIGHUP may change it.
        namespace: of the data stream.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.instance = os.urandom(16).hex()
        self.namespace = namespace
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting: deque[Item] = deque()
        self._number = 0
        self._wake = threading.Event()
        self._closed = False
        self._throttle = Throttle()
        self._installed_at: Elasticsearch | None = None
        self._thread = threading.Thread(target=self._run, name="own-documents", daemon=True)
        self._thread.start()

    def put(self, document: Document, *, replaced_by_next: bool = False) -> None:
        """Take a document, to be sent soon.

        Args:
            document: without its data stream.
            replaced_by_next: while it could not be sent, only the newest of these is kept.
        """
        self._number += 1
        [index] = streams_of(self.namespace, [SIDECAR])
        action = {"create": {"_index": index, "_id": f"{self.instance}-{self._number}"}}
        stream = {"type": "logs", "dataset": f"neuroflow.{SIDECAR}", "namespace": self.namespace}
        body = b"%b\n%b\n" % (orjson.dumps(action), orjson.dumps({**document, "data_stream": stream}))
        with self._lock:
            if replaced_by_next:
                self._waiting = deque(item for item in self._waiting if not item.replaced_by_next)
            self._waiting.append(Item(body, replaced_by_next))
            while len(self._waiting) > MAX_EVENTS:
                self._waiting.popleft()
        self._wake.set()

    def close(self, patience: float) -> None:
        """Send what is left, within ``patience`` seconds."""
        self._closed = True
        self._wake.set()
        self._thread.join(patience)

    def _run(self) -> None:
        closed = False
        while not closed:
            self._wake.wait()
            self._wake.clear()
            closed = self._closed  # what was put before is sent yet
            try:
                self._deliver()
            except Exception as error:  # noqa: BLE001 - no bug here may end the process that ships the logs
                self._drop(self._taken())
                self._say("bug", f"the sidecar's own documents can't be sent ({bug(error)}); logs are shipped")

    def _deliver(self) -> None:
        items = self._taken()
        client, settings, is_open = self._connection()
        try:
            if not (items and is_open() and self._is_installed(client)):
                return
            patient = client.options(request_timeout=min(PATIENCE, settings.request_timeout))
            verdicts = send(patient, Packed([item.body for item in items]))
        except ApiError as error:
            if error.meta.status in {400, 401, 403, 413} and is_genuine(error):
                self._say(
                    "refused", f"{explain(error, settings)}; the sidecar's own documents are not sent: {_ADVICE}"
                )
            return
        except TransportError:
            return  # the sender reports that the cluster is away
        self._drop([item for item, verdict in zip(items, verdicts, strict=True) if not _comes_again(verdict)])
        for verdict in verdicts:
            if verdict.outcome not in {Outcome.ACKNOWLEDGED, Outcome.DUPLICATE, Outcome.RETRY}:
                self._say(
                    f"{verdict.status} {verdict.kind}",
                    f"Elasticsearch does not take the sidecar's own documents ({verdict.status} {verdict.kind}: "
                    f"{verdict.reason}): {_ADVICE}",
                )

    def _taken(self) -> list[Item]:
        with self._lock:
            return list(self._waiting)

    def _drop(self, items: list[Item]) -> None:
        gone = {id(item) for item in items}
        with self._lock:
            self._waiting = deque(item for item in self._waiting if id(item) not in gone)

    def _is_installed(self, client: Elasticsearch) -> bool:
        """Whether the stream has its index template, as far as the key may see that; another would map it wrong."""
        if client is self._installed_at:
            return True
        answer = client.options(request_timeout=PATIENCE, ignore_status=[400, 403, 404, 405, 410]).perform_request(
            "GET",
            f"/_index_template/{_TEMPLATE}",
            params={"filter_path": "index_templates.name"},
            headers={"accept": "application/json"},
        )
        if answer.meta.status == 404:
            self._say(
                "template",
                f"index template {_TEMPLATE} is not installed, so the sidecar's own documents are not sent: run "
                f"`neuroflow-ship setup` with a key that may install it, {_TURN_OFF}",
            )
            return False
        self._installed_at = client
        return True

    def _say(self, kind: str, message: str) -> None:
        self._throttle.say(kind, message, ONCE)


def _comes_again(verdict: Verdict) -> bool:
    return verdict.outcome in {Outcome.RETRY, Outcome.MISSING_TEMPLATE, Outcome.UNAUTHORIZED}
