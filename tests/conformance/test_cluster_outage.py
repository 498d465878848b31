"""The cluster goes away and comes back; meanwhile the sidecar is stopped, killed, or has a backlog."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conformance.fake import NO_ANSWER, Answer, Fake, accepted_but, page, raw, refuse, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually
from tests.conformance.test_sidecar import expected, line, write

MIB = 2**20


def resident(pid: int) -> int:
    """The resident memory of a process, bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class TestStart:
    def test_down_at_start(self, faked: FakedHarness, fake: Fake) -> None:
        """The sidecar waits for the cluster, and puts the templates before the first document."""
        fake.down()
        write(faked.log, 0, 5)
        sidecar = faked.begin()
        assert sidecar.says("can't be reached: connection refused (is it running, is the port right?)")
        write(faked.log, 5, 10)
        fake.up()
        assert eventually(lambda: fake.documents == 10)
        assert 0 == sidecar.stop()
        assert expected(10) == fake.messages()
        first = fake.journal.index("POST /_bulk")
        puts = [at for at, request in enumerate(fake.journal) if request.startswith("PUT ")]
        assert len(puts) == len(fake.templates)
        assert max(puts) < first
        assert "GET /" not in fake.journal

    @pytest.mark.parametrize(
        "answer",
        [refuse(503), refuse(401), page(404), page(200), page(400), page(403), raw(b"220 smtp ready\r\n"), silence],
        ids=["503", "401", "404 page", "200 page", "400 page", "403 page", "another protocol", "silence"],
    )
    def test_something_else_at_start(self, faked: FakedHarness, fake: Fake, answer: Answer) -> None:
        """With another service on the port nothing is sent before the templates are put."""
        faked.configure(elasticsearch={"request_timeout": 1})
        write(faked.log, 0, 5)
        fake.otherwise[""] = answer
        sidecar = faked.begin()
        assert sidecar.says("the index templates must be installed first; trying again, nothing is lost")
        fake.otherwise.clear()
        assert eventually(lambda: fake.documents == 5)
        assert 0 == sidecar.stop()
        assert fake.journal.index("POST /_bulk") > fake.journal.index("PUT /_index_template/logs-neuroflow.app")
        assert expected(5) == fake.messages()

    def test_a_key_that_may_not_put_templates(self, faked: FakedHarness, fake: Fake) -> None:
        """A missing privilege is logged once with the remedy, and existing templates are used."""
        assert 0 == faked.ask("setup").returncode
        fake.journal.clear()
        denied = refuse(403, "security_exception", "action is unauthorized")
        for path in ("GET /_nodes", "GET /_component_template", "GET /_index_template", "GET /logs", "GET /_cluster"):
            fake.otherwise[path] = denied
        write(faked.log, 0, 30)
        faked.configure(batch={"max_events": 3})
        result = faked.once()
        assert 0 == result.returncode, result.stderr
        assert expected(30) == fake.messages()
        assert 1 == result.stderr.count("run `neuroflow-ship setup` with a key that may")
        assert 1 == sum("_template" in request for request in fake.journal)


