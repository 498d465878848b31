from __future__ import annotations

from typing import Any

import pytest

from shipper.elastic.products import name_of


def told(number: Any, **more: Any) -> dict[str, Any]:
    """An answer to ``GET /``."""
    return {"version": {"number": number, "lucene_version": "9.0.0", **more}}


@pytest.mark.parametrize(
    ("name", "info"),
    [
        ("OpenSearch 2.11.0", told("2.11.0", distribution="opensearch")),
        ("OpenSearch 3.0.0-beta1", told("3.0.0-beta1", distribution="opensearch")),
        ("Elasticsearch 7.10.2", told("7.10.2")), ("Elasticsearch 8.12.2", told("8.12.2")),
        ("Elasticsearch 10.0.0", told("10.0.0")), (None, told("8.13.0")), (None, told("8.19.21")),
        (None, told("9.5.3-SNAPSHOT")), (None, told("8.11.0", build_flavor="serverless")),
        (None, {"version": {"number": "1.2.3"}}), (None, told(7)), (None, told("7.0\n")), (None, {"version": None}),
        (None, []), (None, None), (None, told("x")),
    ],
)  # fmt: skip
def test_a_cluster_says_what_it_is(name: str | None, info: Any) -> None:
    """OpenSearch and versions out of range have a name; anything else is no reason to stop."""
    assert name == name_of(info)
