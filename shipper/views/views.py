"""The views, each declared once: its documents, their order, and its columns.

The commands of ``neuroflow-logs``, the saved searches of Kibana and the JSON for scripts are made from these
declarations.  Queries are Query DSL that every node understands.  Functions here are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shipper.config import Dataset
from shipper.document.levels import level_of
from shipper.elastic.names import run_index, streams_of
from shipper.query.conditions import Begins, Condition, Exists, Is, OneOf, Query, queries
from shipper.taxonomy import TASK_OUTCOMES
from shipper.views.formatters import Cell, hours, message_and_fields, seconds, text, timestamp, when, without_prefix

Sort = list[dict[str, Any]]
Direction = Literal["asc", "desc"]

# Sort options of each field, for streams that lack it or map it with another type.
_SORTED_AS: Mapping[str, dict[str, Any]] = {
    "@timestamp": {"unmapped_type": "date_nanos", "numeric_type": "date_nanos"},
    "event.created": {"unmapped_type": "date", "numeric_type": "date"},
    "failed_at": {"unmapped_type": "date"},
    "log.file.path": {"unmapped_type": "keyword"},
    "log.offset": {"unmapped_type": "long"},
    "neuroflow.generation": {"unmapped_type": "keyword"},
    "neuroflow.run_id.number": {"unmapped_type": "long"},
    "neuroflow.workflow_run_id.number": {"unmapped_type": "long"},
    "started_at": {"unmapped_type": "date"},
    "updated_at": {"unmapped_type": "date"},
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        field: the field that it shows, in Kibana as well.
        cell: gives the text of a document's cell.
        width: its maximum in character cells; None for the last column, which takes the remaining width.
        style: gives the style of a text.
    """

    title: str
    field: str
    cell: Cell
    width: int | None = None
    style: Callable[[str], str] | None = None


@dataclass(frozen=True)
class View:
    """The documents of a command and how it shows them.

    Attributes:
        name: of the command, and of the saved search (``neuroflow-<name>``).
        title: of the table and of the saved search.
        about: its description, a sentence.
        datasets: the data streams; none: the index of run documents.
        conditions: on its documents.
        order: fields and directions, the most significant first.
        columns: of the table.
        nothing: the message when nothing was found.
    """

    name: str
    title: str
    about: str
    datasets: tuple[Dataset, ...]
    conditions: tuple[Condition, ...]
    order: tuple[tuple[str, Direction], ...]
    columns: tuple[Column, ...]
    nothing: str

    def index(self, namespace: str) -> list[str]:
        """The streams or the index of its documents."""
        return streams_of(namespace, self.datasets) if self.datasets else [run_index(namespace)]

    def query(self, more: Iterable[Query] = ()) -> Query:
        """The query for its documents that meet further conditions; nothing is scored."""
        return {"bool": {"filter": [*queries(self.conditions), *more]}}

    def sort(self, *, mirrored: bool = False) -> Sort:
        """The order as Elasticsearch's sort, or its exact mirror."""
        turned: dict[Direction, Direction] = {"asc": "desc", "desc": "asc"}
        return [_by(field, turned[way] if mirrored else way) for field, way in self.order]


def sort(fields: Iterable[str], *, newest_first: bool) -> Sort:
    """A sort by these fields; documents without a value count as the oldest."""
    return [_by(field, "desc" if newest_first else "asc") for field in fields]


def _by(field: str, way: Direction) -> dict[str, Any]:
    missing = "_last" if way == "desc" else "_first"
    return {field: {"order": way, "missing": missing, **_SORTED_AS[field]}}


def lines_of(component: str | None, level: str | None) -> list[Query]:
    """The conditions of ``show``: a component and all below it, a level in any case."""
    conditions: list[Query] = []
    if component is not None:
        itself = Is("log.logger", component).query()
        below = Begins("log.logger", f"{component}.").query()
        conditions.append({"bool": {"should": [itself, below], "minimum_should_match": 1}})
    if level is not None:
        conditions.append(Is("log.level", level_of(level.lower())).query())
    return conditions


_LEVEL_STYLES = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
_OUTCOME_STYLES = {"success": "green", "failure": "red"}
_STATUS_STYLES = {"completed": "green", "running": "blue", "failed": "red"}


def level_style(level: str) -> str:
    """The style of a log level."""
    return _LEVEL_STYLES.get(level, "")


def status_style(status: str) -> str:
    """The style of a run's status."""
    return _STATUS_STYLES.get(status, "white")


def outcome_style(action: str) -> str:
    """The style of a task's action, by its outcome."""
    return _OUTCOME_STYLES.get(TASK_OUTCOMES.get(action, ""), "")


def dim(_text: str) -> str:
    """The style of secondary text."""
    return "dim"


def bold(_text: str) -> str:
    """The style of a name."""
    return "bold"


NEWEST_LINE_FIRST: tuple[tuple[str, Direction], ...] = (
    ("@timestamp", "desc"),
    ("log.file.path", "desc"),
    ("log.offset", "desc"),
)
"""Its mirror is the order of a tail: by time, and lines with the same time in the order of their file."""

_TIMESTAMP = Column("Timestamp", "@timestamp", timestamp, 23, dim)
_LEVEL = Column("Level", "log.level", text("log.level"), 8, level_style)
_MESSAGE = Column("Message", "message", message_and_fields)

