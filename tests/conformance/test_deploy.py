"""What ``deploy/`` promises, with the tools that it is for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.conformance.fake import Fake, say
from tests.conformance.harness import PATIENCE, Harness
from tests.pages import ROOT

DEPLOY = ROOT / "deploy"


def line(number: int) -> str:
    """A line of the application."""
    return f'{{"event": "event {number}", "level": "info", "timestamp": "2026-11-27T12:00:00Z"}}\n'


def rotate(harness: Harness, name: str) -> None:
    """Rotate at once, by an example of which only user and directory are changed."""
    text = (DEPLOY / "logrotate" / name).read_text(encoding="utf-8").replace("/var/log/neuroflow", str(harness.logs))
    text = re.sub(r"^ *su .*\n| neuroflow neuroflow$", "", text, flags=re.MULTILINE)
    (example := harness.folder / name).write_text(text, encoding="utf-8")
    example.chmod(0o644)
    state = harness.folder / "logrotate.status"
    # Debian has it where ordinary users don't look.
    path = f"{os.environ['PATH']}:/usr/sbin"
    tool = shutil.which("logrotate", path=path)
    if tool is None:
        pytest.skip("logrotate is not on this machine")
    done = subprocess.run(
        [tool, "--force", "--state", state, example], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


def indexed(harness: Harness, lines: int) -> bool:
    """Whether so many documents are there."""
    return lines == harness.count()


@pytest.mark.parametrize(
    ("name", "log"), [("neuroflow", "neuroflow.log"), ("neuroflow-copytruncate", "celery/beat.log")]
)
def test_examples_of_logrotate_are_followed(harness: Harness, name: str, log: str) -> None:
    """Each line is indexed once over three rotations, the last of which compress the files."""
    path = harness.logs / log
    path.parent.mkdir(exist_ok=True)
    process, written = harness.start(), 0
    for _ in range(4):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(line(written + number) for number in range(20))
        written += 20
        assert harness.eventually(partial(indexed, harness, written))
        rotate(harness, name)
    assert {f"{path.name}{end}" for end in ("", ".1", ".2.gz", ".3.gz", ".4.gz")} == {
        one.name for one in path.parent.iterdir() if one.is_file()
    }
    code, _ = harness.stop(process)
    assert 0 == code
    assert Counter(f"event {number}" for number in range(written)) == harness.messages()


def script_of(path: Path) -> str:
    """The shell script of the sidecar's container."""
    [pod] = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one["kind"] == "Deployment"]
    script: str = pod["spec"]["template"]["spec"]["initContainers"][0]["args"][0]
    return script


def test_native_sidecar_ships_what_is_left(harness: Harness) -> None:
    """What was written just before SIGTERM is shipped before the container ends, with an unterminated last line."""
    harness.run("setup")
    script = script_of(DEPLOY / "kubernetes/sidecar.yaml").replace("neuroflow-ship", " ".join(harness.command()))
    log = harness.logs / "neuroflow.log"
    log.write_text(line(0), encoding="utf-8")
    process = harness.start(command=["sh", "-c", script], start_new_session=True)
    try:
        assert harness.eventually(lambda: 1 == harness.count())
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(map(line, range(1, 400))).rstrip("\n"))
        code, said = harness.stop(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (0, 2) == (code, said.count("in flight 0"))
    assert Counter(f"event {number}" for number in range(400)) == harness.messages()


def test_native_sidecar_that_dies_ends_the_container(harness: Harness) -> None:
    """The container ends with the sidecar's exit code, so that it is restarted."""
    harness.configure(unknown_key=1)
    script = script_of(DEPLOY / "kubernetes/sidecar.yaml").replace("neuroflow-ship", " ".join(harness.command()))
    process = harness.start(command=["sh", "-c", script])
    process.communicate(timeout=PATIENCE)
    assert 2 == process.returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_health_check_of_the_image(status: int | None, healthy: bool) -> None:
    """It follows ``/healthz``, also in a container whose environment names a proxy."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^HEALTHCHECK[^\[]*CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    _, *arguments = json.loads(found[1])
    fake = Fake()
    fake.otherwise["GET /healthz"] = say(status or 200, "ok", Content_Type="text/plain")
    port = fake.url.rpartition(":")[2]
    if status is None:
        fake.down()
    dead = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, *(one.replace("9479", port) for one in arguments)],
        env={**os.environ, "HTTP_PROXY": dead, "http_proxy": dead},
        capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    fake.down()
    assert healthy == (done.returncode == 0)
