"""The Java installations of this computer and their versions, for Elastic's test distribution."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Where package managers and installers put them, on Linux and macOS.
_USUAL = ("/usr/lib/jvm/*", "/opt/java/*", "~/.sdkman/candidates/java/*")
_USUAL_MAC = "/Library/Java/JavaVirtualMachines/*/Contents/Home"

_RELEASE = re.compile(r'^JAVA_VERSION="?([^"\n]+)', re.MULTILINE)
_BANNER = re.compile(r'version "([^"]+)"')


@dataclass(frozen=True, order=True)
class Java:
    """One installed Java, ordered by its version."""

    major: int
    home: Path

    def __str__(self) -> str:
        return f"Java {self.major} ({self.home})"


def installed(environ: Mapping[str, str], *, others_must_reach: bool = False) -> list[Java]:
    """Every Java found, newest first, by ``ES_JAVA_HOME``, ``JAVA_HOME``, ``PATH`` and the usual folders."""
    seen: dict[Path, Java] = {}
    for home in _homes(environ):
        real = home.resolve()
        if real in seen or not os.access(real / "bin/java", os.X_OK):
            continue
        if others_must_reach and not reachable(real / "bin/java"):
            continue
        if major := _major(real):
            seen[real] = Java(major, real)
    return sorted(seen.values(), reverse=True)


def major_of(version: str) -> int | None:
    """``25.0.3`` is 25, ``1.8.0_412`` is 8, ``21-ea`` is 21."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found[1]) if found else None


def reachable(path: Path) -> bool:
    """Whether other users than the owner may enter every folder above the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _homes(environ: Mapping[str, str]) -> Iterator[Path]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if value := environ.get(name):
            yield Path(value)
    if command := shutil.which("java", path=environ.get("PATH", "")):
        # The command is often a chain of links (alternatives) to the bin folder of a home.
        yield Path(command).resolve().parent.parent
    for pattern in (*_USUAL, _USUAL_MAC):
        usual = pattern.replace("~", environ.get("HOME", "/nonexistent"), 1)
        yield from sorted(Path("/").glob(usual.lstrip("/")))


def _major(home: Path) -> int | None:
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    if found := _RELEASE.search(text):
        return major_of(found[1])
    # No release file (some distributions remove it): the program prints its version on stderr.
    try:
        answer = subprocess.run(  # noqa: S603 - a program of this machine, asked for its version
            [home / "bin/java", "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _BANNER.search(answer.stderr + answer.stdout)
    return major_of(found[1]) if found else None
