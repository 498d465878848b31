from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from shipper.tail.found_files import Found, Source
from shipper.tail.rotation_names import split_rotation
from shipper.tail.scanner import Scanner
from shipper.tail.sources import builtin_sources
from shipper.telemetry import MAX_A_MINUTE, Throttle


def source(pattern: object) -> Source:
    """An input of this pattern."""
    return Source(str(pattern), "auto", "app")


def make(root: Path, *names: str) -> None:
    """Create files that contain their own names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(scanner: Scanner, root: Path) -> dict[str, Found]:
    """The result of a scan by path; each file once."""
    files = scanner.scan()
    by_path = {str(Path(file.path).relative_to(root)): file for file in files}
    assert len(by_path) == len(files)
    return by_path


@pytest.mark.parametrize(
    ("name", "base", "compressed"),
    [
        ("app.log", "app.log", False),
        ("app.log.1", "app.log", False),
        ("app.log.10", "app.log", False),
        ("app.log.2.gz", "app.log", True),
        ("app.log.gz", "app.log", True),
        ("app.log.2024-01-01", "app.log", False),
        ("app.log-20240101", "app.log", False),
        ("app.log-20240101.gz", "app.log", True),
        ("app.log.2024-01-01_12-30-00", "app.log", False),
        ("app.log-1700000000", "app.log", False),
        ("app.log.old", "app.log.old", False),
        (".1", ".1", False),
        ("gz", "gz", False),
    ],
)
def test_rotation_suffixes(name: str, base: str, compressed: bool) -> None:
    """A rotated name is the log's name and a known suffix; an unknown one belongs to the name."""
    got = split_rotation(name)
    assert (base, compressed) == (got[0], got[2])
    assert (got[1] > 0) is (name.removesuffix(".gz") != base)


def test_ages_order_generations() -> None:
    """The log is the youngest; dates come before numbers, and the earliest date is the oldest."""
    names = [
        "a.log", "a.log.1", "a.log.2.gz", "a.log.10", "a.log.2024-02-01", "a.log-20240131.gz", "a.log.2023-12-31",
    ]  # fmt: skip
    assert names == sorted(sorted(names), key=lambda name: split_rotation(name)[1])


def test_builtin_inputs_cover_the_application(tmp_path: Path) -> None:
    """Every log of neuroflow is found with format, stream and rotated files."""
    expected = {
        "neuroflow.log": ("auto", "app"),
        "neuroflow.log.1": ("auto", "app"),
        "neuroflow.log.bak": ("auto", "app"),
        "workflow.log.2.gz": ("auto", "workflow"),
        "celery/worker-1.log": ("celery", "celery"),
        "worker.log.2024-01-01": ("celery", "celery"),
        "huey.log": ("celery", "celery"),
        "audit/audit_2024_01.jsonl": ("audit", "audit"),
        "audit/audit_2024_01.jsonl.gz": ("audit", "audit"),
        "pipelines/fmriprep/7.log": ("pipeline", "pipeline"),
        "qsiprep/sub-01_ses-02.log": ("console", "pipeline"),
    }
    make(tmp_path, *expected, "other.log", "audit/notes.txt", "celery/deep/x.log", "neuroflow.log~")
    files = found(Scanner(builtin_sources(tmp_path), [], pytest.fail), tmp_path)
    assert expected == {name: (file.source.format, file.source.dataset) for name, file in files.items()}
    assert f"{tmp_path}/neuroflow.log" == files["neuroflow.log.1"].logical
    assert (False, True) == (files["neuroflow.log"].rotated, files["neuroflow.log.1"].rotated)
    assert files["workflow.log.2.gz"].compressed


def test_directories_are_matched_part_by_part(tmp_path: Path) -> None:
    """A star matches within one name, two stars any depth."""
    make(tmp_path, "a/x.log", "b/x.log", "b/c/x.log", "x.log")
    assert {"a/x.log", "b/x.log"} == found(Scanner([source(tmp_path / "*/x.log")], [], pytest.fail), tmp_path).keys()
    everywhere = Scanner([source(tmp_path / "**/x.log")], [], pytest.fail)
    assert {"a/x.log", "b/x.log", "b/c/x.log", "x.log"} == found(everywhere, tmp_path).keys()
    assert [str(tmp_path)] == everywhere.directories()


