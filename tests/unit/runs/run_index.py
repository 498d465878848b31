"""A model of the index of run documents that behaves like Elasticsearch for single documents."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import orjson
from elastic_transport import ApiError, ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import Elasticsearch

from shipper.elastic.fast_gzip import decompress
from shipper.runs.writer import RunDocuments

INDEX = "neuroflow-runs-test"
PLACE = {"data_stream": {"namespace": "test"}}


class Index:
    """Updates, upserts and conditional puts.

    Attributes:
        documents: by id: the document, the number of its state.
        requests: the actions of each bulk request.
        between: what happens before the requests to come, one each.
        bend: changes an answer's item.
        upserts: whether an ``upsert`` is understood.
        most_bytes: a larger request is refused.
    """

    def __init__(self) -> None:
        self.documents: dict[str, tuple[dict[str, Any], int]] = {}
        self.requests: list[list[str]] = []
        self.between: deque[Callable[[], None]] = deque()
        self.bend: Callable[[dict[str, Any]], Any] = lambda item: item
        self.upserts = True
        self.most_bytes = 2**30
        self.uuid = 0
        self._number = -1

    def sources(self) -> dict[str, dict[str, Any]]:
        return {identity: source for identity, (source, _) in self.documents.items()}

    def make_anew(self) -> None:
        """Delete the index; sequence numbers start again."""
        self.documents.clear()
        self._number = -1
        self.uuid += 1

    def options(self, **_: Any) -> Index:
        return self

    @property
    def indices(self) -> Index:
        return self

    def get_settings(self, **_: Any) -> Any:
        body = {INDEX: {"settings": {"index": {"uuid": str(self.uuid)}}}}
        return SimpleNamespace(meta=SimpleNamespace(status=200), body=body)

    def perform_request(
        self, method: str, path: str, *, params: dict[str, str], body: bytes, headers: dict[str, str]
    ) -> Any:
        assert ("POST", f"/{INDEX}/_bulk") == (method, path)
        if "content-encoding" in headers:
            body = decompress(body)
        if self.between:
            self.between.popleft()()
        if len(body) > self.most_bytes:
            raise ApiError(
                "too large",
                ApiResponseMeta(413, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "h", 1)),
                "<html>413 Request Entity Too Large</html>",
            )
        lines = [orjson.loads(line) for line in body.splitlines()]
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        self.requests.append([kind for action, _ in pairs for kind in action])
        items = []
        for action, said in pairs:
            ((kind, about),) = action.items()
            item = self.bend(getattr(self, f"_{kind}")(about, said))
            if "_seq_no" not in params["filter_path"] and isinstance(item, dict):
                item = {key: item[key] for key in ("status", "error") if key in item}
            items.append({kind: item})
        return SimpleNamespace(body={"items": items})

    def _put(self, identity: str, source: dict[str, Any], result: str) -> dict[str, Any]:
        self._number += 1
        self.documents[identity] = orjson.loads(orjson.dumps(source)), self._number
        return {"status": 201, "result": result, "_seq_no": self._number, "_primary_term": 1}

    def _create(self, about: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        if about["_id"] in self.documents:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "it exists"}}
        return self._put(about["_id"], said, "created")

    def _index(self, about: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        _, number = self.documents.get(about["_id"], ({}, None))
        if (about["if_seq_no"], about["if_primary_term"]) != (number, 1):
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "another"}}
        return self._put(about["_id"], said, "updated")

    def _update(self, about: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        known, number = self.documents.get(about["_id"], (None, 0))
        if known is None:
            source = said["doc"] if said.get("doc_as_upsert") else said.get("upsert") if self.upserts else None
            if source is None:
                return {"status": 404, "error": {"type": "document_missing_exception", "reason": "missing"}}
            answer = self._put(about["_id"], source, "created")
        else:
            source = {**known, "facts": {**known["facts"], **said["doc"]["facts"]}}
            if source == known:
                answer = {"status": 200, "result": "noop", "_seq_no": number, "_primary_term": 1}
            else:
                answer = self._put(about["_id"], source, "updated")
        wanted = said["_source"]
        given = source if wanted is True else {key: source[key] for key in wanted if key in source}
        return {**answer, "get": {"_source": orjson.loads(orjson.dumps(given))}}


def writer(index: Index) -> RunDocuments:
    """One of the writers."""
    seconds = count()
    return RunDocuments(cast("Elasticsearch", index), INDEX, lambda: None, lambda: next(seconds))
