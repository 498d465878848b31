"""Rebuilds run documents from the data streams.

Sidecars may run meanwhile: the index is deleted first, then all log documents are read in one snapshot and merged
with what sidecars write.  What a sidecar wrote before the deletion was indexed before, so the snapshot has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.answers import taken_apart, understood
from shipper.elastic.client import is_there
from shipper.elastic.names import streams_of
from shipper.query.conditions import Query
from shipper.runs.facts import RunFacts, facts_of
from shipper.runs.gathered import Gathered
from shipper.runs.writer import RunDocuments, Written
from shipper.taxonomy import MEANINGS, STAGE_PREFIXES
from shipper.views.snapshot import Snapshot
from shipper.views.views import sort

_ORDER = ("@timestamp", "log.file.path", "log.offset")
_FIELDS = ["@timestamp", "tags", "message", "event", "error.message", "error.type", "neuroflow"]
# What facts are made of; the other documents are most of them.
_QUERY: Query = {
    "bool": {
        "minimum_should_match": 1,
        "should": [
            {"terms": {"event.action": sorted(MEANINGS)}},
            *({"prefix": {"event.action": prefix}} for prefix in STAGE_PREFIXES),
            {"terms": {"neuroflow.audit.entity_type": ["pipeline_run", "workflow_run", "session"]}},
        ],
    }
}
# So many bytes of facts are put together before they are written.
_MAX_GATHERED_BYTES = 10 * 2**20
# From the deletion to the first document, seconds: a sidecar that has just looked at the old index and puts documents
# in the place of those in it has done so by then, and found that they are gone.
_APART = 1.0


class RefusedError(Exception):
    """Run documents could not be written; the message says why."""


def rebuild(client: Elasticsearch, namespace: str, runs: RunDocuments, say: Callable[[str], None]) -> tuple[int, int]:
    """Make every run document of a namespace again; gives how many log documents told of how many runs.

    Args:
        client: of the cluster.
        namespace: of the data streams.
        runs: where the documents go.
        say: told in a sentence what could not be done as it should.

    Raises:
        ApiError, TransportError: the cluster refused or can't be reached; call it again.
        RefusedError: documents were refused; call it again when the cause is mended.
    """
    names = streams_of(namespace)
    try:
        deleted = client.options(ignore_status=404).indices.delete(index=runs.index)
        if is_there(deleted, f"the deletion of {runs.index}"):
            understood(deleted, {"acknowledged?": bool}, f"the deletion of {runs.index}")
    except ApiError as error:
        if error.meta.status != 403:
            raise
        say(f"{runs.index}: the key may not delete it; what is there is completed, nothing wrong in it is taken away")
    client.options(ignore_status=[403, 404]).indices.refresh(index=names, ignore_unavailable=True)
    not_before = time.monotonic() + _APART
    gathered = Gathered(_MAX_GATHERED_BYTES)
    told = 0
    identities: set[str] = set()

    def write() -> None:
        time.sleep(max(0.0, not_before - time.monotonic()))
        for facts in gathered.portions():
            identities.update(facts)
            _write(runs, facts)

    with Snapshot(client, names) as snapshot:
        for hits in snapshot.pages(_QUERY, sort(_ORDER, newest_first=False), source=_FIELDS):
            with taken_apart("a document that tells of a run"):
                gathered.add(facts_of(hit["_source"] for hit in hits))
            told += len(hits)
            if gathered.full:
                write()
    write()
    client.options(ignore_status=[403, 404]).indices.refresh(index=runs.index)
    return told, len(identities)


def _write(runs: RunDocuments, facts: RunFacts) -> None:
    written = Written(facts)
    for _ in range(5):
        written = runs.write(written.retry)
        if written.refused:
            identity, verdict = written.refused[0]
            raise RefusedError(f"{identity}: {verdict.status} {verdict.kind}: {verdict.reason}")
        if not written.retry:
            return
    why = written.why
    raise RefusedError(
        f"{runs.index} takes no documents" + (f": {why.status} {why.kind}: {why.reason}" if why else "")
    )
