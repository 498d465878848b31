"""A long line costs time in proportion to its length, whatever it consists of."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from shipper.config import Redact, Shipper
from shipper.deliver.serialised import serialise
from shipper.document.ecs import Documents
from shipper.runs.facts import facts_of
from tests.fuzz.fuzz import Place
from tests.fuzz.inside import blocks

LENGTH = 64 * 1024
# Processor time that ends the wait for one line: it takes milliseconds, but hours where each character looks at all.
PATIENCE = 5.0
# What makes a regular expression try again and again, and what opens without closing.
PIECES = [
    " ", "\t", '"', "'", "[", "]", "{", "(", "1", "9 ", "=", ":", "-", "/", "\\", '\\"', ".", ",", "a ", "a=", "a=' ",
    'a="', "a: ", "1:", "1-", " - ", "[]", '{"', '{"a":', '{"a":1}', "[1,", "|", "%", "\x1b[", "\x1b[0m", "\rx", "\0",
    "@", "://", "http://a:b@", "Bearer ", "token=", "--password ", "sub-", "sub-01_ses-01 ", "2026-11-27T12:00:00Z ",
    "[INFO]", "Error: ", "Exception", "a.b.", "_", "100%|", " 1/2 ", "=== STDOUT ===", "Task a.b[", "u'", "<", "${",
    "*", "1e5", "aA", "\u0130", "\ufeff", "\\u0000", "<34>1 ", "Nov 27 12:00:00 ", "key\t", "\x85",
]  # fmt: skip
AROUND = [("", "!"), ('{"event":"x","a":"', '"}')]
PLACES = [
    Place("neuroflow.log", "auto", "app", 1),
    Place("celery/worker.log", "celery", "celery", 1),
    Place("x/sub-001_ses-01.log", "console", "pipeline", 1),
    Place("pipelines/x/x_1_20261127_120000.log", "pipeline", "pipeline", 1),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.format)
def test_no_line_takes_for_ever(place: Place) -> None:
    """Each parser, the redaction of secrets and ids, and the documents are done with any line in bounded time."""
    settings = Shipper(host_name="h", timezone="UTC", redact=Redact(hash=["subject"], hash_key="k" * 16))
    for piece in PIECES:
        for head, tail in AROUND:
            text = head + piece * (LENGTH // len(piece.encode())) + tail
            documents = Documents(settings, "1", facts_of=facts_of)
            with _ended_after(PATIENCE, f"{head}{piece!r} again and again {tail}"):
                for records in blocks(text.encode(), place, documents.shapes):
                    serialise(documents.with_templates(records), documents.take_facts())


@contextmanager
def _ended_after(seconds: float, what: str) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"{what}: takes more than {seconds:.0f} s of processor time")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
