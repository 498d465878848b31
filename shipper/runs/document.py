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

from shipper.document.durations import MAX_SECONDS
from shipper.document.unmapped import sanitized
from shipper.runs.facts import Fact
from shipper.runs.kept import kept
from shipper.taxonomy import BIRTH_VERBS, END_VERBS, SAME_BIRTH_SECONDS

_END_REPORTS = END_VERBS | {"finished"}
_ID_FIELDS = ("pipeline", "subject_id", "session_id", "workflow_run_id")


def run_document(identity: str, facts: dict[str, Fact]) -> dict[str, Any]:
    """The whole document of a run, its facts included.

    Args:
        identity: its id: ``workflow_run:123``, ``pipeline_run:456``, ``session:789``.
        facts: everything that was ever said of it.
    """
    facts = kept(facts)
    kind, _, number = identity.partition(":")
    life = newest_life(kind, facts.values())
    said: Fact = {}  # the newest word on everything
    for fact in life:
        said.update(fact)
    document: dict[str, Any] = {"kind": kind, "service": {"name": "neuroflow"}}
    made = _MAKE[kind](number, life, said)
    document.update({key: value for key, value in made.items() if value is not None})
    if "at" in said:
        first = life[0]["at"] if "at" in life[0] else next(fact["at"] for fact in life if "at" in fact)
        document["@timestamp"] = document["created_at"] = first
        document["updated_at"] = said["at"]
    if "duration_seconds" in document:
        document["event"] = {"duration": round(document["duration_seconds"] * 10**9)}
    document["facts"] = facts
    return document


def newest_life(kind: str, facts: Iterable[Fact]) -> list[Fact]:
    """Of facts in order of time those since the id was last begun anew."""
    births = BIRTH_VERBS[kind]
    life: list[Fact] = []
    for fact in facts:
        if life and fact["verb"] in births and _begins_new_life(life, fact, births):
            life = []
        life.append(fact)
    return life


def _begins_new_life(life: list[Fact], birth: Fact, births: frozenset[str]) -> bool:
    """Whether a birth is that of another run with the same id, and not once more of the one that is known.

    What was told of stages says nothing here, for older facts of them are not kept.  So of a workflow run that was
    born, had stages and then was lost sight of, a second birth is another run's if it is told a minute later or more.
    """
    verb, source = birth["verb"], birth["source"]
    same: Fact | None = None
    end: Fact | None = None
    begun = False
    for fact in life:
        known = fact["verb"]
        if known in births:
            if known == verb and fact["source"] == source:
                same = fact
        elif "stage" not in fact:
            begun = True
            if known in _END_REPORTS:
                end = fact
    if not begun:
        later = same is not None and verb != "started" and "started" in births
        return later and (_between(same, birth) or 0.0) > SAME_BIRTH_SECONDS  # type: ignore[arg-type] # it is one if later
    if same is not None:
        # A workflow may be told to have started once more without having ended; a run is only queued anew.
        return verb != "started" or end is not None
    return end is not None and (_between(end, birth) or 0.0) > SAME_BIRTH_SECONDS


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
        turn = fact["verb"]
        if turn == "requeued" or (turn == "started" and (start is None or end is not None)):
            start, end, verb = (fact if turn == "started" else None), None, ""
            continue
        said = _end_of(fact)
        if said and end is not None and said == verb:
            end = {**fact, **end}  # told twice: the first moment, and all that either says
        elif said and not (turn == "called_back" and end is not None):
            end, verb = fact, said
    return start, end, verb


def _pipeline_run(number: str, life: list[Fact], said: Fact) -> dict[str, Any]:
    start, end, verb = newest_attempt(life)
    first: dict[str, Fact] = {}  # of each verb
    for fact in reversed(life):
        first[fact["verb"]] = fact
    queued = first.get("queued") or first.get("created")
    status = verb or ("running" if start else "queued" if queued or "requeued" in first else _pending(first))
    return {
        "status": status,
        "queued_at": queued and queued.get("at"),
        "started_at": start and start.get("at"),
        "attempt": said.get("attempt"),
        "neuroflow": {"run_id": number, **_ids(said)},
        **ending(verb, start, end),
    }


def _workflow_run(number: str, life: list[Fact], said: Fact) -> dict[str, Any]:
    first: dict[str, Fact] = {}  # of each verb
    for fact in reversed(life):
        first[fact["verb"]] = fact
    start = first.get("started") or first.get("created")
    measured: dict[str, Any] = said.get("metrics", {})
    end: Fact | None = None
    verb = ""
    for fact in life:
        ended = _end_of(fact)
        if ended and end is not None and ended == verb:
            end = {**fact, **end}
        elif ended:
            end, verb = fact, ended
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
        "status": verb or ("running" if start or stages else _pending(first)),
        "started_at": (start and start.get("at")) or measured.get("started_at"),
        "trigger": said.get("trigger"),
        "stages_completed": max(len(done), measured.get("stages_successful") or 0, *counted, 0),
        "stages_failed": max(len(failed), measured.get("stages_failed") or 0),
        "stage_durations": sanitized(durations) or None,
        "current_stage": under_way[-1] if under_way and not verb else None,
        "neuroflow": {"workflow_run_id": number, **({"metrics": measured} if measured else {})},
        **ending(verb, start, end),
    }
    if not (end and "duration" in end) and "total_duration_seconds" in measured:
        seconds = measured["total_duration_seconds"]
        document["duration_seconds"] = seconds if 0 <= seconds < MAX_SECONDS else None
    return document


def _pending(first: dict[str, Fact]) -> str:
    """The status of a run that has neither been queued nor begun."""
    return "pending" if "pending" in first else "unknown"


def _session(number: str, life: list[Fact], said: Fact) -> dict[str, Any]:
    row = said.get("row")
    last: Fact = next((fact for fact in reversed(life) if fact["verb"] != "row"), {"verb": "unknown"})
    status = last.get("status") or last["verb"]
    if status == "finished":
        status = "failed" if last.get("outcome") == "failure" else "completed"
    ids = _ids(said)
    return {
        # Its document is that of the row; counted as a session of its own it would count twice.
        **({"kind": "session_name", "row": row} if row else {}),
        "status": status,
        "label": said.get("label") or (ids.get("session_id") if not number.isdecimal() else None),
        "completed_at": last.get("at") if status == "completed" else None,
        "failed_at": last.get("at") if status == "failed" else None,
        "neuroflow": ids,
    }


def _end_of(fact: Fact) -> str:
    """How a run has ended by this fact; empty if it has not."""
    verb: str = fact["verb"]
    if verb == "finished":
        return "failed" if fact.get("outcome") == "failure" else "completed"
    if verb == "called_back":
        return "completed"
    return verb if verb in END_VERBS else ""


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


def _ids(said: Fact) -> dict[str, str]:
    return {key: said[key] for key in _ID_FIELDS if key in said}


_MAKE = {"pipeline_run": _pipeline_run, "workflow_run": _workflow_run, "session": _session}
