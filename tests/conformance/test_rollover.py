"""Every line is there once although ``_id`` is unique only inside one backing index."""

from __future__ import annotations

import shutil

from tests.conformance.harness import Harness
from tests.conformance.test_sidecar import expected, write


class TestRollover:
    def test_lost_state_after_a_rollover(self, harness: Harness) -> None:
        """Documents in older backing indices are looked up and not created again."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 300)
        assert 0 == harness.once().returncode
        harness.roll_over()
        write(log, 300, 400)
        shutil.rmtree(harness.state)
        assert 0 == harness.once().returncode
        assert expected(400) == harness.messages("app")
        counters = harness.status()["counters"]
        assert (400, 100, 300) == (counters["read"], counters["acknowledged"], counters["duplicate"])

    def test_restored_state_after_a_rollover(self, harness: Harness) -> None:
        """After an old copy of the state is restored, its lines are looked up."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 50)
        assert 0 == harness.once().returncode
        shutil.copytree(harness.state, harness.folder / "backup")
        write(log, 50, 90)
        assert 0 == harness.once().returncode
        harness.roll_over()
        shutil.rmtree(harness.state)
        shutil.copytree(harness.folder / "backup", harness.state)
        assert 0 == harness.once().returncode
        assert expected(90) == harness.messages("app")

    def test_killed_before_the_cursor_moved(self, harness: Harness) -> None:
        """Accepted lines are there once after a kill and a rollover."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 20)
        assert 0 == harness.once().returncode
        shutil.copytree(harness.state, harness.folder / "before")
        write(log, 20, 60)
        assert 0 == harness.once().returncode
        # The state of a process that was killed between the answer and the write.
        shutil.rmtree(harness.state)
        shutil.copytree(harness.folder / "before", harness.state)
        (harness.state / "clean").unlink()
        harness.roll_over()
        assert 0 == harness.once().returncode
        assert expected(60) == harness.messages("app")
