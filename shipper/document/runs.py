"""Facts → the document of a workflow run, a pipeline run or a session.  Pure.

A session that has a row in the application's database is known by the row's number, and the events that only know its
name make a document of kind ``session_name``, which names the row.

The same facts give the same document, in whichever order they came in.  An id that is used again begins a new *life*
(a run is queued again after it had begun): the document tells the newest.  Within a life a run may have several
*attempts* (it is started again after it had ended): the document tells the newest of these as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shipper.document.durations import MOST_SECONDS
from shipper.document.extra import tame
from shipper.document.facts import Fact

MOST_FACTS = 200
"""So many facts of one run are kept, the newest."""
_TIME = slice(0, 28)  # of a key
# At one moment: a run is queued before it starts, and starts before it ends.
_TURNS = ("pending", "created", "discovered", "queued", "requeued", "started", "processing", "stage_started")
_RANK = {verb: rank for rank, verb in enumerate(_TURNS)}
_LATER = len(_RANK)
_BIRTHS = {
    "pipeline_run": frozenset({"pending", "created", "queued"}),
    "workflow_run": frozenset({"pending", "created", "started"}),
    "session": frozenset(),
}
_ENDS = frozenset({"completed", "failed", "cancelled", "skipped"})
# The audit trail and the event stream tell of one birth at slightly different moments, seconds.
_TOGETHER = 60.0
_TOLD = ("pipeline", "subject_id", "session_id", "workflow_run_id")


def newest(facts: dict[str, Fact]) -> dict[str, Fact]:
    """The facts that are kept of these, in order of time."""
    keys = sorted(facts, key=lambda key: (key[_TIME], _RANK.get(facts[key]["verb"], _LATER), key))
    return {key: facts[key] for key in keys[-MOST_FACTS:]}


def run_document(identity: str, facts: dict[str, Fact]) -> dict[str, Any]:
    """The whole document of a run, its facts included.

    Args:
        identity: its id: ``workflow_run:123``, ``pipeline_run:456``, ``session:789``.
        facts: everything that was ever said of it.
    """
    kept = newest(facts)
    kind, _, number = identity.partition(":")
    life = newest_life(kind, kept.values())
    make = {"pipeline_run": _pipeline_run, "workflow_run": _workflow_run, "session": _session}[kind]
    document: dict[str, Any] = {"kind": kind, "service": {"name": "neuroflow"}, **make(number, life)}
    times = [fact["at"] for fact in life if "at" in fact]
    if times:
        document["@timestamp"] = document["created_at"] = times[0]
        document["updated_at"] = times[-1]
    document = {key: value for key, value in document.items() if value is not None}
    if "duration_seconds" in document:
        document["event"] = {"duration": round(document["duration_seconds"] * 10**9)}
    return {**document, "facts": kept}


def newest_life(kind: str, facts: Iterable[Fact]) -> list[Fact]:
    """Of facts in order of time those since the id was last begun anew."""
    births = _BIRTHS[kind]
    life: list[Fact] = []
    for fact in facts:
        if fact["verb"] in births and _begins_anew(life, fact, births):
            life = []
        life.append(fact)
    return life


def _begins_anew(life: list[Fact], birth: Fact, births: frozenset[str]) -> bool:
    """Whether a birth is that of another run with the same id, and not once more of the one that is known."""
    if all(fact["verb"] in births for fact in life):
        return False
    same = (birth["verb"], birth["source"])
    if any((fact["verb"], fact["source"]) == same for fact in life):
        # A workflow may be told to have started once more without having ended; a run is only queued anew.
        return birth["verb"] != "started" or any(fact["verb"] in {*_ENDS, "finished"} for fact in life)
    ends = [fact for fact in life if fact["verb"] in {*_ENDS, "finished"}]
    return bool(ends) and (_between(ends[-1], birth) or 0.0) > _TOGETHER


def _between(first: Fact, last: Fact) -> float | None:
    """Seconds from one fact to another; None where one of them has no time."""
    if "at" not in first or "at" not in last:
        return None
    return (datetime.fromisoformat(last["at"]) - datetime.fromisoformat(first["at"])).total_seconds()


def newest_attempt(life: Iterable[Fact]) -> tuple[Fact | None, Fact | None, str]:
    """How the last of several attempts began and ended, and the verb of its end; empty while it has none."""
    start: Fact | None = None
    end: Fact | None = None
    verb = ""
    for fact in life:
        said = _end_of(fact)
        if fact["verb"] == "requeued" or (fact["verb"] == "started" and (start is None or end is not None)):
            start, end, verb = (fact if fact["verb"] == "started" else None), None, ""
        elif said and end is not None and said == verb:
            end = {**fact, **end}  # told twice: the first moment, and all that either says
        elif said and not (fact["verb"] == "called_back" and end is not None):
            end, verb = fact, said
    return start, end, verb


def _pipeline_run(number: str, life: list[Fact]) -> dict[str, Any]:
    start, end, verb = newest_attempt(life)
    queued = _first(life, "queued") or _first(life, "created")
    waiting = "queued" if queued or _first(life, "requeued") else _pending(life)
    status = verb or ("running" if start else waiting)
    return {
        "status": status,
        "queued_at": queued and queued.get("at"),
        "started_at": start and start.get("at"),
        "attempt": _last(life, "attempt"),
        "neuroflow": {"run_id": number, **_ids(life)},
        **ending(verb, start, end),
    }


def _workflow_run(number: str, life: list[Fact]) -> dict[str, Any]:
    start = _first(life, "started") or _first(life, "created")
    measured: dict[str, Any] = next((fact["metrics"] for fact in reversed(life) if "metrics" in fact), {})
    end: Fact | None = None
    verb = ""
    for fact in life:
        said = _end_of(fact)
        if said and end is not None and said == verb:
            end = {**fact, **end}
        elif said:
            end, verb = fact, said
    if not verb and measured:
        end = next(fact for fact in reversed(life) if "metrics" in fact)
        verb = "failed" if measured.get("stages_failed") else "completed"
    stages: dict[str, Fact] = {fact["stage"]: fact for fact in life if "stage" in fact}
    done = {stage for stage, fact in stages.items() if fact["verb"] == "stage_completed"}
    failed = {stage for stage, fact in stages.items() if fact["verb"] == "stage_failed"}
    counted = [fact["stages"] for fact in life if "stages" in fact]
    durations = {**measured.get("stage_durations", {})}
    durations |= {stage: fact["duration"] / 10**9 for stage, fact in stages.items() if "duration" in fact}
    under_way = [stage for stage, fact in stages.items() if fact["verb"] == "stage_started"]
    document = {
        "status": verb or ("running" if start or stages else _pending(life)),
        "started_at": (start and start.get("at")) or measured.get("started_at"),
        "trigger": _last(life, "trigger"),
        "stages_completed": max(len(done), measured.get("stages_successful") or 0, *counted, 0),
        "stages_failed": max(len(failed), measured.get("stages_failed") or 0),
        "stage_durations": tame(durations) or None,
        "current_stage": under_way[-1] if under_way and not verb else None,
        "neuroflow": {"workflow_run_id": number, **({"metrics": measured} if measured else {})},
        **ending(verb, start, end),
    }
    if not (end and "duration" in end) and "total_duration_seconds" in measured:
        seconds = measured["total_duration_seconds"]
        document["duration_seconds"] = seconds if 0 <= seconds < MOST_SECONDS else None
    return document


def _pending(life: list[Fact]) -> str:
    """The status of a run that has neither been queued nor begun."""
    return "pending" if _first(life, "pending") else "unknown"


def _session(number: str, life: list[Fact]) -> dict[str, Any]:
    row = _last(life, "row")
    last = {"status": "unknown"}
    for fact in life:
        if fact["verb"] == "row":
            continue
        status = fact.get("status") or fact["verb"]
        if status == "finished":
            status = "failed" if fact.get("outcome") == "failure" else "completed"
        last = {**fact, "status": status}
    ids = _ids(life)
    return {
        # Its document is that of the row; counted as a session of its own it would count twice.
        **({"kind": "session_name", "row": row} if row else {}),
        "status": last["status"],
        "label": _last(life, "label") or (ids.get("session_id") if not number.isdecimal() else None),
        "completed_at": last.get("at") if last["status"] == "completed" else None,
        "failed_at": last.get("at") if last["status"] == "failed" else None,
        "neuroflow": ids,
    }


def _end_of(fact: Fact) -> str:
    """How a run has ended by this fact; empty if it has not."""
    verb: str = fact["verb"]
    if verb == "finished":
        return "failed" if fact.get("outcome") == "failure" else "completed"
    if verb == "called_back":
        return "completed"
    return verb if verb in _ENDS else ""


def ending(verb: str, start: Fact | None, end: Fact | None) -> dict[str, Any]:
    """When and how it ended; None for what is not known."""
    if end is None:
        return {}
    duration = end["duration"] / 10**9 if "duration" in end else _between(start, end) if start else None
    found: dict[str, Any] = {
        "completed_at" if verb == "completed" else "failed_at" if verb == "failed" else "ended_at": end.get("at"),
        "duration_seconds": duration if duration is not None and duration >= 0 else None,
        "exit_code": end.get("exit_code"),
    }
    if verb != "completed":
        error = {"message": end.get("error"), "type": end.get("error_type")}
        found["error"] = {key: value for key, value in error.items() if value is not None} or None
    return found


def _first(life: list[Fact], verb: str) -> Fact | None:
    return next((fact for fact in life if fact["verb"] == verb), None)


def _last(life: list[Fact], key: str) -> Any:
    """The newest word on something."""
    return next((fact[key] for fact in reversed(life) if key in fact), None)


def _ids(life: list[Fact]) -> dict[str, str]:
    return {key: value for key in _TOLD if (value := _last(life, key)) is not None}
