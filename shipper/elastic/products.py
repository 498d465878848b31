"""Recognises clusters that can't be used: OpenSearch, and versions of Elasticsearch that don't fit.  Pure."""

from __future__ import annotations

import re
from typing import Any

from elastic_transport import TransportError

NEEDED = "neuroflow-ship needs Elasticsearch 8.13 or newer, or 9.x"
# The oldest supported release, since bulk requests ask for ``require_data_stream`` (elastic/elasticsearch#101872).
# This client's answers are those of 8.x, which 9.x gives as well.
OLDEST, _TOO_NEW = (8, 13), (10, 0)


class OtherProductError(TransportError):
    """The cluster is one that neuroflow-ship does not work with.

    Attributes:
        too_old: it is Elasticsearch, of a version before the oldest that is supported.
    """

    def __init__(self, product: str) -> None:
        super().__init__(f"this is {product}; {NEEDED}: use such a cluster, or correct hosts")
        found = re.match(r"Elasticsearch (\d{1,4})\.(\d{1,4})", product)
        self.too_old = found is not None and (int(found[1]), int(found[2])) < OLDEST


def may_be_other(status: int, product: str | None, body: bytes) -> bool:
    """Whether an answer looks like one of another product or version, so that it pays to ask which.

    Args:
        status: of the answer.
        product: its header ``x-elastic-product``; proxies may remove it.
        body: of the answer.
    """
    if product == "Elasticsearch":
        return status == 406 or (status == 400 and _is_unknown_to_it(body))
    if status == 403:
        return _is_of_opensearch(body)
    return status not in {401, 407, 413, 429} and status < 500


def name_of(info: Any) -> str | None:
    """The product by its own answer to ``GET /``; None where neuroflow-ship works with it, or it is none."""
    version = info.get("version") if isinstance(info, dict) else None
    if not isinstance(version, dict):
        return None
    number = version.get("number")
    if not isinstance(number, str) or not re.fullmatch(r"[\w.+-]{1,40}", number):
        return None
    if version.get("distribution") == "opensearch":
        return f"OpenSearch {number}"
    found = re.match(r"(\d{1,4})\.(\d{1,4})", number)
    if found is None or "lucene_version" not in version or version.get("build_flavor") == "serverless":
        return None
    supported = OLDEST <= (int(found[1]), int(found[2])) < _TOO_NEW
    return None if supported else f"Elasticsearch {number}"


def guess(status: int, body: bytes) -> str | None:
    """The product of an answer for which ``may_be_other`` holds, where ``GET /`` is not allowed."""
    if status == 403 and _is_of_opensearch(body):
        return "OpenSearch"
    if status == 406 or _is_unknown_to_it(body):
        return "OpenSearch, or another version of Elasticsearch"
    return None


def _is_unknown_to_it(body: bytes) -> bool:
    return b"media_type_header_exception" in body or b"[require_data_stream]" in body


def _is_of_opensearch(body: bytes) -> bool:
    # Elasticsearch writes "action [...] is unauthorized for ...".
    return b"security_exception" in body and b"no permissions for [" in body
