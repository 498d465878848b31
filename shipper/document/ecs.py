"""Records → documents with ECS names.

The mapping is closed: unmapped keys go to ``neuroflow.extra``, so no line adds fields to the mapping or conflicts
with it, and every mapped value has its field's type.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from shipper.config import Dataset, Shipper
from shipper.document import audit, pipeline_output
from shipper.document.bids_labels import LABELS, MAX_LABEL_CHARS, Label, bids_name
from shipper.document.container_times import ContainerTimes
from shipper.document.durations import MAX_SECONDS
from shipper.document.fact_templates import SomeFacts
from shipper.document.field_mappers import IDS, MAPPERS, put_component, put_duration, put_service
from shipper.document.ids import generation_text
from shipper.document.levels import SPELLINGS, level_of
from shipper.document.path_context import path_context_of
from shipper.document.run_context import RunContext
from shipper.document.shaped import ShapedDocuments, parse_odd
from shipper.document.templates import FactsOf, Place
from shipper.document.unmapped import SAFE_KEYS, SCALARS, as_text, sanitized
from shipper.parse import celery, foreign_timestamps, json_dialects, structlog, traceback
from shipper.parse.audit import is_entry
from shipper.parse.records import Records
from shipper.parse.shapes import Shapes, record_of
from shipper.parse.timestamps import FIRST_YEAR, LAST_YEAR, Reading, Zone, from_ns, later, to_utc
from shipper.redact.redactor import Redactor
from shipper.tail.block import Block, Origin
from shipper.taxonomy import event_fields

Document = dict[str, Any]
Suspects = Callable[[bytes], bool]
"""Whether a line may contain something to redact."""
ECS_VERSION = "8.17.0"

# Larger numbers are names: dates, numbers from a scanner.
_MIN_NAME_NUMBER = 10**7

_TARGETS: dict[str, Any] = {**IDS, **LABELS, **MAPPERS}
"""Key of a log line → key under ``neuroflow`` (str), what it names (Label), or the function that maps it."""


class Documents:
    """Makes the documents of a block.

    Args:
        settings: for environment, host name, zones and limits.
        version: of the agent.
        runs: completes ids from earlier lines.
        redactor: removes secrets and hashes ids.
        facts_of: makes facts about runs; without it every line is parsed.

    Attributes:
        common: what all documents have in common; ``of`` leaves it out.
        shapes: known shapes of lines; None where every line is parsed.
    """

    def __init__(
        self,
        settings: Shipper,
        version: str,
        runs: RunContext | None = None,
        redactor: Redactor | None = None,
        facts_of: FactsOf | None = None,
    ) -> None:
        self._zone = Zone(settings.timezone)
        self._utc = Zone("UTC")
        self._container_times = ContainerTimes(Zone(settings.container_timezone))
        self._last_ns: dict[bytes, int] = {}
        self._max_line_bytes = settings.max_line_bytes
        self._service = {"name": "neuroflow", "environment": settings.environment}
        self.runs = runs or RunContext()
        self._redactor = redactor or Redactor(settings.redact)
        self._last_assumed_ns = 0
        self.common: Document = {
            "host": {"name": settings.host},
            "agent": {"type": "neuroflow-ship", "version": version},
            "ecs": {"version": ECS_VERSION},
        }
        self.shapes: Shapes | None = None
        # Ids that are hashed differ from those in the line.
        if facts_of is not None and settings.fast_path and not self._redactor.hashes:
            self.shapes = Shapes()
            usual = Documents(settings, version)
            self._shaped = ShapedDocuments(
                self.shapes, usual.of_record, facts_of, self.runs, self._redactor.suspects, self._zone, self._utc
            )

    def take_facts(self) -> list[SomeFacts]:
        """The facts in the documents that were made from templates since the last call."""
        return self._shaped.found.take() if self.shapes is not None else []

    def of_record(self, record: dict[str, Any], place: Place, start: int) -> Document:
        """The document of one record, without what is known of its run."""
        self.runs = RunContext()
        origin = Origin(place.generation, place.path, place.path, "auto", cast("Dataset", place.dataset))
        block = Block(origin, [b""], [start, start], read_at_ns=place.read_at_ns)
        return dict(self._audit_records(Records(block, [record], [b""], [start]), place.path, _never)[0])

    def of(self, records: Records) -> list[Document]:
        """One document for each record, in order, without templates."""
        records.parse_shaped(list(records.shaped))
        return self.with_templates(records)

    def with_templates(self, records: Records) -> list[Any]:
        """One document for each record, in order; those made from templates are JSON without its last brace."""
        origin, redactor = records.block.origin, self._redactor
        raws, texts = records.raws, b""
        if records.shaped:
            raws = parse_odd(records, self._max_line_bytes)
            texts = self._shaped.texts(records.shaped)
        joined = b"\n".join(raws)
        # Most blocks contain nothing to redact, and in the others most lines don't.
        suspicious = redactor.active and (redactor.suspects(joined) or redactor.suspects_texts(texts))
        suspects = redactor.suspects if suspicious else _never
        path = redactor.path(origin.path)
        if origin.format == "pipeline":
            documents = pipeline_output.documents_of(
                records, path, self._service, self.runs, self._container_times.to_utc(records.block)
            )
            for document, raw in zip(documents, records.raws, strict=True):
                if suspects(raw):
                    redactor.document(document)
        elif origin.format == "audit" or b'"entity_type"' in joined:
            documents = self._audit_records(records, path, suspects)
        else:
            documents = self._events(records, path, suspects)
        if records.contained:
            self._container_times.use(documents, records)
        for index, nanoseconds in records.after.items():
            documents[index]["@timestamp"] = later(documents[index]["@timestamp"], nanoseconds)
        for index, tags in records.tags.items():
            present = documents[index].setdefault("tags", [])
            present.extend(tag for tag in tags if tag not in present)
        for first, last in origin.spoiled:
            for document, start, raw in zip(documents, records.starts, records.raws, strict=True):
                if start < last and start + len(raw) >= first:
                    document.setdefault("tags", []).append("checksum_failed")
        for index, flags in records.flags.items():
            documents[index]["log"]["flags"] = sorted(set(flags))
        if max(map(len, records.raws), default=0) > self._max_line_bytes:
            self._truncate(documents, records)
        for index, original in records.originals.items():
            kept = redactor.line(original) if suspects(original) else original
            documents[index]["neuroflow"]["original"] = b64encode(kept).decode()
        return documents

    def _events(self, records: Records, path: str, suspects: Suspects) -> list[Any]:
        """Documents of application events in any format.

        One flat loop: at a hundred thousand lines a second calls cost more than the work in them.
        """
        block = records.block
        reading = Reading(block.origin.generation, block.read_at_ns, block.modified_ns, self._last_ns)
        created = from_ns(block.read_at_ns)
        dataset = f"neuroflow.{block.origin.dataset}"
        file = {"path": path}
        place = (
            path_context_of(self._redactor.path(block.origin.logical)) if block.origin.format == "console" else None
        )
        generation = generation_text(block.origin.generation)
        service, runs, levels, target_of = self._service, self.runs, SPELLINGS, _TARGETS.get
        has_no_mark = json_dialects.MARKS.isdisjoint
        plain, safe_keys, raws, redact = SCALARS, SAFE_KEYS, records.raws, self._redactor.document
        # Lines with the same message share one event object, which is copied to be changed.
        events: dict[str, Document] = {}
        documents: list[Any] = []
        shaped = records.shaped
        if shaped:
            self._shaped.enter(Place(path, block.origin.generation, block.origin.dataset, block.read_at_ns))
            body_of, all_clean = self._shaped.body, suspects is _never
        for index, (record, start) in enumerate(zip(records.records, records.starts, strict=True)):
            may_redact = suspects
            if index in shaped:
                line = shaped[index]
                body = body_of(line, start) if all_clean or not suspects(raws[index]) else None
                if body is not None:
                    documents.append(body)
                    continue
                record = record_of(line)  # noqa: PLW2901 - the record that was left empty
                may_redact = self._redactor.suspects
            pop = record.pop
            message = pop("event", None)
            if type(message) is not str:
                if message is not None:
                    record["event"] = message
                message = json_dialects.event_of(record)
                message = as_text(record if message is None else message)
            event = events.get(message)
            if event is None:
                event = {**event_fields(message), "created": created, "dataset": dataset}
                if message.startswith(celery.TASK_PREFIXES):
                    celery.add_task(record, message)
                else:
                    events[message] = event
            log: Document = {"offset": start, "file": file}
            neuroflow: Document = {"generation": generation}
            document: Document = {
                "@timestamp": None,
                "message": message,
                "event": event,
                "log": log,
                "service": service,
                "neuroflow": neuroflow,
            }
            documents.append(document)
            extra: Document = {}
            unsafe = False

            # Of any type; values that are not text raise one of the errors below.
            stamp: Any = pop("@timestamp", None) or pop("timestamp", None)
            if stamp is None:
                stamp = json_dialects.time_of(record)
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
                fallback = json_dialects.stamp(stamp)
                if fallback is None and type(stamp) is str:
                    fallback, assumed = self._of_some_year(stamp, reading, records.written.get(index))
                    if assumed:
                        document["event"] = {**event, "timezone": assumed}
                if fallback is None:
                    if stamp is not None:
                        extra["timestamp" if "timestamp" not in record else "@timestamp"], unsafe = stamp, True
                    fallback = self._runtime_stamp(records.written.get(index))
                if fallback is None:
                    fallback = self._assumed_time(block.read_at_ns)
                    document["tags"] = ["no_timestamp"]
                document["@timestamp"] = fallback

            level = pop("level", None)
            if level is None and not has_no_mark(record):
                level = json_dialects.level_of(record)
            if level is not None:
                usual = levels.get(level) if type(level) is str else None
                log["level"] = usual or level_of(as_text(json_dialects.named(level, record)).lower())
            component = pop("component", None)
            if component is not None:
                if type(component) is str:
                    log["logger"] = component
                else:
                    put_component(document, component)
            service_name = pop("service", None)
            if service_name is not None and service_name != "neuroflow" and not put_service(document, service_name):
                extra["service"], unsafe = service_name, True
            duration = pop("duration", None)
            if duration is not None:
                kind = type(duration)
                if (kind is float or kind is int) and 0 <= duration < MAX_SECONDS:
                    document["event"] = {**document["event"], "duration": round(duration * 10**9)}
                elif not put_duration(document, duration):
                    extra["duration"], unsafe = duration, True

            for key, value in record.items():
                target = target_of(key)
                if target is None:
                    if value is not None:
                        extra[key] = value
                        if type(value) not in plain or key not in safe_keys:
                            unsafe = True
                elif type(target) is str:
                    if value is None:
                        continue
                    kind = type(value)
                    text = value if kind is str else str(value) if kind is int else _id(value, key, raws[index])
                    if target not in neuroflow and kind is not dict:
                        neuroflow[target] = text
                    elif neuroflow.get(target) != text:
                        extra[key], unsafe = value, True
                elif type(target) is Label:
                    if value is None:
                        continue
                    kind = type(value)
                    if kind is str:
                        text = bids_name(value, target) if len(value) <= MAX_LABEL_CHARS else value
                    elif kind is int and not target.always_name and -_MIN_NAME_NUMBER < value < _MIN_NAME_NUMBER:
                        text = str(value)
                    else:
                        text = _id(value, key, raws[index])
                        text = bids_name(text, target) if len(text) <= MAX_LABEL_CHARS else text
                    if neuroflow.setdefault(target.field, text) != text:
                        extra[key], unsafe = value, True
                elif value is not None and not target(document, value):
                    extra[key], unsafe = value, True
            if "error" in document:
                _complete_error(document["error"])
            if extra:
                neuroflow["extra"] = sanitized(extra) if unsafe else extra
            # Before the run context stores fields of the line.
            if may_redact(raws[index]):
                redact(document)
                neuroflow = document["neuroflow"]
            if place is not None:
                place.complete(neuroflow)
            if "task" in neuroflow:
                runs.complete_task(neuroflow)
            if "run_id" in neuroflow:
                event_time = document["@timestamp"] if "tags" not in document else ""
                runs.complete(neuroflow, document["event"].get("action"), event_time)
        return documents

    def _runtime_stamp(self, text: str | None) -> str | None:
        """The container runtime's own timestamp of a line, in UTC."""
        try:
            return to_utc(text, self._zone)[0] if text else None
        except ValueError:
            return None

    def _of_some_year(self, stamp: str, reading: Reading, written: str | None) -> tuple[str | None, str | None]:
        """The time of a stamp without a year, no later than the last change; and the assumed zone."""
        moment = self._runtime_stamp(written)
        read_at = reading.read_at_ns
        latest = moment or from_ns(min(reading.modified_ns or read_at, read_at))
        text = foreign_timestamps.with_year(stamp, datetime.fromisoformat(latest))
        return to_utc(text, self._zone, reading) if text else (None, None)

    def _assumed_time(self, read_at_ns: int) -> str:
        """The time of reading, for a line without a timestamp; always later than the last, to keep the order."""
        self._last_assumed_ns = max(read_at_ns, self._last_assumed_ns + 1)
        return from_ns(self._last_assumed_ns)

    def _audit_records(self, records: Records, path: str, suspects: Suspects) -> list[Any]:
        """Documents of a block with audit records; its other lines are events."""
        block = records.block
        common = {"created": from_ns(block.read_at_ns), "dataset": f"neuroflow.{block.origin.dataset}"}
        generation = generation_text(block.origin.generation)
        documents: list[Any] = []
        if records.shaped:
            self._shaped.enter(Place(path, block.origin.generation, block.origin.dataset, block.read_at_ns))
            body_of, all_clean = self._shaped.body, suspects is _never
        for at, (record, raw, start) in enumerate(zip(records.records, records.raws, records.starts, strict=True)):
            may_redact = suspects
            if at in records.shaped:
                line = records.shaped[at]
                body = body_of(line, start) if all_clean or not suspects(raw) else None
                if body is not None:
                    documents.append(body)
                    continue
                record, may_redact = record_of(line), self._redactor.suspects  # noqa: PLW2901 - it was left empty
            written = records.written.get(at)
            if not is_entry(record):
                one = Records(block, [record], [raw], [start], written={0: written} if written else {})
                documents += self._events(one, path, suspects)
                continue
            document = audit.document_of(record, self._utc)
            document["event"].update(common)
            document["service"] = self._service
            document["log"] = {"offset": start, "file": {"path": path}}
            document["neuroflow"]["generation"] = generation
            if "@timestamp" not in document and (stamp := self._runtime_stamp(written)):
                document["@timestamp"] = stamp
            elif "@timestamp" not in document:
                document["@timestamp"] = self._assumed_time(block.read_at_ns)
                document["tags"] = ["no_timestamp"]
            if may_redact(raw):
                self._redactor.document(document)
            neuroflow = document["neuroflow"]
            if "run_id" in neuroflow:
                born = "pipeline_run.created" if document["event"]["action"] == "created" else None
                self.runs.complete(neuroflow, born, document["@timestamp"] if "tags" not in document else "")
            documents.append(document)
        return documents

    def _truncate(self, documents: list[Document], records: Records) -> None:
        """Truncate and flag messages over the limit; the exact bytes go to ``neuroflow.original``."""
        for index, raw in enumerate(records.raws):
            if len(raw) <= self._max_line_bytes:
                continue
            log = documents[index]["log"]
            log["flags"] = sorted({*log.get("flags", ()), "truncated"})
            message = documents[index]["message"].encode("utf-8", "replace")
            if len(message) > self._max_line_bytes:
                documents[index]["message"] = message[: self._max_line_bytes].decode("utf-8", "ignore")
            records.originals.setdefault(index, raw + b"\n")


def _never(_: bytes) -> bool:
    """Suspect no line."""
    return False


def _id(value: Any, key: str, raw: bytes) -> str:
    """An identifier as text; integers beyond 64 bits, which the fast parser rounds, come from the line itself."""
    if type(value) is float and abs(value) >= 2**63:
        exact = structlog.lenient(raw)
        if exact is not None and key in exact:
            value = exact[key]
    return as_text(value)


def _complete_error(error: Document) -> None:
    """Add type and message of an exception from its traceback, if the line has none."""
    text = error.get("stack_trace")
    if text and ("type" not in error or "message" not in error):
        kind, message = traceback.exception_of(text)
        if kind:
            error.setdefault("type", kind)
            error.setdefault("message", message)
