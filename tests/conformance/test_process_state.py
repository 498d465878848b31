"""The state directory: unusable, full, deleted under way, shared."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.conformance.faked import FakedRig
from tests.conformance.rig import PATIENCE, Rig, as_other_user, eventually
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched

# A mount namespace of its own: what is mounted for the sidecar is seen by nobody else, and ends with it.
ALONE = ["unshare", "--mount", "sh", "-c"]


def can_mount() -> bool:
    """Whether this user may mount in a namespace of its own."""
    try:
        done = subprocess.run(
            [*ALONE, "mount -t tmpfs none /mnt"], capture_output=True, timeout=PATIENCE, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="this user may not mount anything, even for itself")


def once_behind(rig: Rig, script: str) -> subprocess.CompletedProcess[str]:
    """``--once`` in a mount namespace that the script has prepared."""
    command = [*ALONE, f'{script} && exec "$@"', "sh", *rig.command("--once")]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


class TestUnusable:
    def test_a_file_in_its_place(self, lone_rig: Rig) -> None:
        """A sentence that names the directory and what to do, and exit code 2."""
        lone_rig.state.write_text("no directory")
        result = lone_rig.once()
        assert 2 == result.returncode
        assert f"neuroflow-ship: {lone_rig.state}: the state directory can't be used: File exists" in result.stderr
        assert "set shipper.state_dir" in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.skipif(not as_other_user(), reason="root may write everything")
    def test_permissions(self, lone_rig: Rig) -> None:
        """A directory that may not be written."""
        lone_rig.state.mkdir(mode=0o555)
        result = lone_rig.once()
        assert 2 == result.returncode
        assert "the state directory can't be used: Permission denied" in result.stderr

    @needs_mount
    @pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
    def test_read_only(self, rig: Rig, es: Elasticsearch, used: bool) -> None:
        """A read-only file system: said, exit code 2, and what is there is left as it is."""
        rig.state.mkdir()
        write(rig.logs / "neuroflow.log", 0, 10)
        if used:
            assert 0 == rig.once().returncode
        result = once_behind(
            rig, f"mount --bind {rig.state} {rig.state} && mount -o remount,ro,bind {rig.state} {rig.state}"
        )
        assert 2 == result.returncode
        assert "the state directory can't be used: Read-only file system" in result.stderr
        assert "Traceback" not in result.stderr
        assert 0 == rig.once().returncode
        assert expected(10) == rig.messages(es, "app")


class TestFullAtTheStart:
    @needs_mount
    @pytest.mark.parametrize("room", ["4k", "16k", "40k", "4k,nr_inodes=1"])
    def test_ships(self, rig: Rig, es: Elasticsearch, room: str) -> None:
        """A file system without room for a store, even for the lock's name: said, and everything is shipped."""
        rig.state.mkdir()
        write(rig.logs / "neuroflow.log", 0, 10)
        result = once_behind(rig, f"mount -t tmpfs -o size={room} none {rig.state}")
        assert 0 == result.returncode, result.stderr
        assert "there is no room for the state" in result.stderr
        assert "shipping goes on" in result.stderr
        assert "Traceback" not in result.stderr
        assert expected(10) == rig.messages(es, "app")

    @needs_mount
    def test_goes_on_where_it_was(self, rig: Rig, es: Elasticsearch) -> None:
        """A full disk with a store on it: positions are read, nothing is sent again, and the store stays sound."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == rig.once().returncode
        write(log, 10, 20)
        copy = f"cp -a {rig.state} {rig.folder}/copy && mount -t tmpfs -o size=200k none {rig.state}"
        fill = f"cp -a {rig.folder}/copy/. {rig.state} && (head -c 1m /dev/zero > {rig.state}/filler || true)"
        result = once_behind(rig, f"{copy} && {fill} 2> /dev/null")
        assert 0 == result.returncode, result.stderr
        assert "no room for the state" in result.stderr
        assert "read 10, acknowledged 10, duplicate 0" in result.stderr
        assert 0 == rig.once().returncode
        assert expected(20) == rig.messages(es, "app")
        assert [] == list(rig.state.glob("*.damaged-*"))

    @pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
    def test_writes_when_there_is_room(self, rig: Rig, es: Elasticsearch, used: bool) -> None:
        """Not a byte can be written; later there is room: after SIGKILL positions are there, nothing comes again."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 10)
        if used:
            assert 0 == rig.once().returncode
            write(log, 10, 20)
        sidecar = Watched(rig, ["sh", "-c", 'ulimit -S -f 0 && exec "$@"', "sh"])
        assert sidecar.comes(lambda: rig.count(es) >= (20 if used else 10))
        assert sidecar.says("there is no room for the state")
        write(log, 20, 30)
        assert sidecar.comes(lambda: rig.count(es) >= (30 if used else 20))
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert sidecar.says("there is room for the state again; written with 1 positions")
        write(log, 30, 40)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in rig.status()["files"]} == {0})
        assert sidecar.comes(lambda: rig.count(es) >= (40 if used else 30))
        sidecar.kill()
        assert 0 == rig.once().returncode
        assert 0 == rig.status()["counters"]["duplicate"]
        assert (40 if used else 30) == rig.count(es)
        assert 1 == sidecar.said.count("there is no room for the state"), sidecar.said

    def test_stopped_before_there_is_room(self, rig: Rig, es: Elasticsearch) -> None:
        """Stopped or killed before a position could be written: looked up by the next start, also over a rollover."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == rig.once().returncode
        write(log, 10, 20)
        sidecar = Watched(rig, ["sh", "-c", 'ulimit -S -f 0 && exec "$@"', "sh"])
        assert sidecar.comes(lambda: rig.count(es) >= 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        assert 0 == rig.once().returncode
        assert expected(20) == rig.messages(es, "app")


@pytest.mark.parametrize("umask", [0, 0o022])
def test_state_is_nobody_else_s(faked: FakedRig, umask: int) -> None:
    """In a state directory that all may look into, what holds lines and paths is the owner's alone."""
    faked.state.mkdir()
    faked.state.chmod(0o755)
    faked.fake.decide = lambda *_: 400
    write(faked.log, 0, 10)
    sidecar = Watched(faked, ["sh", "-c", f'umask {umask:o} && exec "$@"', "sh"])
    assert sidecar.says("shipping")
    assert sidecar.comes(lambda: faked.status()["dead_letters"] == 10)
    names = {path.name: path.stat().st_mode & 0o777 for path in faked.state.iterdir()}
    assert {"lock", "cursors.sqlite", "cursors.sqlite-wal", "dead-letters.ndjson"} <= names.keys()
    assert {0o600} == set(names.values()), names
    sidecar.send(15)
    assert 0 == sidecar.wait()
    assert {0o600} == {path.stat().st_mode & 0o777 for path in faked.state.iterdir()}


