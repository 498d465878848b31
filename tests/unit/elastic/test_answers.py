from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import orjson
import pytest
from elastic_transport import ApiError, ApiResponse, ApiResponseMeta, HttpHeaders, NodeConfig, TransportError
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Elasticsearch as Settings
from shipper.deliver.dedupe import Dedupe
from shipper.elastic.answers import NoAnswerError, Shape, decoding, json_of, mismatch, moment, number, validated
from shipper.elastic.bulk_request import verdicts_of
from shipper.elastic.client import connect, explain, is_there, reason_of
from shipper.elastic.outcomes import Outcome, may_have_indexed
from tests.bending import PAGE, Answer, bent
from tests.tape import Tape

NODE = NodeConfig("http", "127.0.0.1", 9200)
JSON = {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}
SETTINGS = Settings(hosts=["http://127.0.0.1:9200"])
REFUSED = orjson.dumps({
    "error": {
        "root_cause": [{"type": "outer", "reason": "because"}],
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "failed_shards": [{"shard": 0, "reason": {"type": "query_shard_exception", "reason": "no such field"}}],
        "caused_by": {"type": "inner", "reason": "deeper", "caused_by": {"type": "innermost", "reason": "deepest"}},
    },
    "status": 503,
})  # fmt: skip


def meta(status: int = 200, **headers: str) -> ApiResponseMeta:
    """Of an answer over HTTP."""
    return ApiResponseMeta(status, "1.1", HttpHeaders(headers), 0.0, NODE)


@pytest.mark.parametrize(
    ("shape", "fits", "wrong"),
    [
        (str, ["", "a"], [None, 1, b"a", ["a"]]),
        (int, [0, -1, 10**30], [True, 1.0, "1", None]),
        (bool, [True, False], [0, 1, "true", None]),
        (object, [None, 1, {}], []),
        (None, [None], [0, "", [], False]),
        (number, [0, 1.5], [True, float("inf"), float("nan"), "1", None]),
        (moment, ["2026-03-02T10:00:00.123456Z"], ["yesterday", "", 5, None]),
        ((str, None), ["a", None], [1, []]),
        ([int], [[], [1, 2]], [None, {}, [1, "2"], "12"]),
        ({}, [{}, {"a": 1}], [None, [], "a"]),
        ({"a": int}, [{"a": 1}, {"a": 1, "b": None}], [{}, {"a": None}, []]),
        ({"a?": int}, [{}, {"a": 1}], [{"a": None}, {"a": "1"}]),
        ({str: {"n": int}}, [{}, {"x": {"n": 1}}], [{"x": {}}, {"x": 1}, [1]]),
    ],
)
def test_shapes(shape: Shape, fits: list[Any], wrong: list[Any]) -> None:
    """Each shape accepts valid answers and rejects others."""
    assert [None] * len(fits) == [mismatch(one, shape) for one in fits]
    assert None not in [mismatch(one, shape) for one in wrong]


def test_a_misfit_is_named_by_its_place_and_not_quoted() -> None:
    """The error names the place and contains neither values nor unknown keys."""
    shape = {"hits": {"hits": [{"_id": str, "sort": [number]}]}}
    assert "it.hits.hits[1].sort[0] is a text that is no number" == mismatch(
        {"hits": {"hits": [{"_id": "a", "sort": [1]}, {"_id": "b", "sort": ["sub-001"]}]}}, shape
    )
    assert "it.hits is missing" == mismatch({}, shape)
    assert "it.… is a number" == mismatch({"a patient's name": 1}, {str: str})


def test_what_does_not_fit_is_no_answer() -> None:
    """The error is a transport error, which all callers handle."""
    answer: ApiResponse[Any] = ApiResponse(body="<html>", meta=meta())
    with pytest.raises(
        NoAnswerError, match="the answer to a search can't be understood: it is a text, not an object"
    ):
        validated(answer, {"hits": {}}, "a search")
    with pytest.raises(NoAnswerError, match="the document can't be understood"), decoding("the document"):
        raise KeyError("verb")


def test_only_elasticsearch_says_that_something_is_not_there() -> None:
    """A 404 without Elasticsearch's header is an error."""
    assert is_there(ApiResponse(body={}, meta=meta()), "it")
    assert not is_there(ApiResponse(body={}, meta=meta(404, **{"x-elastic-product": "Elasticsearch"})), "it")
    with pytest.raises(NoAnswerError, match="404, but not Elasticsearch's"):
        is_there(ApiResponse(body={}, meta=meta(404)), "it")


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"1e400", b"[" * 256 + b"]" * 256, b"[" * 5000, b"\xff"])
def test_json_that_cannot_be_followed_is_none(text: bytes) -> None:
    """JSON that is nested too deep to be printed counts as text."""
    with pytest.raises(ValueError, match=r"."):
        json_of(text)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/octet-stream", "nonsense", "", None])
