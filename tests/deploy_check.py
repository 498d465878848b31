"""``make check-deploy``: the files under ``deploy/`` in the eyes of the tools that will read them.

A tool that is not on this machine is named, and its files count as not checked.  What needs no tool is held by
``tests/unit/test_deploy.py``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.pages import ROOT

DEPLOY = ROOT / "deploy"
# Native sidecars are there since the first of these.
KUBERNETES = ("1.29", "1.34")
# systemd-analyze counts from 0 (confined) to 100.
MAX_EXPOSURE = 20
PROGRAM = "/opt/neuroflow-ship/bin/neuroflow-ship"


class Check(NamedTuple):
    """A tool, and what it is called with.

    Attributes:
        about: what is checked.
        command: the tool, and its arguments.
        silent: whether anything that it prints is a complaint.
    """

    about: str
    command: list[str]
    silent: bool = False


def checks(tools: Path, folder: Path) -> Iterator[Check]:
    """All checks; the folder is for copies that fit this machine."""
    yield Check("Dockerfile", [str(tools / "hadolint"), str(DEPLOY / "Dockerfile")], silent=True)
    compose = ["--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    yield Check("compose.yaml", [str(tools / "docker-compose"), *compose], silent=True)
    manifests = sorted(map(str, (DEPLOY / "kubernetes").glob("*.yaml")))
    for version in KUBERNETES:
        tool = [str(tools / "kubernetes-validate"), "--strict", "--quiet", "--kubernetes-version", version]
        yield Check(f"kubernetes/ for Kubernetes {version}", [*tool, *manifests])
    # The tool wants to see the program.
    unit = folder / "neuroflow-ship.service"
    text = (DEPLOY / "systemd" / unit.name).read_text(encoding="utf-8")
    unit.write_text(text.replace(PROGRAM, str(Path(sys.executable).with_name("neuroflow-ship"))), encoding="utf-8")
    yield Check("systemd/: correct", ["systemd-analyze", "verify", str(unit)], silent=True)
    exposure = ["security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", str(unit)]
    yield Check(f"systemd/: exposure of {MAX_EXPOSURE / 10} at most", ["systemd-analyze", *exposure])
    for verb, file in (("check", "prometheus-rules.yaml"), ("test", "prometheus-rules.test.yaml")):
        yield Check(file, ["promtool", verb, "rules", str(DEPLOY / file)])
    for example in sorted((DEPLOY / "logrotate").iterdir()):
        # Not everybody may become the application's user, who need not exist here.
        text = re.sub(
            r"^ *su .*\n| neuroflow neuroflow$", "", example.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        (copy := folder / example.name).write_text(text, encoding="utf-8")
        copy.chmod(0o644)
        state = ["--state", str(folder / "logrotate.status")]
        yield Check(f"logrotate/{example.name}", ["logrotate", "--debug", *state, str(copy)])


def outcome(check: Check) -> tuple[str, str]:
    """``good``, ``wrong`` or ``not checked``, and what the tool said."""
    if shutil.which(check.command[0]) is None:
        return "not checked", f"{Path(check.command[0]).name} is not on this machine"
    done = subprocess.run(check.command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    printed = f"{done.stdout}{done.stderr}".strip()
    complains = (
        bool(done.returncode) or (check.silent and bool(printed)) or re.search(r"^error", printed, re.MULTILINE)
    )
    return ("wrong", printed) if complains else ("good", "")


def main() -> int:
    """Check everything; gives the exit code: 1 where a tool complains."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.deploy_check", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--tools", type=Path, required=True, help="folder of hadolint, docker-compose and others")
    tools = parser.parse_args().tools.absolute()
    code = 0
    with tempfile.TemporaryDirectory(prefix="neuroflow-deploy-") as folder:
        for check in checks(tools, Path(folder)):
            verdict, about = outcome(check)
            sys.stdout.write(f"{verdict:<12} {check.about}{about and f': {about}'}\n")
            code = 1 if verdict == "wrong" else code
    return code


if __name__ == "__main__":
    sys.exit(main())
