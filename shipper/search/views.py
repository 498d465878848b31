"""The views, each declared once: which streams, which documents, in which order, and what a row shows.

Queries are Query DSL that every node understands.  Functions here are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from shipper.config import Dataset
from shipper.search.documents import Flat

Query = dict[str, Any]
Sort = list[dict[str, Any]]

# What a sort has to know of each field to work over streams that (still) lack it or map it otherwise.
_SORTED_AS = {
    "@timestamp": {"unmapped_type": "date_nanos", "numeric_type": "date_nanos"},
    "event.created": {"unmapped_type": "date", "numeric_type": "date"},
    "log.file.path": {"unmapped_type": "keyword"},
    "log.offset": {"unmapped_type": "long"},
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        cell: the text of a document's cell; the zone is the reader's (None: local).
        width: at most this many character cells are set aside; None for the last, which takes the rest.
        style: the look of a text.
    """

    title: str
    cell: Callable[[Flat, tzinfo | None], str]
    width: int | None = None
    style: Callable[[str], str] | None = None


@dataclass(frozen=True)
class View:
    """What a command looks at and how it shows it.

    Attributes:
        datasets: the data streams.
        order: fields that put its documents in order, the first deciding.
        columns: of the table.
        nothing: what is said when nothing was found.
    """

    datasets: tuple[Dataset, ...]
    order: tuple[str, ...]
    columns: tuple[Column, ...]
    nothing: str

    def sort(self, *, newest_first: bool) -> Sort:
        """The order as Elasticsearch takes it; the two directions are exact mirrors of each other."""
        return sort(self.order, newest_first=newest_first)


def sort(fields: Iterable[str], *, newest_first: bool) -> Sort:
    """A sort by these fields; documents without a value count as the oldest."""
    order, missing = ("desc", "_last") if newest_first else ("asc", "_first")
    return [{field: {"order": order, "missing": missing, **_SORTED_AS[field]}} for field in fields]


def streams(datasets: Iterable[Dataset], namespace: str) -> list[str]:
    """The data streams of these datasets."""
    return [f"logs-neuroflow.{dataset}-{namespace}" for dataset in datasets]


def every(conditions: Iterable[Query]) -> Query:
    """Documents that meet all conditions; nothing is scored."""
    return {"bool": {"filter": list(conditions)}}


def between(since: datetime | None, until: datetime | None) -> list[Query]:
    """The condition that an event lies in a span of time, both ends included; none when neither is given."""
    limits = {name: when.isoformat() for name, when in (("gte", since), ("lte", until)) if when is not None}
    return [{"range": {"@timestamp": limits}}] if limits else []


def lines_of(component: str | None, level: str | None) -> list[Query]:
    """The conditions of ``show``: a component and all below it, a level in any case."""
    conditions: list[Query] = []
    if component is not None:
        itself = {"term": {"log.logger": component}}
        below = {"prefix": {"log.logger": f"{component}."}}
        conditions.append({"bool": {"should": [itself, below], "minimum_should_match": 1}})
    if level is not None:
        conditions.append({"term": {"log.level": level.lower()}})
    return conditions


def timestamp(doc: Flat, zone: tzinfo | None) -> str:
    """The time of the event to the millisecond, in the reader's zone."""
    text = str(doc.get("@timestamp") or "")
    try:
        when = datetime.fromisoformat(text).astimezone(zone)
    except (ValueError, OverflowError):
        return text
    return f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03d}"


def told(doc: Flat, _zone: tzinfo | None = None) -> str:
    """The message and, behind it, the fields that tell most, as key=value."""
    message = str(doc.get("message") or "")
    pairs = [f"{name}={_value(doc[field])}" for field, name in _TELLING.items() if field in doc]
    if "event.duration" in doc:
        pairs.append(f"duration={_seconds(doc['event.duration'])}")
    reason = doc.get("error.message")
    if reason and str(reason) not in message:
        pairs.append(f"error={_value(reason)}")
    pairs += [
        f"{field.removeprefix(_EXTRA)}={_value(value)}" for field, value in doc.items() if field.startswith(_EXTRA)
    ]
    return " ".join([message, *pairs] if message else pairs)


_EXTRA = "neuroflow.extra."
_TELLING = {
    "neuroflow.workflow_run_id": "workflow_run_id",
    "neuroflow.run_id": "run_id",
    "neuroflow.pipeline": "pipeline",
    "neuroflow.stage": "stage",
    "neuroflow.subject_id": "subject_id",
    "neuroflow.session_id": "session_id",
    "neuroflow.task.name": "task",
    "neuroflow.task.id": "task_id",
    "error.type": "error_type",
}

_LEVEL_STYLES: Mapping[str, str] = {
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
}


def _text(field: str) -> Callable[[Flat, tzinfo | None], str]:
    def cell(doc: Flat, _zone: tzinfo | None) -> str:
        value = doc.get(field)
        return "" if value is None else _plain(value)

    return cell


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_plain(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _value(value: Any) -> str:
    text = _plain(value)
    if text and not any(char.isspace() or char in '"=' for char in text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'


def _seconds(nanoseconds: Any) -> str:
    try:
        return f"{float(nanoseconds) / 1e9:.12g}s"
    except (TypeError, ValueError):
        return _value(nanoseconds)


LINE_COLUMNS: Sequence[Column] = (
    Column("Timestamp", timestamp, 23, lambda _: "dim"),
    Column("Level", _text("log.level"), 8, lambda level: _LEVEL_STYLES.get(level, "")),
    Column("Component", _text("log.logger"), 24),
    Column("Message", told),
)

SHOW = View(
    datasets=("app", "workflow", "celery"),
    order=("@timestamp", "log.file.path", "log.offset"),
    columns=tuple(LINE_COLUMNS),
    nothing="No log lines found",
)