class TestFullUnderWay:
    def _fill(self, sidecar: Watched) -> None:
        """From now on no file of the sidecar's may grow."""
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def _shipped_while_full(self, rig: Rig, es: Elasticsearch) -> Watched:
        log = rig.logs / "neuroflow.log"
        sidecar = Watched(rig)
        write(log, 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        self._fill(sidecar)
        for turn in range(1, 5):
            write(log, turn * 10, turn * 10 + 10)
            assert sidecar.comes(lambda turn=turn: rig.count(es) >= turn * 10 + 10)  # type: ignore[misc]
        assert sidecar.says("cursors can't be written")
        return sidecar

    def test_shipping_goes_on(self, rig: Rig, es: Elasticsearch) -> None:
        """It says so once and ships; killed and started with room again, nothing comes twice."""
        sidecar = self._shipped_while_full(rig, es)
        assert 1 == sidecar.said.count("can't be written")
        sidecar.kill()
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        write(rig.logs / "neuroflow.log", 50, 60)
        assert 0 == rig.once().returncode
        assert expected(60) == rig.messages(es, "app")

    def test_room_again(self, rig: Rig, es: Elasticsearch) -> None:
        """What could not be written is written when there is room, though its file does not grow any more."""
        sidecar = self._shipped_while_full(rig, es)
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write(rig.logs / "workflow.log", 0, 1)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in rig.status()["files"]} == {0})
        sidecar.kill()
        assert 0 == rig.once().returncode
        assert 0 == rig.status()["counters"]["duplicate"]
        assert expected(50) == rig.messages(es, "app")

    def test_stopped_while_full(self, rig: Rig, es: Elasticsearch) -> None:
        """A clean end that could not be written is none: the next start looks up what is there."""
        sidecar = self._shipped_while_full(rig, es)
        sidecar.send(15)
        assert sidecar.wait() in {0, 3}
        assert "Traceback" not in sidecar.said
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        assert 0 == rig.once().returncode
        assert expected(50) == rig.messages(es, "app")

    @needs_mount
    def test_a_small_file_system(self, rig: Rig, es: Elasticsearch) -> None:
        """A file system with room for little more than the store: its log is emptied in time, nothing is said."""
        rig.state.mkdir()
        script = f'mount -t tmpfs -o size=160k none {rig.state} && exec "$@"'
        sidecar = Watched(rig, [*ALONE, script, "sh"])
        log = rig.logs / "neuroflow.log"
        for turn in range(25):
            write(log, turn * 10, turn * 10 + 10)
            assert sidecar.comes(lambda turn=turn: rig.count(es) >= turn * 10 + 10)  # type: ignore[misc]
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said
        # Its state went with its file system.
        assert 0 == rig.once().returncode
        assert expected(250) == rig.messages(es, "app")


