from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.deliver import letter_count
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.letter_count import LetterCount
from shipper.elastic.outcomes import Outcome, Verdict

REFUSED = Verdict(Outcome.DEAD, 400, "k", "r")


def dead(*names: str) -> list[tuple[bytes, bytes, Verdict]]:
    """Rejected documents."""
    return [
        (b'{"create":{"_index":"logs-neuroflow.app-x","_id":"%b"}}\n{}\n' % name.encode(), b"line", REFUSED)
        for name in names
    ]


def test_only_what_was_appended_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unchanged file is not read, a longer one from where the last count ended, another one as a whole."""
    letters, count = DeadLetters(tmp_path, lambda: "now"), LetterCount(tmp_path)
    assert 0 == count()
    letters.append(dead("a", "b"))
    assert 2 == count()
    # What was counted could be anything now.
    with letters.path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(b"\n" * size)
    letters.append(dead("c"))
    assert 3 == count()
    with monkeypatch.context() as patch:
        patch.setattr(letter_count, "CHUNK_BYTES", None)  # reading would fail
        assert 3 == count()
    letters.path.unlink()
    assert 0 == count()
    letters.append(dead("d"))
    assert 1 == count()


def test_what_a_replay_leaves_counts(tmp_path: Path) -> None:
    """During a replay those that are not sent count, also when it is interrupted; those that were sent don't."""
    letters, count = DeadLetters(tmp_path, lambda: "now"), LetterCount(tmp_path)
    letters.append(dead("a", "b", "c"))
    assert 3 == count()
    counted: list[int] = []

    def send(some: list[object]) -> list[Verdict]:
        counted.append(count())
        if len(counted) == 3:
            raise KeyboardInterrupt
        return [Verdict(Outcome.ACKNOWLEDGED)] * len(some)

    with pytest.raises(KeyboardInterrupt):
        letters.replay(send, at_once=1)  # type: ignore[arg-type] # looks at no letter
    assert [3, 2, 1] == counted
    assert 1 == count() == letters.count()
    letters.replay(lambda some: [REFUSED] * len(some))
    assert 1 == count() == letters.count()
