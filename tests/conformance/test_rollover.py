"""Exactly once although ``_id`` is unique only inside one backing index."""

from __future__ import annotations

import shutil

from elasticsearch import Elasticsearch

from tests.conformance.rig import Rig
from tests.conformance.test_sidecar import expected, write


class TestRollover:
    def test_lost_state_after_a_rollover(self, rig: Rig, es: Elasticsearch) -> None:
        """What is in an older backing index is looked up, not created again."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 300)
        assert 0 == rig.once().returncode
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        write(log, 300, 400)
        shutil.rmtree(rig.state)
        assert 0 == rig.once().returncode
        assert expected(400) == rig.messages(es, "app")
        counters = rig.status()["counters"]
        assert (400, 100, 300) == (counters["read"], counters["acknowledged"], counters["duplicate"])

    def test_restored_state_after_a_rollover(self, rig: Rig, es: Elasticsearch) -> None:
        """An old copy of the state directory put back is noticed, and its lines are looked up."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 50)
        assert 0 == rig.once().returncode
        shutil.copytree(rig.state, rig.folder / "backup")
        write(log, 50, 90)
        assert 0 == rig.once().returncode
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        shutil.rmtree(rig.state)
        shutil.copytree(rig.folder / "backup", rig.state)
        assert 0 == rig.once().returncode
        assert expected(90) == rig.messages(es, "app")

    def test_killed_before_the_cursor_moved(self, rig: Rig, es: Elasticsearch) -> None:
        """Accepted by the cluster, then killed, then rolled over: still once."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 20)
        assert 0 == rig.once().returncode
        shutil.copytree(rig.state, rig.folder / "before")
        write(log, 20, 60)
        assert 0 == rig.once().returncode
        # The state of a process that was killed between the answer and the write.
        shutil.rmtree(rig.state)
        shutil.copytree(rig.folder / "before", rig.state)
        (rig.state / "clean").unlink()
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        assert 0 == rig.once().returncode
        assert expected(60) == rig.messages(es, "app")
