from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from shipper.elastic.names import streams_of
from shipper.query.conditions import between
from shipper.views.formatters import message_and_fields, timestamp
from shipper.views.views import SHOW, lines_of, sort


def test_streams_have_their_contract_names() -> None:
    """One data stream a dataset, in the configured namespace."""
    assert streams_of("lab", SHOW.datasets) == [
        "logs-neuroflow.app-lab",
        "logs-neuroflow.workflow-lab",
        "logs-neuroflow.celery-lab",
    ]


def test_conditions_appear_only_when_asked_for() -> None:
    """Without options there is no filter; a level is compared in its indexed form."""
    assert lines_of(None, None) == []
    assert between(None, None) == []
    assert lines_of(None, "ERROR") == [{"term": {"log.level": "error"}}]
    assert lines_of(None, "Warn") == [{"term": {"log.level": "warning"}}]


def test_directions_mirror_each_other() -> None:
    """Documents without a field come at the same end in both directions."""
    [down], [up] = (sort(["log.offset"], newest_first=first) for first in (True, False))
    assert down["log.offset"] == {"order": "desc", "missing": "_last", "unmapped_type": "long"}
    assert up["log.offset"] == {"order": "asc", "missing": "_first", "unmapped_type": "long"}


def test_timestamp_is_the_readers() -> None:
    """Times are in the reader's zone with milliseconds; an invalid one is unchanged."""
    doc = {"@timestamp": "2026-11-23T23:44:12.285994123Z"}
    assert timestamp(doc, UTC) == "2026-11-23 23:44:12.285"
    assert timestamp(doc, ZoneInfo("Asia/Jerusalem")) == "2026-11-24 01:44:12.285"
    assert timestamp({"@timestamp": "2026-11-23T23:44:12Z"}, UTC) == "2026-11-23 23:44:12.000"
    assert timestamp({"@timestamp": "?"}, UTC) == "?"
    assert timestamp({}, UTC) == ""


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        ({"message": "plain"}, "plain"),
        ({"message": "pipeline.failed", "neuroflow.run_id": "456", "neuroflow.pipeline": "qsiprep",
         "error.message": "Memory limit", "event.duration": 12_300_000_000, "neuroflow.extra.exit_code": "1",
         "host.name": "h"},
         'pipeline.failed run_id=456 pipeline=qsiprep duration=12.3s error="Memory limit" exit_code=1'),
        ({"message": "it said: boom", "error.message": "boom"}, "it said: boom"),
        ({"neuroflow.stage": "bids"}, "stage=bids"),
        ({"message": "m", "neuroflow.extra.a": ["x", "y z"], "neuroflow.extra.b": ""}, 'm a="x,y z" b=""'),
        ({"message": "m", "neuroflow.extra.q": 'say "hi"\nthere'}, 'm q="say \\"hi\\"\\nthere"'),
        ({"message": "m", "neuroflow.extra.t": True, "neuroflow.extra.n": None}, "m t=true n=null"),
        ({"message": "m", "event.duration": 3600 * 10**9}, "m duration=3600s"),
    ],
)  # fmt: skip
def test_details_of_a_line(doc: dict[str, object], text: str) -> None:
    """The message comes first, then the most important fields, then all others, each once."""
    assert message_and_fields(doc) == text
