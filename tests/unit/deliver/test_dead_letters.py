from __future__ import annotations

import fcntl
import os
import threading
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from shipper.config import Redact
from shipper.deliver.dead_letters import DeadLetters, Letter
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.redact.redactor import Redactor

REFUSED = Verdict(Outcome.DEAD, 400, "document_parsing_exception", "why")
Dead = tuple[bytes, bytes, Verdict]


def dead(name: str, raw: bytes = b"the line") -> Dead:
    """A document that was rejected."""
    document = {"message": "m", "log": {"file": {"path": "/a.log"}, "offset": 7}}
    return (
        orjson.dumps({"create": {"_index": "logs-x-y", "_id": name}}) + b"\n" + orjson.dumps(document) + b"\n",
        raw,
        REFUSED,
    )


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    """The letters of an empty state directory."""
    return DeadLetters(tmp_path, lambda: "2024-01-01T00:00:00Z")


def judged(*refused: str) -> Callable[[list[Letter]], list[Verdict]]:
    """A cluster that rejects these documents and accepts all others."""
    return lambda part: [
        Verdict(Outcome.DEAD, 400, "again", "still") if one.id in refused else Verdict(Outcome.DUPLICATE)
        for one in part
    ]


def ids(letters: DeadLetters) -> list[str]:
    """The ids of all letters."""
    return [one.id for one in letters]


def test_letters_tell_everything(letters: DeadLetters) -> None:
    """A letter has time, reason, file, offset and line, enough to send it again; only its owner can read the file."""
    letters.append([dead("a"), dead("b", b"\xff")])
    first, second = letters
    assert ("2024-01-01T00:00:00Z", 400, "document_parsing_exception", "why") == first[:4]
    assert ("logs-x-y", "a", "/a.log", 7, "the line") == first[4:9]
    assert "base64:/w==" == second.line
    assert dead("a")[0] == first.item()
    assert 0o600 == letters.path.stat().st_mode & 0o777
    assert 2 == letters.count()


def test_nothing_to_replay(letters: DeadLetters) -> None:
    """Without a file there are no letters, and a replay sends nothing."""
    assert ([], (0, 0)) == (list(letters), letters.replay(lambda _: pytest.fail("sent")))


def test_replay_keeps_what_is_refused_again(letters: DeadLetters) -> None:
    """Rejected letters stay with the new reason; accepted ones are removed."""
    letters.append([dead(name) for name in "abcde"])
    sizes: list[int] = []

    def send(part: list[Letter]) -> list[Verdict]:
        sizes.append(len(part))
        return judged("b", "e")(part)

    assert (3, 2) == letters.replay(send, at_once=2)
    assert [2, 2, 1] == sizes
    assert [("b", "again"), ("e", "again")] == [(one.id, one.kind) for one in letters]
    assert (2, 0) == letters.replay(judged())
    assert [] == list(letters)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failed_replay_keeps_the_rest(letters: DeadLetters, error: type[BaseException]) -> None:
    """Letters without an answer stay, once each."""
    letters.append([dead(name) for name in "abcd"])
    asked = 0

    def send(part: list[Letter]) -> list[Verdict]:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise error
        return judged("a")(part)

    with pytest.raises(error):
        letters.replay(send, at_once=2)
    assert ["a", "c", "d"] == sorted(ids(letters))
    assert (3, 0) == letters.replay(judged())


def test_killed_replay_is_taken_up_with_what_died_since(letters: DeadLetters) -> None:
    """The letters of a killed replay are listed, and the next replay sends them with the new ones, once each."""
    letters.append([dead("a"), dead("b")])
    letters.path.rename(letters.path.with_suffix(".replaying"))
    letters.append([dead("b"), dead("c")])
    assert ["a", "b", "c"] == ids(letters)
    sent: list[str] = []

    def send(part: list[Letter]) -> list[Verdict]:
        sent.extend(one.id for one in part)
        return judged("c")(part)

    assert (2, 1) == letters.replay(send)
    assert (["a", "b", "c"], ["c"]) == (sorted(sent), ids(letters))


def test_torn_line_takes_no_other_with_it(letters: DeadLetters) -> None:
    """After a power failure within a letter the next letter starts on a line of its own."""
    letters.append([dead("a")])
    with letters.path.open("ab") as file:
        file.write(b'{"time": "2024')
    letters.append([dead("b")])
    assert ["a", "b"] == ids(letters)


def test_unreadable_lines_are_kept(letters: DeadLetters) -> None:
    """Letters of an unknown version are neither sent nor deleted."""
    letters.path.write_bytes(b'{"future": "form"}\n')
    letters.append([dead("a")])
    assert (1, 0) == letters.replay(judged())
    assert b'{"future": "form"}\n' == letters.path.read_bytes()


