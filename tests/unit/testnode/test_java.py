"""Which Java installations are found, and their versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.testnode import java


def _home(folder: Path, *, release: str | None = None, banner: str = "") -> Path:
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin/java"
    program.write_text(f"#!/bin/sh\necho '{banner}' >&2\n")
    program.chmod(0o755)
    if release is not None:
        (folder / "release").write_text(release)
    return folder


@pytest.fixture(autouse=True)
def _no_usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the machine's own installations."""
    monkeypatch.setattr(java, "_USUAL", ("~/.sdkman/candidates/java/*",))
    monkeypatch.setattr(java, "_USUAL_MAC", "/nonexistent/*")


@pytest.mark.parametrize(
    ("version", "major"),
    [("25.0.3", 25), ("1.8.0_412", 8), ("21-ea", 21), ("17", 17), ("11.0.2+9", 11), ("GraalVM", None)],
)
def test_major_version(version: str, major: int | None) -> None:
    """Old and new version formats are read."""
    assert java.major_of(version) == major


def test_newest_first_from_every_place(tmp_path: Path) -> None:
    """Variables, the PATH and the usual folders are searched."""
    eleven = _home(tmp_path / "eleven", release='IMPLEMENTOR="x"\nJAVA_VERSION="11.0.2"\n')
    seventeen = _home(tmp_path / "seventeen", banner='openjdk version "17.0.15" 2025-04-15')
    twenty_five = _home(tmp_path / ".sdkman/candidates/java/25-tem", release='JAVA_VERSION="25"\n')
    found = java.installed({
        "JAVA_HOME": str(eleven),
        "PATH": str(seventeen / "bin"),
        "HOME": str(tmp_path),
    })  # fmt: skip
    assert [(one.major, one.home) for one in found] == [(25, twenty_five), (17, seventeen), (11, eleven)]
    assert str(found[0]) == f"Java 25 ({twenty_five})"


def test_links_to_one_home_count_once(tmp_path: Path) -> None:
    """Several links to one installation count once."""
    real = _home(tmp_path / "real", release='JAVA_VERSION="21.0.1"\n')
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(real / "bin/java")
    found = java.installed({"ES_JAVA_HOME": str(tmp_path / "link"), "PATH": str(tmp_path / "bin")})
    assert [one.home for one in found] == [real]


def test_what_is_no_java_is_passed_over(tmp_path: Path) -> None:
    """Invalid variables and other programs are ignored."""
    strange = _home(tmp_path / "strange", banner="hello")
    assert java.installed({"JAVA_HOME": str(tmp_path / "gone"), "ES_JAVA_HOME": str(strange)}) == []


def test_a_closed_home_is_left_out_for_others(tmp_path: Path) -> None:
    """An installation in a private folder is not used by another account."""
    closed = tmp_path / "closed"
    home = _home(closed / "java", release='JAVA_VERSION="21"\n')
    closed.chmod(0o700)
    environ = {"JAVA_HOME": str(home)}
    assert [one.major for one in java.installed(environ)] == [21]
    assert java.installed(environ, others_must_reach=True) == []
