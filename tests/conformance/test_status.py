"""``status`` while the sidecar runs and while it doesn't, once and again and again."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from typing import Any

from tests.conformance.fake import Fake, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import PATIENCE, Harness, eventually
from tests.conformance.test_sidecar import write
from tests.conformance.test_watch_places import without_privilege


def shown(harness: Harness, *arguments: str) -> list[str]:
    """The lines of ``status``."""
    result = harness.ask("status", *arguments)
    assert 0 == result.returncode, result.stderr
    return result.stdout.splitlines()


def test_it_runs_and_it_does_not(faked: FakedHarness) -> None:
    """The process is named while it runs; afterwards its last scan and what was acknowledged stay."""
    write(faked.log, 0, 3)
    sidecar = faked.begin()
    assert eventually(lambda: faked.state.exists() and (faked.fake.documents == 3))
    assert eventually(lambda: faked.status()["counters"]["acknowledged"] == 3)
    state, lines = faked.status(), shown(faked)
    assert (True, sidecar.process.pid) == (state["running"], state["pid"])
    assert state["started"] <= state["last_acknowledged"]
    assert f"sidecar: runs (process {sidecar.process.pid} since {state['started']})" == lines[0]
    assert f"Elasticsearch: {faked.fake.url} answers" == lines[1]
    assert "logs that are acknowledged to their ends (--all lists them): 1" == lines[-1]
    assert any(line.startswith(f"{faked.log}: ") for line in shown(faked, "--all"))
    assert 0 == sidecar.stop()
    after = faked.status()
    assert (False, None, None) == (after["running"], after["pid"], after["started"])
    assert state["last_acknowledged"] == after["last_acknowledged"]
    assert f"sidecar: does not run; it scanned last at {after['last_scan']}" == shown(faked)[0]


def test_the_time_of_the_last_acknowledgement_survives(faked: FakedHarness) -> None:
    """A run that ships nothing leaves it as it was."""
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    before = faked.status()["last_acknowledged"]
    assert before is not None
    assert 0 == faked.once().returncode
    assert before == faked.status()["last_acknowledged"]


def test_a_cluster_that_does_not_answer(faked: FakedHarness, fake: Fake) -> None:
    """The rest is shown all the same, after some seconds at most."""
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    fake.otherwise["GET /_cluster/health"] = silence
    faked.configure({"request_timeout": 60})
    lines = shown(faked)
    assert f"Elasticsearch: {fake.url} has not answered within 3 s" == lines[1]
    fake.down()
    assert "can't be reached" in shown(faked)[1]
    assert len(lines) == len(shown(faked))


def test_it_keeps_no_sidecar_from_starting(faked: FakedHarness) -> None:
    """While it is watched closely, sidecars start, ship, and stop."""
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    watching = subprocess.Popen(
        faked.command("status", "--watch", "0.1", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    states: list[dict[str, Any]] = []
    assert watching.stdout is not None
    reading = threading.Thread(target=lambda: states.extend(map(json.loads, watching.stdout or ())), daemon=True)
    reading.start()
    assert eventually(lambda: bool(states))
    for turn in range(1, 4):
        write(faked.log, 3 * turn, 3 * turn + 3)
        sidecar = faked.begin()
        assert eventually(lambda turn=turn: faked.fake.documents == 3 * (turn + 1))  # type: ignore[misc]
        assert eventually(lambda pid=sidecar.process.pid: states[-1].get("pid") == pid)  # type: ignore[misc]
        assert 0 == sidecar.stop(), sidecar.said
        assert "WARNING" not in sidecar.said.replace("WARNING host_name", "")
    assert eventually(lambda: states[-1].get("running") is False)
    watching.send_signal(signal.SIGINT)
    assert (0, "") == (watching.wait(PATIENCE), watching.stderr.read() if watching.stderr else "")
    reading.join(PATIENCE)
    watching.stdout.close()
    if watching.stderr:
        watching.stderr.close()


def test_watching_into_a_pipe(faked: FakedHarness) -> None:
    """A line each time, also before there is a state; it ends when nobody reads any more."""
    watching = subprocess.Popen(
        faked.command("status", "--watch", "0.1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert "the sidecar has not run with this state directory yet" in watching.stdout.readline()
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    assert eventually(lambda: " not running, 0 logs behind, 0 bytes" in (watching.stdout or sys.stdin).readline())
    watching.stdout.close()
    assert (0, "") == (watching.wait(PATIENCE), watching.stderr.read())
    watching.stderr.close()


def test_watching_on_a_terminal(faked: FakedHarness) -> None:
    """The table is drawn again and again until Ctrl-C; names of files command nothing."""
    hostile = faked.logs / "pipelines" / "x" / "a\x1b]0;owned\x07.log"
    hostile.parent.mkdir(parents=True)
    hostile.write_text("line\n")
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    hostile.write_text("line\nanother\n")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    watching = subprocess.Popen(
        faked.command("status", "--watch", "0.2"), stdout=theirs, stderr=theirs, stdin=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()
    while seen.count(b"does not run") < 3:
        part = os.read(ours, 65536)
        assert part
        seen += part
    watching.send_signal(signal.SIGINT)
    while watching.poll() is None:
        try:
            seen += os.read(ours, 65536)
        except OSError:
            break
    assert 0 == watching.wait(PATIENCE)
    os.close(ours)
    assert b"owned" in seen
    assert b"\x1b]0;" not in seen
    assert b"Traceback" not in seen


def test_another_user(faked: FakedHarness) -> None:
    """One who may not read the state is told whose command it is."""
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    prefix = without_privilege()
    for path in (faked.state, faked.state / "cursors.sqlite"):
        mode = path.stat().st_mode
        path.chmod(0)
        result = subprocess.run([*prefix, *faked.command("status")], capture_output=True, text=True, check=False)
        path.chmod(mode)
        assert result.returncode in {1, 2}
        assert "Permission denied" in result.stderr
        assert "run this command as the sidecar's user" in result.stderr
        assert "Traceback" not in result.stderr
