"""Elastic's test distribution: chosen, downloaded once, verified, extracted."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import pytest

from shipper.testnode import distribution
from shipper.testnode.distribution import cache_folder, choose, extract, provide
from shipper.testnode.java import Java
from shipper.testnode.lifecycle import NodeError

J25, J21, J17, J11 = (Java(major, Path(f"/java/{major}")) for major in (25, 21, 17, 11))


@pytest.mark.parametrize(
    ("javas", "cached", "maven", "expected"),
    [
        ([J25, J17], (), True, ("9.5.3", J25)),
        ([J21], (), True, ("9.5.3", J21)),
        ([J17, J11], (), True, ("8.19.21", J17)),
        ([J11], (), True, None),
        ([], ("9.5.3",), True, None),
        ([J25], ("9.5.3",), False, ("9.5.3", J25)),
        ([J25], ("8.19.21",), False, ("8.19.21", J25)),
        ([J25], ("8.19.21",), True, ("9.5.3", J25)),
        ([J25], (), False, None),
        ([J17], ("9.5.3",), False, None),
    ],
)
def test_choice(javas: list[Java], cached: tuple[str, ...], maven: bool, expected: tuple[str, Java] | None) -> None:
    """The newest available version that runs here; a cached one needs no Maven."""
    assert choose(javas, cached, maven=maven) == expected


def test_cache_folder() -> None:
    """An absolute XDG variable, otherwise the home's ``.cache``."""
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/neuroflow-ship")
    assert cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/neuroflow-ship")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/neuroflow-ship")


def _archive(path: Path, *, content: str = "x" * 5000) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        program = zipfile.ZipInfo("elasticsearch-1/bin/elasticsearch")
        program.external_attr = 0o755 << 16
        packed.writestr(program, "#!/bin/sh\n")
        packed.writestr("elasticsearch-1/lib/a.jar", content)
    return path


class Maven:
    """A stand-in for ``mvn`` on the PATH that copies a file and counts its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.archive = _archive(folder / "upstream.zip")
        self.calls = folder / "calls"
        program = folder / "bin/mvn"
        program.parent.mkdir()
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$@" >> {self.calls}\n'
            "for word; do case $word in -DoutputDirectory=*) to=${word#*=};; esac; done\n"
            f'if [ -f {folder}/broken ]; then echo "[ERROR] no route to host"; exit 1; fi\n'
            "sleep 0.2\n"
            f'cp {self.archive} "$to/elasticsearch.zip"\n'
        )
        program.chmod(0o755)
        self.broken = folder / "broken"
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    @property
    def called(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maven:
    """The stand-in."""
    return Maven(tmp_path, monkeypatch)


def _provide(tmp_path: Path, name: str) -> tuple[Path, list[str]]:
    said: list[str] = []
    into = tmp_path / name
    into.mkdir()
    return provide("9.5.3", tmp_path / "cache", into, java=J25, say=said.append), said


def test_fetched_once(tmp_path: Path, maven: Maven) -> None:
    """The second run takes it from the cache silently, and the program is executable."""
    home, said = _provide(tmp_path, "first")
    assert home == tmp_path / "first/elasticsearch-1"
    assert (home / "bin/elasticsearch").stat().st_mode & 0o111 == 0o111
    assert any("fetching Elasticsearch 9.5.3" in line for line in said)
    _, said = _provide(tmp_path, "second")
    assert maven.called == 1
    assert said == []
    assert "integ-test-zip:elasticsearch:9.5.3:zip" in maven.calls.read_text()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        "elasticsearch-9.5.3.zip",
        "fetching.lock",
    ]


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other"])
def test_a_damaged_copy_is_fetched_again(tmp_path: Path, maven: Maven, damage: str) -> None:
    """A cut, empty, changed or foreign file is replaced."""
    kept = tmp_path / "cache/elasticsearch-9.5.3.zip"
    kept.parent.mkdir()
    whole = maven.archive.read_bytes()
    middle = len(whole) // 3
    kept.write_bytes({
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "other": b"<html>not found</html>",
    }[damage])  # fmt: skip
    home, said = _provide(tmp_path, "run")
    assert (home / "lib/a.jar").read_text() == "x" * 5000
    assert any("damaged" in line for line in said)
    assert maven.called == 1
    assert kept.read_bytes() == whole


def test_damaged_at_the_source(tmp_path: Path, maven: Maven) -> None:
    """A download that is damaged again is an error."""
    maven.archive.write_bytes(b"nothing")
    with pytest.raises(NodeError, match="damaged twice"):
        _provide(tmp_path, "run")


def test_maven_fails(tmp_path: Path, maven: Maven) -> None:
    """The error ends with Maven's output, and the cache stays clean."""
    maven.broken.touch()
    with pytest.raises(NodeError, match="no route to host"):
        _provide(tmp_path, "run")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["fetching.lock"]


def test_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names Maven."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeError, match="no Maven"):
        _provide(tmp_path, "run")


def test_what_a_killed_fetch_left_is_removed(tmp_path: Path, maven: Maven) -> None:
    """The next download removes the folder of a killed one."""
    left = tmp_path / "cache/fetching-abc"
    left.mkdir(parents=True)
    (left / "half.zip").write_bytes(b"PK")
    _provide(tmp_path, "run")
    assert maven.called == 1
    assert not left.exists()


def test_two_at_once_fetch_once(tmp_path: Path, maven: Maven) -> None:
    """A second process waits for the first one's download."""
    homes = []
    threads = [
        threading.Thread(target=lambda name=name: homes.append(_provide(tmp_path, name)[0]))
        for name in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(homes) == 3
    assert maven.called == 1


def test_a_cache_that_can_not_be_written(tmp_path: Path, maven: Maven) -> None:
    """The error names the disk's fault."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NodeError, match="can't be stored"):
        _provide(tmp_path, "run")
    assert maven.called == 0


def test_extract_wants_elasticsearch(tmp_path: Path) -> None:
    """A zip file without Elasticsearch is refused."""
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
        packed.writestr("readme", "hello")
    with pytest.raises(zipfile.BadZipFile):
        extract(tmp_path / "other.zip", tmp_path / "into")
    assert distribution.cached_versions(tmp_path) == set()
