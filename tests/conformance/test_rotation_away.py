"""Open logs are renamed to places outside the inputs, or deleted."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, followed

pytestmark = pytest.mark.in_process


def elsewhere(log: Log, harness: Harness, where: str) -> Path:
    """A place outside all inputs: another directory, or another name."""
    if where == "directory":
        (harness.folder / "archive").mkdir()
        return harness.folder / "archive" / log.path.name
    return log.path.with_suffix(".old")


class TestRenamedAway:
    @pytest.mark.parametrize("where", ["directory", "name"])
    @pytest.mark.parametrize("kind", ["app", "pipeline"])
    def test_with_an_unread_rest(self, harness: Harness, kind: str, where: str) -> None:
        """What was not read yet when the open file was renamed is read to its end."""
        log, shipping = followed(harness, 5, kind)
        with shipping.between_two_looks():
            log.write(3000)
            log.path.rename(elsewhere(log, harness, where))
            log.write(4)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("where", ["directory", "name"])
    def test_while_the_writer_goes_on(self, harness: Harness, where: str) -> None:
        """The file is read while its old writer goes on for some seconds."""
        log, shipping = followed(harness, 5)
        with log.path.open("a") as old:
            log.path.rename(elsewhere(log, harness, where))
            log.write(2)
            for _ in range(3):
                shipping.looks()
                old.write(log.text(2))
                old.flush()
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_and_back(self, harness: Harness, when: When) -> None:
        """A file that was renamed away, grew, and came back is read on."""
        log, shipping = followed(harness, 5, when=when)
        away = elsewhere(log, harness, "directory")
        log.path.rename(away)
        shipping.looks()
        with shipping.meanwhile():
            log.write(3, away)
            away.rename(log.path)
            log.write(3)
        shipping.ends_with(log.expected, log.dataset)


class TestDeleted:
    @pytest.mark.parametrize("kind", ["app", "celery", "pipeline"])
    def test_with_an_unread_rest(self, harness: Harness, kind: str) -> None:
        """What was not read yet when the open file was deleted is read to its end."""
        log, shipping = followed(harness, 5, kind)
        with shipping.between_two_looks():
            log.write(3000)
            log.path.unlink()
        shipping.ends_with(log.expected, log.dataset)

    def test_while_the_writer_goes_on(self, harness: Harness) -> None:
        """A writer that does not notice that its file was deleted is read for some seconds more."""
        log, shipping = followed(harness, 5)
        with log.path.open("a") as old:
            log.path.unlink()
            for _ in range(3):
                shipping.looks()
                old.write(log.text(2))
                old.flush()
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [3, 12])
    def test_other_content_in_its_place(self, harness: Harness, lines: int, when: When) -> None:
        """A new file of the same name is read from its beginning."""
        log, shipping = followed(harness, 6, when=when)
        with shipping.meanwhile():
            log.path.unlink()
            log.write(lines)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [6, 40])
    def test_the_same_content_in_its_place(self, harness: Harness, lines: int, when: When) -> None:
        """A file that is restored from a backup goes on at its position."""
        log = Log(harness)
        shipping = harness.shipping(when)
        log.write(lines)
        content = log.path.read_bytes()
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.path.unlink()
            log.path.write_bytes(content)
            log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    def test_created_deleted_created(self, harness: Harness) -> None:
        """Ten generations of a log, each deleted after a scan, and the last one stays."""
        log = Log(harness)
        shipping = harness.shipping()
        for count in range(1, 11):
            log.write(count)
            shipping.shipped(log.expected, log.dataset)
            log.path.unlink()
        log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    def test_created_deleted_created_between_two_looks(self, harness: Harness) -> None:
        """Generations between two scans are lost, and the next one is shipped."""
        log, shipping = followed(harness, 5)
        with shipping.between_two_looks():
            log.path.unlink()
            log.path.write_text("nobody ever saw this\n" * 50)
            log.path.unlink()
            log.write(9)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.program
    def test_a_writer_beside_the_deletions(self, harness: Harness) -> None:
        """A log with a continuous writer loses and repeats nothing while three others come and go."""
        log = Log(harness)
        others = [
            Log(harness, "pipeline", f"pipelines/fmriprep/fmriprep_{run}_20260301_100000.log") for run in (1, 2, 3)
        ]
        shipping = harness.shipping()
        done = threading.Event()

        def keep_writing() -> None:
            while not done.wait(0.005):
                log.write(1)

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            for _ in range(4):
                for other in others:
                    other.write(2)
                shipping.shipped(sum((one.expected for one in others), start=Counter()), "pipeline")
                for other in others:
                    other.path.unlink()
        finally:
            done.set()
            writer.join()
        shipping.ends_with(log.expected, log.dataset)
