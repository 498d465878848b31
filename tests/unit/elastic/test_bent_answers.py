"""Faulty answers about templates, mappings and privileges raise nothing."""

from __future__ import annotations

from typing import Any

import pytest
from elastic_transport import ApiError, TransportError
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.in_force import LINES, faults, in_force
from shipper.elastic.names import streams_of
from shipper.elastic.privileges import NEEDS, lacking, lacks
from shipper.views.foreign_mappings import wrongly_mapped
from tests.conformance.fake import Fake, product

KEYS = st.sampled_from([
    *("index_templates", "name", "index_template", "index_patterns", "priority", "data_stream", "template", "type"),
    *("mappings", "dynamic", "properties", "event", "action", "neuroflow", "extra", "fields", "indices", "cluster"),
    *("index", "monitor", "read", "has_all_requested", "event.action", "text", "unmapped", "logs-neuroflow.app-n"),
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "logs-*-*", "keyword", "object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, JSON))
def test_pure_readers_take_anything(answer: dict[str, Any]) -> None:
    """A value of another type raises nothing."""
    assert isinstance(faults(answer, LINES), list)
    assert len(NEEDS) == len(lacking(answer, streams_of("n"), "neuroflow-runs-n"))


@pytest.fixture(scope="module")
def cluster() -> Any:
    """A fake and its client."""
    fake = Fake()
    client = connect(Settings(hosts=[fake.url], request_timeout=5))
    yield fake, client
    client.close()
    fake.down()


@given(templates=JSON, simulated=JSON, mapping=JSON, privileges=JSON, caps=JSON)
def test_bent_answers_end_nothing(
    cluster: Any, templates: Any, simulated: Any, mapping: Any, privileges: Any, caps: Any
) -> None:
    """A faulty answer gives a sentence, or counts as unknown."""
    fake, client = cluster
    fake.otherwise = {
        "POST /_index_template/_simulate": product(200, {"template": {"mappings": simulated}}),
        "GET /_index_template": product(200, {"index_templates": templates}),
        "POST /_security/user/_has_privileges": product(200, privileges),
        "GET /logs-neuroflow": product(200, {"a": {"mappings": mapping}, "b": mapping}),
        "GET /neuroflow-runs": product(200, mapping),
        "POST /logs-neuroflow": product(200, caps),
        "POST /neuroflow-runs": product(200, caps),
    }
    for ask in (in_force, lacks, wrongly_mapped):
        try:
            ask(client, "n")
        except (ApiError, TransportError) as error:
            assert str(error)  # noqa: PT017 - a sentence is made of it
