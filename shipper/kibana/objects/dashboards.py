"""The dashboards: overview, pipelines, audit, sidecar.  Pure.

Figures count the same documents as the commands: the same conditions, written in KQL.  Figures of the present state
count all run documents; figures over time count those within the range of the time picker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipper.document.levels import LEVELS
from shipper.kibana.objects import panels, sidecar
from shipper.kibana.objects.charts import (
    BLUE,
    GREEN,
    LEVEL_COLOURS,
    RED,
    STATUS_COLOURS,
    STATUS_TINTS,
    ChartHead,
    curves,
    figure,
    table,
)
from shipper.kibana.objects.lens import (
    PERCENT,
    TENTHS,
    averaged,
    count,
    counted,
    latest,
    over_time,
    percentile,
    quotient,
    terms,
)
from shipper.kibana.objects.lens import Column as LensColumn
from shipper.kibana.objects.panels import Control, Panel, Row, found, laid_out, lens, text
from shipper.kibana.objects.saved_object import SavedObject, saved_object
from shipper.kibana.objects.scopes import LOGS, RUNS, RUNS_STATE, DataView, conditions_of, search_id
from shipper.kibana.objects.slowest import SLOWEST
from shipper.query.conditions import Condition, Is, OneOf, kql
from shipper.views.stats import COMPLETED, OVERVIEW, QUEUE, Count
from shipper.views.views import AUDIT, FAILED, FAILURES, PIPELINE_RUNS, SHOW, WAITING

# Kibana's maximum of groups; more than there are pipelines.
_ALL = 1000
_PIPELINE = "neuroflow.pipeline"
_PERCENTILES = (50, 90, 99)
_TITLES = {"overview": "Overview", "pipelines": "Pipelines", "audit": "Audit", "sidecar": "Sidecar"}


def dashboards() -> list[SavedObject]:
    """All of them."""
    runs = (
        Control("Namespace", "data_stream.namespace", RUNS_STATE),
        Control("Service", "service.name", RUNS_STATE),
        Control("Pipeline", _PIPELINE, RUNS_STATE),
    )
    entries = (
        Control("Namespace", "data_stream.namespace", LOGS),
        Control("Service", "service.name", LOGS),
        Control("Entity type", "neuroflow.audit.entity_type", LOGS),
        Control("Pipeline", _PIPELINE, LOGS),
    )
    return [
        _dashboard(
            "overview",
            "How neuroflow is doing: sessions, pipeline runs, the queue, what failed, what is logged.",
            "Figures, pipelines, failures and the queue are of **all time**, as in `neuroflow-logs stats`; "
            "curves are of the time range above.",
            _overview(),
            runs,
            "now-7d",
        ),
        _dashboard(
            "pipelines",
            "How pipelines perform: how long runs take, how many succeed, which were the slowest.",
            "Runs **created** within the time range above; the queue is that of now.",
            _pipelines(),
            runs,
            "now-30d",
        ),
        _dashboard(
            "audit",
            "Who changed what, and when: the audit trail by entity, action and who triggered it.",
            "Changes within the time range above, as in `neuroflow-logs audit`.",
            _audit(),
            entries,
            "now-30d",
        ),
        _dashboard(
            "sidecar",
            "How shipping is doing: lag, throughput, rejected documents, silent hosts, files that are not read.",
            "What sidecars **report of themselves** once a minute, within the time range above.",
            sidecar.rows(),
            sidecar.CONTROLS,
            "now-24h",
        ),
    ]


def _dashboard(
    name: str, about: str, hint: str, rows: Sequence[Row], controls: Sequence[Control], since: str
) -> SavedObject:
    placed, references = laid_out([(4, [_header(name, hint)]), *rows])
    group, more = panels.controlled(controls)
    attributes: dict[str, Any] = {
        "title": f"neuroflow · {_TITLES[name]}",
        "description": about,
        "panelsJSON": placed,
        "optionsJSON": {
            "useMargins": True,
            "syncColors": False,
            "syncCursor": True,
            "syncTooltips": False,
            "hidePanelTitles": False,
        },
        "controlGroupInput": group,
        "version": 1,
        "timeRestore": True,
        "timeFrom": since,
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60000},
        "kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }
    return saved_object("dashboard", f"neuroflow-{name}", attributes, [*references, *more])


def _header(name: str, hint: str) -> Panel:
    """Links to the other dashboards and lists, and a hint on how to read this one."""
    pages = [
        f"**{title}**" if page == name else f"[{title}](#/view/neuroflow-{page})" for page, title in _TITLES.items()
    ]
    # Relative addresses, for any base path and space.
    lists = [f"[{view.title}](discover#/view/{search_id(view)})" for view in (SHOW, FAILURES, AUDIT)]
    return text(panels.COLUMNS, f"{' · '.join(pages)} — {' · '.join(lists)}\n\n{hint}")


def _overview() -> list[Row]:
    widths = (7, 7, 7, 7, 7, 7, 6)
    tiles = [lens(width, _tile(one), titled=False) for width, one in zip(widths, (*OVERVIEW, *QUEUE), strict=True)]
    return [
        (6, tiles),
        (12, [lens(27, _by_pipeline()), lens(21, _failures_over_time())]),
        (12, [found(panels.COLUMNS, search_id(FAILURES), FAILURES.title)]),
        (12, [lens(panels.COLUMNS, _levels_over_time())]),
    ]


def _pipelines() -> list[Row]:
    return [
        (12, [lens(24, _durations_by_pipeline()), lens(24, _durations_over_time())]),
        (12, [lens(16, _success_by_pipeline()), lens(16, _success_over_time()), lens(16, _ends_over_time())]),
        (12, [lens(30, _durations_of_each()), lens(18, _queue_by_pipeline())]),
        (14, [found(panels.COLUMNS, search_id(SLOWEST), SLOWEST.title)]),
    ]


def _audit() -> list[Row]:
    return [
        (12, [lens(32, _changes_over_time()), lens(16, _changes_by_who())]),
        (14, [lens(30, _who_changed_what()), lens(18, _most_changed())]),
        (16, [found(panels.COLUMNS, search_id(AUDIT), AUDIT.title)]),
    ]


def _tile(one: Count) -> dict[str, Any]:
    status = next((one.value for one in one.conditions if isinstance(one, Is) and one.field == "status"), "")
    about = _about(_named(one), "", RUNS_STATE, one.conditions, _recent(one))
    return figure(about, count("n", _named(one)), STATUS_TINTS.get(status))


def _named(one: Count) -> str:
    return one.title[:1].upper() + one.title[1:]


def _recent(one: Count) -> str:
    """The time span of a count, as KQL."""
    if one.within is None:
        return ""
    return f'created_at >= "now-{one.within.total_seconds() / 3600:g}h"'


def _about(title: str, text: str, over: DataView, conditions: Sequence[Condition], more: str = "") -> ChartHead:
    return ChartHead(title, text, over, " and ".join(part for part in (kql(conditions), more) if part))


def _by_pipeline() -> dict[str, Any]:
    about = _about("Pipelines by type", "All runs of each pipeline.", RUNS_STATE, (PIPELINE_RUNS,))
    columns = [
        terms("pipeline", "Pipeline", _PIPELINE, size=_ALL, unknown=True),
        count("total", "Total"),
        count("completed", "Completed", kql([COMPLETED])),
        count("failed", "Failed", kql([FAILED])),
        _success_rate(),
        quotient("minutes", "Average minutes", averaged("duration_seconds"), 60, TENTHS),
    ]
    return table(about, columns)


def _success_rate() -> LensColumn:
    return quotient("rate", "Success rate", counted([COMPLETED]), counted(), PERCENT)


def _failures_over_time() -> dict[str, Any]:
    about = _about("Failures over time", "When runs failed, by pipeline.", RUNS, FAILURES.conditions)
    across, number = over_time("when", "failed_at", "Failed"), count("n", "Failed runs")
    split = terms("pipeline", "Pipeline", _PIPELINE, size=9, by="n", others=True, unknown=True)
    return curves(about, "bar_stacked", across, [number], split=split)


def _levels_over_time() -> dict[str, Any]:
    about = _about("Log lines by level", "What application, workflows and workers log.", LOGS, conditions_of(SHOW))
    usual = OneOf("log.level", LEVELS)
    figures = [count(level, level, kql([Is("log.level", level)])) for level in LEVELS]
    figures.append(count("other", "other", f"not {usual.kql()}"))
    return curves(about, "bar_stacked", over_time("when", "@timestamp", "Time"), figures, colours=LEVEL_COLOURS)


def _durations(prefix: str = "p") -> list[LensColumn]:
    return [percentile(f"{prefix}{part}", f"p{part}", "duration_seconds", part) for part in _PERCENTILES]


def _durations_by_pipeline() -> dict[str, Any]:
    about = _about("Durations by pipeline", "Half, 90 and 99 % of runs took no longer.", RUNS, (PIPELINE_RUNS,))
    across = terms("pipeline", "Pipeline", _PIPELINE, size=20, by="p50")
    return curves(about, "bar_horizontal", across, _durations(), colours=_DURATION_COLOURS)


def _durations_over_time() -> dict[str, Any]:
    about = _about("Durations over time", "Of all runs, by the time of their creation.", RUNS, (PIPELINE_RUNS,))
    across = over_time("when", "@timestamp", "Created")
    return curves(about, "bar", across, _durations(), colours=_DURATION_COLOURS)


def _durations_of_each() -> dict[str, Any]:
    about = _about("90 % of runs took no longer", "Over time, by pipeline.", RUNS, (PIPELINE_RUNS,))
    across, longest = over_time("when", "@timestamp", "Created"), percentile("p90", "p90", "duration_seconds", 90)
    split = terms("pipeline", "Pipeline", _PIPELINE, size=9, by="p90")
    return curves(about, "bar", across, [longest], split=split)


def _success_by_pipeline() -> dict[str, Any]:
    about = _about("Success rate by pipeline", "Completed runs of all.", RUNS, (PIPELINE_RUNS,))
    across = terms("pipeline", "Pipeline", _PIPELINE, size=20)
    return curves(about, "bar_horizontal", across, [_success_rate()], colours={"rate": GREEN}, highest=1)


def _success_over_time() -> dict[str, Any]:
    about = _about("Success rate over time", "By the time of their creation.", RUNS, (PIPELINE_RUNS,))
    across = over_time("when", "@timestamp", "Created")
    return curves(about, "bar", across, [_success_rate()], colours={"rate": GREEN}, highest=1)


def _ends_over_time() -> dict[str, Any]:
    about = _about(
        "Runs and how they ended", "By the time of their creation; runs that have not ended wait or run.", RUNS,
        (PIPELINE_RUNS,),
    )  # fmt: skip
    figures = [count(status, status, kql([Is("status", status)])) for status in STATUS_COLOURS]
    return curves(about, "bar_stacked", over_time("when", "@timestamp", "Created"), figures, colours=STATUS_COLOURS)


def _queue_by_pipeline() -> dict[str, Any]:
    about = _about("Queue", "Runs that wait or run now.", RUNS_STATE, (PIPELINE_RUNS, WAITING))
    across = terms("pipeline", "Pipeline", _PIPELINE, size=20, unknown=True)
    figures = [count(one.name, _named(one), kql(one.conditions)) for one in QUEUE]
    colours = {one.name: STATUS_COLOURS[one.name] for one in QUEUE}
    return curves(about, "bar_horizontal_stacked", across, figures, colours=colours)


def _changes_over_time() -> dict[str, Any]:
    about = _about("Changes over time", "By the type of what was changed.", LOGS, conditions_of(AUDIT))
    split = terms("type", "Entity type", "neuroflow.audit.entity_type", size=9, by="n", others=True)
    return curves(about, "bar_stacked", over_time("when", "@timestamp", "Time"), [count("n", "Changes")], split=split)


def _changes_by_who() -> dict[str, Any]:
    about = _about("Changes by who triggered them", "", LOGS, conditions_of(AUDIT))
    across = terms("who", "Triggered by", "neuroflow.audit.triggered_by", size=20, by="n", unknown=True)
    return curves(about, "bar_horizontal", across, [count("n", "Changes")], colours={"n": BLUE})


def _who_changed_what() -> dict[str, Any]:
    about = _about("Who changed what", "Entries by who, entity type and action.", LOGS, conditions_of(AUDIT))
    columns = [
        terms("who", "Triggered by", "neuroflow.audit.triggered_by", size=20, by="n", unknown=True),
        terms("user", "User", "user.id", size=50, by="n", unknown=True),
        terms("type", "Entity type", "neuroflow.audit.entity_type", size=20, by="n"),
        terms("action", "Action", "event.action", size=50, by="n"),
        count("n", "Changes"),
        latest("last", "Last", "@timestamp"),
    ]
    return table(about, columns, sorted_by=("n", "desc"))


def _most_changed() -> dict[str, Any]:
    about = _about("Most changed", "Entities with the most entries.", LOGS, conditions_of(AUDIT))
    columns = [
        terms("entity", "Entity", "neuroflow.audit.entity", size=50, by="n"),
        count("n", "Changes"),
        latest("last", "Last", "@timestamp"),
    ]
    return table(about, columns, sorted_by=("n", "desc"))


_DURATION_COLOURS = {f"p{part}": colour for part, colour in zip(_PERCENTILES, (GREEN, BLUE, RED), strict=True)}
