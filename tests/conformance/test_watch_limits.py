"""Without file system events, with few descriptors, and with a large backlog."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import subprocess
from collections import Counter

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, app_line, followed

HANDLES = 64


def with_no_more(limit: str) -> list[str]:
    """A command prefix that limits these inotify resources."""
    shell = ["sh", "-c", f'echo 0 > /proc/sys/user/{limit} && exec "$@"', "sh"]
    before = ["unshare", "--user", "--map-root-user", *shell]
    try:
        tried = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare on this machine")
    if tried.returncode:
        pytest.skip(f"no name space of its own: {tried.stderr.strip()}")
    return before


class TestPolling:
    @WHEN
    def test_appended_and_renamed(self, harness: Harness, when: When) -> None:
        """``watch: poll``: appended lines, a rename with unread lines, and the new file."""
        harness.configure(watch="poll")
        log, shipping = followed(harness, 20, when=when)
        log.write(3)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(200)
            log.rotate()
            log.write(4)
            log.rotate()
            log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_copied_and_cut_off(self, harness: Harness, when: When) -> None:
        """``watch: poll``: copytruncate with unread lines."""
        harness.configure(watch="poll")
        log, shipping = followed(harness, 40, when=when)
        with shipping.between_two_looks():
            log.write(3)
            shutil.copyfile(log.path, log.sibling(".1"))
            os.truncate(log.path, 0)
            log.write(60)
        shipping.ends_with(log.expected, log.dataset)

    def test_compressed(self, harness: Harness) -> None:
        """``watch: poll``: rotated, then compressed."""
        harness.configure(watch="poll")
        log, shipping = followed(harness, 40)
        log.rotate()
        log.write(5)
        shipping.looks(2)
        log.sibling(".1.gz").write_bytes(gzip.compress(log.sibling(".1").read_bytes()))
        log.sibling(".1").unlink()
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    def test_deleted(self, harness: Harness) -> None:
        """``watch: poll``: deleted with unread lines, and created again."""
        harness.configure(watch="poll")
        log, shipping = followed(harness, 5)
        with shipping.between_two_looks():
            log.write(500)
            log.path.unlink()
            log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_new_directory(self, harness: Harness) -> None:
        """``watch: poll``: a directory that is created during the run."""
        harness.configure(watch="poll")
        shipping = harness.shipping()
        shipping.looks()
        log = Log(harness, "pipeline")
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)


class TestWithoutEvents:
    @pytest.mark.parametrize("watch", ["auto", "inotify"])
    @pytest.mark.parametrize("what", ["instances", "watches"])
    def test_no_more_of_them(self, harness: Harness, what: str, watch: str) -> None:
        """It polls, and one sentence names the limit to raise."""
        harness.configure(watch=watch)
        log = Log(harness)
        shipping = harness.shipping(before=with_no_more(f"max_inotify_{what}"))
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        log.rotate()
        log.write(5)
        late = Log(harness, "celery")
        late.write(5)
        shipping.shipped(late.expected, late.dataset)
        shipping.ends_with(log.expected, log.dataset)
        assert shipping.said.count(f"fs.inotify.max_user_{what}") == 1, shipping.said

    def test_a_directory_of_its_own_for_each_of_many(self, harness: Harness) -> None:
        """Two hundred new directories during the run: a lost event loses no line."""
        shipping = harness.shipping()
        shipping.looks()
        logs = [
            Log(harness, "pipeline", f"pipelines/p{number}/p_{number}_20260301_100000.log") for number in range(200)
        ]
        for log in logs:
            log.write(1)
        shipping.ends_with(sum((log.expected for log in logs), start=Counter()), "pipeline")


def few_handles() -> None:
    """Limit the open files of the child."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, HANDLES))


class TestFewHandles:
    def test_five_hundred_active_files(self, harness: Harness) -> None:
        """With 64 descriptors all lines of five hundred growing logs are shipped."""
        logs = [Log(harness, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(500)]
        shipping = harness.shipping(preexec_fn=few_handles)
        expected: Counter[str] = Counter()
        for _ in range(4):
            for log in logs:
                log.write(2)
            expected = sum((log.expected for log in logs), start=Counter())
            shipping.shipped(expected, "pipeline")
        shipping.ends_with(expected, "pipeline")

    def test_a_rotation_among_them(self, harness: Harness) -> None:
        """With 64 descriptors and two hundred growing logs one is rotated with unread lines."""
        logs = [Log(harness, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(200)]
        log = Log(harness)
        shipping = harness.shipping(preexec_fn=few_handles)
        for one in (*logs, log):
            one.write(2)
        shipping.shipped(sum((one.expected for one in logs), start=Counter()), "pipeline")
        shipping.shipped(log.expected, log.dataset)
        with shipping.between_two_looks():
            for one in logs:
                one.write(2)
            log.write(300)
            log.rotate()
            log.write(3)
        shipping.shipped(sum((one.expected for one in logs), start=Counter()), "pipeline")
        shipping.ends_with(log.expected, log.dataset)


class TestFairness:
    def test_small_files_beside_a_huge_one(self, harness: Harness) -> None:
        """Twenty small logs are shipped before 60 MB of another."""
        huge = harness.logs / "neuroflow.log"
        with huge.open("w") as file:
            file.writelines(app_line(f"{number:07} {'x' * 900}") for number in range(60_000))
        small = [Log(harness, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(20)]
        for log in small:
            log.write(50)
        shipping = harness.shipping()
        for _ in range(2):
            shipping.shipped(sum((log.expected for log in small), start=Counter()), "pipeline")
            for log in small:
                log.write(1)
        shipping.shipped(sum((log.expected for log in small), start=Counter()), "pipeline")
        assert harness.count("app") < 60_000
        harness.kill(shipping.process)
