"""The figures of a report."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipper.config import Shipper
from shipper.deliver.sender import Sender
from shipper.redact.redactor import Redactor
from shipper.sidecar import own_documents
from shipper.sidecar.own_documents import MAX_FILES, REPORT_EVERY, OwnDocuments, counted, lag_message, lag_of
from shipper.tail.clock import Clock
from shipper.tail.lag import Lag
from shipper.tail.tail import Tail
from shipper.telemetry import Counters, log


def test_documents_since_the_last_report() -> None:
    """Differences of the counters, dead letters under the name that the field has."""
    before = {"read": 9, "acknowledged": 5, "duplicate": 1, "dead": 1, "in_flight": 2, "retried": 0}
    after = {"read": 20, "acknowledged": 12, "duplicate": 1, "dead": 4, "in_flight": 3, "retried": 6}
    assert {"acknowledged": 7, "duplicate": 0, "rejected": 3, "retried": 6} == counted(before, after)


def test_lag_of_all_logs() -> None:
    """Bytes are added, the age is that of the oldest, a clock that was set back gives none below zero."""
    lags = [Lag("/a", "app", 10, 900.0), Lag("/b", "app", 5, 950.0), Lag("/c", "app", 1, 0.0)]
    assert {"lagging_logs": 3, "lag_bytes": 16, "lag_seconds": 100.0} == lag_of(lags, 1000.0)
    assert 0.0 == lag_of(lags, 800.0)["lag_seconds"]
    assert {"lagging_logs": 0, "lag_bytes": 0, "lag_seconds": 0.0} == lag_of([], 1000.0)


def test_a_report_in_words() -> None:
    """It tells the lag and what was done."""
    figures = {**lag_of([Lag("/a", "app", 10, 900.0)], 1000.0), "acknowledged": 7, "interval_seconds": 60.0}
    assert "logs behind: 1 (10 bytes, 100 s); documents acknowledged in 60 s: 7" == lag_message(figures)


class Kept:
    """A stream that keeps what it should send."""

    instance = "i"

    def __init__(self, *_: Any) -> None:
        self.documents: list[dict[str, Any]] = []

    def put(self, document: dict[str, Any], **_: Any) -> None:
        self.documents.append(document)

    def close(self, _: float) -> None: ...


class Reporter:
    """What reports, with all that it looks at in the test's hands."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.tail = SimpleNamespace(lags=lambda: iter(()), not_read=dict, unread=list)
        settings = Shipper.model_validate({"redact": {"hash": ["subject"], "hash_key": "k" * 16}})
        self.documents = OwnDocuments(
            settings,
            {"host": {"name": "h"}},
            sender=cast("Sender", SimpleNamespace(connection=None, rejections=SimpleNamespace(take=dict))),
            tail=cast("Tail", self.tail),
            counters=Counters(),
            redactor=Redactor(settings.redact),
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
        )
        self.documents.begin()
        self.put = cast("Kept", self.documents._stream).documents

    def minute(self, not_read: Callable[[], dict[str, str]]) -> list[str]:
        """The messages of a minute in which the tail gives these files."""
        self.tail.not_read = not_read
        before = len(self.put)
        self.now += REPORT_EVERY
        self.documents.report_if_due()
        return [document["message"] for document in self.put[before:]]


@pytest.fixture
def reporter(monkeypatch: pytest.MonkeyPatch) -> Reporter:
    """A reporter that has begun."""
    monkeypatch.setattr(own_documents, "OwnStream", Kept)
    return Reporter()


def test_files_that_are_not_read(reporter: Reporter) -> None:
    """Each is reported once for each reason, some at a time; ids in their paths are hashed."""
    files = {f"/l/sub-0421/{number}": "why" for number in range(MAX_FILES + 3)}
    first, second, third = (reporter.minute(lambda: files) for _ in range(3))
    assert (MAX_FILES + 1, 4, 1) == (len(first), len(second), len(third))
    assert "0421" not in "".join(first)
    assert 2 == len(reporter.minute(lambda: {"/l/sub-0421/0": "another reason"}))


def test_a_name_of_any_bytes(reporter: Reporter) -> None:
    """What is no UTF-8 in a path is spelled out, as in every document."""
    path = b"/l/\xff.gz".decode("utf-8", "surrogateescape")
    assert "/l/\\xff.gz: why" == reporter.minute(lambda: {path: "why"})[0]


def test_a_bug_stops_nothing(
    reporter: Reporter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is logged once, by its type and place; the next reports come, and so does the stop."""
    monkeypatch.setattr(log, "handlers", [])  # other tests of this process may have left some
    monkeypatch.setattr(log, "propagate", True)

    def fail() -> dict[str, str]:
        raise ZeroDivisionError("/l/sub-0421")

    assert [] == reporter.minute(fail) == reporter.minute(fail)
    assert 1 == caplog.text.count("the sidecar can't report on itself (ZeroDivisionError")
    assert "0421" not in caplog.text
    assert 1 == len(reporter.minute(dict))
    reporter.documents.end(0.0, complete=False)
    assert "failure" == reporter.put[-1]["event"]["outcome"]
