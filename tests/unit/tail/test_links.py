"""Symbolic links lead to nothing that the configuration does not name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.tail.file_content import FileView
from shipper.tail.found_files import Source
from shipper.tail.scanner import Scanner
from shipper.tail.sources import builtin_sources

SECRET = b"root:$6$secret\n"


class Lab:
    """A log directory, and a directory beside it that is none of the sidecar's business."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs, self.outside = folder / "logs", folder / "outside"
        self.logs.mkdir()
        self.outside.mkdir()
        self.shadow = self.outside / "shadow.log"
        self.shadow.write_bytes(SECRET)
        self.said: list[str] = []

    def scanner(
        self, *targets: Path, sources: list[Source] | None = None, exclude: list[str] | None = None
    ) -> Scanner:
        found = builtin_sources(self.logs) if sources is None else sources
        return Scanner(found, exclude or [], self.said.append, link_targets=[str(self.logs), *map(str, targets)])


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A log directory beside another one."""
    return Lab(tmp_path)


def _file(lab: Lab) -> Path:
    path = lab.logs / "pipelines" / "x" / "shadow.log"
    path.parent.mkdir(parents=True)
    path.symlink_to(lab.shadow)
    return path


def _log(lab: Lab) -> Path:
    (lab.logs / "neuroflow.log").symlink_to(lab.shadow)
    return lab.logs / "neuroflow.log"


def _rotated(lab: Lab) -> Path:
    (lab.logs / "neuroflow.log").write_text("one\n")
    (lab.logs / "neuroflow.log.1").symlink_to(lab.shadow)
    return lab.logs / "neuroflow.log.1"


def _packed(lab: Lab) -> Path:
    (lab.logs / "neuroflow.log.2.gz").symlink_to(lab.shadow)
    return lab.logs / "neuroflow.log.2.gz"


def _alike(lab: Lab) -> Path:
    (lab.logs / "neuroflow.json").symlink_to(lab.shadow)
    return lab.logs / "neuroflow.json"


def _relative(lab: Lab) -> Path:
    (lab.logs / "worker.log").symlink_to("../outside/shadow.log")
    return lab.logs / "worker.log"


def _through_a_link_inside(lab: Lab) -> Path:
    (lab.logs / "hop").symlink_to(lab.shadow)
    (lab.logs / "worker.log").symlink_to("hop")
    return lab.logs / "worker.log"


def _folder(lab: Lab) -> Path:
    (lab.logs / "pipelines").mkdir()
    (lab.logs / "pipelines" / "x").symlink_to(lab.outside)
    return lab.logs / "pipelines" / "x"


def _fixed_folder(lab: Lab) -> Path:
    (lab.outside / "x").mkdir()
    lab.shadow.rename(lab.outside / "x" / "shadow.log")
    (lab.logs / "pipelines").symlink_to(lab.outside)
    return lab.logs / "pipelines"


LINKS = [_file, _log, _rotated, _packed, _alike, _relative, _through_a_link_inside, _folder, _fixed_folder]


@pytest.mark.parametrize("make", LINKS)
def test_a_link_out_of_the_log_directory_is_not_followed(lab: Lab, make: Callable[[Lab], Path]) -> None:
    """Whatever it is the name of, it is reported once, with its target and the key that allows it."""
    path = make(lab)
    scanner = lab.scanner()
    for _ in range(2):
        assert [] == [file for file in scanner.scan() if file.path.startswith(str(path))]
    assert {str(path)} == scanner.omitted.keys()
    (said,) = lab.said
    assert said.startswith(f"{path}: is a link to {path.resolve()}, outside of {lab.logs}: it is not followed;")
    assert f"add {path.resolve()} to shipper.follow_links_to" in said
    assert str(lab.outside) not in " ".join(scanner.directories())


@pytest.mark.parametrize("make", [one for one in LINKS if one is not _alike])
def test_a_link_is_followed_where_the_configuration_allows_it(lab: Lab, make: Callable[[Lab], Path]) -> None:
    """A directory that is named covers what is below it; so a ``pipelines`` on another disk is read."""
    path = make(lab)
    found = [file for file in lab.scanner(lab.outside).scan() if file.path.startswith(str(path))]
    assert [] == lab.said
    assert 1 == len(found)
    view = FileView(found[0].real, compressed=False)
    assert view.read(0, 100) == SECRET
    view.close()


@pytest.mark.parametrize("make", [_file, _folder])
def test_an_excluded_link_is_not_reported(lab: Lab, make: Callable[[Lab], Path]) -> None:
    """Who does not want what is behind a link excludes it."""
    path = make(lab)
    scanner = lab.scanner(exclude=[str(path)])
    assert ([], {}, []) == (scanner.scan(), scanner.omitted, lab.said)


def test_the_log_directory_itself_may_be_a_link(lab: Lab) -> None:
    """It is named in the configuration; what leads out of its target is not followed."""
    (lab.outside / "neuroflow.log").write_text("one\n")
    (lab.outside / "worker.log").symlink_to("/etc/hostname")
    lab.logs.rmdir()
    lab.logs.symlink_to(lab.outside)
    scanner = lab.scanner()
    (file,) = scanner.scan()
    assert (f"{lab.logs}/neuroflow.log", f"{lab.outside}/neuroflow.log") == (file.path, file.real)
    assert {f"{lab.logs}/worker.log"} == scanner.omitted.keys()


def test_links_of_a_further_input(lab: Lab) -> None:
    """They may lead below the part of its pattern that has no wildcards, and into the log directory."""
    more = lab.folder / "more"
    (more / "a").mkdir(parents=True)
    (more / "b").mkdir()
    (more / "b" / "real").write_text("one\n")
    (lab.logs / "other").write_text("two\n")
    (more / "a" / "near.log").symlink_to("../b/real")
    (more / "a" / "known.log").symlink_to(lab.logs / "other")
    (more / "a" / "far.log").symlink_to(lab.shadow)
    scanner = lab.scanner(sources=[Source(f"{more}/*/*.log", "auto", "app")])
    assert {"near.log", "known.log"} == {Path(file.path).name for file in scanner.scan()}
    assert {f"{more}/a/far.log"} == scanner.omitted.keys()


def test_a_file_that_an_input_names_may_not_be_a_link_out(lab: Lab) -> None:
    """Who can write where a named file lies must not choose what is read either."""
    named = lab.logs / "named.txt"
    named.symlink_to(lab.shadow)
    scanner = lab.scanner(sources=[Source(str(named), "auto", "app")])
    assert [] == scanner.scan()
    assert {str(named)} == scanner.unread


def test_a_name_that_begins_like_another_is_outside(lab: Lab) -> None:
    """``/logs-old`` is not below ``/logs``."""
    beside = lab.folder / "logs-old"
    beside.mkdir()
    (beside / "x.log").write_text("one\n")
    (lab.logs / "worker.log").symlink_to(beside / "x.log")
    assert [] == lab.scanner().scan()


def test_a_link_whose_target_moves_out(lab: Lab) -> None:
    """A link in the middle of a chain is pointed elsewhere: the log is another file then, or none."""
    (lab.logs / "kept").mkdir()
    (lab.logs / "kept" / "one").write_text("one\n")
    (lab.logs / "kept" / "hop").symlink_to("one")
    (lab.logs / "worker.log").symlink_to("kept/hop")
    scanner = lab.scanner()
    assert [f"{lab.logs}/kept/one"] == [file.real for file in scanner.scan()]
    (lab.logs / "kept" / "hop").unlink()
    (lab.logs / "kept" / "hop").symlink_to(lab.shadow)
    assert [] == scanner.scan()


@pytest.mark.parametrize("part", ["file", "directory"])
@pytest.mark.parametrize("when", ["before the stat", "after the scan"])
def test_what_is_swapped_for_a_link_is_not_read(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, part: str, when: str
) -> None:
    """A file or directory that becomes a link after it was listed, or after it was looked at, gives nothing."""
    folder = lab.logs / "pipelines" / "x"
    folder.mkdir(parents=True)
    (folder / "shadow.log").write_text("mine\n")

    def swap() -> None:
        if part == "file":
            (folder / "shadow.log").unlink()
            (folder / "shadow.log").symlink_to(lab.shadow)
        else:
            shutil.rmtree(folder)
            folder.symlink_to(lab.outside)

    scanner = lab.scanner()
    if when == "before the stat":
        lstat = os.lstat

        def late(path: str) -> os.stat_result:
            if path == str(folder / "shadow.log"):
                monkeypatch.undo()
                swap()
            return lstat(path)

        monkeypatch.setattr(os, "lstat", late)
        found = scanner.scan()
    else:
        found = scanner.scan()
        swap()
    for file in found:
        with pytest.raises(OSError, match=r"is a link|Not a directory|No such file"):
            FileView(file.real, compressed=False)
    assert [] == scanner.scan()


def test_a_moved_log_directory_is_found_behind_its_link(lab: Lab) -> None:
    """It is moved to another place and a link takes its old one: its files are opened where they are now."""
    (lab.logs / "neuroflow.log").write_text("one\n")
    scanner = lab.scanner()
    scanner.scan()
    moved = lab.folder / "moved"
    lab.logs.rename(moved)
    lab.logs.symlink_to(moved)
    (file,) = scanner.scan()
    assert f"{moved}/neuroflow.log" == file.real


def test_links_to_nothing_and_to_the_null_device(lab: Lab) -> None:
    """Who discards a log hears nothing of it."""
    (lab.logs / "neuroflow.log").symlink_to(os.devnull)
    scanner = lab.scanner()
    assert ([], []) == (scanner.scan(), lab.said)