def test_excluded_by_name_or_path(tmp_path: Path) -> None:
    """A pattern applies to the name or to the whole path."""
    make(tmp_path, "keep.log", "debug.log", "old/x.log")
    scanner = Scanner([source(tmp_path / "**/*.log")], ["debug*", f"{tmp_path}/old/*"], pytest.fail)
    assert {"keep.log"} == found(scanner, tmp_path).keys()


def test_names_that_only_look_rotated(tmp_path: Path) -> None:
    """Where the pattern asks for a number, it belongs to the log's name."""
    make(tmp_path, "run-12", "run-13")
    files = found(Scanner([source(tmp_path / "run-1?")], [], pytest.fail), tmp_path)
    assert {f"{tmp_path}/run-12", f"{tmp_path}/run-13"} == {file.logical for file in files.values()}
    assert {0} == {file.age for file in files.values()}


def test_links_give_their_target_once(tmp_path: Path) -> None:
    """Of several names of a file the real, unrotated one counts; a changed link is followed."""
    make(tmp_path, "logs/app.log", "logs/elsewhere/one", "logs/elsewhere/two")
    logs, elsewhere = tmp_path / "logs", tmp_path / "logs" / "elsewhere"
    os.link(logs / "app.log", logs / "app.log.1")
    (logs / "alias.log").symlink_to(logs / "app.log")
    link = logs / "current.log"
    link.symlink_to(elsewhere / "one")
    scanner = Scanner([source(logs / "*.log")], [], pytest.fail)
    assert {"app.log", "current.log"} == found(scanner, logs).keys()
    before = found(scanner, logs)["current.log"].key
    link.unlink()
    link.symlink_to(elsewhere / "two")
    after = found(scanner, logs)["current.log"].key
    assert (elsewhere / "two").stat().st_ino == after[1] != before[1]


def test_a_link_between_inputs_moves_no_log(tmp_path: Path) -> None:
    """A link below one input to the directory of another does not make a pipeline's log of a rotated log."""
    names = ("neuroflow.log", "neuroflow.log.1", "pipelines/p/a.log")
    make(tmp_path, *names)
    (tmp_path / "pipelines/up").symlink_to(tmp_path)
    scanner = Scanner(builtin_sources(tmp_path), [], pytest.fail)
    assert {*names} == found(scanner, tmp_path).keys()


def test_broken_links_are_reported_once(tmp_path: Path) -> None:
    """Broken and circular links are reported, and the other files found."""
    make(tmp_path, "good.log")
    (tmp_path / "dangling.log").symlink_to(tmp_path / "none")
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    (tmp_path / "up").symlink_to(tmp_path)
    said: list[str] = []
    scanner = Scanner([source(tmp_path / "*.log"), source(tmp_path / "**/*.log")], [], said.append)
    for _ in range(3):
        assert {"good.log"} == found(scanner, tmp_path).keys()
    assert [f"{tmp_path}/{name}.log" for name in ("dangling", "loop")] == sorted(line.split(":")[0] for line in said)


def test_unreadable_directory_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported once, and again after it was readable, but once a minute at most."""
    make(tmp_path, "app.log")
    now = 0.0
    monkeypatch.setattr("shipper.tail.scanner.Throttle", lambda warn: Throttle(warn, lambda: now))
    scandir = os.scandir
    shut = True

    def guarded(path: str) -> object:
        if shut:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    said: list[str] = []
    scanner = Scanner([source(tmp_path / "app.log")], [], said.append)
    assert ([], []) == (scanner.scan(), scanner.scan())
    sentence = f"{tmp_path}: can't be listed: Permission denied; looking again every scan"
    assert [sentence] == said
    shut = False
    assert 1 == len(scanner.scan())
    shut = True
    scanner.scan()
    assert [sentence] == said
    now = 60.0
    scanner.scan()
    assert [sentence, f"{sentence} (1 more like this, not logged)"] == said


def test_a_thousand_odd_files_do_not_flood_the_log(tmp_path: Path) -> None:
    """Each of them is in ``omitted``; of the sentences only so many are logged in a minute."""
    for number in range(MAX_A_MINUTE + 50):
        os.mkfifo(tmp_path / f"{number}.log")
    said: list[str] = []
    scanner = Scanner([source(tmp_path / "*.log")], [], said.append)
    for _ in range(3):
        assert [] == scanner.scan()
    assert (MAX_A_MINUTE + 50, MAX_A_MINUTE) == (len(scanner.omitted), len(said))


def test_directory_may_appear_later(tmp_path: Path) -> None:
    """A missing directory is not reported, and used when it appears."""
    scanner = Scanner([source(tmp_path / "late/*.log")], [], pytest.fail)
    assert [] == scanner.scan()
    make(tmp_path, "late/app.log")
    assert 1 == len(scanner.scan())


def test_file_deleted_under_the_scan_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that vanishes during the scan is ignored."""
    make(tmp_path, "a.log", "b.log")
    scandir = os.scandir

    class Racing:
        """A directory listing after which a file vanishes."""

        def __init__(self, path: str) -> None:
            self.entries = scandir(path)

        def __enter__(self) -> list[os.DirEntry[str]]:
            with self.entries:
                listed = list(self.entries)
            (tmp_path / "a.log").unlink()
            return listed

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Racing)
    assert {"b.log"} == found(Scanner([source(tmp_path / "*.log")], [], pytest.fail), tmp_path).keys()


