"""Without events, with few handles, and with more to read than can be read at once."""

from __future__ import annotations

import ctypes
import errno
import gzip
import os
import resource
import shutil
from collections import Counter
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.rig import Rig, Shipping, When, alive, eventually
from tests.conformance.writers import Log, app_line

WHEN: tuple[When, ...] = ("running", "stopped", "killed")
HANDLES = 64


@pytest.fixture
def no_instances() -> Iterator[None]:
    """Every inotify instance of this user is taken."""
    libc = ctypes.CDLL(None, use_errno=True)
    taken: list[int] = []
    try:
        while (handle := libc.inotify_init()) >= 0:
            taken.append(handle)
        assert ctypes.get_errno() == errno.EMFILE
        if _handles_ran_out():
            pytest.skip("handles run out before inotify instances do")
        yield
    finally:
        for handle in taken:
            os.close(handle)


def _handles_ran_out() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
    return False


class TestPolling:
    @pytest.mark.parametrize("when", WHEN)
    def test_appended_and_renamed(self, rig: Rig, es: Elasticsearch, when: When) -> None:
        """``watch: poll``: appended lines, a rename with an unread rest, and the new file."""
        rig.configure(watch="poll")
        log = Log(rig)
        shipping = Shipping(rig, es, when)
        log.write(20)
        shipping.shipped(log.expected, log.dataset)
        log.write(3)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            log.write(200)
            log.rotate()
            log.write(4)
            log.rotate()
            log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("when", WHEN)
    def test_copied_and_cut_off(self, rig: Rig, es: Elasticsearch, when: When) -> None:
        """``watch: poll``: copytruncate with an unread rest."""
        rig.configure(watch="poll")
        log = Log(rig)
        shipping = Shipping(rig, es, when)
        log.write(40)
        shipping.shipped(log.expected, log.dataset)
        with shipping.between_two_looks():
            log.write(3)
            shutil.copyfile(log.path, log.sibling(".1"))
            os.truncate(log.path, 0)
            log.write(60)
        shipping.ends_with(log.expected, log.dataset)

    def test_compressed(self, rig: Rig, es: Elasticsearch) -> None:
        """``watch: poll``: rotated, then compressed."""
        rig.configure(watch="poll")
        log = Log(rig)
        shipping = Shipping(rig, es)
        log.write(40)
        shipping.shipped(log.expected, log.dataset)
        log.rotate()
        log.write(5)
        shipping.looks(2)
        log.sibling(".1.gz").write_bytes(gzip.compress(log.sibling(".1").read_bytes()))
        log.sibling(".1").unlink()
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)

    def test_deleted(self, rig: Rig, es: Elasticsearch) -> None:
        """``watch: poll``: deleted with an unread rest, and made anew."""
        rig.configure(watch="poll")
        log = Log(rig)
        shipping = Shipping(rig, es)
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        with shipping.between_two_looks():
            log.write(500)
            log.path.unlink()
            log.write(3)
        shipping.ends_with(log.expected, log.dataset)

    def test_a_new_directory(self, rig: Rig, es: Elasticsearch) -> None:
        """``watch: poll``: a directory made while it runs."""
        rig.configure(watch="poll")
        shipping = Shipping(rig, es)
        shipping.looks()
        log = Log(rig, "pipeline")
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)


class TestWithoutEvents:
    @pytest.mark.parametrize("watch", ["auto", "inotify"])
    @pytest.mark.usefixtures("no_instances")
    def test_no_instances_are_left(self, rig: Rig, es: Elasticsearch, watch: str) -> None:
        """It goes on by polling, and one sentence names the limit that is to be raised."""
        rig.configure(watch=watch)
        log = Log(rig)
        shipping = Shipping(rig, es)
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        log.rotate()
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)
        assert shipping.said.count("fs.inotify.max_user_instances") == 1, shipping.said

    def test_no_watches_are_left(self, rig: Rig, es: Elasticsearch) -> None:
        """The same when the kernel gives no more watches, as a library put before the C library's pretends."""
        rig.configure(watch="auto")
        log = Log(rig)
        shim = rig.folder / "shim"
        shim.mkdir()
        (shim / "sitecustomize.py").write_text(NO_WATCHES)
        shipping = Shipping(rig, es, env={**os.environ, "PYTHONPATH": f"{shim}:{os.environ.get('PYTHONPATH', '')}"})
        log.write(5)
        shipping.shipped(log.expected, log.dataset)
        log.rotate()
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)
        assert shipping.said.count("fs.inotify.max_user_watches") == 1, shipping.said

    def test_a_directory_of_its_own_for_each_of_many(self, rig: Rig, es: Elasticsearch) -> None:
        """Two hundred pipelines, each with a new directory while it runs: an event lost in the rush loses no line."""
        shipping = Shipping(rig, es)
        shipping.looks()
        logs = [Log(rig, "pipeline", f"pipelines/p{number}/p_{number}_20260301_100000.log") for number in range(200)]
        for log in logs:
            log.write(1)
        shipping.ends_with(sum((log.expected for log in logs), start=Counter()), "pipeline")


NO_WATCHES = """
import ctypes
import errno


class NoWatches(ctypes.CDLL):
    def __getattr__(self, name):
        if name != "inotify_add_watch":
            return super().__getattr__(name)

        def refuse(*_):
            ctypes.set_errno(errno.ENOSPC)
            return -1

        return refuse


ctypes.CDLL = NoWatches
"""


def few_handles() -> None:
    """In the child: no more than a few files may be open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, HANDLES))


class TestFewHandles:
    def test_five_hundred_active_files(self, rig: Rig, es: Elasticsearch) -> None:
        """With 64 handles, five hundred logs that are all being written are all read, each line once."""
        logs = [Log(rig, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(500)]
        shipping = Shipping(rig, es, preexec_fn=few_handles)
        expected: Counter[str] = Counter()
        for _ in range(4):
            for log in logs:
                log.write(2)
            expected = sum((log.expected for log in logs), start=Counter())
            shipping.shipped(expected, "pipeline")
        shipping.ends_with(expected, "pipeline")

    def test_a_rotation_among_them(self, rig: Rig, es: Elasticsearch) -> None:
        """With 64 handles and two hundred busy logs, one is rotated with an unread rest."""
        logs = [Log(rig, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(200)]
        log = Log(rig)
        shipping = Shipping(rig, es, preexec_fn=few_handles)
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
    def test_small_files_beside_a_huge_one(self, rig: Rig, es: Elasticsearch) -> None:
        """Twenty small logs are in the index, also what is appended to them, while 60 MB of another are not."""
        huge = rig.logs / "neuroflow.log"
        with huge.open("w") as file:
            file.writelines(app_line(f"{number:07} {'x' * 900}") for number in range(60_000))
        small = [Log(rig, "pipeline", f"pipelines/qsiprep/q_{n}_20260301_100000.log") for n in range(20)]
        for log in small:
            log.write(50)
        process = rig.start()
        for _ in range(2):
            expected = sum((log.expected for log in small), start=Counter())
            assert eventually(
                lambda wanted=expected: rig.count(es, "pipeline") == wanted.total() or not alive(process)
            )  # type: ignore[misc]
            for log in small:
                log.write(1)
        offset = next(one["offset"] for one in rig.status()["files"] if one["path"] == str(huge))
        assert offset < huge.stat().st_size
        assert rig.count(es, "app") < 60_000
        rig.kill(process)
        assert expected <= rig.messages(es, "pipeline")
