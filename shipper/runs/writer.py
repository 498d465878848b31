"""Facts → run documents in Elasticsearch, the same ones whatever the number of sidecars and replays.

A run that this process has not written yet is created.  Where there is a document already, an update adds the facts:
Elasticsearch unites them and answers with the union; the document is computed from that (``runs.document``) and put
in its place.  From then on the run is cached (``runs.cache``): new facts put the whole document, and facts that it
contains already send nothing.  Every put is conditional on the document's sequence number; if another writer has
changed the document, the update is sent again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import orjson
from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.elastic.bulk_request import inner, items_of, refusal_of
from shipper.elastic.outcomes import Outcome, Verdict, judge
from shipper.runs.cache import CachedRun, RunCache
from shipper.runs.document import run_document
from shipper.runs.facts import Fact, WaitingFacts
from shipper.runs.index import RunIndex
from shipper.runs.kept import weight

_PARAMS = {
    "filter_path": "items.*.status,items.*.error,items.*.result,items.*._seq_no,items.*._primary_term,"
    "items.*.get._source",
}
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
MAX_RUNS = 500
"""Runs in one request."""
MAX_REQUEST_BYTES = 2 * 2**20
# Runs whose facts the answer returns: in the first request, and later as many as have so many facts of up to a KiB.
_FIRST_ASKED = 16
_MAX_FACTS_ANSWERED = 4000
MAX_ROUNDS = 10
"""How often a call of ``write`` sends what other writers changed meanwhile; then it returns the rest."""
_CACHE_BYTES = 4 * 2**20


@dataclass(slots=True)
class Written:
    """The result of ``RunDocuments.write``.

    Attributes:
        retry: facts that could not be written now.
        why: Elasticsearch's reason for the last of these.
        refused: ids of documents that can't be written, with Elasticsearch's reason.
        sent: bytes of all requests.
        documents: how many were created or replaced, each time counted.
    """

    retry: WaitingFacts = field(default_factory=dict)
    why: Verdict | None = None
    refused: list[tuple[str, Verdict]] = field(default_factory=list)
    sent: int = 0
    documents: int = 0


class _Action(NamedTuple):
    """What one request contains for one run.

    Attributes:
        identity: the id of its document.
        added: the facts to add; of an update, decoded.
        facts: all facts of the document in the request, as JSON.
        body: its lines of the request.
        awaits_facts: it is an update, whose answer has to contain the document's facts.
        whole: it contains the whole document, although there may be none: as a create, or as the update's ``upsert``,
            which some servers refuse.
    """

    identity: str
    added: dict[str, Fact] | bytes
    facts: bytes
    body: bytes
    awaits_facts: bool = False
    whole: bool = False


class _Pass:
    """The state of one call of ``write``: runs to send, runs to send again, and the result."""

    def __init__(self, facts: Mapping[str, dict[str, Fact] | bytes]) -> None:
        self.queue = deque(facts.items())
        self.again: WaitingFacts = {}
        self.existing: set[str] = set()  # runs that have a document
        self.facts_only: set[str] = set()  # runs of which only facts are sent
        self.written = Written()

    def refuse(self, identity: str, verdict: Verdict) -> None:
        """Give up a run."""
        self.written.refused.append((identity, verdict))

    def later(self, action: _Action, verdict: Verdict) -> None:
        """Leave a run to the next call."""
        self.written.retry[action.identity] = action.added
        self.written.why = verdict


class RunDocuments:
    """Writes run documents.

    Args:
        client: of the cluster.
        index: name of the index, which ends with the namespace.
        make: creates the index if it does not exist; may raise ApiError and TransportError.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Elasticsearch,
        index: str,
        make: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._index = RunIndex(client, index, make, clock)
        # No namespace has a hyphen.
        self._namespace = {"data_stream": {"namespace": index.rpartition("-")[2]}}
        self._cache = RunCache(_CACHE_BYTES)
        self._upserts = True  # the cluster understands ``upsert``
        self._mostly_new = True  # most runs of the last request had no document
        self._max_asked = _FIRST_ASKED
        self._max_bytes = MAX_REQUEST_BYTES
        self.index = index

    def write(self, facts: Mapping[str, dict[str, Fact] | bytes]) -> Written:
        """Add facts to the run documents that they belong to.

        Raises:
            ApiError: Elasticsearch refused the request as a whole.
            TransportError: there was no answer, or none that makes sense.
        """
        work = _Pass(facts)
        for _ in range(MAX_ROUNDS):
            while work.queue:
                if not self._index.ensure():
                    self._cache.clear()
                self._send_next(work)
            if not work.again:
                break
            work.queue, work.again = deque(work.again.items()), {}
        work.written.retry.update(work.queue)
        return work.written

    def _send_next(self, work: _Pass) -> None:
        """Send the next runs; after a 413 (a proxy's limit) send smaller requests from now on."""
        actions = self._next_actions(work)
        try:
            self._update(self._send(actions, work), work)
        except ApiError as error:
            if error.meta.status != 413 or not actions:
                raise
            if len(actions) == 1:
                work.refuse(actions[0].identity, refusal_of(error))
                return
            self._max_bytes = sum(len(action.body) for action in actions) // 2
            work.queue.extendleft((action.identity, action.added) for action in actions)

    def _next_actions(self, work: _Pass) -> list[_Action]:
        """Take the next runs, as many as one request and its answer should contain."""
        actions: list[_Action] = []
        size = asked = 0
        while work.queue and len(actions) < MAX_RUNS and size < self._max_bytes and asked < self._max_asked:
            identity, given = work.queue.popleft()
            # Not before: decoded facts of many runs would not stay in the processor's cache.
            added = orjson.loads(given) if type(given) is bytes else cast("dict[str, Fact]", given)
            cached = self._cache.get(identity)
            if cached is None:
                # Most new runs have no document; where there is one, the answer is a conflict, and an update follows.
                create = self._mostly_new and identity not in work.existing and identity not in work.facts_only
                asked += not create
                action = self._first_of(identity, added, given, work, create=create)
            else:
                action = self._put_of(identity, added, cached, work)
            if action is not None:
                actions.append(action)
                size += len(action.body)
        return actions

    def _update(self, answers: Iterable[tuple[_Action, dict[str, Any], Verdict]], work: _Pass) -> None:
        """Apply the answers to updates; where Elasticsearch united facts, put the document made of the union."""
        puts: list[_Action] = []
        new = found = total_weight = 0
        for action, item, verdict in answers:
            if action.whole and not action.awaits_facts:
                new += verdict.outcome is Outcome.ACKNOWLEDGED
                found += verdict.outcome is Outcome.DUPLICATE
            if self._settled(action, item, verdict, work):
                continue
            answer = item.get("get")
            source = answer.get("_source") if isinstance(answer, dict) else None
            facts, state = _facts_in(source), _state_in(item)
            created = item.get("result") == "created"
            new, found = new + created, found + (not created)
            added = cast("dict[str, Fact]", action.added)
            if state is not None and facts.keys() >= added.keys():
                total_weight += sum(map(weight, facts.values()))
                put = self._put_of(action.identity, added, CachedRun(facts, *state), work, source)
                if put is not None:
                    puts.append(put)
            else:
                why = Verdict(Outcome.RETRY, verdict.status, "no_document", "the answer does not give the document")
                work.later(action, why)
        if new or found:
            self._mostly_new = new >= found
        if total_weight:
            fit = self._max_asked * _MAX_FACTS_ANSWERED // total_weight
            self._max_asked = max(1, min(MAX_RUNS, 2 * self._max_asked, fit))
        for action, item, verdict in self._send(puts, work):
            self._settled(action, item, verdict, work)

    def _first_of(
        self, identity: str, added: dict[str, Fact], given: dict[str, Fact] | bytes, work: _Pass, *, create: bool
    ) -> _Action | None:
        """What is sent for a run that is not cached.

        Args:
            identity: the id of its document.
            added: the facts to add.
            given: the same, perhaps as JSON.
            work: takes the refusal, if the facts make no document.
            create: create the document; else add the facts to it, and ask for the union.
        """
        document = self._made(identity, added, work)
        if document is None:
            return None
        added = document["facts"]
        facts, body = _json(document)
        name = orjson.dumps(identity)
        if create:
            return _Action(identity, given, facts, b'{"create":{"_id":%b}}\n%b\n' % (name, body), whole=True)
        # After a conflict with another writer Elasticsearch itself tries again.
        head = b'{"update":{"_id":%b,"retry_on_conflict":5}}\n{"doc":{"facts":%b},' % (name, facts)
        whole = self._upserts and identity not in work.facts_only
        rest = b'"_source":true,"upsert":%b}\n' % body if whole else b'"doc_as_upsert":true,"_source":true}\n'
        return _Action(identity, added, facts, head + rest, awaits_facts=True, whole=whole)

    def _put_of(
        self,
        identity: str,
        added: dict[str, Fact],
        cached: CachedRun,
        work: _Pass,
        source: dict[str, Any] | None = None,
    ) -> _Action | None:
        """The put of a whole document; None where nothing changes.

        Args:
            identity: the id of the document.
            added: the facts to add.
            cached: the document's current facts and state.
            work: takes the refusal, if the facts make no document.
            source: the current document, if it may differ from what its facts make.
        """
        union = {**cached.facts, **added}
        if source is None and len(union) == len(cached.facts):
            return None
        document = self._made(identity, union, work)
        if document is None or (source is None and document["facts"].keys() == cached.facts.keys()):
            return None
        same = document == source
        facts, body = _json(document)
        about = {"_id": identity, "if_seq_no": cached.seq_no, "if_primary_term": cached.primary_term}
        action = _Action(identity, added, facts, b"".join((orjson.dumps({"index": about}), b"\n", body, b"\n")))
        if same:
            self._remember(action, {"_seq_no": cached.seq_no, "_primary_term": cached.primary_term})
            return None
        return action

    def _made(self, identity: str, facts: dict[str, Fact], work: _Pass) -> dict[str, Any] | None:
        """The document that facts make; None, and a refusal, if they make none."""
        try:
            document = run_document(identity, facts)
        except Exception as error:  # noqa: BLE001 - one faulty run must not hold up the others
            work.refuse(identity, Verdict(Outcome.DEAD, 0, type(error).__name__, str(error)))
            return None
        document.update(self._namespace)
        return document

    def _settled(self, action: _Action, item: dict[str, Any], verdict: Verdict, work: _Pass) -> bool:
        """Apply the verdict on an action; gives whether the action needs nothing more in this pass."""
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            if not action.awaits_facts:
                self._remember(action, item)
            return not action.awaits_facts
        self._cache.forget(action.identity)
        if verdict.outcome is Outcome.DUPLICATE:
            work.existing.add(action.identity)
            work.again[action.identity] = action.added
        elif action.whole and verdict.outcome is Outcome.DEAD:
            # Either the document is at fault, or the server does not support this kind of request.
            self._upserts = self._upserts and verdict.kind != "document_missing_exception"
            work.facts_only.add(action.identity)
            work.again[action.identity] = action.added
        elif verdict.outcome is Outcome.DEAD:
            work.refuse(action.identity, verdict)
        else:
            if verdict.outcome is Outcome.MISSING_TEMPLATE:
                self._index.exists = False  # it was deleted meanwhile
            work.later(action, verdict)
        return True

    def _remember(self, action: _Action, item: dict[str, Any]) -> None:
        """Cache a document that is stored as it was sent."""
        state = _state_in(item)
        if self._index.uuid is not None and state is not None:
            self._cache.put(action.identity, action.facts, *state)

    def _send(self, actions: list[_Action], work: _Pass) -> Iterator[tuple[_Action, dict[str, Any], Verdict]]:
        """Send actions; gives each with its item of the answer and the verdict on it."""
        if not actions:
            return
        body = b"".join([action.body for action in actions])
        work.written.sent += len(body)
        path = f"/{quote(self.index)}/_bulk"
        answer = self._client.perform_request("POST", path, params=_PARAMS, headers=_HEADERS, body=body).body
        for action, wrapped in zip(actions, items_of(answer, len(actions)), strict=True):
            item = inner(wrapped)
            verdict = judge(item)
            work.written.documents += verdict.outcome is Outcome.ACKNOWLEDGED and item.get("result") != "noop"
            yield action, item, verdict


def _facts_in(source: Any) -> dict[str, Fact]:
    """The well-formed facts in the ``_source`` of an answer."""
    facts = source.get("facts") if isinstance(source, dict) else None
    return {
        key: fact
        for key, fact in (facts if isinstance(facts, dict) else {}).items()
        if isinstance(fact, dict) and type(fact.get("verb")) is str and type(fact.get("source")) is str
    }


def _state_in(item: dict[str, Any]) -> tuple[int, int] | None:
    """The document's sequence number and primary term, if the answer has them."""
    seq_no, primary_term = item.get("_seq_no"), item.get("_primary_term")
    return (seq_no, primary_term) if type(seq_no) is int and type(primary_term) is int else None


def _json(document: dict[str, Any]) -> tuple[bytes, bytes]:
    """The facts of a document and the whole of it, as JSON; removes the facts from it."""
    # A copy, for thousands are cached: orjson's own results take 4 KiB each, however short they are (3.13).
    facts = bytes(memoryview(orjson.dumps(document.pop("facts"))))
    return facts, b'%b,"facts":%b}' % (orjson.dumps(document)[:-1], facts)
