"""Directories that appear, vanish and move; unreadable files; names of any bytes."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.harness import WHEN, Harness, When, as_other_user
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process


def without_privilege() -> list[str]:
    """A command prefix that makes permissions bind root as well."""
    if as_other_user():
        return []
    before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    try:
        tried = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("root may read everything, and there is no setpriv")
    if tried.returncode:
        pytest.skip(f"root may read everything, and: {tried.stderr.strip()}")
    return before


class TestUnreadable:
    @pytest.mark.program
    def test_a_file(self, harness: Harness) -> None:
        """An unreadable file is reported once, and read when it is readable."""
        log, other = Log(harness), Log(harness, "celery")
        log.write(5)
        log.path.chmod(0)
        shipping = harness.shipping(before=without_privilege())
        other.write(5)
        shipping.shipped(other.expected, other.dataset)
        shipping.looks(2)
        log.path.chmod(0o600)
        shipping.ends_with(log.expected, log.dataset)
        assert shipping.said.count(f"{log.path}: can't be opened: Permission denied") == 1, shipping.said

    @pytest.mark.program
    def test_a_file_while_it_grows(self, harness: Harness) -> None:
        """A file that is unreadable for a while goes on at its position."""
        log = Log(harness)
        log.write(20)
        shipping = harness.shipping("stopped", before=without_privilege())
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(3)
            log.path.chmod(0)
        shipping.looks(2)
        log.path.chmod(0o600)
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.program
    def test_a_directory(self, harness: Harness) -> None:
        """An unreadable directory is reported once, and read when it is readable."""
        log = Log(harness, "celery")
        log.write(5)
        log.path.parent.chmod(0)
        shipping = harness.shipping(before=without_privilege())
        shipping.looks(2)
        log.path.parent.chmod(0o700)
        shipping.ends_with(log.expected, log.dataset)
        assert shipping.said.count(f"{log.path.parent}: can't be listed: Permission denied") == 1, shipping.said

    @pytest.mark.program
    def test_a_gzip_file(self, harness: Harness) -> None:
        """An unreadable rotated gzip file does not make its log be read twice."""
        log = Log(harness)
        shipping = harness.shipping(before=without_privilege())
        log.write(40)
        shipping.shipped(log.expected, log.dataset)
        with shipping.between_two_looks():
            log.write(3)
            log.sibling(".1.gz").write_bytes(gzip.compress(log.path.read_bytes()))
            log.sibling(".1.gz").chmod(0)
            log.path.unlink()
            log.write(5)
        shipping.looks(2)
        log.sibling(".1.gz").chmod(0o600)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_directory_in_a_log_s_place(self, harness: Harness) -> None:
        """A directory or a pipe with a log's name is reported, and other logs go on."""
        log = Log(harness, "celery")
        place = harness.logs / "neuroflow.log"
        place.mkdir()
        os.mkfifo(log.path.with_name("pipe.log"))
        shipping = harness.shipping()
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        assert 1 == shipping.said.count(f"{place}: is no regular file; it is not read")
        place.rmdir()
        shipping.ends_with(log.expected, log.dataset)


class TestDirectories:
    @pytest.mark.parametrize("kind", ["celery", "pipeline", "audit"])
    def test_that_appear_late(self, harness: Harness, kind: str) -> None:
        """A directory that is created during the run is read."""
        shipping = harness.shipping()
        shipping.looks()
        log = Log(harness, kind)
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("kind", ["app", "celery", "pipeline"])
    def test_that_move_away_and_come_back(self, harness: Harness, kind: str, when: When) -> None:
        """A log's directory vanishes and comes back with grown files, which go on at their positions."""
        log, shipping = followed(harness, 20, kind, when=when)
        place, away = log.path.parent, harness.folder / "away"
        with shipping.meanwhile():
            place.rename(away)
            if when == "running" and kind != "app":
                shipping.looks()
            log.write(3, away / log.path.name)
            away.rename(place)
            log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("kind", ["app", "celery", "pipeline"])
    def test_that_are_deleted_and_made_anew(self, harness: Harness, kind: str) -> None:
        """Directories are deleted with their logs and created again by the next run."""
        log = Log(harness, kind)
        shipping = harness.shipping()
        for count in (20, 3, 40):
            log.path.parent.mkdir(exist_ok=True)
            log.write(count)
            shipping.shipped(log.expected, log.dataset)
            for file in log.path.parent.iterdir():
                file.unlink()
            log.path.parent.rmdir()
        log.path.parent.mkdir()
        log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    def test_with_an_unread_rest(self, harness: Harness) -> None:
        """Unread lines of a moved log directory are read through open handles."""
        log, shipping = followed(harness, 20)
        with shipping.between_two_looks():
            log.write(500)
            harness.logs.rename(harness.folder / "away")
        shipping.shipped(log.expected, log.dataset)
        harness.logs.mkdir()
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_behind_a_link_that_moves_on(self, harness: Harness, when: When) -> None:
        """The log directory is a link to a release's directory, and then to the next one's."""
        first, second = harness.folder / "release-1", harness.folder / "release-2"
        harness.logs.rmdir()
        first.mkdir()
        second.mkdir()
        harness.logs.symlink_to(first)
        log, shipping = followed(harness, 20, when=when)
        with shipping.meanwhile():
            harness.logs.unlink()
            harness.logs.symlink_to(second)
            log.write(10)
        shipping.shipped(log.expected, log.dataset)
        for _ in range(3):
            log.write(1)
            shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)

    def test_behind_a_link_with_an_unread_rest(self, harness: Harness) -> None:
        """Unread lines of the old release's log are read after the link changes."""
        first, second = harness.folder / "release-1", harness.folder / "release-2"
        harness.logs.rmdir()
        first.mkdir()
        second.mkdir()
        harness.logs.symlink_to(first)
        log, shipping = followed(harness, 20)
        with shipping.between_two_looks():
            log.write(300)
            harness.logs.unlink()
            harness.logs.symlink_to(second)
            log.write(10)
        shipping.ends_with(log.expected, log.dataset)


