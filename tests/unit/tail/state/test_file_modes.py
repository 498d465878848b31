"""The state directory is its owner's alone, and nothing that is written in it lands elsewhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from shipper.tail.state.file_modes import correct_modes, open_private, own_directory
from shipper.tail.state.lock import StateError
from shipper.tail.state.store import CursorStore


def mode_of(path: Path) -> int:
    """Its permissions."""
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0, 0o022, 0o277, 0o777])
def test_a_new_directory_is_its_owner_s_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask; and nobody else may rename it in the directories that are made above it."""
    before = os.umask(umask)
    try:
        assert own_directory(tmp_path / "a" / "b" / "state") is None
    finally:
        os.umask(before)
    assert (0o755, 0o755, 0o700) == tuple(map(mode_of, (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/state")))


@pytest.mark.parametrize(("was", "becomes"), [(0o755, 0o700), (0o777, 0o700), (0o2775, 0o700), (0o555, 0o500)])
def test_a_wider_directory_is_restricted(tmp_path: Path, was: int, becomes: int) -> None:
    """If it holds the sidecar's files only, other users lose their access; its owner gets none in addition."""
    (tmp_path / "cursors.sqlite").touch()
    (tmp_path / "lost+found").mkdir()
    tmp_path.chmod(was)
    assert own_directory(tmp_path) == f"{tmp_path}: had mode {was:04o}; restricted to its owner ({becomes:04o})"
    assert becomes == mode_of(tmp_path)
    tmp_path.chmod(0o700)
    assert own_directory(tmp_path) is None


def test_a_directory_with_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    """It may be ``/tmp``: it is reported, with what to do."""
    (tmp_path / "somebody else's").touch()
    tmp_path.chmod(0o1777)
    said = own_directory(tmp_path)
    assert said is not None
    assert "other users may enter it (mode 1777)" in said
    assert "shipper.state_dir" in said
    assert 0o1777 == mode_of(tmp_path)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns it could change positions and dead letters; root could anyway."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4711)
    if os.getuid():
        with pytest.raises(StateError, match="it belongs to another user"):
            CursorStore(state, pytest.fail)
    else:
        assert own_directory(state) is None
        os.chown(state, 12345, -1)
        with pytest.raises(StateError, match=r"it belongs to another user \(12345\)"):
            CursorStore(state, pytest.fail)


def test_a_link_to_the_directory_is_followed(tmp_path: Path) -> None:
    """The configuration names it; what is restricted is the directory behind it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "state").symlink_to("real")
    assert own_directory(tmp_path / "state") is not None
    assert 0o700 == mode_of(tmp_path / "real")


def test_no_link_in_the_directory_is_followed(tmp_path: Path) -> None:
    """What has the name of a file of the sidecar and is a link is neither opened nor given another mode."""
    other = tmp_path / "other"
    other.write_text("mine")
    other.chmod(0o644)
    state = tmp_path / "state"
    state.mkdir()
    (state / "dead-letters.ndjson").symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        open_private(state / "dead-letters.ndjson")
    correct_modes(state)
    assert (0o644, "mine") == (mode_of(other), other.read_text())


def test_what_is_wrong_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A start says what it found."""
    tmp_path.chmod(0o755)
    with caplog.at_level(logging.WARNING, logger="neuroflow-ship"):
        CursorStore(tmp_path, pytest.fail).close()
    assert [f"{tmp_path}: had mode 0755; restricted to its owner (0700)"] == caplog.messages
