"""What is no regular file in the state directory makes no command wait, and is not followed to another file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.letter_count import LetterCount
from shipper.tail import report
from shipper.tail.state.holder import holder_of
from shipper.tail.state.lock import StateError
from shipper.tail.state.seal import Seal

NAMES = ("cursors.sqlite", "dead-letters.ndjson", "dead-letters.replaying", "lock", "clean")


def _link(path: Path) -> None:
    target = path.parent.parent / "outside"
    target.write_text("secret\n")
    path.symlink_to(target)


@pytest.fixture(params=[os.mkfifo, Path.mkdir, _link], ids=["pipe", "directory", "link"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A state directory of such files."""
    make: Callable[[Path], None] = request.param
    directory = tmp_path / "state"
    directory.mkdir()
    for name in NAMES:
        make(directory / name)
    return directory


def test_the_store(state: Path) -> None:
    """What reads it for ``status`` and ``check`` names it."""
    with pytest.raises(StateError, match=r"cursors\.sqlite: can't be read: "):
        report.read_only(state)
    assert ([], None) == report.remembered(state)
    assert [] == report.known(state)


def test_dead_letters(state: Path) -> None:
    """``dead-letters list`` and ``replay`` name the file; the metric counts none."""
    with pytest.raises(OSError, match=r"dead-letters\.replaying"):
        list(DeadLetters(state, str))
    with pytest.raises(OSError, match=r"dead-letters"):
        DeadLetters(state, str).replay(lambda _: [])
    assert 0 == LetterCount(state)()


def test_lock_and_seal(state: Path) -> None:
    """They tell nothing."""
    assert holder_of(state) is None
    assert not Seal(state / "cursors.sqlite").take()