@pytest.mark.parametrize("body", [PAGE, b"\xff\xfe", b'{"a', b"[" * 2000 + b"]" * 2000])
def test_what_is_not_what_it_claims_to_be_is_a_text(kind: str | None, body: bytes) -> None:
    """An answer of another content type is text with its status."""
    found = connect(SETTINGS).transport.serializers.loads(body, kind)
    assert body.decode(errors="replace") == found


def bulk_answer() -> bytes:
    """Of five items two are created, one exists, one is retryable, one is rejected."""
    refused = {"type": "document_parsing_exception", "reason": "no", "caused_by": {"reason": "deeper"}}
    items: list[dict[str, Any]] = [
        {"status": 201},
        {"status": 201},
        {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "there"}},
        {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "busy"}},
        {"status": 400, "error": refused},
    ]
    return orjson.dumps({"errors": True, "items": [{"create": item} for item in items]})


@given(st.integers(0, 2**32))
def test_a_bent_bulk_answer_settles_nothing_that_the_cluster_did_not(seed: int) -> None:
    """An item has the cluster's outcome, or is retried; no other item becomes a dead letter."""
    truth = verdicts_of(orjson.loads(bulk_answer()), 5)
    answer = bent(Answer(200, JSON, bulk_answer()), random.Random(seed))
    try:
        found = verdicts_of(connect(SETTINGS).transport.serializers.loads(answer.body, "application/json"), 5)
    except NoAnswerError:
        return
    for was, now in zip(truth, found, strict=True):
        assert now.outcome in {was.outcome, Outcome.RETRY}
        assert now.outcome is was.outcome or may_have_indexed(now.status) or was.outcome is not Outcome.ACKNOWLEDGED


@given(st.integers(0, 3), st.binary(max_size=3), st.integers(0, 90), st.integers(0, 3))
def test_what_all_bulk_answers_say_is_read_as_any_other(items: int, put_in: bytes, at: int, instead_of: int) -> None:
    """The shortcut for answers with created items only equals the full reading, and accepts nothing else."""
    said = b'{"errors":false,"items":[' + b",".join([b'{"create":{"status":201}}'] * items) + b"]}"
    assert orjson.loads(said) == json_of(said)
    other = said[:at] + put_in + said[at + instead_of :]
    try:
        expected = orjson.loads(other)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            json_of(other)
    else:
        assert expected == json_of(other)


@given(wrong=st.integers(0, 5), seed=st.integers(0, 2**32))
def test_what_may_be_there_is_never_taken_for_missing(wrong: int, seed: int) -> None:
    """With any faulty answer a look-up gives the truth or an error."""
    stream, tape = "logs-neuroflow.app-x", Tape()
    backing = {f".ds-{stream}-{n}": {"settings": {"index": {"uuid": f"u{n}"}}} for n in range(20)}
    found = {"hits": {"total": {"value": 2}, "hits": [{"_id": "a"}, {"_id": "b"}]}}
    tape.put("GET", "/_tasks", Answer(200, JSON, b'{"nodes": {}}'))
    tape.put("POST", "/_bulk", Answer(400, JSON, b'{"error": {"type": "action_request_validation_exception"}}'))
    for method, action, said in (
        ("GET", "_settings", backing),
        ("POST", "_refresh", {"_shards": {"total": 2, "successful": 2, "failed": 0}}),
        ("POST", "_search", found),
    ):
        tape.put(method, f"/{stream}/{action}", Answer(200, JSON, orjson.dumps(said)))
    pairs = [(orjson.dumps({"create": {"_index": stream, "_id": name}}) + b"\n{}\n", b"") for name in "abc"]
    dedupe = Dedupe(connect(SETTINGS), pytest.fail, request_timeout=30)
    with tape.playing(wrong, random.Random(seed)), suppress(ApiError, TransportError):
        look_up = dedupe.look_up(pairs, dedupe.began)
        assert (look_up.absent, look_up.undecided) in [(pairs[2:], []), ([], pairs)]


@given(st.integers(0, 2**32))
def test_any_refusal_is_a_sentence(seed: int) -> None:
    """Any body of an error gives a short sentence."""
    answer = bent(Answer(503, JSON, REFUSED), random.Random(seed))
    body = connect(SETTINGS).transport.serializers.loads(answer.body, answer.headers.get("content-type"))
    error = ApiError("no", meta(answer.status, **answer.headers), body)
    assert len(explain(error, SETTINGS)) < 12_000
    assert isinstance(reason_of(body), str)
