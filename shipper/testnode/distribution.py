"""Elastic's own test distribution: which version fits, fetched from Maven Central once, kept, and extracted.

Elasticsearch's authors run their integration tests on it: the real server with few of its modules.  It is fetched by
Maven's own command, so Maven's configured mirrors, proxies and credentials apply.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from shipper.testnode.java import Java
from shipper.testnode.lifecycle import NodeError, Say

#: Each version with the oldest Java that runs it; the newest version first.
VERSIONS: tuple[tuple[str, int], ...] = (("9.5.3", 21), ("8.19.21", 17))

_GROUP = "org.elasticsearch.distribution.integ-test-zip"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"


def choose(javas: Sequence[Java], cached: Collection[str], *, maven: bool) -> tuple[str, Java] | None:
    """The newest version that is available and can run here, and the Java for it."""
    for version, oldest in VERSIONS:
        fitting = [java for java in javas if java.major >= oldest]
        if fitting and (maven or version in cached):
            return version, fitting[0]
    return None


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where fetched distributions are kept between runs."""
    base = environ.get("XDG_CACHE_HOME") or ""
    # The XDG specification says to ignore relative paths.
    root = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".cache"
    return root / "neuroflow-ship"


def cached_versions(cache: Path) -> set[str]:
    """The versions whose zip file is in the cache."""
    return {version for version, _ in VERSIONS if _zip(cache, version).is_file()}


def provide(version: str, cache: Path, into: Path, *, java: Java, say: Say) -> Path:
    """Extract a version below ``into``; fetch it first if the cache lacks it or has a damaged copy.

    Raises:
        NodeError: it can't be fetched or stored.
    """
    try:
        archive = _fetched(version, cache, java=java, say=say)
        try:
            return extract(archive, into)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            # Extraction checks all checksums, so it detects any damaged copy.
            say(f"{archive} is damaged; fetching it again")
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(exist_ok=True)
            return extract(_fetched(version, cache, java=java, say=say, replace=archive), into)
    except OSError as error:
        raise NodeError(f"Elasticsearch {version} can't be stored on this disk: {error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise NodeError(
            f"Elasticsearch {version} arrived damaged twice ({error}); Maven's own copy may be damaged: "
            "remove org/elasticsearch/distribution from its local repository (usually ~/.m2/repository)"
        ) from error


def extract(archive: Path, into: Path) -> Path:
    """Unpack the zip file with the permissions it records (``zipfile`` alone drops them)."""
    with zipfile.ZipFile(archive) as packed:
        for item in packed.infolist():
            target = packed.extract(item, into)
            if not item.is_dir() and (mode := stat.S_IMODE(item.external_attr >> 16)):
                Path(target).chmod(mode)
        tops = {name.split("/", 1)[0] for name in packed.namelist()}
    homes = [into / top for top in tops if (into / top / "bin/elasticsearch").is_file()]
    if len(homes) != 1:
        raise zipfile.BadZipFile(f"{archive} holds no Elasticsearch")
    return homes[0]


def _zip(cache: Path, version: str) -> Path:
    return cache / f"elasticsearch-{version}.zip"


def _fetched(version: str, cache: Path, *, java: Java, say: Say, replace: Path | None = None) -> Path:
    target = _zip(cache, version)
    cache.mkdir(parents=True, exist_ok=True)
    known = _identity(replace) if replace else None
    with (cache / "fetching.lock").open("w") as lock:
        # Of two runs at once the second waits here and then finds the file that the first fetched.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file() and (replace is None or _identity(target) != known):
            return target
        for left in cache.glob("fetching-*/"):
            # We hold the lock, so the process that created this has ended.
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as folder:
            # The rename is atomic.
            _maven(version, Path(folder), java, say).replace(target)
    return target


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _maven(version: str, folder: Path, java: Java, say: Say) -> Path:
    command = shutil.which("mvn")
    if command is None:
        raise NodeError(f"Elasticsearch {version} must be fetched, but there is no Maven (mvn) on the PATH")
    say(f"fetching Elasticsearch {version} from Maven Central (about 120 MB, once) …")
    environ = dict(os.environ)
    if shutil.which("java") is None:
        # Maven needs a Java too, and searches only here and on the PATH.
        environ.setdefault("JAVA_HOME", str(java.home))
    answer = subprocess.run(  # noqa: S603 - the user's own Maven, with arguments made of constants
        [
            command,
            "-q",
            "-B",
            _COPY,
            f"-Dartifact={_GROUP}:elasticsearch:{version}:zip",
            f"-DoutputDirectory={folder}",
        ],
        cwd=folder,  # not the user's folder, whose pom.xml or .mvn Maven would read
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    found = list(folder.glob("*.zip"))
    if answer.returncode or len(found) != 1:
        log = "\n".join(answer.stdout.strip().splitlines()[-15:])
        raise NodeError(f"Maven could not fetch Elasticsearch {version}:\n{log}")
    return found[0]
