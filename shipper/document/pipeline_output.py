"""Lines of a pipeline's log → documents: what a container printed.  Pure but for what the context learns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shipper.document.ids import generation_text
from shipper.document.run_context import RunContext
from shipper.parse.pipeline import run_of
from shipper.parse.records import Records
from shipper.parse.timestamps import from_ns, later

Document = dict[str, Any]
ToUtc = Callable[[str], tuple[str | None, str | None]]
"""A stamp of a container's → UTC, or None where it is no usable time; and the zone that was assumed."""


def documents_of(
    records: Records,
    path: str,
    service: Document,
    runs: RunContext,
    moment_of: ToUtc,
) -> list[Document]:
    """The documents of a pipeline log's lines.

    Where no line has named a time yet, the file's last change is the nearest that is known.  A nanosecond more from
    line to line keeps their order in every view that sorts by time.  What precedes the first time precedes it here.

    Args:
        records: the lines.
        path: of their file, as it may be shown.
        service: of every document.
        runs: completes what the file's name says.
        moment_of: reads the container's stamps.
    """
    block = records.block
    base = min(block.modified_ns or block.read_at_ns, block.read_at_ns)
    ids: Document = {"generation": generation_text(block.origin.generation)}
    run = run_of(block.origin.logical)
    if run:
        ids.update(run_id=run.run_id, pipeline=run.pipeline)
        # The run that was under way when the file was begun; a name that tells no such time leaves the last change.
        for moment in (_moment(run.begun), from_ns(base)):
            if moment and "context" not in ids:
                runs.complete(ids, None, moment, learn=False)
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
        said_at, zone = moment_of(stamp) if stamp else (None, None)
        at = said_at or from_ns(base + index)
        documents.append({
            "@timestamp": at,
            "message": record["event"],
            "event": {**event, "timezone": zone} if zone else event,
            "log": log,
            "service": service,
            "neuroflow": {**ids, "node": record["output_node"]} if "output_node" in record else dict(ids),
        })  # fmt: skip
        if said_at and untimed == index:
            for before in range(index):
                if documents[before]["@timestamp"] > at:
                    documents[before]["@timestamp"] = later(at, records.starts[before] - start)
        elif not said_at:
            untimed = index + 1
    return documents


def _moment(digits: str) -> str:
    """The time in a file's name (UTC) as the context takes it; empty if it is none."""
    try:
        return datetime.strptime(digits, "%Y%m%d_%H%M%S").replace(tzinfo=UTC).isoformat(timespec="microseconds")
    except ValueError:
        return ""
