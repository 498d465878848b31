"""The state directory is unusable, full, deleted during a run, or shared."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conformance.faked import FakedHarness
from tests.conformance.harness import PATIENCE, Harness, as_other_user, eventually
from tests.conformance.test_sidecar import expected, write
from tests.conformance.test_watch_places import without_privilege
from tests.conformance.watched import Watched

# A mount namespace of its own: what is mounted for the sidecar is seen by nobody else, and ends with it.
ALONE = ["unshare", "--mount", "sh", "-c"]


def can_mount() -> bool:
    """Whether this user may mount in its own namespace."""
    try:
        done = subprocess.run(
            [*ALONE, "mount -t tmpfs none /mnt"], capture_output=True, timeout=PATIENCE, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="this user may not mount anything, even for itself")


def once_behind(harness: Harness, script: str) -> subprocess.CompletedProcess[str]:
    """``--once`` in a mount namespace that the script prepares."""
    command = [*ALONE, f'{script} && exec "$@"', "sh", *harness.command("--once")]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


class TestUnusable:
    def test_a_file_in_its_place(self, lone_harness: Harness) -> None:
        """The sentence names directory and remedy, with exit code 2."""
        lone_harness.state.write_text("no directory")
        result = lone_harness.once()
        assert 2 == result.returncode
        assert f"{lone_harness.state}: the state directory can't be used: Not a directory" in result.stderr
        assert "set shipper.state_dir" in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.skipif(not as_other_user(), reason="root may write everything")
    def test_permissions(self, lone_harness: Harness) -> None:
        """A directory without write permission gives a sentence."""
        lone_harness.state.mkdir(mode=0o555)
        result = lone_harness.once()
        assert 2 == result.returncode
        assert "the state directory can't be used: Permission denied" in result.stderr

    @pytest.mark.parametrize("closed", ["directory", "files"])
    @pytest.mark.parametrize("command", [["status"], ["dead-letters", "list"]], ids=["status", "dead-letters"])
    def test_commands_of_another_user(self, lone_harness: Harness, closed: str, command: list[str]) -> None:
        """A command that may not read the state says whose command it is."""
        before = without_privilege()
        lone_harness.state.mkdir()
        (lone_harness.state / "dead-letters.ndjson").touch()
        lone_harness.once()
        shut = [lone_harness.state] if closed == "directory" else list(lone_harness.state.iterdir())
        for path in shut:
            path.chmod(0)
        try:
            result = subprocess.run(
                [*before, *lone_harness.command(*command)], capture_output=True, text=True, check=False
            )
        finally:
            lone_harness.state.chmod(0o700)
        assert result.returncode in {1, 2}
        assert f"neuroflow-ship: {lone_harness.state}/" in result.stderr
        assert "Permission denied; run this command as the sidecar's user\n" in result.stderr

    @pytest.mark.parametrize("mode", [0o555, 0o700])
    def test_check_of_another_user(self, lone_harness: Harness, mode: int) -> None:
        """``check`` warns of a state directory with which the sidecar would not start, and of no other."""
        before = without_privilege()
        lone_harness.state.mkdir()
        lone_harness.state.chmod(mode)
        command = [*before, *lone_harness.command("check")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        sentence = f"{lone_harness.state}: this user may not write the state directory"
        assert (mode == 0o555) == (sentence in result.stdout)

    @needs_mount
    @pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
    def test_read_only(self, harness: Harness, used: bool) -> None:
        """A read-only file system gives a sentence and exit code 2, and its content stays."""
        harness.state.mkdir()
        write(harness.logs / "neuroflow.log", 0, 10)
        if used:
            assert 0 == harness.once().returncode
        state = harness.state
        result = once_behind(harness, f"mount --bind {state} {state} && mount -o remount,ro,bind {state} {state}")
        assert 2 == result.returncode
        assert "the state directory can't be used: Read-only file system" in result.stderr
        assert "Traceback" not in result.stderr
        assert 0 == harness.once().returncode
        assert expected(10) == harness.messages("app")


class TestFullAtTheStart:
    @needs_mount
    @pytest.mark.parametrize("room", ["4k", "16k", "40k", "4k,nr_inodes=1"])
    def test_ships(self, harness: Harness, room: str) -> None:
        """Without room for the state this is logged, and everything is shipped."""
        harness.state.mkdir()
        write(harness.logs / "neuroflow.log", 0, 10)
        result = once_behind(harness, f"mount -t tmpfs -o size={room} none {harness.state}")
        assert 0 == result.returncode, result.stderr
        assert "there is no room for the state" in result.stderr
        assert "shipping continues" in result.stderr
        assert "Traceback" not in result.stderr
        assert expected(10) == harness.messages("app")

    @needs_mount
    def test_goes_on_where_it_was(self, harness: Harness) -> None:
        """With a full disk positions are read, nothing is repeated, and the store stays valid."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == harness.once().returncode
        write(log, 10, 20)
        state = harness.state
        copy = f"cp -a {state} {harness.folder}/copy && mount -t tmpfs -o size=200k none {state}"
        fill = f"cp -a {harness.folder}/copy/. {state} && (head -c 1m /dev/zero > {state}/filler || true)"
        result = once_behind(harness, f"{copy} && {fill} 2> /dev/null")
        assert 0 == result.returncode, result.stderr
        assert "no room for the state" in result.stderr
        assert "read 10, acknowledged 10, duplicate 0" in result.stderr
        assert 0 == harness.once().returncode
        assert expected(20) == harness.messages("app")
        assert [] == list(harness.state.glob("*.damaged-*"))

    @pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
    def test_writes_when_there_is_room(self, harness: Harness, used: bool) -> None:
        """When there is room positions are written; after a kill nothing is repeated."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 10)
        if used:
            assert 0 == harness.once().returncode
            write(log, 10, 20)
        sidecar = Watched(harness, ["sh", "-c", 'ulimit -S -f 0 && exec "$@"', "sh"])
        assert sidecar.comes(lambda: harness.count() >= (20 if used else 10))
        assert sidecar.says("there is no room for the state")
        write(log, 20, 30)
        assert sidecar.comes(lambda: harness.count() >= (30 if used else 20))
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert sidecar.says("there is room for the state again; written with 1 positions")
        write(log, 30, 40)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in harness.status()["files"]} == {0})
        assert sidecar.comes(lambda: harness.count() >= (40 if used else 30))
        sidecar.kill()
        assert 0 == harness.once().returncode
        assert 0 == harness.status()["counters"]["duplicate"]
        assert (40 if used else 30) == harness.count()
        assert 1 == sidecar.said.count("there is no room for the state"), sidecar.said

    def test_stopped_before_there_is_room(self, harness: Harness) -> None:
        """After a stop or kill with unwritten positions the next start looks documents up, also over a rollover."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == harness.once().returncode
        write(log, 10, 20)
        sidecar = Watched(harness, ["sh", "-c", 'ulimit -S -f 0 && exec "$@"', "sh"])
        assert sidecar.comes(lambda: harness.count() >= 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        harness.roll_over()
        assert 0 == harness.once().returncode
        assert expected(20) == harness.messages("app")


@pytest.mark.parametrize("umask", [0, 0o022])
def test_state_is_nobody_else_s(faked: FakedHarness, umask: int) -> None:
    """A state directory that was readable is the sidecar's alone, and so are its files."""
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
    assert 0o700 == faked.state.stat().st_mode & 0o777


class TestFullUnderWay:
    def _fill(self, sidecar: Watched) -> None:
        """No file of the sidecar may grow any more."""
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def _shipped_while_full(self, harness: Harness) -> Watched:
        log = harness.logs / "neuroflow.log"
        sidecar = Watched(harness)
        write(log, 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        self._fill(sidecar)
        for turn in range(1, 5):
            write(log, turn * 10, turn * 10 + 10)
            assert sidecar.comes(lambda turn=turn: harness.count() >= turn * 10 + 10)  # type: ignore[misc]
        assert sidecar.says("cursors can't be written")
        return sidecar

    def test_shipping_goes_on(self, harness: Harness) -> None:
        """A full disk is logged once and shipping goes on; after a kill nothing is repeated."""
        sidecar = self._shipped_while_full(harness)
        assert 1 == sidecar.said.count("can't be written")
        sidecar.kill()
        harness.roll_over()
        write(harness.logs / "neuroflow.log", 50, 60)
        assert 0 == harness.once().returncode
        assert expected(60) == harness.messages("app")

    def test_room_again(self, harness: Harness) -> None:
        """Unwritten positions are written when there is room, without a new line."""
        sidecar = self._shipped_while_full(harness)
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write(harness.logs / "workflow.log", 0, 1)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in harness.status()["files"]} == {0})
        sidecar.kill()
        assert 0 == harness.once().returncode
        assert 0 == harness.status()["counters"]["duplicate"]
        assert expected(50) == harness.messages("app")

    def test_stopped_while_full(self, harness: Harness) -> None:
        """A seal that could not be written is missing: the next start looks documents up."""
        sidecar = self._shipped_while_full(harness)
        sidecar.send(15)
        assert sidecar.wait() in {0, 3}
        assert "Traceback" not in sidecar.said
        harness.roll_over()
        assert 0 == harness.once().returncode
        assert expected(50) == harness.messages("app")

    @needs_mount
    def test_a_small_file_system(self, harness: Harness) -> None:
        """With little room the write-ahead log is emptied in time."""
        harness.state.mkdir()
        script = f'mount -t tmpfs -o size=160k none {harness.state} && exec "$@"'
        sidecar = Watched(harness, [*ALONE, script, "sh"])
        log = harness.logs / "neuroflow.log"
        for turn in range(25):
            write(log, turn * 10, turn * 10 + 10)
            assert sidecar.comes(lambda turn=turn: harness.count() >= turn * 10 + 10)  # type: ignore[misc]
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert "Traceback" not in sidecar.said
        # Its state went with its file system.
        assert 0 == harness.once().returncode
        assert expected(250) == harness.messages("app")


