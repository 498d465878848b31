"""``host_name: auto`` where the name or the state may change with the next start."""

from __future__ import annotations

import shutil

from tests.conformance.faked import FakedHarness
from tests.conformance.test_sidecar import write

EMPTY = "has no positions, but there are logs"


class TestHostName:
    def test_empty_state_is_said_where_logs_are(self, faked: FakedHarness) -> None:
        """``check`` and the start warn about an empty state beside existing logs, and about a lost one."""
        assert EMPTY not in faked.ask("check").stdout
        write(faked.log, 0, 5)
        check = faked.ask("check")
        assert (0, True) == (check.returncode, f"warning: {faked.state} {EMPTY}" in check.stdout), check.stdout
        assert "set shipper.host_name" in check.stdout
        assert [True, False] == [EMPTY in faked.once().stderr for _ in range(2)]
        assert EMPTY not in faked.ask("check").stdout
        shutil.rmtree(faked.state)
        assert EMPTY in faked.once().stderr

    def test_another_name_is_said(self, faked: FakedHarness) -> None:
        """A state with another name gives a warning."""
        write(faked.log, 0, 5)
        faked.configure(host_name="the-old-one")
        assert "host name" not in faked.once().stderr
        assert "warning" not in faked.ask("check").stdout
        faked.configure(host_name="auto")
        for said in (faked.ask("check").stdout, faked.once().stderr):
            assert f"{faked.state} was used under the host name the-old-one" in said
            assert "set shipper.host_name to the-old-one to keep the old name" in said
        assert "was used under" not in faked.once().stderr

    def test_chosen_name_is_nobodys_business(self, faked: FakedHarness) -> None:
        """A configured name gives no warning."""
        write(faked.log, 0, 5)
        faked.configure(host_name="chosen")
        assert "host_name" not in faked.ask("check").stdout
        assert "host_name" not in faked.once().stderr