@pytest.mark.program
class TestEventsComeBack:
    """With ten minutes between scans only events make a line arrive in time."""

    @pytest.mark.parametrize("kind", ["app", "celery", "pipeline"])
    @pytest.mark.parametrize("how", ["deleted", "renamed"])
    def test_when_a_directory_is_made_anew(self, harness: Harness, kind: str, how: str) -> None:
        """The log directory, or one below it, is deleted or renamed and created again."""
        harness.configure(scan_interval=600)
        log, shipping = followed(harness, 5, kind)
        for count in (3, 4):
            if how == "deleted":
                shutil.rmtree(log.path.parent)
            else:
                log.path.parent.rename(harness.folder / f"away-{count}")
            log.path.parent.mkdir()
            for _ in range(2):
                log.write(count)
                shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)

    def test_when_the_log_directory_is_made_late(self, harness: Harness) -> None:
        """The log directory does not exist at the start."""
        harness.configure(scan_interval=600)
        harness.logs.rmdir()
        shipping = harness.shipping()
        assert harness.eventually(lambda: "waiting for it" in shipping.said)
        harness.logs.mkdir()
        log = Log(harness)
        for _ in range(3):
            log.write(2)
            shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)

    def test_when_a_link_is_pointed_elsewhere(self, harness: Harness) -> None:
        """Events arrive through a linked log directory, also after the link changes."""
        harness.configure(scan_interval=600)
        places = [harness.folder / f"release-{number}" for number in (1, 2)]
        for place in places:
            place.mkdir()
        harness.logs.rmdir()
        harness.logs.symlink_to(places[0])
        log = Log(harness)
        shipping = harness.shipping()
        for turn in range(4):
            if turn == 2:
                harness.logs.unlink()
                harness.logs.symlink_to(places[1])
            log.write(5)
            shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [b"my worker.log", "wörker-脳.log".encode(), b"\xff\xfe\x80.log", b"two\nlines.log", b"[a*b?].log", b"-.log"],
    )
    @pytest.mark.parametrize("when", ["running", "killed"])
    def test_of_any_bytes(self, harness: Harness, name: bytes, when: When) -> None:
        """Files with blanks, other scripts, invalid UTF-8, line feeds or wildcards in their names are shipped and
        rotated.
        """
        log = Log(harness, "celery", f"celery/{os.fsdecode(name)}")
        shipping = harness.shipping(when)
        log.write(20)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(3)
            log.rotate()
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)
        paths = {one["log"]["file"]["path"] for one in harness.documents(log.dataset)}
        assert len(paths) <= 2

    def test_a_directory_of_any_bytes(self, harness: Harness) -> None:
        """The same for a pipeline's folder."""
        folder = os.fsdecode(b"qsi \xff\nprep")
        logs = [Log(harness, "pipeline", f"pipelines/{folder}/x_{run}_20260301_100000.log") for run in (1, 2)]
        shipping = harness.shipping()
        for log in logs:
            log.write(5)
        shipping.ends_with(sum((log.expected for log in logs), start=Counter()), "pipeline")

    def test_the_log_directory_of_any_letters(self, harness: Harness) -> None:
        """The log directory's own name has blanks, other scripts and wildcards."""
        harness.logs.rmdir()
        harness.logs = harness.folder / "Łogs [of] the *neuro?flow*"
        harness.configure()
        harness.logs.mkdir()
        log, shipping = followed(harness, 5)
        log.rotate()
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)


def test_a_name_as_long_as_can_be(harness: Harness) -> None:
    """A file name of 255 bytes."""
    log = Log(harness, "celery", f"celery/{'w' * 251}.log")
    shipping = harness.shipping()
    log.write(5)
    assert Path(log.path).exists()
    shipping.ends_with(log.expected, log.dataset)
