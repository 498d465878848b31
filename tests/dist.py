"""``make dist``: builds sdist and wheel, checks what is in them, and runs the wheel without the checkout.

Both are built twice and must be the same, byte for byte.  The commands run in a clean environment and in a folder
elsewhere, against the stand-in for Elasticsearch.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from shipper import __version__
from shipper.elastic.assets import assets
from tests.conformance.fake import Fake
from tests.pages import ROOT

DIST = ROOT / "dist"
# Of files in the archives; the time of the last commit where there is one.
EPOCH = "315532800"
IN_SDIST = ("shipper", "mappings", "kibana", "deploy", "docs")
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")
# What the build adds.
GENERATED = {"PKG-INFO", "pyproject.toml", ".gitignore"}


class DistError(Exception):
    """A check failed; the message says which."""


def run(*command: str | Path, environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a program; gives its standard output.

    Raises:
        DistError: it fails.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise DistError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(tools: Path, into: Path) -> dict[str, str]:
    """Build the sdist, and the wheel out of it; gives the digest of each."""
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    epoch = done.stdout.strip() or EPOCH
    environ = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", epoch)}
    run(tools / "uv", "build", "--quiet", "--out-dir", into, environ=environ)
    made = [path for path in into.iterdir() if path.suffix in {".whl", ".gz"}]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


def check_reproduced(first: dict[str, str], second: dict[str, str]) -> None:
    """Raises: DistError: two builds are not the same."""
    if first != second:
        raise DistError(f"two builds differ: {first} and {second}")


def files_of(folder: Path) -> Iterator[str]:
    """The files in a folder of the checkout, without what Python compiles."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path.relative_to(ROOT).as_posix()


def check_sdist(path: Path) -> None:
    """Check that it holds the program, its pages with their pictures, and nothing else.

    Raises:
        DistError: something is missing, or too much.
    """
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    expected = {name for folder in IN_SDIST for name in files_of(ROOT / folder)} | set(PAGES)
    compare(path.name, held - GENERATED, expected)


def check_wheel(path: Path) -> None:
    """Check that it holds the modules, the templates and the Kibana objects, and nothing else.

    Raises:
        DistError: something is missing, or too much.
    """
    with zipfile.ZipFile(path) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assets = {f"shipper/assets/{name}" for folder in ("mappings", "kibana") for name in files_of(ROOT / folder)}
    compare(path.name, held, set(files_of(ROOT / "shipper")) | assets)


def compare(name: str, held: set[str], expected: set[str]) -> None:
    """Raises: DistError: the archive lacks files, or has others."""
    if missing := sorted(expected - held):
        raise DistError(f"{name}: lacks {', '.join(missing)}")
    if extra := sorted(held - expected):
        raise DistError(f"{name}: has {', '.join(extra)}, which do not belong into it")


def check_installed(tools: Path, wheel: Path, folder: Path) -> None:
    """Install the wheel into a clean environment, and run its commands elsewhere.

    Raises:
        DistError: a command fails, or works with the checkout.
    """
    environment, elsewhere = folder / "environment", folder / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", environment)
    python, ship = environment / "bin/python", environment / "bin/neuroflow-ship"
    run(tools / "uv", "pip", "install", "--quiet", "--python", python, wheel)
    environ = {"PATH": os.environ["PATH"], "HOME": str(elsewhere), "LANG": "C.UTF-8"}

    def installed(*command: str | Path) -> str:
        return run(*command, environ=environ, cwd=elsewhere)

    place = installed(python, "-c", "import shipper; print(shipper.__file__)").strip()
    if not Path(place).is_relative_to(environment):
        raise DistError(f"{place}: is imported, which is not what was installed")
    for program in (ship, environment / "bin/neuroflow-logs"):
        if __version__ not in installed(program, "--version"):
            raise DistError(f"{program}: --version does not give {__version__}")
    installed(ship, "export", "kibana", "--output", "kibana.ndjson")
    installed(ship, "export", "rules", "--output", "rules.json")
    installed(ship, "init")
    installed(python, "-m", "shipper.demo.workload", "--log-dir", "logs", "--seconds", "2")
    fake = Fake()
    try:
        configuration = {
            "logging": {"log_dir": "logs"},
            "elasticsearch": {"hosts": [fake.url]},
            "shipper": {"state_dir": "state", "host_name": "dist"},
        }
        (elsewhere / "neuroflow.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        planned = installed(ship, "setup", "--dry-run").splitlines()
        templates = len(assets())
        if [line.split()[0] for line in planned] != ["created"] * templates:
            raise DistError(f"setup --dry-run: expected {templates} templates to create, got:\n{planned}")
        installed(ship, "--once")
        if not fake.documents:
            raise DistError("--once: shipped nothing of what the demonstration's application wrote")
    finally:
        fake.down()


def main() -> int:
    """Build and check; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.dist", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tools", type=Path, required=True, help="folder of uv, twine and check-wheel-contents")
    tools = parser.parse_args().tools.absolute()
    shutil.rmtree(DIST, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix="neuroflow-dist-") as folder:
            first, second = build(tools, DIST), build(tools, Path(folder) / "again")
            check_reproduced(first, second)
            [wheel], [sdist] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
            run(tools / "twine", "check", "--strict", wheel, sdist)
            run(tools / "check-wheel-contents", wheel)
            check_sdist(sdist)
            check_wheel(wheel)
            check_installed(tools, wheel, Path(folder))
    except DistError as error:
        sys.stderr.write(f"dist: {error}\n")
        return 1
    for name, digest in sorted(first.items()):
        sys.stdout.write(f"{digest}  dist/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