def test_append_that_waited_for_a_replay_goes_to_the_new_file(letters: DeadLetters) -> None:
    """An append that opened the file before a replay moved it writes to the new file."""
    letters.append([dead("a")])
    held = os.open(letters.path, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    opened = threading.Event()
    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        opened.set()
        real(descriptor, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        thread = threading.Thread(target=letters.append, args=([dead("b")],))
        thread.start()
        assert opened.wait(10)
        letters.path.unlink()
        os.close(held)
        thread.join(10)
    assert ["b"] == ids(letters)


def test_nothing_is_lost_while_replaying(letters: DeadLetters) -> None:
    """Letters that other threads append during replays are sent or kept."""
    sent: set[str] = set()

    def send(part: list[Letter]) -> list[Verdict]:
        sent.update(one.id for one in part)
        return judged()(part)

    def append(thread: int) -> None:
        for number in range(40):
            letters.append([dead(f"{thread}-{number}")])

    threads = [threading.Thread(target=append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        letters.replay(send, at_once=5)
    assert {f"{thread}-{number}" for thread in range(3) for number in range(40)} == sent | set(ids(letters))


def test_letters_that_cannot_be_kept_are_an_error(letters: DeadLetters) -> None:
    """An append that fails raises, so the documents do not count as dead."""
    letters.path.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        letters.append([dead("a")])


def test_a_replay_holds_few_letters_at_a_time(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is bounded in letters and bytes; a larger letter is sent alone."""
    monkeypatch.setattr("shipper.deliver.dead_letters.MAX_REQUEST_BYTES", 3000)
    monkeypatch.setattr("shipper.deliver.dead_letters.CHUNK_BYTES", 1000)
    letters.append([dead(f"{n}", b"x" * (5000 if n == 4 else 800)) for n in range(12)])
    parts: list[int] = []

    def send(part: list[Letter]) -> list[Verdict]:
        parts.append(len(part))
        return judged()(part)

    assert (12, 0) == letters.replay(send, at_once=4)
    assert 12 == sum(parts)
    assert max(parts) <= 4
    assert len(parts) >= 4
    assert [] == list(letters)


def test_what_is_dealt_with_is_gone_at_once(letters: DeadLetters) -> None:
    """A killed replay leaves the letters without an answer, and at most one request more."""
    letters.append([dead(f"{n}") for n in range(6)])
    left: list[list[str]] = []

    def send(part: list[Letter]) -> list[Verdict]:
        left.append(ids(letters))
        return judged("1", "4")(part)

    assert (4, 2) == letters.replay(send, at_once=2)
    assert [["0", "1", "2", "3", "4", "5"], ["2", "3", "4", "5", "1"], ["4", "5", "1"]] == left
    assert ["1", "4"] == ids(letters)


def test_a_busy_cluster_changes_no_reason(letters: DeadLetters) -> None:
    """A retryable answer keeps the letter's reason."""
    letters.append([dead("a")])
    assert (0, 1) == letters.replay(lambda part: [Verdict(Outcome.RETRY, 429, "busy", "later")] * len(part))
    assert [("document_parsing_exception", "why")] == [(one.kind, one.reason) for one in letters]


def test_who_dies_twice_is_told_once(letters: DeadLetters) -> None:
    """A document that is rejected again after a restart gives one letter."""
    letters.append([dead("a"), dead("b")])
    letters.append([dead("a"), dead("c")])
    assert (["a", "b", "c"], 3) == (ids(letters), letters.count())
    assert (3, 0) == letters.replay(judged())


SECRETS = ("hunter2", "0421")


def told(letters: DeadLetters, raw: bytes) -> None:
    """Append a letter with secrets and ids in every part."""
    document = {
        "message": "password=hunter2 participant=0421",
        "log": {"file": {"path": "/logs/sub-0421.log"}, "offset": 7},
        "neuroflow": {"extra": {"token": "hunter2"}, "subject_id": "0421"},
    }
    item = orjson.dumps({"create": {"_index": "logs-x-y", "_id": "a"}}) + b"\n" + orjson.dumps(document) + b"\n"
    letters.append([(item, raw, REFUSED._replace(reason="can't parse '0421', token: hunter2"))])


@pytest.mark.parametrize("before", [False, True], ids=["written", "written before"])
@pytest.mark.parametrize("raw", [b"0421 password=hunter2", b"sub-0421 \xff token: 'hunter2'"])
def test_letters_hold_nothing_that_must_not_be_kept(tmp_path: Path, raw: bytes, before: bool) -> None:
    """Letters contain neither secrets nor ids; those of older letters are neither shown nor sent."""
    redactor = Redactor(Redact(hash=["subject"], hash_key="sixteen letters!"))
    letters = DeadLetters(tmp_path, lambda: "now", redactor)
    told(DeadLetters(tmp_path, lambda: "now") if before else letters, raw)
    kept = letters.path.read_text()
    assert before == any(secret in kept for secret in SECRETS)
    (letter,) = letters
    line = b64decode(letter.line[7:]) if letter.line.startswith("base64:") else letter.line.encode()
    for secret in SECRETS:
        assert secret not in repr(letter)
        assert secret.encode() not in line
    assert b"[redacted]" in line
    assert (0, 1) == letters.replay(judged("a"))
    assert not any(secret in letters.path.read_text() for secret in SECRETS)