class TestDeletedUnderWay:
    @pytest.mark.parametrize("what", ["directory", "cursors.sqlite", "lock"])
    def test_is_made_anew(self, harness: Harness, what: str) -> None:
        """A deleted state directory is created again within a scan; nothing is lost or repeated."""
        log = harness.logs / "neuroflow.log"
        write(harness.logs / "workflow.log", 0, 1)
        sidecar = Watched(harness)
        write(log, 0, 50)
        assert sidecar.comes(lambda: harness.count() == 51)
        if what == "directory":
            shutil.rmtree(harness.state)
        else:
            (harness.state / what).unlink()
        assert sidecar.says("written again")
        second = harness.once()
        assert 2 == second.returncode
        assert f"in use by neuroflow-ship, process {sidecar.process.pid}" in second.stderr
        write(log, 50, 60)
        assert sidecar.comes(lambda: harness.count() == 61)
        assert sidecar.comes(lambda: {file["lag_bytes"] for file in harness.status()["files"]} == {0})
        sidecar.kill()
        harness.roll_over()
        write(log, 60, 70)
        assert 0 == harness.once().returncode
        assert expected(70) == harness.messages("app")
        assert expected(1) == harness.messages("workflow")
        assert 0 == harness.status()["counters"]["duplicate"]

    def test_replaced_by_an_old_copy(self, harness: Harness) -> None:
        """A backup that replaces the state of a running sidecar is overwritten."""
        log = harness.logs / "neuroflow.log"
        write(log, 0, 10)
        assert 0 == harness.once().returncode
        shutil.copytree(harness.state, harness.folder / "backup")
        sidecar = Watched(harness)
        write(log, 10, 50)
        assert sidecar.comes(lambda: harness.count() == 50)
        shutil.rmtree(harness.state)
        shutil.copytree(harness.folder / "backup", harness.state)
        assert sidecar.says("written again")
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert 0 == harness.once().returncode
        assert 0 == harness.status()["counters"]["duplicate"]
        assert expected(50) == harness.messages("app")

    def test_and_can_not_be_made_anew(self, harness: Harness) -> None:
        """With a file in its place this is logged, shipping goes on, and later the directory is created."""
        log = harness.logs / "neuroflow.log"
        sidecar = Watched(harness)
        write(log, 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        shutil.rmtree(harness.state)
        harness.state.write_text("no directory")
        assert sidecar.says("the state directory can't be used")
        write(log, 10, 20)
        assert sidecar.comes(lambda: harness.count() == 20)
        harness.state.unlink()
        assert sidecar.says("written again")
        sidecar.kill()
        assert 0 == harness.once().returncode
        assert expected(20) == harness.messages("app")


class TestShared:
    def test_once_beside_a_running_sidecar(self, harness: Harness) -> None:
        """A second sidecar exits 2 and names the first, which is not disturbed."""
        sidecar = Watched(harness)
        write(harness.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        for arguments in ((), ("--once",)):
            second = harness.run(*arguments)
            assert 2 == second.returncode
            assert f"{harness.state}: in use by neuroflow-ship, process {sidecar.process.pid}" in second.stderr
            assert "Traceback" not in second.stderr
        write(harness.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: harness.count() == 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert expected(20) == harness.messages("app")

    def test_looking_on(self, harness: Harness) -> None:
        """``status``, ``check`` and ``dead-letters list`` change nothing."""
        sidecar = Watched(harness)
        write(harness.logs / "neuroflow.log", 0, 10)
        assert sidecar.comes(lambda: harness.count() == 10)
        assert sidecar.comes(lambda: harness.status()["counters"]["acknowledged"] == 10)
        for _ in range(2):
            assert 0 == harness.ask("status").returncode
            assert "neuroflow.log" in harness.ask("check").stdout
            assert (0, "") == ((letters := harness.ask("dead-letters", "list")).returncode, letters.stdout)
        write(harness.logs / "neuroflow.log", 10, 20)
        assert sidecar.comes(lambda: harness.status()["counters"]["acknowledged"] == 20)
        sidecar.send(15)
        assert 0 == sidecar.wait()
        assert expected(20) == harness.messages("app")

    def test_a_dead_process_does_not_hinder(self, harness: Harness) -> None:
        """A lock file that names any process, without a lock, does not stop a start."""
        harness.state.mkdir()
        (harness.state / "lock").write_text(
            f"neuroflow-ship, process {os.getpid()}, and more than will be written anew"
        )
        write(harness.logs / "neuroflow.log", 0, 10)
        assert 0 == harness.once().returncode
        process = harness.start()
        assert eventually(lambda: (harness.state / "lock").read_text() == f"neuroflow-ship, process {process.pid}")
        harness.kill(process)
        assert 0 == harness.once().returncode
        assert expected(10) == harness.messages("app")

    def test_two_state_directories(self, harness: Harness) -> None:
        """Two sidecars on the same logs ship every line once."""
        other = Harness(harness.folder, harness.url, harness.namespace)
        other.config = harness.folder / "other.yaml"
        settings = json.loads(harness.config.read_text())
        settings["shipper"]["state_dir"] = str(Path(harness.folder, "other"))
        other.config.write_text(json.dumps(settings))
        sidecars = [Watched(harness), Watched(other)]
        log = harness.logs / "neuroflow.log"
        for part in range(10):
            write(log, part * 200, part * 200 + 200)
        assert sidecars[0].comes(lambda: harness.count() >= 2000)
        for sidecar in sidecars:
            sidecar.send(15)
            assert 0 == sidecar.wait()
        assert expected(2000) == harness.messages("app")