SHOW = View(
    name="show",
    title="Logs",
    about="What the application, its workflows and its workers log: the lines of `neuroflow-logs show`.",
    datasets=("app", "workflow", "celery"),
    conditions=(),
    order=NEWEST_LINE_FIRST,
    columns=(_TIMESTAMP, _LEVEL, Column("Component", "log.logger", text("log.logger"), 24), _MESSAGE),
    nothing="No log lines found",
)

SEARCH = View(
    name="search",
    title="All Logs",
    about="Every line of every log, to be searched: the lines of `neuroflow-logs search`.",
    datasets=("app", "workflow", "celery", "pipeline", "audit"),
    conditions=(),
    order=NEWEST_LINE_FIRST,
    columns=(
        _TIMESTAMP,
        Column("Dataset", "event.dataset", without_prefix("event.dataset", "neuroflow."), 8, dim),
        _LEVEL,
        Column("Component", "log.logger", text("log.logger"), 24),
        _MESSAGE,
    ),
    nothing="No log lines found",
)
IN_FILES: tuple[tuple[str, Direction], ...] = (
    ("log.file.path", "asc"),
    ("neuroflow.generation", "asc"),
    ("log.offset", "asc"),
)
"""By file, and in each file by offset: the order of a search with context lines."""

PIPELINE = View(
    name="pipeline",
    title="Pipeline Log",
    about="The log files of pipeline runs, line by line: `neuroflow-logs pipeline RUN_ID`. "
    "Filter by neuroflow.run_id; the newest attempt comes first.",
    datasets=("pipeline",),
    conditions=(),
    order=(("log.file.path", "desc"), ("neuroflow.generation", "asc"), ("log.offset", "asc")),
    columns=(Column("Message", "message", text("message")),),
    nothing="No log file found",
)

AUDIT = View(
    name="audit",
    title="Audit Log",
    about="Who changed what: the entries of `neuroflow-logs audit`.",
    datasets=("audit",),
    conditions=(Exists("neuroflow.audit.entity_type"),),
    order=NEWEST_LINE_FIRST,
    columns=(
        Column("Timestamp", "@timestamp", when("@timestamp", "%Y-%m-%d %H:%M:%S"), None, dim),
        Column("Entity", "neuroflow.audit.entity", text("neuroflow.audit.entity")),
        Column("Action", "event.action", text("event.action")),
        Column("Message", "message", text("message")),
    ),
    nothing="No audit log entries found",
)

TASKS = View(
    name="tasks",
    title="Celery Tasks",
    about="What became of the workers' tasks: received, succeeded, retried, failed (`neuroflow-logs tasks`).",
    # "app": workers that log through shipper.emit write to the application's own files.
    datasets=("celery", "app"),
    conditions=(Begins("event.action", "task."), Exists("neuroflow.task.id")),
    order=NEWEST_LINE_FIRST,
    columns=(
        _TIMESTAMP,
        Column("Action", "event.action", text("event.action"), 18, outcome_style),
        Column("Runtime", "event.duration", seconds("event.duration"), 10),
        Column("Task ID", "neuroflow.task.id", text("neuroflow.task.id"), 36),
        Column("Task", "neuroflow.task.name", text("neuroflow.task.name"), 60),
        Column("Error", "error.message", text("error.message")),
    ),
    nothing="No tasks found",
)

PIPELINE_RUNS = Is("kind", "pipeline_run")
FAILED = Is("status", "failed")

WORKFLOWS = View(
    name="workflow",
    title="Recent Workflow Runs",
    about="Workflow runs, the latest first: `neuroflow-logs workflow --list`.",
    datasets=(),
    conditions=(Is("kind", "workflow_run"),),
    order=(("started_at", "desc"), ("@timestamp", "desc"), ("neuroflow.workflow_run_id.number", "desc")),
    columns=(
        Column("ID", "neuroflow.workflow_run_id", text("neuroflow.workflow_run_id"), None, bold),
        Column("Status", "status", text("status"), None, status_style),
        Column("Started", "started_at", when("started_at", "%Y-%m-%d %H:%M", "-")),
        Column("Duration", "duration_seconds", hours("duration_seconds")),
        Column("Stages", "stages_completed", text("stages_completed")),
    ),
    nothing="No workflow runs found",
)

FAILURES = View(
    name="failures",
    title="Recent Failures",
    about="Pipeline runs that failed, the latest first: `neuroflow-logs stats failures`.",
    datasets=(),
    conditions=(PIPELINE_RUNS, FAILED),
    order=(("failed_at", "desc"), ("updated_at", "desc"), ("neuroflow.run_id.number", "desc")),
    columns=(
        Column("Run", "neuroflow.run_id", text("neuroflow.run_id"), None, bold),
        Column("Pipeline", "neuroflow.pipeline", text("neuroflow.pipeline")),
        Column("Session", "neuroflow.session_id", text("neuroflow.session_id")),
        Column("Error", "error.message", text("error.message")),
        Column("Failed", "failed_at", when("failed_at", "%Y-%m-%d %H:%M:%S", "-")),
    ),
    nothing="No failures found",
)

SESSIONS = Is("kind", "session")
WAITING = OneOf("status", ("pending", "queued", "running"))
"""The states that are counted as the depth of the queue."""

VIEWS = (SHOW, SEARCH, PIPELINE, AUDIT, WORKFLOWS, FAILURES, TASKS)
