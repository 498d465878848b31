"""Whatever the cluster answers, each document is indexed once or kept as a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.fake import (
    CUT,
    NO_ANSWER,
    PRODUCT,
    Answer,
    Fake,
    accepted_but,
    page,
    product,
    raw,
    refuse,
    say,
    silence,
    slow,
)
from tests.conformance.faked import FakedHarness
from tests.conformance.test_sidecar import expected, line, write

FINE = {"create": {"status": 201}}
SSH = b"SSH-2.0-OpenSSH_9.6\r\n"
DISK = "index [logs] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"


def number(document: dict[str, Any]) -> int:
    """The number of a numbered line."""
    return int(document["message"].removeprefix("n"))


def shipped(harness: FakedHarness, count: int) -> tuple[str, dict[str, int]]:
    """Ship ``count`` lines, which must all arrive once; gives the output and the counters."""
    result = harness.once()
    assert 0 == result.returncode, result.stderr
    assert expected(count) == harness.fake.messages()
    counters: dict[str, int] = harness.status()["counters"]
    assert (count, 0, 0) == (counters["read"], counters["dead"], harness.status()["dead_letters"])
    return result.stderr, counters


class TestWholeRequest:
    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (429, "answered 429: an_exception: because; trying again"),
            (500, "answered 500"),
            (503, "answered 503"),
            (401, "rejects the credentials (401): check api_key or username and password"),
            (
                403,
                "refuses this (403): the API key lacks a privilege; reason: an_exception: because; retrying until",
            ),
            (404, "answered 404: an_exception: because; installing the index templates again"),
        ],
    )
    def test_a_refused_request_is_sent_again(self, faked: FakedHarness, fake: Fake, status: int, said: str) -> None:
        """A refused request is logged with the reason, and repeated until it succeeds."""
        write(faked.log, 0, 3)
        fake.next += [refuse(status), refuse(status)]
        told, counters = shipped(faked, 3)
        assert said in told
        assert "the cluster takes documents again" in told
        assert [3, 3, 3] == list(map(len, fake.bulks))
        assert (3, 6) == (counters["acknowledged"], counters["retried"])

    def test_what_is_wrong_is_said_once_a_minute(self, faked: FakedHarness, fake: Fake) -> None:
        """An outage gives one sentence a minute, however many attempts fail."""
        write(faked.log, 0, 40)
        faked.configure(batch={"max_events": 5})
        fake.next += [refuse(429, "es_rejected_execution_exception", f"{n} bytes are under way") for n in range(6)]
        told, _ = shipped(faked, 40)
        assert 1 == told.count("es_rejected_execution_exception")

    @pytest.mark.parametrize("genuine", [True, False], ids=["Elasticsearch", "a proxy"])
    def test_too_large_requests_are_halved(self, faked: FakedHarness, fake: Fake, *, genuine: bool) -> None:
        """Under a smaller limit requests are split; a document that is too large by itself is a dead letter."""
        write(faked.log, 0, 50)
        with faked.log.open("a") as file:
            file.write(json.dumps({"event": "large", "level": "info", "more": "x" * 30_000}) + "\n")
        write(faked.log, 50, 60)

        def limited(one: Any) -> None:
            if len(one.body) <= 20_000:
                fake.answer(one)
            else:
                (refuse(413, "content_too_long_exception") if genuine else page(413))(one)

        fake.always = limited
        result = faked.once()
        assert 1 == result.returncode, result.stderr
        assert expected(60) == fake.messages()
        (letter,) = faked.letters()
        assert (413, "request_too_large", str(faked.log)) == (letter["status"], letter["kind"], letter["path"])
        assert letter["offset"] == sum(len(line(n)) for n in range(50))
        assert "in halves" in result.stderr

    def test_a_request_refused_for_one_document_is_halved(self, faked: FakedHarness, fake: Fake) -> None:
        """After a 400 the document that causes it becomes a dead letter, and the others are indexed."""
        write(faked.log, 0, 20)

        def picky(one: Any) -> None:
            bad = any(number(document) == 7 for _, _, document in one.items)
            (refuse(400, "illegal_argument_exception") if bad else fake.answer)(one)

        fake.always = picky
        assert 1 == faked.once().returncode
        assert {name: 1 for name in expected(20) if name != "n7"} == fake.messages()
        assert [(400, "request_refused")] == [(one["status"], one["kind"]) for one in faked.letters()]

    @pytest.mark.parametrize("answer", [page(400), refuse(400, "parse_exception", "unrecognized parameter")])
    def test_a_cluster_that_takes_nothing_blames_no_document(
        self, faked: FakedHarness, fake: Fake, answer: Answer
    ) -> None:
        """While every request is refused documents wait, and none becomes a dead letter."""
        write(faked.log, 0, 3)
        faked.configure(shutdown_timeout=1)
        fake.always = answer
        result = faked.once()
        assert 3 == result.returncode, result.stderr
        assert 0 == faked.status()["dead_letters"]
        fake.always = None
        shipped(faked, 3)


class TestNoAnswer:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(CUT, id="cut in the middle"),
            pytest.param(NO_ANSWER, id="connection closed"),
            pytest.param(silence, id="never"),
            pytest.param(page(200), id="200 of a proxy"),
            pytest.param(page(502), id="502 of a proxy"),
            pytest.param(page(404), id="404 of a proxy"),
            pytest.param(say(302, "", Location="http://127.0.0.1:9/login"), id="redirect"),
            pytest.param(raw(SSH), id="another protocol"),
            pytest.param(product(200, ""), id="empty"),
            pytest.param(product(204, ""), id="204"),
            pytest.param(product(200, "{no json"), id="no JSON"),
            pytest.param(product(200, b"\xff\xfe"), id="no text"),
            pytest.param(say(200, b"no gzip", Content_Encoding="gzip", **PRODUCT), id="damaged gzip"),
            pytest.param(product(200, "[1]"), id="a list"),
            pytest.param(product(200, '{"errors": true}'), id="errors without items"),
            pytest.param(product(200, '{"errors": false, "items": null}'), id="items null"),
            pytest.param(product(200, json.dumps({"items": [FINE] * 2})), id="fewer items"),
            pytest.param(product(200, json.dumps({"items": [FINE] * 4})), id="more items"),
            pytest.param(product(200, json.dumps({"items": [{}, None, {"create": None}]})), id="empty items"),
            pytest.param(product(200, json.dumps({"items": [{"create": {"status": "201"}}] * 3})), id="status text"),
        ],
    )
    def test_an_answer_that_is_none(self, faked: FakedHarness, fake: Fake, answer: Answer) -> None:
        """An answer without every document acknowledges nothing; all are sent again."""
        write(faked.log, 0, 3)
        fake.next.append(answer)
        told, counters = shipped(faked, 3)
        assert [3, 3] == list(map(len, fake.bulks))
        assert "nothing is lost" in told
        assert "Traceback" not in told
        assert (3, 0) == (counters["acknowledged"], counters["duplicate"])

    @pytest.mark.parametrize("answer", [CUT, NO_ANSWER, silence, page(504), page(200)])
    def test_taken_but_not_answered(self, faked: FakedHarness, fake: Fake, answer: Answer) -> None:
        """After a lost answer the documents are recognised as duplicates."""
        write(faked.log, 0, 3)
        fake.next.append(accepted_but(answer))
        _, counters = shipped(faked, 3)
        assert (0, 3) == (counters["acknowledged"], counters["duplicate"])

    @pytest.mark.parametrize("answer", [NO_ANSWER, refuse(503), page(504)])
    def test_rolled_over_after_a_lost_answer(self, faked: FakedHarness, fake: Fake, answer: Answer) -> None:
        """After a lost answer and a rollover each document is there once."""
        write(faked.log, 0, 3)
        shipped(faked, 3)

        def roll(one: Any) -> None:
            fake.rollover(faked.stream)
            answer(one)

        write(faked.log, 3, 6)
        fake.next.append(accepted_but(roll))
        _, counters = shipped(faked, 6)
        assert (3, 3) == (counters["acknowledged"], counters["duplicate"])

    def test_a_failing_look_up_is_made_again(self, faked: FakedHarness, fake: Fake) -> None:
        """While the look-up fails a document is neither sent nor dropped."""
        write(faked.log, 0, 3)
        shipped(faked, 3)
        fake.rollover(faked.stream)
        for part in ("cursors.sqlite", "clean"):
            (faked.state / part).unlink()
        asked = 0

        def moody(one: Any) -> None:
            nonlocal asked
            asked += 1
            (refuse([503, 400, 404, 400, 429][asked % 5]) if asked < 9 else fake.answer)(one)

        fake.otherwise[f"POST /{faked.stream}/_search"] = moody
        result = faked.once()
        assert 0 == result.returncode, result.stderr
        assert expected(3) == fake.messages()
        assert 3 == faked.status()["counters"]["duplicate"]
        assert 0 == faked.status()["dead_letters"]

    def test_a_slow_cluster_gets_no_more_than_was_agreed(self, faked: FakedHarness, fake: Fake) -> None:
        """Number and size of requests in flight stay within the configured bounds."""
        write(faked.log, 0, 300)
        faked.configure(batch={"in_flight": 2, "max_events": 20, "max_bytes": 10_000})
        fake.always = slow(0.05)
        shipped(faked, 300)
        assert 2 == fake.together
        assert fake.largest <= 10_000


class TestItems:
    def test_every_item_by_itself(self, faked: FakedHarness, fake: Fake) -> None:
        """Only retryable items of an answer are sent again."""
        said: dict[int, list[int | dict[str, Any]]] = {
            1: [429, 429],
            2: [503],
            3: [{"status": 403, "error": {"type": "security_exception", "reason": "no"}}],
            4: [400],
            5: [{"status": 201, "failure_store": "used"}],
            6: [{"status": 429, "error": {"type": "cluster_block_exception", "reason": DISK}}],
            7: [{"status": 404, "error": {"type": "index_not_found_exception", "reason": "gone"}}],
            8: [409],
            9: [{"status": 400, "error": {"type": "validation_exception", "reason": "[1000]/[1000] shards open"}}],
        }
        fake.decide = lambda _, document: said[number(document)].pop(0) if said.get(number(document)) else 201
        write(faked.log, 0, 12)
        result = faked.once()
        assert 1 == result.returncode, result.stderr
        assert {f"n{n}": 1 for n in (0, 1, 2, 3, 6, 7, 9, 10, 11)} == fake.messages()
        assert [12, 6, 1] == list(map(len, fake.bulks))
        assert {"error_400", "failure_store"} == {one["kind"] for one in faked.letters()}
        counters = faked.status()["counters"]
        assert (9, 1, 2) == (counters["acknowledged"], counters["duplicate"], counters["dead"])

    def test_a_poison_document_in_every_batch(self, faked: FakedHarness, fake: Fake) -> None:
        """Mapping conflicts become dead letters, everything else is indexed, and the sidecar never hangs."""
        conflict = {
            "status": 400,
            "error": {
                "type": "document_parsing_exception",
                "reason": "[1:9] failed to parse field [x]",
                "caused_by": {"type": "illegal_argument_exception", "reason": "For input string: y"},
            },
        }
        fake.decide = lambda _, document: conflict if number(document) % 10 == 3 else 201
        write(faked.log, 0, 100)
        faked.configure(batch={"max_events": 10})
        result = faked.once()
        assert 1 == result.returncode, result.stderr
        assert {f"n{n}": 1 for n in range(100) if n % 10 != 3} == fake.messages()
        letters = faked.letters()
        assert {f"n{n}" for n in range(3, 100, 10)} == {json.loads(one["line"])["event"] for one in letters}
        assert {"[1:9] failed to parse field [x]; For input string: y"} == {one["reason"] for one in letters}
        assert 1 == result.stderr.count("were rejected permanently")
        assert 10 == faked.status()["dead_letters"]

    def test_one_forbidden_stream_does_not_hold_up_the_others(self, faked: FakedHarness, fake: Fake) -> None:
        """Lines of a stream without privilege wait, other streams go on, and this is logged once."""
        forbidden = {"status": 403, "error": {"type": "security_exception", "reason": "action is unauthorized"}}
        fake.decide = lambda _, document: forbidden if number(document) == 40 else 201
        write(faked.logs / "workflow.log", 40, 41)
        write(faked.log, 0, 40)
        faked.configure(shutdown_timeout=2, batch={"max_events": 5})
        result = faked.once()
        assert 3 == result.returncode
        assert expected(40) == fake.messages()
        assert 1 == result.stderr.count("action is unauthorized")
        fake.decide = lambda *_: 201
        assert 0 == faked.once().returncode
        assert expected(41) == fake.messages()
