"""Facts → the run documents in the cluster, so that any number of sidecars and replays come to the same.

A run that this process has not written yet is sent as an update: its facts, and the whole document in case there is
none.  Where there is one the cluster unites the facts, and its answer gives the union; from that the rest of the
document is made (``document.runs``) and put in its place.  From then on the run is known (``run_cache``): new facts
put the whole document, and facts that it has already send nothing.  Every put is made on condition that
nobody has written the document since; else it is asked for, united and put again, as by whoever wrote it meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from elastic_transport import ApiError, ConnectionTimeout
from elasticsearch import Elasticsearch

from shipper.elastic.bulk_request import NO_ANSWER, inner, items_of, refusal_of
from shipper.elastic.outcomes import Outcome, Verdict, judge
from shipper.runs.cache import Known, RunCache
from shipper.runs.document import run_document
from shipper.runs.facts import Fact, RunFacts
from shipper.runs.kept import weight

_PARAMS = {
    "filter_path": "items.*.status,items.*.error,items.*.result,items.*._seq_no,items.*._primary_term,"
    "items.*.get._source",
}
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
# Of one request.
MOST_RUNS = 2000
MOST_BYTES = 2 * 2**20
# Runs whose facts an answer gives: at first, and never more than may take so many facts of up to a KiB.
_FIRST_ASKED = 16
_MAX_FACTS_ANSWERED = 4000
# So long what is known of the index holds, seconds.
LOOK_EVERY = 0.5
# How often other writers may come in between before the rest is left to the next round.
MOST_ROUNDS = 10
# What is known of runs may take so much memory, bytes.
_CACHE_BYTES = 8 * 2**20


@dataclass(slots=True)
class Written:
    """What became of the facts that were to be written.

    Attributes:
        again: could not be written now.
        why: the cluster's reason for the last of these.
        refused: never will be, with the cluster's reason.
        sent: bytes of all requests.
    """

    again: RunFacts = field(default_factory=dict)
    why: Verdict | None = None
    refused: list[tuple[str, Verdict]] = field(default_factory=list)
    sent: int = 0


class _Action(NamedTuple):
    """What is sent of one run.

    Attributes:
        identity: the id of its document.
        told: what is to be added.
        facts: those of the whole document that is sent with it, as JSON.
        body: of the request.
        asks: it is an update, whose answer has to say what is there.
        upserts: it holds a document for the case that there is none, and is understood only by who knows that.
    """

    identity: str
    told: dict[str, Fact]
    facts: bytes
    body: bytes
    asks: bool = False
    upserts: bool = False


class _Pass:
    """One call of ``write``: the runs whose turn is to come, those that have to come once more, and the result."""

    def __init__(self, facts: RunFacts) -> None:
        self.queue = deque(facts.items())
        self.again: RunFacts = {}
        self.there: set[str] = set()  # of which it is known that they have a document
        self.plain: set[str] = set()  # to which facts alone are sent
        self.written = Written()

    def refuse(self, identity: str, verdict: Verdict) -> None:
        """Never."""
        self.written.refused.append((identity, verdict))

    def later(self, action: _Action, verdict: Verdict) -> None:
        """Not in this call."""
        self.written.again[action.identity] = action.told
        self.written.why = verdict


class RunDocuments:
    """The index of run documents.

    Args:
        client: of the cluster.
        index: its name, which ends with the namespace.
        make: makes the index if it is not there; may raise ApiError and TransportError.
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
        self._make = make
        self._there = False
        # No namespace has a hyphen.
        self._place = {"data_stream": {"namespace": index.rpartition("-")[2]}}
        self._cache = RunCache(_CACHE_BYTES)
        self._clock = clock
        self._uuid: str | None = None
        self._looked_at = -LOOK_EVERY
        # Whether the cluster understands a document for the case that there is none.
        self._upserts = True
        self._mostly_new = True
        self._most_asked = _FIRST_ASKED
        self._most_bytes = MOST_BYTES
        self.index = index

    def write(self, facts: RunFacts) -> Written:
        """Add facts to the run documents that they belong to.

        Raises:
            ApiError: the request was refused as a whole.
            TransportError: there was no answer, or none that makes sense.
        """
        work = _Pass(facts)
        for _ in range(MOST_ROUNDS):
            while work.queue:
                if not self._there or self._clock() >= self._looked_at + LOOK_EVERY:
                    self._make_sure()
                self._take_turn(work)
            if not work.again:
                break
            work.queue, work.again = deque(work.again.items()), {}
        work.written.again.update(work.queue)
        return work.written

    def _take_turn(self, work: _Pass) -> None:
        """Send the next runs; where that is more than whoever stands in between takes, fewer from now on."""
        lot = self._lot(work)
        try:
            self._update(self._send(lot, work), work)
        except ApiError as error:
            if error.meta.status != 413 or not lot:
                raise
            if len(lot) == 1:
                work.refuse(lot[0].identity, refusal_of(error))
                return
            self._most_bytes = sum(len(action.body) for action in lot) // 2
            work.queue.extendleft((action.identity, action.told) for action in lot)

    def _make_sure(self) -> None:
        """Make the index unless it is there, also when it was deleted under way."""
        for _ in range(2):
            if not self._there:
                self._make()
                self._there = True
            self._look()
            if self._there:
                break

    def _look(self) -> None:
        """Forget what is known unless the index is the one of before.

        In an index that was deleted and created again, another state of a document may bear the number that is known
        of an older one.
        """
        uuid = None
        self._looked_at = self._clock()
        try:
            quiet = self._client.options(ignore_status=[403, 404])
            answer = quiet.indices.get_settings(index=self.index, filter_path="*.settings.index.uuid")
            if answer.meta.status == 404:
                self._there = self._there and self._uuid is None
            elif answer.meta.status == 200:
                (about,) = answer.body.values()
                uuid = str(about["settings"]["index"]["uuid"])
        except ConnectionTimeout:
            raise
        except (ApiError, *NO_ANSWER, AttributeError, LookupError, TypeError, ValueError):
            pass  # nothing can be known then
        if uuid is None or uuid != self._uuid:
            self._cache.clear()
        self._uuid = uuid

    def _lot(self, work: _Pass) -> list[_Action]:
        """The next runs, as many as one request and its answer should hold."""
        actions: list[_Action] = []
        size = asked = 0
        while work.queue and len(actions) < MOST_RUNS and size < self._most_bytes and asked < self._most_asked:
            identity, told = work.queue.popleft()
            known = self._cache.get(identity)
            if known is None:
                whole = identity in work.there or not self._mostly_new
                asked += whole
                action = self._update_of(identity, told, work, whole=whole)
            else:
                action = self._put_of(identity, told, known, work)
            if action is not None:
                actions.append(action)
                size += len(action.body)
        return actions

    def _update(self, answers: Iterable[tuple[_Action, dict[str, Any], Verdict]], work: _Pass) -> None:
        """Take in what became of the lot; where facts were united, put what is made of them."""
        puts: list[_Action] = []
        new = found = heavy = 0
        for action, said, verdict in answers:
            if self._settled(action, said, verdict, work) or not action.asks:
                continue
            answer = said.get("get")
            source = answer.get("_source") if isinstance(answer, dict) else None
            facts, state = _facts_in(source), _state_in(said)
            created = said.get("result") == "created"
            new, found = new + created, found + (not created)
            if state is not None and facts.keys() >= action.told.keys():
                heavy += sum(map(weight, facts.values()))
                put = self._put_of(action.identity, action.told, Known(facts, *state), work, source)
                if put is not None:
                    puts.append(put)
            elif created and isinstance(source, dict) and "kind" in source:
                self._know(action, said)
            elif action.identity in work.there or not action.upserts:
                why = Verdict(Outcome.RETRY, verdict.status, "no_document", "the answer does not give the document")
                work.later(action, why)
            else:
                work.there.add(action.identity)
                work.again[action.identity] = action.told
        if new or found:
            self._mostly_new = new >= found
        if heavy:
            fit = self._most_asked * _MAX_FACTS_ANSWERED // heavy
            self._most_asked = max(1, min(MOST_RUNS, 2 * self._most_asked, fit))
        for action, said, verdict in self._send(puts, work):
            self._settled(action, said, verdict, work)

    def _update_of(self, identity: str, told: dict[str, Fact], work: _Pass, *, whole: bool) -> _Action | None:
        """Put the whole document if there is none; else, if the ``whole`` of it is asked for, add facts to it."""
        document = self._made(identity, told, work)
        if document is None:
            return None
        told = document["facts"]
        facts, body = _json(document)
        # A conflict with another writer is asked again by the cluster itself.
        head = b'{"update":{"_id":%b,"retry_on_conflict":5}}\n{"doc":{"facts":' % orjson.dumps(identity)
        upserts = self._upserts and identity not in work.plain
        parts: tuple[bytes, ...]
        if not upserts:
            parts = (head, facts, b'},"doc_as_upsert":true,"_source":true}\n')
        elif whole:
            parts = (head, facts, b'},"_source":true,"upsert":', body, b"}\n")
        else:
            # Of what is there already facts are asked for; what comes into being by this has a kind.
            parts = (head, b'{}},"_source":["kind"],"upsert":', body, b"}\n")
        return _Action(identity, told, facts, b"".join(parts), asks=True, upserts=upserts)

    def _put_of(
        self, identity: str, told: dict[str, Fact], known: Known, work: _Pass, source: dict[str, Any] | None = None
    ) -> _Action | None:
        """Put the whole document in the place of what is known; nothing where nothing changes.

        Args:
            identity: its id.
            told: what is to be added.
            known: what is there.
            work: told when it can't be done.
            source: the document that is there, where it may be another than its facts make.
        """
        union = {**known.facts, **told}
        if source is None and len(union) == len(known.facts):
            return None
        document = self._made(identity, union, work)
        if document is None or (source is None and document["facts"].keys() == known.facts.keys()):
            return None
        same = document == source
        facts, body = _json(document)
        about = {"_id": identity, "if_seq_no": known.seq_no, "if_primary_term": known.primary_term}
        action = _Action(identity, told, facts, b"".join((orjson.dumps({"index": about}), b"\n", body, b"\n")))
        if same:
            self._know(action, {"_seq_no": known.seq_no, "_primary_term": known.primary_term})
            return None
        return action

    def _made(self, identity: str, facts: dict[str, Fact], work: _Pass) -> dict[str, Any] | None:
        """The document that facts make; None if they make none."""
        try:
            document = run_document(identity, facts)
        except Exception as error:  # noqa: BLE001 - one run that nothing can be made of must not hold up the others
            work.refuse(identity, Verdict(Outcome.DEAD, 0, type(error).__name__, str(error)))
            return None
        document.update(self._place)
        return document

    def _settled(self, action: _Action, said: dict[str, Any], verdict: Verdict, work: _Pass) -> bool:
        """Whether nothing is left to be done for an action now."""
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            if not action.asks:
                self._know(action, said)
            return not action.asks
        self._cache.forget(action.identity)
        if verdict.outcome is Outcome.DUPLICATE:
            work.there.add(action.identity)
            work.again[action.identity] = action.told
        elif action.upserts and verdict.outcome is Outcome.DEAD:
            # Whether the document is to blame, or who answers does not know this kind of request.
            self._upserts = self._upserts and verdict.kind != "document_missing_exception"
            work.plain.add(action.identity)
            work.again[action.identity] = action.told
        elif verdict.outcome is Outcome.DEAD:
            work.refuse(action.identity, verdict)
        else:
            if verdict.outcome is Outcome.MISSING_TEMPLATE:
                self._there = False  # deleted under way
            work.later(action, verdict)
        return True

    def _know(self, action: _Action, said: dict[str, Any]) -> None:
        """Remember a document that is there as it was sent."""
        state = _state_in(said)
        if self._uuid is not None and state is not None:
            self._cache.put(action.identity, action.facts, *state)

    def _send(self, actions: list[_Action], work: _Pass) -> Iterator[tuple[_Action, dict[str, Any], Verdict]]:
        """Each action, the item of the answer that speaks of it, and what that means."""
        if not actions:
            return
        body = b"".join([action.body for action in actions])
        work.written.sent += len(body)
        path = f"/{quote(self.index)}/_bulk"
        answer = self._client.perform_request("POST", path, params=_PARAMS, headers=_HEADERS, body=body).body
        for action, item in zip(actions, items_of(answer, len(actions)), strict=True):
            said = inner(item)
            yield action, said, judge(said)


def _facts_in(source: Any) -> dict[str, Fact]:
    """The facts of a document that is there, as far as it was given with them and they are some."""
    facts = source.get("facts") if isinstance(source, dict) else None
    return {
        key: fact
        for key, fact in (facts if isinstance(facts, dict) else {}).items()
        if isinstance(fact, dict) and type(fact.get("verb")) is str and type(fact.get("source")) is str
    }


def _state_in(said: dict[str, Any]) -> tuple[int, int] | None:
    """The numbers of the state that a document is in now, where the answer gives them."""
    seq_no, primary_term = said.get("_seq_no"), said.get("_primary_term")
    return (seq_no, primary_term) if type(seq_no) is int and type(primary_term) is int else None


def _json(document: dict[str, Any]) -> tuple[bytes, bytes]:
    """Its facts, and the whole; the document is used up."""
    facts = orjson.dumps(document.pop("facts"))
    return facts, b'%b,"facts":%b}' % (orjson.dumps(document)[:-1], facts)
