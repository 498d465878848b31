"""Whatever a server answers in Kibana's place, setup gives a sentence or the usual result."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.kibana.install import install_kibana
from shipper.kibana.ndjson import kibana_objects, kibana_rules
from shipper.kibana.responses import KibanaError
from tests.tape import Tape
from tests.unit.kibana.conftest import Clients
from tests.unit.kibana_stand_in import KibanaStandIn


@pytest.mark.parametrize("state", ["empty", "there", "changed", "refused"])
def test_setup_survives_any_answer(client: Clients, kibana: KibanaStandIn, files: Path, state: str) -> None:
    """One answer of a setup is faulty, or all from that one on."""

    def put() -> list[str]:
        report = install_kibana(
            client(sleep=lambda _: None, clock=iter(range(0, 10**6, 30)).__next__),
            kibana_objects(files),
            kibana_rules(files),
        )
        return [change.action for change in report.changes]

    if state != "empty":
        put()
    if state == "changed":
        kibana.write("search", "small-errors", columns=[])
        next(iter(kibana.rules.values()))["name"] = "another"
    if state == "refused":
        kibana.objects.clear()
        kibana.spaces.add("other")
    tape = Tape()
    with tape.recording():
        put()

    @settings(suppress_health_check=list(HealthCheck))
    @given(wrong=st.integers(0, tape.requests - 1), seed=st.integers(0, 2**32), for_ever=st.booleans())
    def bend(wrong: int, seed: int, *, for_ever: bool) -> None:
        # The error's message is the sentence.
        with tape.playing(wrong, random.Random(seed), for_ever=for_ever), suppress(KibanaError):
            assert set(put()) <= {"created", "updated", "unchanged"}

    bend()
