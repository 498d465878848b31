"""Facts → the run documents in the cluster, so that any number of sidecars and replays come to the same.

Facts are sent as partial upserts: the cluster unites them with those that are there, and its answer gives the union.
From the union the rest of the document is made (``document.runs``) and put beside it, provided that nobody has added
facts since: whoever did will do the same with more of them.  What is in place already costs no second write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from elasticsearch import Elasticsearch

from shipper.deliver.outcomes import Outcome, Verdict, judge
from shipper.deliver.request import inner, items_of
from shipper.document.facts import Fact, RunFacts
from shipper.document.runs import run_document

_PARAMS = {
    "filter_path": "items.*.status,items.*.error,items.*._seq_no,items.*._primary_term,items.*.get._source",
}
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
# Of one request; a run's answer holds all of its facts.
MOST_RUNS = 500
# How often other writers may come in between before the rest is left to the next round.
MOST_ROUNDS = 10


class Written(NamedTuple):
    """What became of the facts that were to be written.

    Attributes:
        again: could not be written now.
        why: the cluster's reason for the last of these.
        refused: never will be, with the cluster's reason.
    """

    again: RunFacts
    why: Verdict | None
    refused: list[tuple[str, Verdict]]


class RunDocuments:
    """The index of run documents.

    Args:
        client: of the cluster.
        index: its name, which ends with the namespace.
        make: makes the index if it is not there; may raise ApiError and TransportError.
    """

    def __init__(self, client: Elasticsearch, index: str, make: Callable[[], None]) -> None:
        self._client = client
        self._make = make
        self._there = False
        # No namespace has a hyphen.
        self._place = {"data_stream": {"namespace": index.rpartition("-")[2]}}
        self.index = index

    def write(self, facts: RunFacts) -> Written:
        """Add facts to the run documents that they belong to.

        Raises:
            ApiError: the request was refused as a whole.
            TransportError: there was no answer, or none that makes sense.
        """
        if not self._there:
            self._make()
            self._there = True
        written = Written({}, None, [])
        todo = list(facts.items())
        while todo:
            part, todo = dict(todo[:MOST_RUNS]), todo[MOST_RUNS:]
            for _ in range(MOST_ROUNDS):
                part, written = self._round(part, written)
                if not part:
                    break
            written.again.update(part)
        return written

    def _round(self, facts: RunFacts, written: Written) -> tuple[RunFacts, Written]:
        """Unite and put once; gives what others have changed in between."""
        stale: RunFacts = {}
        puts: list[tuple[str, bytes]] = []
        updates = [(identity, _update(identity, some)) for identity, some in facts.items()]
        for identity, item, verdict in self._send(updates):
            if verdict.outcome is Outcome.ACKNOWLEDGED:
                source = item["get"]["_source"]
                whole = {**run_document(identity, source["facts"]), **self._place}
                if whole != source:
                    puts.append((identity, _put(identity, item, whole)))
            elif verdict.outcome is Outcome.DUPLICATE:
                stale[identity] = facts[identity]
            else:
                written = self._not_written(identity, facts, verdict, written)
        for identity, _, verdict in self._send(puts):
            if verdict.outcome is Outcome.DUPLICATE:
                stale[identity] = facts[identity]
            elif verdict.outcome is not Outcome.ACKNOWLEDGED:
                written = self._not_written(identity, facts, verdict, written)
        return stale, written

    def _not_written(self, identity: str, facts: RunFacts, verdict: Verdict, written: Written) -> Written:
        if verdict.outcome is Outcome.DEAD:
            written.refused.append((identity, verdict))
            return written
        if verdict.outcome is Outcome.NO_STREAM:
            self._there = False  # deleted under way
        written.again[identity] = facts[identity]
        return written._replace(why=verdict)

    def _send(self, actions: list[tuple[str, bytes]]) -> Iterable[tuple[str, dict[str, Any], Verdict]]:
        """Each action's id, the item of the answer that speaks of it, and what that means."""
        if not actions:
            return
        body = b"".join(action for _, action in actions)
        path = f"/{quote(self.index)}/_bulk"
        answer = self._client.perform_request("POST", path, params=_PARAMS, headers=_HEADERS, body=body).body
        for (identity, _), item in zip(actions, items_of(answer, len(actions)), strict=True):
            said = inner(item)
            yield identity, said, judge(said)


def _update(identity: str, facts: dict[str, Fact]) -> bytes:
    # A conflict with another writer is asked again by the cluster itself.
    action = {"update": {"_id": identity, "retry_on_conflict": 5}}
    return _lines(action, {"doc": {"facts": facts}, "doc_as_upsert": True, "_source": True})


def _put(identity: str, item: dict[str, Any], document: dict[str, Any]) -> bytes:
    seen = {"if_seq_no": item["_seq_no"], "if_primary_term": item["_primary_term"]}
    return _lines({"index": {"_id": identity, **seen}}, document)


def _lines(action: dict[str, Any], body: dict[str, Any]) -> bytes:
    return orjson.dumps(action) + b"\n" + orjson.dumps(body) + b"\n"
