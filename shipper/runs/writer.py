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
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast
from urllib.parse import quote

import orjson
from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.document.fact_templates import FactTemplate, TemplateFacts
from shipper.elastic.bulk_request import CREATED_ITEM, inner, items_of, post, refusal_of
from shipper.elastic.outcomes import Outcome, Verdict, judge
from shipper.runs.actions import Action, Creates, Pass, Prepared, Request, Waiting, Written, runs_of
from shipper.runs.cache import CachedRun, RunCache
from shipper.runs.document import run_document
from shipper.runs.facts import Fact, decoded
from shipper.runs.gathered import NEWEST_RUNS
from shipper.runs.grown import with_later
from shipper.runs.index import RunIndex
from shipper.runs.kept import weight
from shipper.runs.templates import AT_ONCE, RunTemplates, TemplateRun, create_of

_PARAMS = {
    "filter_path": "items.*.status,items.*.error,items.*.result,items.*._seq_no,items.*._primary_term,"
    "items.*.get._source",
}
# Of many new runs no state is cached, and an answer without states is read in a tenth of the time.
_PARAMS_OF_MANY = {"filter_path": "errors,items.*.status,items.*.error"}
MAX_RUNS = 1000
"""Runs in one request."""
MAX_REQUEST_BYTES = 2 * 2**20
# Runs whose facts the answer returns: in the first request, and later as many as have so many facts of up to a KiB.
_FIRST_ASKED = 16
_MAX_FACTS_ANSWERED = 4000
MAX_ROUNDS = 10
"""How often a call of ``write`` sends what other writers changed meanwhile; then it returns the rest."""
_CACHE_BYTES = 4 * 2**20
_SESSION = "session:"


