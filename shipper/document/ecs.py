"""Records → documents with ECS names.

The mapping is closed: what has no home goes into ``neuroflow.extra``, so no line can explode it or conflict
with it, and every value that gets a home has its type by then.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any

from shipper.config import Shipper
from shipper.document import audit
from shipper.document.context import RunContext
from shipper.document.durations import MOST_SECONDS
from shipper.document.extra import GOOD_KEYS, PLAIN, as_text, tame
from shipper.document.homes import HOMES, IDS, put_component, put_duration, put_service
from shipper.document.ids import generation_text
from shipper.document.taxonomy import event_fields
from shipper.parse import structlog, traceback
from shipper.parse.audit import is_entry
from shipper.parse.pipeline import run_of
from shipper.parse.records import Record, Records
from shipper.parse.timestamps import FIRST_YEAR, LAST_YEAR, Reading, Zone, from_ns, to_utc

Document = dict[str, Any]
ECS_VERSION = "8.17.0"
_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    "warn": "warning",
    "fatal": "critical",
    "exception": "error",
}

_HOME_OF: dict[str, Any] = {**IDS, **HOMES}
"""Key in the source → where an identifier goes (text), or what puts it home (a function)."""


class Documents:
    """Makes the documents of a block.

    Args:
        settings: environment, host name, zone and limits are taken from here.
        version: of the agent.
        runs: what earlier lines said about runs, if there were any.
    """

    def __init__(self, settings: Shipper, version: str, runs: RunContext | None = None) -> None:
        self._zone = Zone(settings.timezone)
        self._utc = Zone("UTC")
        self._last_ns: dict[bytes, int] = {}
        self._most = settings.max_line_bytes
        self._service = {"name": "neuroflow", "environment": settings.environment}
        self.runs = runs or RunContext()
        self.common: Document = {
            "host": {"name": settings.host},
            "agent": {"type": "neuroflow-ship", "version": version},
            "ecs": {"version": ECS_VERSION},
        }

    def of(self, records: Records) -> list[Document]:
        """One document a record, in order, without what all documents of the stream have in common."""
        origin = records.block.origin
        if origin.format == "pipeline":
            documents = self._lines(records)
        elif origin.format == "audit":
            documents = self._audit(records)
        else:
            documents = self._events(records)
        for index, tags in records.tags.items():
            documents[index].setdefault("tags", []).extend(tags)
        for index, flags in records.flags.items():
            documents[index]["log"]["flags"] = sorted(set(flags))
        if max(map(len, records.raws), default=0) > self._most:
            self._cut(documents, records)
        for index, original in records.originals.items():
            documents[index]["neuroflow"]["original"] = b64encode(original).decode()
        return documents

    def _events(self, records: Records) -> list[Document]:
        """Application events: structlog's keys, from whichever format they came.

        One flat loop: at a hundred thousand lines a second a call costs more than the work in it.
        """
        block = records.block
        reading = Reading(block.origin.generation, block.read_at_ns, block.modified_ns, self._last_ns)
        created = from_ns(block.read_at_ns)
        dataset = f"neuroflow.{block.origin.dataset}"
        file = {"path": block.origin.path}
        generation = generation_text(block.origin.generation)
        service, runs, levels, home_of = self._service, self.runs, _LEVELS, _HOME_OF.get
        plain, good_keys, raws = PLAIN, GOOD_KEYS, records.raws
        # Lines that say the same share one event object; what differs from it is added to a copy.
        events: dict[str, Document] = {}
        documents: list[Document] = []
        for index, (record, start) in enumerate(zip(records.records, records.starts, strict=True)):
            pop = record.pop
            name = pop("event", None)
            if type(name) is not str:
                name = _name_of(record, name)
            event = events.get(name)
            if event is None:
                event = events[name] = {**event_fields(name), "created": created, "dataset": dataset}
            log: Document = {"offset": start, "file": file}
            neuroflow: Document = {"generation": generation}
            document: Document = {
                "@timestamp": None,
                "message": name,
                "event": event,
                "log": log,
                "service": service,
                "neuroflow": neuroflow,
            }
            documents.append(document)
            extra: Document = {}
            odd = False

            # Whatever it is: what is no text ends in one of the errors below.
            stamp: Any = pop("@timestamp", None) or pop("timestamp", None)
            try:
                if len(stamp) == 32 and stamp[26:] == "+00:00" and stamp[7:20:3] == "-T::.":
                    moment = datetime.fromisoformat(stamp)
                    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
                        raise ValueError(stamp)  # noqa: TRY301 - one way out for all unusable stamps
                    document["@timestamp"] = stamp
                else:
                    document["@timestamp"], assumed = to_utc(stamp, self._zone, reading)
                    if assumed:
                        document["event"] = {**event, "timezone": assumed}
            except (ValueError, TypeError, LookupError, AttributeError):
                # Lines that say no time get the time they were read, a nanosecond apart, which keeps their order.
                document["@timestamp"] = from_ns(block.read_at_ns + index)
                document["tags"] = ["no_timestamp"]
                if stamp is not None:
                    extra["timestamp" if "timestamp" not in record else "@timestamp"], odd = stamp, True

            level = pop("level", None)
            if level is not None:
                known = levels.get(level) if type(level) is str else None
                log["level"] = known or _level(as_text(level).lower())
            component = pop("component", None)
            if component is not None:
                if type(component) is str:
                    log["logger"] = component
                else:
                    put_component(document, component)
            said = pop("service", None)
            if said is not None and said != "neuroflow" and not put_service(document, said):
                extra["service"], odd = said, True
            duration = pop("duration", None)
            if duration is not None:
                kind = type(duration)
                if (kind is float or kind is int) and 0 <= duration < MOST_SECONDS:
                    document["event"] = {**document["event"], "duration": round(duration * 10**9)}
                elif not put_duration(document, duration):
                    extra["duration"], odd = duration, True

            for key, value in record.items():
                home = home_of(key)
                if home is None:
                    if value is not None:
                        extra[key] = value
                        if type(value) not in plain or key not in good_keys:
                            odd = True
                elif type(home) is str:
                    if value is None:
                        continue
                    kind = type(value)
                    text = value if kind is str else str(value) if kind is int else _id(value, key, raws[index])
                    if home not in neuroflow and kind is not dict:
                        neuroflow[home] = text
                    elif neuroflow.get(home) != text:
                        extra[key], odd = value, True
                elif value is not None and not home(document, value):
                    extra[key], odd = value, True
            if "run_id" in neuroflow:
                runs.complete(neuroflow, document["event"].get("action"))
            if "error" in document:
                _name_the_error(document["error"])
            if extra:
                neuroflow["extra"] = tame(extra) if odd else extra
        return documents

    def _audit(self, records: Records) -> list[Document]:
        """Audit records; a line that is none is an event like any other."""
        if not all(map(is_entry, records.records)):
            return self._mixed_audit(records)
        block = records.block
        created = from_ns(block.read_at_ns)
        file = {"path": block.origin.path}
        generation = generation_text(block.origin.generation)
        documents = []
        for index, (record, start) in enumerate(zip(records.records, records.starts, strict=True)):
            document = audit.document_of(record, self._utc)
            document["event"].update(created=created, dataset="neuroflow.audit")
            document["service"] = self._service
            document["log"] = {"offset": start, "file": file}
            document["neuroflow"]["generation"] = generation
            if "@timestamp" not in document:
                document["@timestamp"] = from_ns(block.read_at_ns + index)
                document["tags"] = ["no_timestamp"]
            documents.append(document)
        return documents

    def _mixed_audit(self, records: Records) -> list[Document]:
        documents = []
        for index, (record, raw, start) in enumerate(zip(records.records, records.raws, records.starts, strict=True)):
            one = Records(records.block, [record], [raw], [start])
            (document,) = self._audit(one) if is_entry(record) else self._events(one)
            if "no_timestamp" in document.get("tags", ()):
                document["@timestamp"] = from_ns(records.block.read_at_ns + index)
            documents.append(document)
        return documents

    def _lines(self, records: Records) -> list[Document]:
        """Lines of a pipeline log carry no stamps: the file's last change is the nearest that is known.

        A nanosecond more from line to line keeps their order in every view that sorts by time.
        """
        block = records.block
        run = run_of(block.origin.logical)
        ids: Document = {"generation": generation_text(block.origin.generation)}
        if run:
            ids.update(run_id=run.run_id, pipeline=run.pipeline)
            self.runs.complete(ids, None)
        event = {
            "kind": "event",
            "category": ["process"],
            "type": ["info"],
            "created": from_ns(block.read_at_ns),
            "dataset": "neuroflow.pipeline",
        }
        file = {"path": block.origin.path}
        base = min(block.modified_ns or block.read_at_ns, block.read_at_ns)
        documents = []
        for index, (record, start) in enumerate(zip(records.records, records.starts, strict=True)):
            log: Document = {"offset": start, "file": file}
            stream = record["iostream"]
            if stream:
                log["iostream"] = stream
            documents.append({
                "@timestamp": from_ns(base + index),
                "message": record["event"],
                "event": event,
                "log": log,
                "service": self._service,
                "neuroflow": dict(ids),
            })  # fmt: skip
        return documents

    def _cut(self, documents: list[Document], records: Records) -> None:
        """Lines over the limit: the message is cut and flagged, the exact bytes stay beside it."""
        for index, raw in enumerate(records.raws):
            if len(raw) <= self._most:
                continue
            log = documents[index]["log"]
            log["flags"] = sorted({*log.get("flags", ()), "truncated"})
            message = documents[index]["message"].encode("utf-8", "replace")
            if len(message) > self._most:
                documents[index]["message"] = message[: self._most].decode("utf-8", "ignore")
            records.originals.setdefault(index, raw + b"\n")


def _level(text: str) -> str:
    return _LEVELS.get(text, text)


def _id(value: Any, key: str, raw: bytes) -> str:
    """An identifier as text.  The fast parser rounds integers beyond 64 bits: theirs is looked up in the line."""
    if type(value) is float and abs(value) >= 2**63:
        exact = structlog.lenient(raw)
        if exact is not None and key in exact:
            value = exact[key]
    return as_text(value)


def _name_of(record: Record, name: Any) -> str:
    """The message of a record whose ``event`` is no text."""
    if name is not None:
        return as_text(name)
    for key in ("message", "msg"):
        if type(record.get(key)) is str:
            return str(record.pop(key))
    return as_text(record)


def _name_the_error(error: Document) -> None:
    """Type and message of an exception from its traceback, where the line names none."""
    text = error.get("stack_trace")
    if text and ("type" not in error or "message" not in error):
        kind, message = traceback.exception_of(text)
        if kind:
            error.setdefault("type", kind)
            error.setdefault("message", message)
