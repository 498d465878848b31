"""Lines of a pipeline log, printed by a container → documents.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shipper.document.ids import generation_text
from shipper.document.run_context import RunContext
from shipper.parse.pipeline import run_of
from shipper.parse.records import Records
from shipper.parse.timestamps import from_ns, later
from shipper.tail.block import Origin

Document = dict[str, Any]
ToUtc = Callable[[str], tuple[str | None, str | None]]
"""A container's timestamp → UTC, None if it is unusable; and the zone that was assumed for it."""


def documents_of(
    records: Records,
    path: str,
    service: Document,
    runs: RunContext,
    moment_of: ToUtc,
) -> list[Document]:
    """The documents of a pipeline log's lines.

    Lines without a timestamp get the file's last change, each a nanosecond later than the one before, which keeps
    their order in views sorted by time.  Lines before the first timestamp get times before it.

    Args:
        records: the lines.
        path: of their file, redacted.
        service: of every document.
        runs: completes the ids from the file's name.
        moment_of: converts the container's timestamps.
    """
    block = records.block
    base = min(block.modified_ns or block.read_at_ns, block.read_at_ns)
    ids = _ids_of(block.origin, from_ns(base), runs)
    event = {
        "kind": "event",
        "category": ["process"],
        "type": ["info"],
        "created": from_ns(block.read_at_ns),
        "dataset": "neuroflow.pipeline",
    }
    file = {"path": path}
    documents: list[Document] = []
    untimed = 0
    for index, (record, start) in enumerate(zip(records.records, records.starts, strict=True)):
        log: Document = {"offset": start, "file": file}
        stream = record["iostream"]
        if stream:
            log["iostream"] = stream
        for key in ("level", "logger"):
            if key in record:
                log[key] = record[key]
        stamp = record.get("timestamp")
        stamped_at, zone = moment_of(stamp) if stamp else (None, None)
        at = stamped_at or from_ns(base + index)
        documents.append({
            "@timestamp": at,
            "message": record["event"],
            "event": {**event, "timezone": zone} if zone else event,
            "log": log,
            "service": service,
            "neuroflow": {**ids, "node": record["output_node"]} if "output_node" in record else dict(ids),
        })  # fmt: skip
        if stamped_at and untimed == index:
            for before in range(index):
                if documents[before]["@timestamp"] > at:
                    documents[before]["@timestamp"] = later(at, records.starts[before] - start)
        elif not stamped_at:
            untimed = index + 1
    return documents


def _ids_of(origin: Origin, changed: str, runs: RunContext) -> Document:
    """The file's generation and the ids of its run at the time in its name, else at its last change."""
    ids: Document = {"generation": generation_text(origin.generation)}
    run = run_of(origin.logical)
    if run:
        ids.update(run_id=run.run_id, pipeline=run.pipeline)
        for moment in (_moment(run.begun), changed):
            if moment and "context" not in ids:
                runs.complete(ids, None, moment, learn=False)
    return ids


def _moment(digits: str) -> str:
    """The time in a file's name (UTC) in the form that the run context takes; empty if it is none."""
    try:
        return datetime.strptime(digits, "%Y%m%d_%H%M%S").replace(tzinfo=UTC).isoformat(timespec="microseconds")
    except ValueError:
        return ""
