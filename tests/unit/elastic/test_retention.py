"""How long documents are kept, and what a shorter time deletes."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from shipper.elastic.retention import Retention, custom_with, datasets, doomed, milliseconds, of_stream, retention_of
from shipper.elastic.steps import Remark, Step
from shipper.elastic.streams import Index, Stream

DAY = 86_400_000
NAME = "logs-neuroflow.audit-lab"


def stream(described: dict[str, Any] | None, *created: int, **settings: Any) -> Stream:
    """A data stream with backing indices that were created on these days."""
    indices = tuple(Index(f".ds-{number:06}", day * DAY) for number, day in enumerate(created, 1))
    return Stream(NAME, indices, settings, {}, described)


@pytest.mark.parametrize(
    ("text", "dataset", "keep"),
    [
        ("audit=3650d", "neuroflow.audit", "3650d"),
        ("app = 12h", "neuroflow.app", "12h"),
        ("celery=unlimited", "neuroflow.celery", None),
    ],
)
def test_values(text: str, dataset: str, keep: str | None) -> None:
    """A stream's short name and a time as Elasticsearch takes it."""
    assert Retention(dataset, keep) == retention_of(text, datasets("lab"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("audit", "write STREAM=TIME"),
        ("audit=", "write STREAM=TIME"),
        ("audits=3d", "'audits' is no data stream; there are app, audit, celery, pipeline"),
        ("runs=3d", "neuroflow-runs-* is an index, not a data stream"),
        ("audit=3", "'3' is no time"),
        ("audit=0d", "'0d' is no time"),
        ("audit=-1d", "'-1d' is no time"),
        ("audit=3 years", "'3 years' is no time"),
        ("audit=30m", "at least 1h"),
    ],
)
def test_wrong_values(text: str, said: str) -> None:
    """An error says what is wrong, and what would be right."""
    with pytest.raises(ValueError, match=r".") as error:
        retention_of(text, datasets("lab"))
    assert said in str(error.value)


def test_milliseconds() -> None:
    """Times are compared by their length; what only Elasticsearch can read counts as endless."""
    assert [DAY, DAY, inf, inf] == [milliseconds(one) for one in ("1d", "24h", None, "5micros")]


@pytest.mark.parametrize("keep", ["5d", None])
def test_a_template_of_the_lab_keeps_what_it_has(keep: str | None) -> None:
    """Only the retention changes, and what is the cluster's is not sent back."""
    found = {
        "template": {"settings": {"index": {"codec": "x"}}, "lifecycle": {"enabled": False, "data_retention": "1d"}},
        "version": 3, "_meta": {"owner": "lab"}, "created_date_millis": 1,
    }  # fmt: skip
    assert {
        "template": {"settings": {"index": {"codec": "x"}}, "lifecycle": {"enabled": False, "data_retention": keep}},
        "version": 3, "_meta": {"owner": "lab"},
    } == custom_with(found, keep)  # fmt: skip
    assert {"template": {"lifecycle": {"data_retention": keep}}} == custom_with(None, keep)


def test_an_existing_stream() -> None:
    """Its lifecycle is put with everything else that it has; the same again is no step."""
    one = stream({"lifecycle": {"enabled": True, "data_retention": "90d", "effective_retention": "90d"}}, 0, 10)
    (step,) = of_stream(one, "365d", 20 * DAY, None)
    assert isinstance(step, Step)
    assert ("PUT", f"/_data_stream/{NAME}/_lifecycle", "") == (step.method, step.path, step.loses)
    assert {"enabled": True, "data_retention": "365d"} == step.body
    (step,) = of_stream(one, None, 20 * DAY, None)
    assert isinstance(step, Step)
    assert ({"enabled": True}, "") == (step.body, step.loses)
    assert [] == of_stream(one, "90d", 20 * DAY, None)


def test_a_shorter_time_deletes() -> None:
    """What would be deleted, and when the next index is, is told; an index counts from its rollover."""
    one = stream({"lifecycle": {"data_retention": "90d"}}, 0, 10, 20, 25)
    assert ([".ds-000001", ".ds-000002"], 30 * DAY) == doomed(one, "5d", 26 * DAY)
    assert ([], 40 * DAY) == doomed(one, "30d", 26 * DAY)
    (step,) = of_stream(one, "5d", 26 * DAY, None)
    assert isinstance(step, Step)
    assert step.loses == (
        "Elasticsearch deletes 2 of 4 indices within minutes (.ds-000001, .ds-000002); "
        "an index is deleted 5d after its rollover"
    )
    (step,) = of_stream(one, "30d", 26 * DAY, None)
    assert isinstance(step, Step)
    assert (
        step.loses
        == "nothing is deleted at once; an index is deleted 30d after its rollover; the first on 1970-02-10"
    )


@pytest.mark.parametrize(("described", "deletes"), [({}, True), ({"lifecycle": {}}, True), (None, False)])
def test_a_stream_without_a_retention(described: dict[str, Any] | None, deletes: bool) -> None:
    """It keeps everything, so any time is shorter; where the cluster does not tell, the template's time counts."""
    (step,) = of_stream(stream(described, 0, 1), "90d", 2 * DAY, "90d")
    assert isinstance(step, Step)
    assert deletes == bool(step.loses)


def test_ilm() -> None:
    """An ILM policy decides for the streams that it manages; those that prefer the lifecycle are not among them."""
    managed = stream({"lifecycle": {}}, 0, **{"index.lifecycle.name": "tiers"})
    assert [Remark(NAME, "the ILM policy tiers manages it; its retention is the policy's")] == of_stream(
        managed, "9d", 0, None
    )
    other = stream({"lifecycle": {}}, 0, **{"index.lifecycle.name": "tiers", "index.lifecycle.prefer_ilm": "false"})
    assert isinstance(of_stream(other, "9d", 0, None)[0], Step)
