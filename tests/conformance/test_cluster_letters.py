"""Dead letters are counted, listed, and indexed once when the cause is removed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conformance.fake import CUT, Fake, accepted_but, page, refuse, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually
from tests.conformance.test_cluster_faults import number
from tests.conformance.test_cluster_outage import resident
from tests.conformance.test_sidecar import expected, line, write

MIB = 2**20


def poison(fake: Fake, *numbers: int) -> None:
    """Make the cluster reject these documents."""
    fake.decide = lambda _, document: 400 if number(document) in numbers else 201


def bury(harness: FakedHarness, count: int, *numbers: int) -> None:
    """Ship ``count`` lines, of which these are rejected."""
    poison(harness.fake, *numbers)
    write(harness.log, 0, count)
    result = harness.once()
    assert bool(numbers) == result.returncode, result.stderr
    assert len(numbers) == len(harness.letters())


def replay(harness: FakedHarness, code: int, said: str) -> None:
    """Replay, with this exit code and output."""
    result = harness.ask("dead-letters", "replay")
    assert (code, said) == (result.returncode, (result.stdout + result.stderr).strip())


class TestLetters:
    def test_they_are_listed(self, faked: FakedHarness) -> None:
        """The list has reason, file and offset, as text and as JSON; status counts them."""
        bury(faked, 6, 2, 4)
        at = [sum(len(line(n)) for n in range(k)) for k in (2, 4)]
        assert [(str(faked.log), at[0], 400, "error_400"), (str(faked.log), at[1], 400, "error_400")] == [
            (one["path"], one["offset"], one["status"], one["kind"]) for one in faked.letters()
        ]
        text = faked.ask("dead-letters", "list").stdout
        assert f"{faked.log}:{at[1]} 400 error_400: because" in text
        assert line(4).strip() in text
        status = faked.status()
        assert (2, 2) == (status["dead_letters"], status["counters"]["dead"])
        assert "dead letters: 2" in faked.ask("status").stdout

    def test_replay_after_the_cause_is_mended(self, faked: FakedHarness, fake: Fake) -> None:
        """Letters are indexed once; rejected ones stay; a second replay does nothing."""
        bury(faked, 10, 3, 5, 7)
        poison(fake, 5)
        replay(faked, 1, "2 indexed, 1 rejected again")
        assert {name: 1 for name in expected(10) if name != "n5"} == fake.messages()
        assert [5] == [number(one["document"]) for one in faked.letters()]
        poison(fake)
        replay(faked, 0, "1 indexed, 0 rejected again")
        replay(faked, 0, "0 indexed, 0 rejected again")
        assert expected(10) == fake.messages()
        assert 0 == faked.status()["dead_letters"]

    def test_replay_of_what_is_there_already(self, faked: FakedHarness, fake: Fake) -> None:
        """A document that was indexed meanwhile and rolled over gets no copy."""
        bury(faked, 10, 3, 5)
        poison(fake)
        letters = (faked.state / "dead-letters.ndjson").read_bytes()
        replay(faked, 0, "2 indexed, 0 rejected again")
        fake.rollover(faked.stream)
        (faked.state / "dead-letters.ndjson").write_bytes(letters)
        replay(faked, 0, "2 indexed, 0 rejected again")
        assert expected(10) == fake.messages()

    def test_replay_while_the_sidecar_runs(self, faked: FakedHarness, fake: Fake) -> None:
        """Documents that are rejected during a replay are kept and not sent with it."""
        poison(fake, *range(0, 200, 2))
        sidecar = faked.begin()
        write(faked.log, 0, 50)
        assert eventually(lambda: (faked.metrics() or {}).get("dead") == 25)
        assert 25 == faked.status()["dead_letters"]
        write(faked.log, 50, 200)
        replayed = faked.ask("dead-letters", "replay")
        assert 1 == replayed.returncode
        assert eventually(lambda: (faked.metrics() or {}).get("dead") == 100)
        assert 100 == faked.status()["dead_letters"]
        poison(fake)
        assert 0 == faked.ask("dead-letters", "replay").returncode
        assert 0 == sidecar.stop()
        assert expected(200) == fake.messages()
        assert [] == faked.letters()

    @pytest.mark.parametrize("outage", ["down", "503", "cut", "proxy", "look-up"])
    def test_replay_during_an_outage(self, faked: FakedHarness, fake: Fake, outage: str) -> None:
        """The replay exits 3 with a sentence and keeps every letter, accepted or not."""
        bury(faked, 10, 3, 5)
        poison(fake)
        fake.rollover(faked.stream)
        if outage == "down":
            fake.down()
        elif outage == "look-up":
            fake.otherwise["POST /logs"] = refuse(503)
        else:
            fake.always = {"503": refuse(503), "cut": accepted_but(CUT), "proxy": page(400)}[outage]
        result = faked.ask("dead-letters", "replay")
        assert 3 == result.returncode
        assert result.stderr.startswith("neuroflow-ship: http://127.0.0.1:")
        assert "Traceback" not in result.stderr
        assert [3, 5] == [number(one["document"]) for one in faked.letters()]
        if outage == "down":
            fake.up()
        fake.always = None
        fake.otherwise.clear()
        fake.rollover(faked.stream)
        replay(faked, 0, "2 indexed, 0 rejected again")
        assert expected(10) == fake.messages()

    def test_a_busy_cluster_is_no_new_reason(self, faked: FakedHarness, fake: Fake) -> None:
        """A retryable answer keeps a letter's reason."""
        bury(faked, 10, 3, 5)
        fake.decide = lambda *_: 429
        replay(faked, 1, "0 indexed, 2 rejected again")
        assert {(400, "error_400")} == {(one["status"], one["kind"]) for one in faked.letters()}

    def test_replay_of_what_was_too_large(self, faked: FakedHarness, fake: Fake) -> None:
        """A document that is too large does not stop the others."""
        bury(faked, 30, *range(30))
        poison(fake)
        fake.max_body = 2000
        replay(faked, 0, "30 indexed, 0 rejected again")
        assert expected(30) == fake.messages()


