"""Documents of sessions that get later facts are those that all facts make."""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import patch
from zlib import crc32

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shipper.runs import kept
from shipper.runs.document import run_document
from shipper.runs.grown import grown_of, with_later
from tests.unit.runs.run_index import Index, writer

Facts = dict[str, dict[str, Any]]
SESSION = "session:sub-001_ses-baseline"


def fact(second: int, verb: str, said: dict[str, Any], timed: bool = True) -> Facts:
    """A fact at a second of the hour, under its key; without a time it sorts as the oldest."""
    clock = f"{second // 60:02d}:{second % 60:02d}"
    told = {**said, "verb": verb, "source": "events", **({"at": f"2026-03-02T10:{clock}.000000Z"} if timed else {})}
    moment = f"2026-03-02T10:{clock}000000000" if timed else "0000-00-00T00:00:00000000000"
    return {f"{moment} {verb} {crc32(orjson.dumps(told)):08x}": told}


VERBS = ("processing", "finished", "status", "row", "discovered")
SAID = {
    "subject_id": ("sub-001", 'a"b', "},\\", '"},"x'), "status": ("validated", "failed"), "label": ("{", "é", "x"),
    "outcome": ("success", "failure"),
}  # fmt: skip
ODD = ({"row": "7"}, {"error": "e" * 1500}, {"stage": "a"}, {"metrics": {"a": {"b": 1}, "c": 2}})


def portions(chance: random.Random) -> list[Facts]:
    """Facts of a session, most of them later than those before and in the usual words."""
    parts: list[Facts] = []
    odd, strange = chance.choice((0.0, 0.02, 0.5)), chance.choice(ODD)
    for number in range(12):
        begin = 5 * number if chance.random() < 0.9 else 0
        facts: Facts = {}
        for _ in range(chance.randint(1, 6)):
            said: dict[str, Any] = {
                key: chance.choice(values) for key, values in SAID.items() if chance.random() < 0.5
            }
            if chance.random() < odd:
                said = strange
            facts |= fact(
                begin + chance.randint(0, 5), chance.choice(VERBS), said, number > 0 or chance.random() < 0.8
            )
        parts.append(facts)
    return parts


def shown(facts: Facts) -> bytes:
    """The facts in a document."""
    return orjson.dumps(run_document(SESSION, facts)["facts"])


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([5, 12, 200]))
def test_later_facts_give_what_all_facts_give(seed: int, encoded: bool, most: int) -> None:
    """Whether they are added one portion after the other or make the document at once."""
    first, *more = portions(random.Random(seed))
    with patch.object(kept, "MAX_FACTS", most), patch.object(kept, "_FEW", 1):
        every = run_document(SESSION, first)["facts"]
        known = grown_of(every)
        for portion in more:
            made = with_later(SESSION, known, orjson.dumps(portion) if encoded else portion) if known else None
            every = {**every, **portion}
            expected = run_document(SESSION, every)
            if made is None:
                known = grown_of(expected["facts"])
            else:
                document, known = made
                assert shown(every) == known.json
                assert expected == {**document, "facts": orjson.loads(known.json)}
                assert len(known.json) == 1 + sum(known.lengths) + len(known.lengths)
            every = expected["facts"]


def test_hundreds_of_tasks_of_a_session_are_added_without_reading_them() -> None:
    """Each write adds two facts; the document is that of all of them, and only the newest are in it."""
    index = Index()
    runs = writer(index)
    every: Facts = {}
    with patch("shipper.runs.writer.run_document", wraps=run_document) as usual:
        for task in range(150):
            ids = {"subject_id": "sub-001", "session_id": "ses-baseline"}
            told = fact(task, "processing", ids) | fact(task, "finished", {**ids, "outcome": "success"})
            every |= told
            runs.write({SESSION: orjson.dumps(told)})
    source = index.documents[SESSION][0]
    assert {**run_document(SESSION, every), "data_stream": {"namespace": "test"}} == source
    assert 200 == len(source["facts"])
    assert 1 == usual.call_count
