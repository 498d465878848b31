"""Facts → the document of a workflow run, a pipeline run or a session.  Pure.

A session that has a row in the application's database is identified by the row's number; events that contain only its
label make a document of kind ``session_name``, which names the row.

The same facts give the same document, in whichever order they arrived.  An id that is reused begins a new *life* (a
run is queued again after it had started; the event that creates or queues a run is its *birth*).  The document shows
the newest life, and of that the newest *attempt* (the run started again after it had ended).

The rules for a new life differ from those of ``document.run_context``, with which they share verbs and the tolerance
for one birth reported twice.  A run document is computed from the complete set of facts in order of time and computed
again with each new fact, so a wrong decision is corrected later; the context decides once, line by line, in whatever
order files are read.  So this module takes a start after an end for another attempt and in doubt keeps one life,
while the context, for which a wrong subject is worse than none, in doubt begins another.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shipper.document.durations import MAX_SECONDS
from shipper.document.unmapped import sanitized
from shipper.runs.facts import IDS, Fact
from shipper.runs.kept import kept
from shipper.taxonomy import BIRTH_VERBS, END_VERBS, SAME_BIRTH_SECONDS

_ENDED_AT = {"completed": "completed_at", "failed": "failed_at"}
_END_REPORTS = END_VERBS | {"finished"}


def run_document(identity: str, facts: dict[str, Fact]) -> dict[str, Any]:
    """The document of a run, its facts included.

    Args:
        identity: the document's id: ``workflow_run:123``, ``pipeline_run:456``, ``session:789``.
        facts: all facts about the run, in any order.
    """
    facts = kept(facts)
    kind, _, number = identity.partition(":")
    life = newest_life(kind, facts.values())
    latest: Fact = {}  # the newest value of each field
    for fact in life:
        latest.update(fact)
    document: dict[str, Any] = {"kind": kind, "service": {"name": "neuroflow"}}
    made = _MAKE[kind](number, life, latest)
    document.update({key: value for key, value in made.items() if value is not None})
    if "at" in latest:
        first = life[0]["at"] if "at" in life[0] else next(fact["at"] for fact in life if "at" in fact)
        document["@timestamp"] = document["created_at"] = first
        document["updated_at"] = latest["at"]
    if "duration_seconds" in document:
        document["event"] = {"duration": round(document["duration_seconds"] * 10**9)}
    document["facts"] = facts
    return document


def newest_life(kind: str, facts: Iterable[Fact]) -> list[Fact]:
    """The facts since the id was last reused, of facts in order of time.

    Args:
        kind: of the run: pipeline_run, workflow_run or session.
        facts: all facts about it.
    """
    births = BIRTH_VERBS[kind]
    life: list[Fact] = []
    for fact in facts:
        if life and fact["verb"] in births and _begins_new_life(life, fact, births):
            life = []
        life.append(fact)
    return life


def _begins_new_life(life: list[Fact], birth: Fact, births: frozenset[str]) -> bool:
    """Whether a birth is that of another run with the same id, not a second report of the same birth.

    Facts about stages don't count, since older ones are dropped (``runs.kept``).  So after a workflow run that was
    created, reported stages and no end, a second birth counts as another run's if it is reported more than a minute
    later.
    """
    verb, source = birth["verb"], birth["source"]
    same: Fact | None = None
    end: Fact | None = None
    begun = False
    for fact in life:
        reported = fact["verb"]
        if reported in births:
            if reported == verb and fact["source"] == source:
                same = fact
        elif "stage" not in fact:
            begun = True
            if reported in _END_REPORTS:
                end = fact
    if not begun:
        later = same is not None and verb != "started" and "started" in births
        return later and (_between(same, birth) or 0.0) > SAME_BIRTH_SECONDS  # type: ignore[arg-type] # it is one if later
    if same is not None:
        # A workflow may report its start twice without an end in between; a second birth of a pipeline run is new.
        return verb != "started" or end is not None
    return end is not None and (_between(end, birth) or 0.0) > SAME_BIRTH_SECONDS


def _between(first: Fact, last: Fact) -> float | None:
    """Seconds from one fact to the other; None if either has no time."""
    if "at" not in first or "at" not in last:
        return None
    return (datetime.fromisoformat(last["at"]) - datetime.fromisoformat(first["at"])).total_seconds()


def newest_attempt(life: Iterable[Fact]) -> tuple[Fact | None, Fact | None, str]:
    """The start and the end of the last attempt, and its status; empty while it has not ended."""
    start: Fact | None = None
    end: Fact | None = None
    verb = ""
    for fact in life:
        turn = fact["verb"]
        if turn == "requeued" or (turn == "started" and (start is None or end is not None)):
            start, end, verb = (fact if turn == "started" else None), None, ""
            continue
        status = _end_of(fact)
        if status and end is not None and status == verb:
            end = {**fact, **end}  # reported twice: the first time, and the details of both
        elif status and not (turn == "called_back" and end is not None):
            end, verb = fact, status
    return start, end, verb


def _pipeline_run(number: str, life: list[Fact], latest: Fact) -> dict[str, Any]:
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
        "attempt": latest.get("attempt"),
        "neuroflow": {"run_id": number, **_ids(latest)},
        **ending(verb, start, end),
    }


def _workflow_run(number: str, life: list[Fact], latest: Fact) -> dict[str, Any]:
    first: dict[str, Fact] = {}  # of each verb
    for fact in reversed(life):
        first[fact["verb"]] = fact
    start = first.get("started") or first.get("created")
    measured: dict[str, Any] = latest.get("metrics", {})
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
        "trigger": latest.get("trigger"),
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
    """The status of a run that was neither queued nor started."""
    return "pending" if "pending" in first else "unknown"


def _session(number: str, life: list[Fact], latest: Fact) -> dict[str, Any]:
    row = latest.get("row")
    last: Fact = next((fact for fact in reversed(life) if fact["verb"] != "row"), {"verb": "unknown"})
    status = last.get("status") or last["verb"]
    if status == "finished":
        status = "failed" if last.get("outcome") == "failure" else "completed"
    ids = _ids(latest)
    return {
        # Another kind, so that the session does not count twice beside the document of its row.
        **({"kind": "session_name", "row": row} if row else {}),
        "status": status,
        "label": latest.get("label") or (ids.get("session_id") if not number.isdecimal() else None),
        "completed_at": last.get("at") if status == "completed" else None,
        "failed_at": last.get("at") if status == "failed" else None,
        "neuroflow": ids,
    }


def _end_of(fact: Fact) -> str:
    """The final status that a fact reports; empty if it reports no end."""
    verb: str = fact["verb"]
    if verb == "finished":
        return "failed" if fact.get("outcome") == "failure" else "completed"
    if verb == "called_back":
        return "completed"
    return verb if verb in END_VERBS else ""


def ending(verb: str, start: Fact | None, end: Fact | None) -> dict[str, Any]:
    """When and how a run or a stage ended; None for what is not known.

    Args:
        verb: its status: completed, failed, …
        start: the fact of its start.
        end: the fact of its end.
    """
    if end is None:
        return {}
    duration = end["duration"] / 10**9 if "duration" in end else _between(start, end) if start else None
    found: dict[str, Any] = {
        _ENDED_AT.get(verb, "ended_at"): end.get("at"),
        "duration_seconds": duration if duration is not None and duration >= 0 else None,
        "exit_code": end.get("exit_code"),
    }
    if verb != "completed":
        error = {"message": end.get("error"), "type": end.get("error_type")}
        found["error"] = {key: value for key, value in error.items() if value is not None} or None
    return found


def _ids(latest: Fact) -> dict[str, str]:
    return {key: latest[key] for key in IDS if key in latest}


_MAKE = {"pipeline_run": _pipeline_run, "workflow_run": _workflow_run, "session": _session}