class TestManyLetters:
    @pytest.mark.parametrize("count", [4_000, pytest.param(100_000, marks=pytest.mark.thorough)])
    def test_very_many(self, faked: FakedHarness, fake: Fake, count: int) -> None:
        """Over kills each letter is indexed once, in bounded memory."""
        half = count // 1000  # of the requests, each of 500
        left = count - (half - 1) * 500
        bury(faked, 1, 0)
        poison(fake)
        (letter,) = faked.letters()
        path = faked.state / "dead-letters.ndjson"
        with path.open("w") as file:
            for n in range(count):
                document: dict[str, Any] = letter["document"] | {"message": f"n{n}"}
                file.write(json.dumps(letter | {"id": f"id-{n}", "document": document, "line": "x" * 500}) + "\n")
        held = 0

        def hold(one: Any) -> None:
            nonlocal held
            held += 1
            (fake.answer if held < half else accepted_but(silence))(one)

        fake.always = hold
        faked.configure(elasticsearch={"request_timeout": 600})
        process = subprocess.Popen(faked.command("dead-letters", "replay"), stderr=subprocess.DEVNULL)
        try:
            assert eventually(lambda: held == half)
            assert 0 < resident(process.pid) < 250 * MIB
        finally:
            process.kill()
            process.wait(60)
        fake.always = None
        # What was dealt with is gone; what was sent and not answered for is still there.
        assert left - 1000 < faked.status()["dead_letters"] <= left
        fake.rollover(faked.stream)
        measured = (
            "import sys; from shipper.cli.ship import ship\n"
            "try:\n    ship(sys.argv[1:])\n"
            "finally:\n    print([one for one in open('/proc/self/status') if 'VmHWM' in one][0], file=sys.stderr)"
        )
        result = subprocess.run(
            [sys.executable, "-c", measured, "--config", str(faked.config), "dead-letters", "replay"],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert (0, f"{left} indexed, 0 rejected again\n") == (result.returncode, result.stdout), result.stderr
        assert 0 < int(result.stderr.split()[1]) * 1024 < 250 * MIB
        assert expected(count) == fake.messages()
        assert 0 == faked.status()["dead_letters"]
