"""read = acknowledged + duplicate + dead + in flight, at any time."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.conformance.fake import CUT, NO_ANSWER, Answer, Fake, accepted_but, page, product, refuse
from tests.conformance.faked import FakedHarness, holds
from tests.conformance.harness import eventually
from tests.conformance.test_cluster_faults import number
from tests.conformance.test_sidecar import expected, write

FAULTS: list[Answer] = [
    refuse(429), refuse(503), refuse(401), refuse(403), refuse(404), refuse(500),
    CUT, NO_ANSWER, page(200), page(502), product(200, '{"errors": true}'), product(200, "{"),
    accepted_but(CUT), accepted_but(page(504)),
]  # fmt: skip
# A document that is refused like this by itself is dead.
WHOLE: list[Answer] = [refuse(400), refuse(413)]


@contextmanager
def watching(look: Callable[[], dict[str, int] | None]) -> Iterator[list[dict[str, int]]]:
    """Poll continuously; gives every result."""
    seen: list[dict[str, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            counters = look()
            if counters is not None:
                seen.append(counters)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join(60)


class Weather:
    """Faults of every kind, for requests and for documents, from a seed."""

    def __init__(self, fake: Fake, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.clear = False
        fake.always = self.request
        fake.decide = self.document
        self._fake = fake

    def request(self, one: Any) -> None:
        """Every third request gets a fault."""
        with self._lock:
            fault = (
                None
                if self.clear or self._chance.random() > 0.33
                else self._chance.choice(FAULTS + WHOLE * (len(one.items) > 1))
            )
        (fault or self._fake.answer)(one)

    def document(self, _name: str, document: dict[str, Any]) -> int | dict[str, Any]:
        """Every fiftieth document is rejected; some others must be sent again."""
        if number(document) % 50 == 7:
            return 400
        if number(document) % 50 == 9:
            return {"status": 201, "failure_store": "used"}
        return 201 if self.clear or self._chance.random() > 0.02 else self._chance.choice([429, 503, 403])


def healthy(count: int) -> dict[str, int]:
    """The numbered lines without the poisoned ones."""
    return {name: times for name, times in expected(count).items() if int(name[1:]) % 50 not in {7, 9}}


class TestCounters:
    def test_they_add_up_under_every_fault(self, faked: FakedHarness, fake: Fake) -> None:
        """The counters of /metrics and of ``status`` add up at any moment and at the end."""
        weather = Weather(fake, seed=1)
        faked.configure(batch={"max_events": 20, "in_flight": 4}, flush_interval=0.05)
        sidecar = faked.begin()
        with watching(faked.metrics) as seen:
            for first in range(0, 600, 50):
                write(faked.log, first, first + 50)
                status = faked.ask("status", "--json")
                assert status.returncode in {0, 1}  # 1: the sidecar has not made its store yet
                assert status.returncode or holds(json.loads(status.stdout)["counters"])
            assert eventually(lambda: len(fake.bulks) > 20)
            weather.clear = True
            assert eventually(lambda: bool(seen) and seen[-1]["read"] == 600 and not seen[-1]["in_flight"])
        assert 0 == sidecar.stop(), sidecar.said
        # Each line is a document.
        assert [] == [one for one in seen if not (holds(one) and one["lines"] == one["read"])]
        assert all(one[name] <= two[name] for one, two in pairwise(seen) for name in ("read", "dead"))
        assert healthy(600) == fake.messages()
        last = faked.status()
        assert (600, 24, 0, 24) == (
            last["counters"]["read"], last["counters"]["dead"], last["counters"]["in_flight"], last["dead_letters"],
        )  # fmt: skip
        assert holds(last["counters"])
        assert "Traceback" not in sidecar.said

    @pytest.mark.thorough
    def test_they_add_up_across_restarts(self, faked: FakedHarness, fake: Fake) -> None:
        """Over restarts during faults the counters equal the outcomes of the documents."""
        faked.configure(batch={"max_events": 10}, shutdown_timeout=1, flush_interval=0.05)
        weather = Weather(fake, seed=2)
        for first in range(0, 200, 50):
            sidecar = faked.begin()
            before = len(fake.bulks)
            with watching(faked.metrics) as seen:
                write(faked.log, first, first + 50)
                assert eventually(lambda before=before: len(fake.bulks) > before + 3)  # type: ignore[misc]
                time.sleep(0.2)
                assert sidecar.stop() in {0, 3}
            assert [] == [one for one in seen if not holds(one)]
            assert holds(faked.status()["counters"])
        weather.clear = True
        result = faked.once()
        assert result.returncode in {0, 1}, result.stderr  # 1: a document that is refused for good was left to it
        assert healthy(200) == fake.messages()
        assert holds(faked.status()["counters"])
        # A batch that was abandoned after some of it was refused is refused again: told once all the same.
        assert 8 == faked.status()["dead_letters"] == len(faked.letters())

    def test_readiness_tells_an_outage(self, faked: FakedHarness, fake: Fake) -> None:
        """The sidecar is not ready during an outage, ready afterwards, and alive all the time."""
        fake.always = refuse(503)
        sidecar = faked.begin()
        write(faked.log, 0, 5)
        assert eventually(lambda: faked.page("/readyz") == 503)
        assert 200 == faked.page("/healthz")
        expected = {"read": 5, "in_flight": 5, "acknowledged": 0}.items()
        assert eventually(lambda: expected <= (faked.metrics() or {}).items())
        fake.always = None
        assert eventually(lambda: faked.page("/readyz") == 200)
        assert 0 == sidecar.stop()

    def test_readiness_needs_no_documents(self, faked: FakedHarness, fake: Fake) -> None:
        """An idle sidecar is ready when its cluster answers and the templates exist, whatever the key's
        privileges.
        """
        fake.down()
        sidecar = faked.begin(ask_every=0.2)
        assert eventually(lambda: faked.page("/healthz") == 200)
        assert (503, True) == (faked.page("/readyz"), "can't be reached" in faked.text("/readyz"))
        fake.up()
        fake.otherwise["GET /_component_template"] = refuse(503)
        assert eventually(lambda: "the index templates are not installed yet" in faked.text("/readyz"))
        fake.otherwise = {"GET /_cluster/health": refuse(403, "security_exception")}
        assert eventually(lambda: faked.page("/readyz") == 200)
        assert fake.templates
        fake.otherwise["GET /_cluster/health"] = page(200)
        assert eventually(lambda: faked.page("/readyz") == 503)
        assert "not Elasticsearch" in faked.text("/readyz")
        fake.otherwise.clear()
        assert eventually(lambda: faked.page("/readyz") == 200)
        assert 0 == sidecar.stop()
        assert "Traceback" not in sidecar.said

    def test_taken_port_is_said_at_start(self, faked: FakedHarness) -> None:
        """A port in use is reported with the remedy, and nothing is shipped."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            faked.configure(telemetry={"listen": f"127.0.0.1:{other.getsockname()[1]}", "documents": False})
            result = faked.once()
        assert 2 == result.returncode, result.stderr
        assert "another process listens there already (another sidecar?)" in result.stderr
        assert "Traceback" not in result.stderr
