"""Standard streams that are closed, or can't be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SHIP = f"{sys.executable} -m shipper.cli.ship"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line, as a careless supervisor starts a program."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_their_place(tmp_path: Path, closed: str) -> None:
    """What is printed goes nowhere, not into a file that the program opened; its exit code stays."""
    file = tmp_path / "store"
    code = (
        "import sys, os\nfrom shipper.cli.standard_streams import open_closed_streams\nopen_closed_streams()\n"
        f"file = open({str(file)!r}, 'w')\nos.write(2, b'x')\nprint('y', file=sys.stderr)\nprint('z')\n"
        "sys.exit(7 if file.fileno() > 2 else 8)"
    )
    assert 7 == shell(f'{sys.executable} -c "{code}" {closed}').returncode
    assert "" == file.read_text()
    assert 2 == shell(f"{_SHIP} --config {tmp_path}/none --once {closed}").returncode


@pytest.mark.parametrize("command", ["check", "export rules"])
def test_a_full_disk_under_the_output(tmp_path: Path, command: str) -> None:
    """A command says so in a sentence."""
    config = tmp_path / "neuroflow.yaml"
    config.write_text(f"elasticsearch: {{hosts: 'http://127.0.0.1:9'}}\nshipper: {{state_dir: {tmp_path}/state}}\n")
    done = shell(f"{_SHIP} --config {config} {command} > /dev/full")
    sentence = "neuroflow-ship: standard output: can't be written: No space left on device\n"
    assert (2, sentence) == (done.returncode, done.stderr)