def test_only_regular_files_count(tmp_path: Path) -> None:
    """A directory or pipe with a matching name is reported once, and counts as missing where an input names it."""
    (tmp_path / "dir.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    said: list[str] = []
    scanner = Scanner([source(tmp_path / "*.log")], [], said.append)
    for _ in range(3):
        assert [] == scanner.scan()
        assert {f"{tmp_path}/dir.log", f"{tmp_path}/pipe.log"} == scanner.omitted.keys()
        assert set() == scanner.unread
    assert 2 == len(said)
    named = Scanner([source(tmp_path / "pipe.log")], [], said.append)
    assert [] == named.scan()
    assert {f"{tmp_path}/pipe.log"} == named.unread


def test_first_input_that_matches_has_the_file(tmp_path: Path) -> None:
    """A file belongs to the first matching input."""
    make(tmp_path, "app.log")
    first = Source(f"{tmp_path}/*.log", "celery", "celery")
    (file,) = Scanner([first, source(tmp_path / "app.log")], [], pytest.fail).scan()
    assert first == file.source


def test_a_deep_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree deeper than the recursion limit is searched."""
    monkeypatch.chdir(tmp_path)
    depth = 250
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")
    Path("x.log").write_text("line\n")
    os.chdir(tmp_path)
    scanner, most = Scanner([Source(f"{tmp_path}/**/x.log", "auto", "app")], [], pytest.fail), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + depth)
    try:
        found = scanner.scan()
    finally:
        sys.setrecursionlimit(most)
    assert [f"{tmp_path}{depth * '/a'}/x.log"] == [file.path for file in found]


@pytest.mark.parametrize("pattern", ["[", "[a", "a[", "***", "**", "*" * 200, "[!]", "[]-a]", "\\"])
def test_odd_patterns(tmp_path: Path, pattern: str) -> None:
    """An incomplete pattern is literal text."""
    (tmp_path / "a.log").write_text("line\n")
    for where in (f"{tmp_path}/{pattern}", f"{tmp_path}/{pattern}/x.log", f"{tmp_path}/**/{pattern}"):
        Scanner([Source(where, "auto", "app")], [pattern], pytest.fail).scan()


def test_files_keep_their_places_where_one_grows(tmp_path: Path) -> None:
    """The others are the very objects of the scan before; a file that is replaced or comes is found as well."""
    make(tmp_path, "a.log", "b.log", "c.log")
    scanner = Scanner([source(tmp_path / "*.log")], [], print)
    before = scanner.scan()
    at = next(index for index, file in enumerate(before) if file.path.endswith("b.log"))
    (tmp_path / "b.log").write_text("longer than before")
    after = scanner.scan()
    assert (tmp_path / "b.log").stat().st_size == after[at].size
    assert [file for file in before if file is not before[at]] == [file for file in after if file is not after[at]]
    assert all(file is last for file, last in zip(after, before, strict=True) if file is not after[at])
    make(tmp_path, "new")
    (tmp_path / "new").replace(tmp_path / "c.log")
    make(tmp_path, "d.log")
    assert {"a.log", "b.log", "c.log", "d.log"} == set(found(scanner, tmp_path))
    inodes = {str(path): path.stat().st_ino for path in tmp_path.iterdir()}
    assert inodes == {file.path: file.inode for file in scanner.scan()}
