"""An invalid configuration does not end a running sidecar, and no message contains a credential."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.fake import Exchange
from tests.conformance.faked import FakedHarness
from tests.conformance.test_watch_places import without_privilege
from tests.conformance.watched import Watched
from tests.wrong import FILES, SECRET, SECTIONS

KEPT = "the configuration in use is kept"


def write(log: Path, *messages: str) -> None:
    """Append lines to the application's log."""
    with log.open("a") as file:
        file.writelines(f'{{"event": "{message}"}}\n' for message in messages)


def changed(before: str, sections: dict[str, Any]) -> bytes:
    """The original configuration with some keys changed."""
    document = json.loads(before)
    for section, keys in sections.items():
        document.setdefault(section, {}).update(keys)
    return json.dumps(document).encode()


def hups(sidecar: Watched, says: str) -> None:
    """Send SIGHUP, and wait for this message."""
    said = len(sidecar.said)
    sidecar.send(signal.SIGHUP)
    assert sidecar.comes(lambda: says in sidecar.said[said:]), sidecar.said[said:]


def test_what_runs_goes_on(faked: FakedHarness) -> None:
    """With any invalid configuration the one in use stays in use, with a sentence, and shipping goes on."""
    faked.configure(max_line_bytes=1000)
    write(faked.log, "first")
    sidecar = Watched(faked)
    assert sidecar.comes(lambda: faked.fake.documents == 1)
    before = faked.config.read_text()
    contents = [changed(before, {"shipper": {"max_line_bytes": 1}, **part}) for part in SECTIONS.values()]
    cut = json.loads(before)
    del cut["elasticsearch"]
    contents += [*FILES.values(), json.dumps(cut).encode()]
    for number, content in enumerate(contents):
        faked.config.write_bytes(content)
        hups(sidecar, KEPT)
        write(faked.log, f"{number} {100 * 'x'}")
    assert sidecar.comes(lambda: faked.fake.documents == 1 + len(contents)), sidecar.said
    # The file with a good one and a wrong one after the other, as somebody mends it.
    faked.config.write_bytes(changed(before, {"shipper": {"environment": "mended"}}))
    hups(sidecar, "configuration reloaded (shipper.environment)")
    write(faked.log, "last")
    assert sidecar.comes(lambda: faked.fake.documents == 2 + len(contents))
    sidecar.send(signal.SIGTERM)
    assert 0 == sidecar.wait()
    assert "Traceback" not in sidecar.said
    assert SECRET not in sidecar.said
    assert {1} == set(faked.fake.messages().values())


def test_an_editor_saves_the_file(faked: FakedHarness) -> None:
    """A SIGHUP while an editor saves the file applies the saved content."""
    write(faked.log, "first")
    sidecar = Watched(faked)
    assert sidecar.comes(lambda: faked.fake.documents == 1)
    content = changed(faked.config.read_text(), {"shipper": {"environment": "saved"}})
    faked.config.write_bytes(b"")
    sidecar.send(signal.SIGHUP)
    time.sleep(0.3)  # the editor's own pace
    with faked.config.open("ab", buffering=0) as file:
        for part in (content[:40], content[40:]):
            file.write(part)
    assert sidecar.says("configuration reloaded (shipper.environment)")
    assert KEPT not in sidecar.said


