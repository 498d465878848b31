"""Device and inode only help to find a file: they are reused, and files have several names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process

MAX_TRIES = 300


class Inode:
    """A file's inode, kept by another name, so that no other file gets it after the deletion.

    Args:
        path: of the file, which is deleted.
        spare: the other name.
    """

    def __init__(self, path: Path, spare: Path) -> None:
        os.link(path, spare)
        path.unlink()
        self._spare = spare

    def give(self, path: Path, text: str) -> None:
        """Create a file with it."""
        self._spare.write_text(text)
        self._spare.rename(path)


class TestReusedInode:
    @WHEN
    @pytest.mark.parametrize("lines", [3, 200])
    @pytest.mark.parametrize("before", [6, 40])
    def test_by_the_same_log(self, harness: Harness, before: int, lines: int, when: When) -> None:
        """A new file with the inode of the deleted one is read from its beginning."""
        log, shipping = followed(harness, before, when=when)
        with shipping.meanwhile():
            inode = Inode(log.path, harness.folder / "spare")
            if when == "running":
                shipping.looks(2)
            inode.give(log.path, log.text(lines))
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_by_another_log(self, harness: Harness, when: When) -> None:
        """Another log with a deleted log's inode is read from its beginning."""
        log, other = Log(harness), Log(harness, "celery")
        shipping = harness.shipping(when)
        log.write(20)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            inode = Inode(log.path, harness.folder / "spare")
            if when == "running":
                shipping.looks(2)
            inode.give(other.path, other.text(30))
            log.write(4)
        shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(other.expected, other.dataset)
        assert log.expected == harness.messages(log.dataset)

    @WHEN
    def test_after_a_rotation(self, harness: Harness, when: When) -> None:
        """The new log has the inode of the deleted oldest file."""
        log = Log(harness)
        shipping = harness.shipping(when)
        for _ in range(2):
            log.write(20)
            shipping.shipped(log.expected, log.dataset)
            log.rotate()
        log.write(20)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(5)
            inode = Inode(log.sibling(".2"), harness.folder / "spare")
            log.rotate()
            if when == "running":
                shipping.looks(2)
            inode.give(log.path, log.text(50))
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("when", ["stopped", "killed"])
    def test_by_the_file_system_itself(self, harness: Harness, when: When) -> None:
        """The file system itself reuses the number."""
        log, shipping = followed(harness, 20, when=when)
        tried = [log.path.with_name(f"spare-{number}") for number in range(MAX_TRIES)]
        with shipping.meanwhile():
            inode = log.path.stat().st_ino
            log.path.unlink()
            for one in tried:
                one.touch()
                if one.stat().st_ino == inode:
                    break
            else:
                pytest.skip("this file system does not give the same inode again soon")
            one.write_text(log.text(50))
            one.rename(log.path)
        shipping.ends_with(log.expected, log.dataset)


class TestHardLinks:
    @WHEN
    def test_two_names_of_one_file(self, harness: Harness, when: When) -> None:
        """Two matching names of one file are one log."""
        log = Log(harness, "celery")
        log.write(20)
        second = log.path.with_name("second.log")
        os.link(log.path, second)
        shipping = harness.shipping(when)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(3)
            log.path.unlink()
            log.write(3, second)
        shipping.ends_with(log.expected, log.dataset)

    def test_the_log_and_its_rotated_name(self, harness: Harness) -> None:
        """After a rotation by link, log and ``.1`` are the same file for a moment."""
        log, shipping = followed(harness, 20)
        os.link(log.path, log.sibling(".1"))
        shipping.looks(2)
        log.path.unlink()
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)


class TestSymbolicLinks:
    def test_to_a_file_elsewhere(self, harness: Harness) -> None:
        """A log that is a link to another disk is read where the configuration allows it."""
        log = Log(harness)
        target = harness.folder / "target"
        log.write(5, target)
        log.path.symlink_to(target)
        harness.configure(follow_links_to=[str(target)])
        shipping = harness.shipping()
        shipping.shipped(log.expected, log.dataset)
        log.write(5, target)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("rest", [0, 3])
    @pytest.mark.parametrize("when", ["running"])
    def test_to_another_target(self, harness: Harness, rest: int, when: When) -> None:
        """After a change of the link the new target is read, and the rest of the old one."""
        log = Log(harness)
        old, new = harness.logs / "old", harness.logs / "new"
        log.write(20, old)
        log.path.symlink_to(old)
        shipping = harness.shipping(when)
        shipping.shipped(log.expected, log.dataset)
        with shipping.between_two_looks():
            if rest:
                log.write(rest, old)
            log.write(20, new)
            spare = log.sibling(".link")
            spare.symlink_to(new)
            spare.rename(log.path)
        shipping.shipped(log.expected, log.dataset)
        log.write(2, new)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("when", ["stopped", "killed"])
    def test_to_another_target_while_down(self, harness: Harness, when: When) -> None:
        """The link is changed and changed back while the sidecar is down."""
        log = Log(harness)
        old, new = harness.logs / "old", harness.logs / "new"
        log.write(20, old)
        log.path.symlink_to(old)
        shipping = harness.shipping(when)
        shipping.shipped(log.expected, log.dataset)
        for target in (new, old):
            with shipping.meanwhile():
                log.write(20, target)
                log.path.unlink()
                log.path.symlink_to(target)
            shipping.shipped(log.expected, log.dataset)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("where", ["missing", "itself"])
    def test_that_leads_nowhere(self, harness: Harness, where: str) -> None:
        """A broken or circular link is reported once, and read when it is repaired."""
        log, other = Log(harness), Log(harness, "celery")
        target = harness.logs / "target" if where == "missing" else log.path
        log.path.symlink_to(target)
        shipping = harness.shipping()
        other.write(5)
        shipping.shipped(other.expected, other.dataset)
        shipping.looks(2)
        if where == "itself":
            log.path.unlink()
        log.write(4, target)
        shipping.ends_with(log.expected, log.dataset)
        assert other.expected == harness.messages(other.dataset)
        assert shipping.said.count(f"{log.path}: the link can't be followed") == 1, shipping.said

    def test_to_a_directory_of_pipelines(self, harness: Harness) -> None:
        """A linked folder under ``pipelines`` is searched where the configuration allows it."""
        log = Log(harness, "pipeline")
        scratch = harness.folder / "scratch"
        log.path.parent.rename(scratch)
        log.path.parent.symlink_to(scratch)
        harness.configure(follow_links_to=[str(harness.folder)])
        shipping = harness.shipping()
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    def test_to_a_log_that_matches_itself(self, harness: Harness) -> None:
        """``current.log`` and its target are one log, also after the link changes."""
        first, second = Log(harness, "celery", "celery/a.log"), Log(harness, "celery", "celery/b.log", width=6)
        current = first.path.with_name("current.log")
        first.write(5)
        current.symlink_to(first.path.name)
        shipping = harness.shipping()
        shipping.shipped(first.expected, first.dataset)
        second.write(5)
        current.unlink()
        current.symlink_to(second.path.name)
        first.write(1)
        second.write(1)
        shipping.ends_with(first.expected + second.expected, first.dataset)
