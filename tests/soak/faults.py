"""Causes one fault after the other, in an order that the seed decides."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter

from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.testnode.lifecycle import Node
from tests.soak.sidecar import Sidecar

# Between two faults.
PAUSE_SECONDS = (2.0, 10.0)
# Each with its weight; the node's restarts take longest, so they are rarer.
KINDS = {
    "sidecar killed": 8, "sidecar stopped": 4, "rollover": 5, "node killed": 1, "node restarted": 1,
    "node frozen": 1,
}  # fmt: skip


class Faults:
    """Causes faults until it is ended, and leaves everything running.

    Args:
        sidecar: the one under test.
        node: a node that the run may kill and freeze.
        es: its client.
        namespace: whose data streams roll over.
        dice: decides what and when.
    """

    def __init__(self, sidecar: Sidecar, node: Node, es: Elasticsearch, namespace: str, dice: random.Random) -> None:
        self._sidecar, self._node, self._es, self._namespace, self._dice = sidecar, node, es, namespace, dice
        self.counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))

    def run(self, ended: threading.Event) -> None:
        deeds = {
            "sidecar killed": self._sidecar.kill,
            "sidecar stopped": self._sidecar.terminate,
            "node killed": self._node.kill,
            "node restarted": self._node.stop,
        }
        while not ended.wait(self._dice.uniform(*PAUSE_SECONDS)):
            (kind,) = self._dice.choices(list(KINDS), list(KINDS.values()))
            # Always drawn, so that what the machine does changes nothing in what is to come.
            away = self._dice.choice((0.0, self._dice.uniform(0, 5), self._dice.uniform(5, 25)))
            stream = self._dice.choice(("app", "workflow", "celery", "pipeline"))
            if kind == "rollover":
                self._roll_over(stream)
                continue
            if kind == "node frozen":
                self._freeze(away, ended)
                continue
            deeds[kind]()
            self.counts[kind] += 1
            ended.wait(away)
            (self._sidecar if kind.startswith("sidecar") else self._node).start()

    def _roll_over(self, stream: str) -> None:
        try:
            self._es.indices.rollover(alias=f"logs-neuroflow.{stream}-{self._namespace}")
        except (ApiError, TransportError):
            return  # the stream is not there yet
        self.counts["rollover"] += 1

    def _freeze(self, seconds: float, ended: threading.Event) -> None:
        """An outage in which the node accepts connections and does not answer."""
        if self._node.pid is None:
            return  # in Docker the process is not ours to stop
        os.kill(self._node.pid, signal.SIGSTOP)
        self.counts["node frozen"] += 1
        ended.wait(seconds)
        os.kill(self._node.pid, signal.SIGCONT)