def test_a_directory_that_may_not_be_entered(faked: FakedHarness) -> None:
    """A closed input or log directory is logged, and read when it is open."""
    shut = faked.folder / "shut"
    (shut / "in").mkdir(parents=True)
    write(shut / "in" / "neuroflow.log", "behind")
    write(faked.log, "first")
    before = faked.config.read_text()
    pattern = str(shut / "in" / "*.log")
    beyond = changed(
        before, {"shipper": {"inputs": [{"paths": [pattern]}]}, "logging": {"log_dir": str(shut / "in")}}
    )
    shut.chmod(0)
    try:
        sidecar = Watched(faked, before=without_privilege())
        assert sidecar.comes(lambda: faked.fake.documents == 1)
        faked.config.write_bytes(beyond)
        hups(sidecar, f"{shut}/in: can't be listed: Permission denied")
        for command in (["check"], ["--once"]):
            one = subprocess.run(
                [*without_privilege(), *faked.command(*command)], capture_output=True, text=True, check=False
            )
            assert "Traceback" not in one.stderr
        faked.config.write_bytes(changed(before, {"shipper": {"state_dir": str(shut / "in" / "state")}}))
        check = subprocess.run(
            [*without_privilege(), *faked.command("check")], capture_output=True, text=True, check=False
        )
        assert f"{shut}/in/state: this user may not write the state directory" in check.stdout
        for command in (["--once"], ["status"], ["dead-letters", "list"], ["dead-letters", "replay"]):
            one = subprocess.run(
                [*without_privilege(), *faked.command(*command)], capture_output=True, text=True, check=False
            )
            assert one.returncode
            assert "Traceback" not in one.stderr
            assert f"{shut}/in/state" in one.stderr
            assert "Permission denied" in one.stderr
    finally:
        shut.chmod(0o700)
    assert sidecar.comes(lambda: faked.fake.documents == 2)
    sidecar.send(signal.SIGTERM)
    assert 0 == sidecar.wait()


@pytest.mark.parametrize("settings", [
    {"api_key": SECRET},
    {"username": "someone", "password": SECRET},
    {"hosts": "http://someone:{}@127.0.0.1:{}"},
])  # fmt: skip
def test_nobody_repeats_a_credential(faked: FakedHarness, settings: dict[str, str]) -> None:
    """Error pages of a proxy that show the request's headers are quoted without credentials."""

    def echo(one: Exchange) -> None:
        given = one.authorization or ""
        clear = base64.b64decode(given.removeprefix("Basic ")).decode() if given.startswith("Basic") else given
        one.send(401, f"<html>who is {given}, that is {clear}, or {SECRET}?</html>", {"Content-Type": "text/html"})

    if "hosts" in settings:
        settings = {"hosts": settings["hosts"].format(SECRET, faked.fake.url.rpartition(":")[2])}
    faked.configure(elasticsearch=settings, shutdown_timeout=1)
    write(faked.log, "first")
    faked.fake.otherwise[""] = echo
    spelled = [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"someone:{SECRET}".encode()).decode(),
    ]
    for module, commands in (
        ("shipper.cli.ship", (["check"], ["setup"], ["--once"], ["rebuild-runs"])),
        ("shipper.cli.logs", (["show"],)),
    ):
        for command in commands:
            one = faked.run(*command, module=module)
            assert 3 == one.returncode, one.stderr
            assert "…" in one.stdout + one.stderr
            assert not [secret for secret in spelled if secret in one.stdout + one.stderr], one.stderr


def test_a_bug_does_not_say_it_either(faked: FakedHarness) -> None:
    """Tracebacks in any thread, and warnings of libraries, contain no credential."""
    faked.configure(elasticsearch={"api_key": SECRET})
    code = (
        "import sys, threading, warnings\nfrom shipper.cli import ship, connected\n"
        f"def fails(*_, **__):\n    raise RuntimeError({SECRET!r})\n"
        "def connect(*_, **__):\n"
        "    thread = threading.Thread(target=fails)\n    thread.start()\n    thread.join()\n"
        f"    warnings.warn({SECRET!r})\n    fails()\n"
        "import shipper.elastic.client\nshipper.elastic.client.connect = connect\nship.main()"
    )
    command = [sys.executable, "-c", code, "--config", str(faked.config), "setup"]
    one = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 1 == one.returncode
    assert 2 == one.stderr.count("RuntimeError: …")
    assert "UserWarning: …" in one.stderr
    assert SECRET not in one.stdout + one.stderr