class TestOutage:
    def test_stop_just_after_an_outage(self, faked: FakedHarness, fake: Fake) -> None:
        """At a stop what failed is sent at once, and if the cluster answers again, so is all that waits behind it."""
        faked.configure(batch={"max_events": 50, "in_flight": 1})
        fake.otherwise["POST /_bulk"] = refuse(503)
        sidecar = faked.begin()
        write(faked.log, 0, 2000)
        assert eventually(lambda: fake.journal.count("POST /_bulk") >= 5)
        fake.otherwise.clear()
        assert 0 == sidecar.stop(), sidecar.said
        counters = faked.status()["counters"]
        assert 500 < counters["read"] == counters["acknowledged"] == fake.documents

    def test_rotations_while_it_is_down(self, faked: FakedHarness, fake: Fake) -> None:
        """After a rename and a copytruncate during an outage every line is there once."""
        sidecar = faked.begin()
        write(faked.log, 0, 10)
        assert eventually(lambda: fake.documents == 10)
        fake.down()
        write(faked.log, 10, 20)
        assert sidecar.says("can't be reached")
        faked.log.rename(faked.logs / "neuroflow.log.1")
        write(faked.log, 20, 30)
        time.sleep(1.2)  # two scans: between rotations lie hours
        (faked.logs / "neuroflow.log.1").rename(faked.logs / "neuroflow.log.2")
        (faked.logs / "neuroflow.log.1").write_bytes(faked.log.read_bytes())
        faked.log.open("w").close()
        write(faked.log, 30, 40)
        fake.up()
        assert eventually(lambda: fake.documents >= 40)
        assert sidecar.says("the cluster takes documents again")
        assert 0 == sidecar.stop()
        assert expected(40) == fake.messages()
        counters = faked.status()["counters"]
        assert (40, 40) == (counters["read"], counters["acknowledged"])

    def test_no_line_is_torn_by_waiting(self, faked: FakedHarness, fake: Fake) -> None:
        """With a backlog larger than a read and an outage longer than partial_line_timeout no line is split."""
        faked.configure(batch={"max_events": 100}, partial_line_timeout=0.5)
        fake.always = refuse(503)
        write(faked.log, 0, 5000)
        sidecar = faked.begin()
        assert eventually(lambda: len(fake.bulks) > 6)  # with the back-off: two seconds and more
        fake.always = None
        assert eventually(lambda: fake.documents >= 5000)
        assert 0 == sidecar.stop()
        assert expected(5000) == fake.messages()

    @pytest.mark.parametrize(
        "outage",
        [refuse(503), silence, NO_ANSWER, accepted_but(silence)],
        ids=["503", "silence", "closed", "accepted, then silence"],
    )
    def test_stop_during_an_outage(self, faked: FakedHarness, fake: Fake, outage: Answer) -> None:
        """SIGTERM ends it after shutdown_timeout with exit code 3; the rest ships later, once."""
        faked.configure(shutdown_timeout=2, elasticsearch={"request_timeout": 600}, batch={"max_events": 5})
        sidecar = faked.begin()
        write(faked.log, 0, 10)
        assert eventually(lambda: fake.documents == 10)
        fake.always = outage
        write(faked.log, 10, 40)
        before = len(fake.bulks)
        assert eventually(lambda: len(fake.bulks) > before)
        assert 3 == sidecar.stop()
        assert "their lines are sent again at the next start" in sidecar.said
        assert "Traceback" not in sidecar.said
        fake.always = None
        assert 0 == faked.once().returncode
        assert expected(40) == fake.messages()

    def test_stop_while_the_templates_get_no_answer(self, faked: FakedHarness, fake: Fake) -> None:
        """A silent cluster does not delay a stop, from the first request on."""
        faked.configure(shutdown_timeout=1, elasticsearch={"request_timeout": 600})
        fake.otherwise[""] = silence
        write(faked.log, 0, 5)
        sidecar = faked.begin()
        assert eventually(lambda: (faked.metrics() or {}).get("in_flight") == 5)
        assert 3 == sidecar.stop()
        fake.otherwise.clear()
        assert 0 == faked.once().returncode
        assert expected(5) == fake.messages()

    def test_killed_during_an_outage_after_a_lost_answer(self, faked: FakedHarness, fake: Fake) -> None:
        """After a lost answer, a kill and a rollover each line is there once."""
        faked.configure(batch={"max_events": 5}, elasticsearch={"request_timeout": 600})
        fake.always = accepted_but(silence)
        write(faked.log, 0, 20)
        sidecar = faked.begin()
        assert eventually(lambda: fake.documents == 10)
        sidecar.kill()
        fake.rollover(faked.stream)
        fake.always = None
        assert 0 == faked.once().returncode
        assert expected(20) == fake.messages()
        assert 10 == faked.status()["counters"]["duplicate"]

    def test_memory_stays_bounded(self, faked: FakedHarness, fake: Fake) -> None:
        """A backlog of 100 MB stays in the log files, not in memory."""
        block = "".join(map(line, range(1000)))
        with faked.log.open("w") as file:
            for _ in range(100 * MIB // len(block)):
                file.write(block)
        fake.always = refuse(503)
        sidecar = faked.begin()
        assert eventually(lambda: len(fake.bulks) > 4)
        most = 0
        for _ in range(20):
            most = max(most, resident(sidecar.process.pid))
            time.sleep(0.1)
        sidecar.kill()
        assert 0 < most < 250 * MIB
        assert fake.largest <= 5 * MIB
        assert fake.together <= 2


class TestTemplates:
    def test_a_stream_that_cannot_be_made(self, faked: FakedHarness, fake: Fake) -> None:
        """A missing index template is put again, and the line waits for it."""
        sidecar = faked.begin()
        write(faked.log, 0, 5)
        assert eventually(lambda: fake.documents == 5)
        fake.templates.clear()
        write(faked.logs / "workflow.log", 5, 6)
        assert eventually(lambda: fake.documents == 6)
        assert 0 == sidecar.stop()
        assert expected(6) == fake.messages()
        assert "installing the index templates again" in sidecar.said
        assert "/_index_template/logs-neuroflow.app" in fake.templates

    def test_deleted_while_their_streams_live(self, faked: FakedHarness, fake: Fake) -> None:
        """Deleted templates are put again though existing streams work without them."""
        sidecar = faked.begin(look_every=0.2)
        write(faked.log, 0, 5)
        assert eventually(lambda: fake.documents == 5)
        put = set(fake.templates)
        for path in ("/_index_template/logs-neuroflow.app", "/_component_template/neuroflow-ecs"):
            del fake.templates[path]
        count = 5

        def back() -> bool:
            nonlocal count
            write(faked.log, count, count + 1)
            count += 1
            return set(fake.templates) == put

        assert eventually(back)
        assert eventually(lambda: fake.documents == count)
        assert 0 == sidecar.stop()
        assert expected(count) == fake.messages()
        assert "installed 2 index and component templates again" in sidecar.said

    def test_a_key_that_may_not_look(self, faked: FakedHarness, fake: Fake) -> None:
        """A key that may not read templates is logged once, not requested again, and shipping goes on."""
        assert 0 == faked.ask("setup").returncode
        fake.journal.clear()
        for path in ("GET /_component_template", "GET /_index_template"):
            fake.otherwise[path] = refuse(403, "security_exception", "action is unauthorized")
        sidecar = faked.begin(look_every=0.1)
        for count in range(10):
            write(faked.log, count, count + 1)
            assert eventually(lambda count=count: fake.documents == count + 1)  # type: ignore[misc]
        assert 0 == sidecar.stop()
        assert 1 == sum("_template" in request for request in fake.journal)
        assert 1 == sidecar.said.count("action is unauthorized")
