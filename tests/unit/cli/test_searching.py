"""How ``search`` ends when the cluster refuses a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import click
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import BadRequestError

from shipper.cli.options import CommonOptions
from shipper.cli.searching import _with_query


def test_a_refused_query_leaves_no_result_open() -> None:
    """A result that is half read is closed before the command ends, while there are connections to close it with."""
    closed: list[bool] = []

    def pages() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    def show(_query: Any) -> int:
        for _ in pages():
            meta = ApiResponseMeta(400, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "es", 9200))
            raise BadRequestError("refused", meta, {"error": {"reason": "no"}})
        return 0

    session = MagicMock()
    session.wrongly_mapped.return_value = None
    common = CommonOptions(form="table", since=None, until=None, utc=True)
    with pytest.raises(click.BadParameter, match="refuses 'x'") as refused:
        _with_query(session, ["i"], "x", show, common)
    assert ([True], None) == (closed, refused.value.__context__)
