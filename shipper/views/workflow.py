"""One workflow run: its document, its stages, its pipeline runs, and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import TextIO

from elasticsearch import Elasticsearch
from rich.console import Console
from rich.text import Text

from shipper.elastic.answers import decoding, validated
from shipper.elastic.client import is_there
from shipper.elastic.names import run_index
from shipper.printable import printable
from shipper.query.conditions import Is, every, queries
from shipper.runs.document import run_document
from shipper.runs.stages import stages_of
from shipper.views.box_table import BoxTable
from shipper.views.formatters import Cell, hours, lasted, text, when
from shipper.views.hits import Flat, flat
from shipper.views.render import terminal
from shipper.views.snapshot import Snapshot
from shipper.views.views import PIPELINE_RUNS, Column, Sort, bold, status_style

_MINUTE, _SECOND = "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"
_ENDS = ("completed_at", "failed_at", "ended_at")
# Runs that have not started come last.
_ORDER: Sort = [
    {"started_at": {"order": "asc", "missing": "_last", "unmapped_type": "date"}},
    {"neuroflow.run_id.number": {"order": "asc", "missing": "_last", "unmapped_type": "long"}},
]


def _ended(pattern: str) -> Cell:
    """When it ended, with any status."""

    def cell(doc: Flat, zone: tzinfo | None) -> str:
        return when(next((field for field in _ENDS if field in doc), ""), pattern, "-")(doc, zone)

    return cell


STAGE_COLUMNS = (
    Column("Stage", "neuroflow.stage", text("neuroflow.stage"), None, bold),
    Column("Status", "status", text("status"), None, status_style),
    Column("Started", "started_at", when("started_at", _SECOND, "-")),
    Column("Ended", "completed_at", _ended(_SECOND)),
    Column("Duration", "duration_seconds", lasted("duration_seconds")),
)
PIPELINE_COLUMNS = (
    Column("Run", "neuroflow.run_id", text("neuroflow.run_id"), None, bold),
    Column("Pipeline", "neuroflow.pipeline", text("neuroflow.pipeline")),
    Column("Subject", "neuroflow.subject_id", text("neuroflow.subject_id")),
    Column("Session", "neuroflow.session_id", text("neuroflow.session_id")),
    Column("Status", "status", text("status"), None, status_style),
    Column("Started", "started_at", when("started_at", _SECOND, "-")),
    Column("Duration", "duration_seconds", lasted("duration_seconds")),
)
_HEADING: tuple[tuple[str, Cell], ...] = (
    ("Trigger", text("trigger")),
    ("Started", when("started_at", _MINUTE)),
    ("Ended", _ended(_MINUTE)),
    ("Duration", hours("duration_seconds")),
)


def workflow_detail(client: Elasticsearch, namespace: str, workflow_run_id: int) -> Flat | None:
    """A workflow run with its stages and pipeline runs; None if there is no such run.

    Returns:
        The fields of its document under their full names, and in addition ``stages`` (see ``stages_of``) and
        ``pipelines``, its pipeline runs in the order of their starts, those that have not started last; both as lists
        of such flat documents.
    """
    index, identity = run_index(namespace), f"workflow_run:{workflow_run_id}"
    # 404: the document or the index does not exist.
    request = f"the request for {identity}"
    answer = client.options(ignore_status=404).get(index=index, id=identity)
    if not is_there(answer, request):
        return None
    document = validated(answer, {"_source": {}}, request)["_source"]
    with decoding(f"the document {identity}"):
        if "kind" not in document:
            # Only its facts are written yet: derive its fields from them.
            document = run_document(identity, document["facts"])
        stages = [flat(stage) for stage in stages_of(document)]
    query = every(queries([PIPELINE_RUNS, Is("neuroflow.workflow_run_id", str(workflow_run_id))]))
    with Snapshot(client, [index]) as snapshot:
        pipelines = [flat(hit["_source"]) for hits in snapshot.pages(query, _ORDER) for hit in hits]
    return {**flat(document), "stages": stages, "pipelines": pipelines}


def write_detail(detail: Flat, zone: tzinfo | None, stream: TextIO) -> None:
    """Print a workflow run for people; on narrow terminals texts are wrapped, not cut off."""
    console = terminal(stream)
    for line in heading(detail, zone):
        console.print(line, soft_wrap=True)
    for title, columns, rows in (
        ("Stages", STAGE_COLUMNS, detail["stages"]),
        ("Pipelines", PIPELINE_COLUMNS, detail["pipelines"]),
    ):
        if rows:
            console.print()
            table = BoxTable(title, columns, zone, stream)
            table.write(rows)
            table.close()
    _write_errors(detail, console)


def heading(detail: Flat, zone: tzinfo | None) -> Iterator[Text]:
    """The lines above the tables."""
    name, status = (
        printable(text(field)(detail, zone), lines=False) for field in ("neuroflow.workflow_run_id", "status")
    )
    yield Text.assemble((f"Workflow run {name}", "bold"), "  ", (status, status_style(status)))
    for title, cell in _HEADING:
        yield Text.assemble((f"{title:<10}", "dim"), printable(cell(detail, zone), lines=False) or "-")


def errors(detail: Flat) -> Iterator[tuple[str, str]]:
    """Errors, and where they occurred: in the run itself, its stages, its pipeline runs."""
    of_stage, of_run, of_pipeline = map(text, ("neuroflow.stage", "neuroflow.run_id", "neuroflow.pipeline"))
    for name, doc in (
        ("Workflow run", detail),
        *((f"Stage {of_stage(stage, None)}", stage) for stage in detail["stages"]),
        *((f"{of_pipeline(run, None) or 'Pipeline'} run {of_run(run, None)}", run) for run in detail["pipelines"]),
    ):
        parts = [text(field)(doc, None) for field in ("error.type", "error.message")]
        if reason := ": ".join(part for part in parts if part):
            yield name, reason


def _write_errors(detail: Flat, console: Console) -> None:
    for at, (name, reason) in enumerate(errors(detail)):
        if not at:
            console.print()
            console.print(Text("Errors", "bold"))
        # Further lines are indented: none of them may look like the name of another error.
        indented = printable(reason, lines=True).replace("\n", "\n    ")
        line = Text.assemble((printable(name, lines=False), "red"), ": ", indented)
        console.print(line, soft_wrap=True)
