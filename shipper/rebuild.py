"""Rebuilds run documents from the data streams.

Sidecars may run meanwhile: the index is deleted first, then all log documents are read in one snapshot and merged
with what sidecars write.  The snapshot contains the log documents of all runs written before the deletion.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.answers import decoding, validated
from shipper.elastic.client import is_there
from shipper.elastic.names import streams_of
from shipper.query.conditions import Query
from shipper.runs.actions import Written
from shipper.runs.facts import WaitingFacts, facts_of
from shipper.runs.gathered import Gathered
from shipper.runs.writer import RunDocuments
from shipper.taxonomy import MEANINGS, STAGE_PREFIXES
from shipper.views.snapshot import Snapshot
from shipper.views.views import sort

_ORDER = ("@timestamp", "log.file.path", "log.offset")
_FIELDS = ["@timestamp", "tags", "message", "event", "error.message", "error.type", "neuroflow"]
# Only documents that hold facts of runs; most hold none.
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
# Facts are merged up to this size, then written.
_MAX_GATHERED_BYTES = 10 * 2**20
# From the deletion to the first write: by then a sidecar that read the old index has tried to replace documents in it
# and has found them deleted.
_SETTLE_SECONDS = 1.0


class RefusedError(Exception):
    """Run documents could not be written; the message says why."""


def rebuild(client: Elasticsearch, namespace: str, runs: RunDocuments, say: Callable[[str], None]) -> tuple[int, int]:
    """Rebuild all run documents of a namespace; gives the numbers of log documents read and of runs.

    Raises:
        ApiError, TransportError: the cluster refused or can't be reached; call it again.
        RefusedError: documents were refused; call it again when the cause is fixed.
    """
    names = streams_of(namespace)
    try:
        deleted = client.options(ignore_status=404).indices.delete(index=runs.index)
        if is_there(deleted, f"the deletion of {runs.index}"):
            validated(deleted, {"acknowledged?": bool}, f"the deletion of {runs.index}")
    except ApiError as error:
        if error.meta.status != 403:
            raise
        say(f"{runs.index}: the API key may not delete this index; documents are completed, but wrong values stay")
    client.options(ignore_status=[403, 404]).indices.refresh(index=names, ignore_unavailable=True)
    not_before = time.monotonic() + _SETTLE_SECONDS
    gathered = Gathered(_MAX_GATHERED_BYTES)
    read = 0
    identities: set[str] = set()

    def write() -> None:
        time.sleep(max(0.0, not_before - time.monotonic()))
        for facts in gathered.portions():
            identities.update(facts)
            _write(runs, facts)

    with Snapshot(client, names) as snapshot:
        for hits in snapshot.pages(_QUERY, sort(_ORDER, newest_first=False), source=_FIELDS):
            with decoding("a document about a run"):
                gathered.add(facts_of(hit["_source"] for hit in hits))
            read += len(hits)
            if gathered.full:
                write()
    write()
    client.options(ignore_status=[403, 404]).indices.refresh(index=runs.index)
    return read, len(identities)


def _write(runs: RunDocuments, facts: WaitingFacts) -> None:
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
        f"{runs.index} accepts no documents" + (f": {why.status} {why.kind}: {why.reason}" if why else "")
    )
