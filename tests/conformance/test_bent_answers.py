"""With faulty answers of the cluster, and with bugs in the sidecar, the process goes on and every line is there
once.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.testnode.node import Node
from tests.conformance.bender import Bender
from tests.conformance.harness import Harness, alive, eventually

LINES = 200
POISON = "poison"


@pytest.fixture
def bender(node: Node) -> Iterator[Callable[[int, int], Bender]]:
    """Makes proxies to the shared node."""
    made: list[Bender] = []

    def make(every: int, seed: int) -> Bender:
        made.append(Bender(node.url, every, seed))
        return made[-1]

    yield make
    for one in made:
        one.close()


def lines(first: int, last: int, *, telling: bool = False) -> str:
    """Numbered lines; in each tenth one of a run."""
    return "".join(
        json.dumps(
            {"event": "pipeline.started", "run_id": number, "pipeline": "mriqc", "n": number}
            if telling and number % 10 == 0
            else {"event": f"line {number}", "level": "info"}
        )
        + "\n"
        for number in range(first, last)
    )


@pytest.mark.parametrize(
    ("every", "seed", "telling"),
    [
        (4, 1, False),
        (3, 2, False),
        (5, 3, True),
    ],
)
def test_bent_answers_neither_lose_nor_double_anything(
    harness: Harness, bender: Callable[[int, int], Bender], every: int, seed: int, *, telling: bool
) -> None:
    """Faulty answers to any request are logged and requested again, and the process never ends."""
    proxy = bender(every, seed)
    harness.url = proxy.url
    harness.configure(batch={"max_events": 20})
    log = harness.logs / "neuroflow.log"
    said = harness.folder / "said"
    with said.open("w") as file:
        process = harness.start(said=file)
        with log.open("w") as out:
            for first in range(0, LINES, 50):
                out.write(lines(first, first + 50, telling=telling))
                out.flush()
                _shipped(harness, process, first + 50)
        assert alive(process), said.read_text()
        proxy.every = 0
        code, _ = harness.stop(process)
    told = said.read_text()
    assert 0 == code, told
    assert proxy.bent > 3
    assert "can't be understood" in told or "answered" in told
    assert "Traceback" not in told
    assert "a bug (" not in told, told
    again = harness.once()
    assert 0 == again.returncode, again.stderr
    told_of = [json.loads(line)["event"] for line in lines(0, LINES, telling=telling).splitlines()]
    assert Counter(told_of) == harness.messages("app")
    counters = harness.status()["counters"]
    assert (LINES, 0, 0) == (
        counters["acknowledged"] + counters["duplicate"],
        counters["dead"],
        counters["in_flight"],
    )


def _shipped(harness: Harness, process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many lines are there; the process must live."""
    said = harness.folder / "said"
    assert eventually(lambda: harness.count("app") >= count or not alive(process), 180), said.read_text()
    assert alive(process), said.read_text()


def faulty(harness: Harness, where: str, what: str, *arguments: str) -> list[str]:
    """The command line of a sidecar with a bug: a poisoned line makes a function of a module raise."""
    module, _, path = where.partition(":")
    holder, _, name = f"module.{path}".rpartition(".")
    code = (
        f"import {module} as module\n"
        f"sound = {holder}.{name}\n"
        "def broken(*given, **more):\n"
        f"    if any(b'{POISON}' in text for text in {what}):\n"
        "        raise KeyError('get')\n"
        "    return sound(*given, **more)\n"
        f"{holder}.{name} = broken\n"
        "from shipper.cli.ship import main\nmain()"
    )
    first, *rest = harness.command(*arguments)
    return [first, "-c", code, *rest[2:]]


class TestBugs:
    @pytest.mark.parametrize("once", [True, False], ids=["once", "running"])
    def test_a_bug_in_one_batch_leaves_the_others_alone(self, harness: Harness, *, once: bool) -> None:
        """The batch is logged and set aside, the others are acknowledged; the next start sends it."""
        harness.configure(batch={"max_events": 20})
        text = lines(0, 90) + json.dumps({"event": POISON}) + "\n" + lines(91, 200)
        (harness.logs / "neuroflow.log").write_text(text)
        (harness.logs / "workflow.log").write_text(json.dumps({"event": "beside"}) + "\n")
        command = faulty(harness, "shipper.deliver.delivery:send", "given[1]", *(["--once"] if once else []))
        code, told = _run(harness, command, lambda: harness.count() >= 180, once=once)
        assert 3 == code, told
        assert "a bug (KeyError in <string>" in told
        assert str(harness.logs / "neuroflow.log") in told
        assert "set aside and sent at the next start" in told
        assert "Traceback" not in told
        missing = 201 - harness.count()
        assert 0 < missing <= 40
        counters = harness.status()["counters"]
        assert harness.count() == counters["acknowledged"]
        again = harness.once()
        assert 0 == again.returncode, again.stderr
        assert 201 == harness.count()
        assert 1 == harness.messages()[POISON]

    def test_a_line_that_a_parser_breaks_on_is_a_plain_message(self, harness: Harness) -> None:
        """The line is shipped as plain text, the lines around it are parsed as usual, and the process goes on."""
        text = lines(0, 50) + json.dumps({"event": POISON, "level": "info"}) + "\n" + lines(51, 100)
        (harness.logs / "neuroflow.log").write_text(text)
        command = faulty(harness, "shipper.parse.line_by_line:read", "given[0].block.lines", "--once")
        code, told = _run(harness, command, lambda: True, once=True)
        assert 0 == code, told
        assert "1 of them shipped as plain messages with the tag parse_failure" in told
        documents = harness.documents("app")
        assert 100 == len(documents)
        [failed] = [one for one in documents if "parse_failure" in one.get("tags", ())]
        assert POISON in failed["message"]
        assert 99 == sum("level" in one["log"] for one in documents)

    def test_a_block_that_cannot_be_shipped_at_all_comes_at_the_next_start(self, harness: Harness) -> None:
        """A block that cannot be redacted is logged and not sent, and other logs go on."""
        (harness.logs / "neuroflow.log").write_text(lines(0, 5) + json.dumps({"event": POISON}) + "\n")
        (harness.logs / "workflow.log").write_text(json.dumps({"event": "beside"}) + "\n")
        command = faulty(harness, "shipper.document.ecs:Documents.with_templates", "given[1].raws", "--once")
        code, told = _run(harness, command, lambda: True, once=True)
        assert 3 == code, told
        assert "keeps the lines from byte 0 to" in told
        assert Counter({"beside": 1}) == harness.messages()
        again = harness.once()
        assert 0 == again.returncode, again.stderr
        assert 7 == harness.count()


def _run(harness: Harness, command: list[str], until: Callable[[], bool], *, once: bool) -> tuple[int, str]:
    """Run it to its end, or until a condition and then to a stop; gives its code and output."""
    said: Path = harness.folder / "said"
    with said.open("w") as file:
        process = harness.start(said=file, command=command)
        if once:
            process.wait(timeout=60)
        else:
            assert eventually(until), said.read_text()
            assert alive(process), said.read_text()
            harness.stop(process)
    return process.returncode, said.read_text()