class RunDocuments:
    """Writes run documents.

    Args:
        client: of the cluster.
        index: name of the index, which ends with the namespace.
        make: creates the index if it does not exist; may raise ApiError and TransportError.
        clock: monotonic seconds.
        compress: large requests.
    """

    def __init__(
        self,
        client: Elasticsearch,
        index: str,
        make: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        compress: bool = True,
    ) -> None:
        self._client = client
        self._compress = compress
        self._index = RunIndex(client, index, make, clock)
        # No namespace has a hyphen.
        self._namespace = {"data_stream": {"namespace": index.rpartition("-")[2]}}
        self._cache = RunCache(_CACHE_BYTES)
        self._templates = RunTemplates(self._usual)
        self._upserts = True  # the cluster understands ``upsert``
        self._mostly_new = True  # most runs of the last request had no document
        self._max_asked = _FIRST_ASKED
        self._max_bytes = MAX_REQUEST_BYTES
        self.index = index

    def write(self, facts: Waiting) -> Written:
        """Add facts to the run documents that they belong to.

        Raises:
            ApiError: Elasticsearch refused the request as a whole.
            TransportError: there was no answer, or none that makes sense.
        """
        work = Pass(facts)
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

    def _send_next(self, work: Pass) -> None:
        """Send the next runs; after a 413 (a proxy's limit) send smaller requests from now on."""
        request = self._next_request(work)
        try:
            self._update(self._send(request, work), work)
        except ApiError as error:
            if error.meta.status != 413 or not request.actions:
                raise
            runs = [run for action in request.actions for run in runs_of(action)]
            if len(runs) == 1:
                work.refuse(runs[0][0], refusal_of(error))
                return
            self._max_bytes = min(self._max_bytes, request.size) // 2
            work.queue.extendleft(runs)

    def _next_request(self, work: Pass) -> Request:
        """Take the next runs, as many as one request and its answer should contain."""
        request = Request(compress=self._compress)
        alike: dict[tuple[FactTemplate, ...], list[TemplateRun]] = {}
        asked = taken = 0
        while work.queue and taken < MAX_RUNS and request.size < self._max_bytes and asked < self._max_asked:
            identity, given = work.queue.popleft()
            taken += 1
            cached = self._cache.get(identity)
            # Most new runs have no document; where there is one, the answer is a conflict, and an update follows.
            create = (
                cached is None
                and self._mostly_new
                and identity not in work.existing
                and identity not in work.facts_only
            )
            if create and type(given) is tuple:
                alike.setdefault(given[0], []).append((identity, given))
            elif cached is None:
                asked += not create
                request.add(self._first_of(identity, given, work, create=create))
            else:
                request.add(
                    self._put_with_later(identity, given, cached)
                    or self._put_of(identity, decoded(given), cached, work)
                )
        for runs in alike.values():
            self._add_creates(request, runs, work)
        return request

    def _add_creates(self, request: Request, runs: list[TemplateRun], work: Pass) -> None:
        """Create the documents of runs with facts of the same templates; those without room wait."""
        creates = Creates([])
        while runs and (request.size < self._max_bytes or not request.actions):
            body = self._body(runs[:AT_ONCE])
            if body is None:
                for identity, facts in runs:
                    request.add(self._first_of(identity, facts, work, create=True))
                return
            count = min(AT_ONCE, len(runs))
            fit = max(1, count * max(0, self._max_bytes - request.size) // len(body))
            if fit < count:
                count, body = fit, self._body(runs[:fit]) or b""
            if not creates.runs:
                request.actions.append(creates)
            creates.runs.extend(runs[:count])
            request.body.add([body])
            del runs[:count]
        work.queue.extendleft(runs)

    def _body(self, runs: list[TemplateRun]) -> bytes | None:
        try:
            return self._templates.body(runs)
        except Exception:  # noqa: BLE001 - a bug there must not hold up runs that the usual way can make
            return None

    def _update(self, answers: Iterable[tuple[Action, dict[str, Any], Verdict]], work: Pass) -> None:
        """Apply the answers to updates; where Elasticsearch united facts, put the document made of the union."""
        puts = Request(compress=self._compress)
        total_weight = work.new = work.found = 0
        for action, item, verdict in answers:
            if action.whole and not action.awaits_facts:
                work.new += verdict.outcome is Outcome.ACKNOWLEDGED
                work.found += verdict.outcome is Outcome.DUPLICATE
            if self._settled(action, item, verdict, work):
                continue
            answer = item.get("get")
            source = answer.get("_source") if isinstance(answer, dict) else None
            facts, state = _facts_in(source), _state_in(item)
            created = item.get("result") == "created"
            work.new, work.found = work.new + created, work.found + (not created)
            added = cast("dict[str, Fact]", action.added)
            if state is not None and facts.keys() >= added.keys():
                total_weight += sum(map(weight, facts.values()))
                puts.add(self._put_of(action.identity, added, CachedRun(facts, *state), work, source))
            else:
                why = Verdict(Outcome.RETRY, verdict.status, "no_document", "the answer does not give the document")
                work.later(action, why)
        if work.new or work.found:
            self._mostly_new = work.new >= work.found
        if total_weight:
            fit = self._max_asked * _MAX_FACTS_ANSWERED // total_weight
            self._max_asked = max(1, min(MAX_RUNS, 2 * self._max_asked, fit))
        for action, item, verdict in self._send(puts, work):
            self._settled(action, item, verdict, work)

    def _first_of(
        self, identity: str, given: dict[str, Fact] | bytes | TemplateFacts, work: Pass, *, create: bool
    ) -> Prepared | None:
        """What is sent for a run that is not cached; None where there is nothing to send.

        Args:
            identity: the id of its document.
            given: the facts to add.
            work: takes the refusal, if the facts make no document.
            create: create the document; else add the facts to it, and ask for the union.
        """
        document = self._made(identity, decoded(given), work)
        if document is None:
            return None
        added = document["facts"]
        facts, body = _json(document)
        if create:
            return Action(identity, given, facts, whole=True), create_of(identity, body)
        # After a conflict with another writer Elasticsearch itself tries again.
        head = b'{"update":{"_id":%b,"retry_on_conflict":5}}\n{"doc":{"facts":%b},' % (orjson.dumps(identity), facts)
        whole = self._upserts and identity not in work.facts_only
        rest = b'"_source":true,"upsert":%b}\n' % body if whole else b'"doc_as_upsert":true,"_source":true}\n'
        return Action(identity, added, facts, awaits_facts=True, whole=whole), head + rest

    def _put_of(
        self,
        identity: str,
        added: dict[str, Fact],
        cached: CachedRun,
        work: Pass,
        source: dict[str, Any] | None = None,
    ) -> Prepared | None:
        """The put of a whole document; None where nothing changes.

        Args:
            identity: the id of the document.
            added: the facts to add.
            cached: the document's current facts and state.
            work: takes the refusal, if the facts make no document.
            source: the current document, if it may differ from what its facts make.
        """
        known = cached.facts()
        union = {**known, **added}
        if source is None and len(union) == len(known):
            return None
        document = self._made(identity, union, work)
        if document is None or (source is None and document["facts"].keys() == known.keys()):
            return None
        same = document == source
        facts, body = _json(document)
        action = Action(identity, added, facts)
        if same:
            self._remember(action, {"_seq_no": cached.seq_no, "_primary_term": cached.primary_term})
            return None
        return action, _put(identity, cached, body)

    def _put_with_later(
        self, identity: str, given: dict[str, Fact] | bytes | TemplateFacts, cached: CachedRun
    ) -> Prepared | None:
        """The same for a session whose new facts are later than its others; None: it goes the usual way."""
        if not identity.startswith(_SESSION):
            return None
        try:
            known = cached.grown()
            made = with_later(identity, known, given) if known is not None else None
        except Exception:  # noqa: BLE001 - a bug there must not hold up sessions that the usual way can make
            made = None
        if made is None:
            return None
        document, grown = made
        body = b'%b,"facts":%b}' % (orjson.dumps({**document, **self._namespace})[:-1], grown.json)
        return Action(identity, given, grown), _put(identity, cached, body)

    def _made(self, identity: str, facts: dict[str, Fact], work: Pass) -> dict[str, Any] | None:
        """The document that facts make; None, and a refusal, if they make none."""
        try:
            return self._document(identity, facts)
        except Exception as error:  # noqa: BLE001 - one faulty run must not hold up the others
            work.refuse(identity, Verdict(Outcome.DEAD, 0, type(error).__name__, str(error)))
            return None

    def _document(self, identity: str, facts: dict[str, Fact]) -> dict[str, Any]:
        return {**run_document(identity, facts), **self._namespace}

    def _usual(self, identity: str, facts: dict[str, Fact]) -> bytes:
        """The document that facts make, as JSON."""
        return _json(self._document(identity, facts))[1]

    def _settled(self, action: Action, item: dict[str, Any], verdict: Verdict, work: Pass) -> bool:
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

    def _remember(self, action: Action, item: dict[str, Any]) -> None:
        """Cache a document that is stored as it was sent."""
        state = _state_in(item)
        if self._index.uuid is not None and state is not None:
            self._cache.put(action.identity, action.facts, *state)

    def _send(self, request: Request, work: Pass) -> Iterator[tuple[Action, dict[str, Any], Verdict]]:
        """Send a request; gives actions that need more than caching, with their items of the answer and verdicts."""
        actions = request.actions
        if not actions:
            return
        work.written.sent += request.size
        count = sum(map(len, map(runs_of, actions)))
        # Of more new runs than these none is cached: they are old, nobody adds facts.
        many = count > NEWEST_RUNS and all(isinstance(action, Creates) for action in actions)
        params = _PARAMS_OF_MANY if many else _PARAMS
        items = iter(items_of(post(self._client, f"/{quote(self.index)}/_bulk", params, request.body), count))
        for action in actions:
            if isinstance(action, Creates):
                some = list(islice(items, len(action.runs)))
                if self._all_created(action, some, work, cache=not many):
                    continue
                singles = [Action(identity, facts, facts, whole=True) for identity, facts in action.runs]
            else:
                some, singles = [next(items)], [action]
            for single, wrapped in zip(singles, some, strict=True):
                item = inner(wrapped)
                verdict = judge(item)
                work.written.documents += verdict.outcome is Outcome.ACKNOWLEDGED and item.get("result") != "noop"
                yield single, item, verdict

    def _all_created(self, action: Creates, items: list[Any], work: Pass, *, cache: bool) -> bool:
        """Whether all documents were created; then they are counted, and cached if that is wanted."""
        states: list[tuple[int, int]] = []
        if cache:
            try:
                created = [item["create"] for item in items]
                states = [(about["_seq_no"], about["_primary_term"]) for about in created]
                done = {about["status"] for about in created} == {201}
            except (LookupError, TypeError):
                return False
            if not done or {type(number) for state in states for number in state} != {int}:
                return False
        elif items.count(CREATED_ITEM) < len(items):
            return False
        work.new += len(items)
        work.written.documents += len(items)
        if cache and self._index.uuid is not None:
            self._cache.put_new(action.runs, states)
        return True


def _put(identity: str, cached: CachedRun, document: bytes) -> bytes:
    """The part of a bulk request that puts a document in the place of a cached one."""
    about = {"_id": identity, "if_seq_no": cached.seq_no, "if_primary_term": cached.primary_term}
    return b"%b\n%b\n" % (orjson.dumps({"index": about}), document)


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