class TestDeletedUnderWay:
    @pytest.mark.parametrize("what", ["directory", "cursors.sqlite", "lock"])
    def test_is_made_anew(self, rig: Rig, es: Elasticsearch, what: str) -> None:
        """Noticed within a scan and said; lock and positions are there again, nothing is lost or comes twice."""
        log = rig.logs / "neuroflow.log"
        write(rig.logs / "workflow.log", 0, 1)
        sidecar = Watched(rig)
        write(log, 0, 50)
        assert sidecar.comes(lambda: rig.count(es) == 51)
        if what == "directory":
            shutil.rmtree(rig.state)
        else:
            (rig.state / what).unlink()
        assert sidecar.says("written again")
        second = rig.once()
        assert 2 == second.returncode
        assert f"in use by neuroflow-ship, process {sidecar.process.pid}" in second.stderr
        write(log, 50, 60)
        assert sidecar.comes(lambda: rig.count(es) == 61)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in rig.status()["files"]} == {0})
        sidecar.kill()
        es.indices.rollover(alias=f"logs-neuroflow.app-{rig.namespace}")
        write(log, 60, 70)
        assert 0 == rig.once().returncode
        assert expected(70) == rig.messages(es, "app")
        assert expected(1) == rig.messages(es, "workflow")
        assert 0 == rig.status()["counters"]["duplicate"]

    def test_replaced_by_an_old_copy(self, rig: Rig, es: Elasticsearch) -> None:
        """A backup put back under a running sidecar: what it knows itself is the truth."""
        log = rig.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == rig.once().returncode
        shutil.copytree(rig.state, rig.folder / "backup")
        sidecar = Watched(rig)
        write(log, 10, 50)
        assert sidecar.comes(lambda: rig.count(es) == 50)
        shutil.rmtree(rig.state)
        shutil.copytree(rig.folder / "backup", rig.state)
        assert sidecar.says("written again")
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert 0 == rig.once().returncode
        assert 0 == rig.status()["counters"]["duplicate"]
        assert expected(50) == rig.messages(es, "app")

    def test_and_can_not_be_made_anew(self, rig: Rig, es: Elasticsearch) -> None:
        """A file is in its place: said, shipping goes on, and when the way is free it is made."""
        log = rig.logs / "neuroflow.log"
        sidecar = Watched(rig)
        write(log, 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        shutil.rmtree(rig.state)
        rig.state.write_text("no directory")
        assert sidecar.says("the state directory can't be used")
        write(log, 10, 20)
        assert sidecar.comes(lambda: rig.count(es) == 20)
        rig.state.unlink()
        assert sidecar.says("written again")
        sidecar.kill()
        assert 0 == rig.once().returncode
        assert expected(20) == rig.messages(es, "app")


class TestShared:
    def test_once_beside_a_running_sidecar(self, rig: Rig, es: Elasticsearch) -> None:
        """The second is refused with exit code 2 and told who the first is; the first is not disturbed."""
        sidecar = Watched(rig)
        write(rig.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        for arguments in ((), ("--once",)):
            second = rig.run(*arguments)
            assert 2 == second.returncode
            assert f"{rig.state}: in use by neuroflow-ship, process {sidecar.process.pid}" in second.stderr
            assert "Traceback" not in second.stderr
        write(rig.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: rig.count(es) == 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert expected(20) == rig.messages(es, "app")

    def test_looking_on(self, rig: Rig, es: Elasticsearch) -> None:
        """``status``, ``check`` and ``dead-letters list`` work beside it and change nothing."""
        sidecar = Watched(rig)
        write(rig.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: rig.count(es) == 10)
        assert sidecar.comes(lambda: rig.status()["counters"]["acknowledged"] == 10)
        for _ in range(2):
            assert 0 == rig.run("status").returncode
            assert "neuroflow.log" in rig.run("check").stdout
            assert (0, "") == ((letters := rig.run("dead-letters", "list")).returncode, letters.stdout)
        write(rig.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: rig.status()["counters"]["acknowledged"] == 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert expected(20) == rig.messages(es, "app")

    def test_a_dead_process_does_not_hinder(self, rig: Rig, es: Elasticsearch) -> None:
        """A lock file that names a process that is gone, or even one that lives, holds nobody up."""
        rig.state.mkdir()
        (rig.state / "lock").write_text(f"neuroflow-ship, process {os.getpid()}, and more than will be written anew")
        write(rig.logs / "neuroflow.log", 0, 10)
        assert 0 == rig.once().returncode
        process = rig.start()
        assert eventually(lambda: (rig.state / "lock").read_text() == f"neuroflow-ship, process {process.pid}")
        rig.kill(process)
        assert 0 == rig.once().returncode
        assert expected(10) == rig.messages(es, "app")

    def test_two_state_directories(self, rig: Rig, es: Elasticsearch) -> None:
        """Two sidecars with a state directory each, on the same logs: still every line once."""
        other = Rig(rig.folder, rig.url, rig.namespace)
        other.config = rig.folder / "other.yaml"
        settings = json.loads(rig.config.read_text())
        settings["shipper"]["state_dir"] = str(Path(rig.folder, "other"))
        other.config.write_text(json.dumps(settings))
        sidecars = [Watched(rig), Watched(other)]
        log = rig.logs / "neuroflow.log"
        for part in range(10):
            write(log, part * 200, part * 200 + 200)
        assert sidecars[0].comes(lambda: rig.count(es) >= 2000)
        for sidecar in sidecars:
            sidecar.send(15)
            assert 0 == sidecar.wait()
        assert expected(2000) == rig.messages(es, "app")
